//! Keys and signatures byte for byte, as digests: the same in every build, whatever vectors it uses. `make portable`
//! runs this in each build that the machine can run.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests fail by panicking, and may print")]

use lathe_leansig::{Claim, Prod, Scheme, SecretKey, Test, primitives, verify, verify_batch};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest, Sha256};

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Digests of the file of a key and of its signatures at every `step`-th slot, which are verified one by one and at
/// once.
fn digests<S: Scheme>(seed: u64, slots: std::ops::Range<u64>, step: usize) -> [String; 2] {
    let mut key =
        SecretKey::<S>::generate(&mut ChaCha20Rng::seed_from_u64(seed), slots.clone(), |_, _| ()).unwrap();
    let public_key = key.public_key();
    let message = |slot: u64| -> [u8; 32] { std::array::from_fn(|i| (slot as usize * 7 + i * i) as u8) };
    let signed: Vec<_> = slots
        .step_by(step)
        .map(|slot| (slot, message(slot), key.sign_with_build(slot, &message(slot)).unwrap()))
        .collect();
    let claims: Vec<Claim<'_, S>> = signed
        .iter()
        .map(|(slot, message, signature)| Claim { public_key: &public_key, slot: *slot, message, signature })
        .collect();
    assert_eq!(verify_batch(&claims), vec![true; claims.len()]);
    assert!(signed.iter().all(|(slot, message, signature)| verify(&public_key, *slot, message, signature)));
    let signatures: Vec<u8> = signed.iter().flat_map(|(_, _, signature)| signature.encode()).collect();
    [hex(&key.encode()), hex(&signatures)]
}

#[test]
fn keys_and_signatures_are_the_same_bytes_in_every_build() {
    println!("{} lanes of field elements, {} of Keccak", primitives::POSEIDON_LANES, primitives::SHAKE_LANES);
    let found = [
        digests::<Test>(1, 0..256, 1),
        // Across two bottom trees, and at the end of the lifetime.
        digests::<Prod>(2, 65_500..65_560, 3),
        digests::<Prod>(3, u64::from(u32::MAX) - 8..1 << 32, 2),
    ];
    let expected = [
        [
            "d1f622ee4578e0a004cd01df53296ff3d75d065d5af9541d68e333fa91258cec",
            "58752546c492c52c8563b4f7caf9b77d22e8fc55e1c25be4ceab9cb5fe0cf71a",
        ],
        [
            "6f0791fc50389624860b19eba880e2c472b9b9a244d1051f9e11c35c2d71fdc8",
            "cc7dc309e459b5b72d02a065618003d852960163eb1902bb121708155c08af2c",
        ],
        [
            "bfb72bbc1eb8156c30dea56257d0621643c2e83dd392156090f8c006a28e4bfb",
            "7964e99f8d645f9251e6e5e815b708648b5c6040cf9c0fac71e91e5199bedecb",
        ],
    ];
    assert_eq!(found, expected);
}
