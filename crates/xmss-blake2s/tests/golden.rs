//! Keys and signatures byte for byte, as digests: the same in every build, whatever vectors it uses. `make portable`
//! runs this in each build that the machine can run.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests fail by panicking, and may print")]

use lathe_xmss_blake2s::{Claim, Layout, SecretKey, primitives, verify, verify_batch};
use sha2::{Digest, Sha256};

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Digests of the files of a key and of its signatures at every `step`-th slot, which are verified one by one and at
/// once.
fn digests(layout: Layout, slots: std::ops::Range<u64>, step: usize) -> [String; 3] {
    let mut key = SecretKey::from_seed(layout, &[slots.start as u8; 32], slots.clone(), |_, _| ()).unwrap();
    let public_key = key.public_key();
    let message = |slot: u64| -> [u8; 32] { std::array::from_fn(|i| (slot as usize * 7 + i * i) as u8) };
    let signed: Vec<_> = slots
        .step_by(step)
        .map(|slot| (slot, message(slot), key.sign_with_build(slot, &message(slot)).unwrap()))
        .collect();
    let claims: Vec<Claim<'_>> = signed
        .iter()
        .map(|(slot, message, signature)| Claim { public_key: &public_key, slot: *slot, message, signature })
        .collect();
    assert_eq!(verify_batch(layout, &claims), vec![true; claims.len()]);
    let alone = |(slot, message, signature): &(u64, [u8; 32], _)| {
        verify(layout, &public_key, *slot, message, signature)
    };
    assert!(signed.iter().all(alone));
    let signatures: Vec<u8> = signed.iter().flat_map(|(_, _, signature)| signature.encode()).collect();
    [hex(&key.encode()), hex(&key.export_postcard().unwrap()), hex(&signatures)]
}

#[test]
fn keys_and_signatures_are_the_same_bytes_in_every_build() {
    println!("{} lanes", primitives::COMPRESS_LANES);
    let found = [
        digests(Layout::L5, 65_500..65_560, 3),
        digests(Layout::L3, 5..47, 3),
        digests(Layout::L4, u64::from(u32::MAX) - 8..1 << 32, 2),
    ];
    let expected: [[&str; 3]; 3] = [
        [
            "25d5f3463207698134ea6e5e0147bef202ad5c54d118d372713e2e5abb66887c",
            "4e948cb8143ba575f76fd576e5c20321f566aba661d29e56450f3bc68f040fc5",
            "c9615e7b46d313a1ca0146121f94188d162885d8372ef497cd023574b790f731",
        ],
        [
            "66605453992cd511c49c00fec9f9c3efeb8780bb26c36258a89ae9f7c4474103",
            "9ca3eae35793367c2680813e316c04246abf3bd54b1ee575612048232716d3cd",
            "d40556f93ffb11c534fe1196f55970534e41218d6c93aa8d8dc6de0fd39ff109",
        ],
        [
            "3cfdaf1658638246e5f0750afdbd071c5bbf38c192c61bfc3e3dba6d91c36ab1",
            "227d2b934b4c8ad511431ccbc76c25fa2879e3bef48fba83544b9d0474be9125",
            "adb8fcd9f779a0a175db52ee9b4da62807d679d1dc79621b6ffaf9a120490f4f",
        ],
    ];
    assert_eq!(found, expected);
}
