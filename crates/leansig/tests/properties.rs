//! Signatures are bound to every bit of what they sign, and decoders take any bytes.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking, and may print")]

use std::sync::LazyLock;

use lathe_leansig::{
    BytesClaim, Claim, Error, PUBLIC_KEY_BYTES, Prod, PublicKey, Scheme, SecretKey, Signature, Test, verify,
    verify_batch, verify_bytes, verify_bytes_batch,
};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

struct Sample {
    key: PublicKey,
    slot: u64,
    message: [u8; 32],
    signature: Vec<u8>,
}

fn sample<S: Scheme>(slots: std::ops::Range<u64>) -> Sample {
    let slot = slots.end - 2;
    let mut key = SecretKey::<S>::generate(&mut ChaCha20Rng::seed_from_u64(9), slots, |_, _| ()).unwrap();
    let message = [0x5a; 32];
    let signature = key.sign_with_build(slot, &message).unwrap().encode();
    Sample { key: key.public_key(), slot, message, signature }
}

static SAMPLE: LazyLock<Sample> = LazyLock::new(|| sample::<Prod>(100..110));

/// Whether the sample verifies after a change, by all ways of asking.
fn valid(sample: &Sample, change: impl FnOnce(&mut [u8; 52], &mut u64, &mut [u8; 32], &mut Vec<u8>)) -> bool {
    let (mut key, mut slot, mut message, mut signature) =
        (sample.key.encode(), sample.slot, sample.message, sample.signature.clone());
    change(&mut key, &mut slot, &mut message, &mut signature);
    verify_bytes(&key, slot, &message, &signature)
}

#[test]
fn every_single_bit_counts_with_the_test_parameters() {
    let sample = sample::<Test>(0..48);
    let check = |key: &[u8], slot, message: &[u8; 32], signature: &[u8]| {
        let (Ok(key), Ok(signature)) = (PublicKey::from_slice(key), Signature::<Test>::decode(signature))
        else {
            return false;
        };
        verify(&key, slot, message, &signature)
    };
    let key = sample.key.encode();
    assert!(check(&key, sample.slot, &sample.message, &sample.signature));
    for bit in 0..8 * key.len() {
        let mut key = key;
        key[bit / 8] ^= 1 << (bit % 8);
        assert!(!check(&key, sample.slot, &sample.message, &sample.signature), "key bit {bit}");
    }
    for bit in 0..64 {
        assert!(!check(&key, sample.slot ^ (1 << bit), &sample.message, &sample.signature), "slot bit {bit}");
    }
    for bit in 0..256 {
        let mut message = sample.message;
        message[bit / 8] ^= 1 << (bit % 8);
        assert!(!check(&key, sample.slot, &message, &sample.signature), "message bit {bit}");
    }
    for bit in 0..8 * sample.signature.len() {
        let mut signature = sample.signature.clone();
        signature[bit / 8] ^= 1 << (bit % 8);
        assert!(!check(&key, sample.slot, &sample.message, &signature), "signature bit {bit}");
    }
}

#[test]
fn a_limb_has_one_encoding() {
    // Adding the modulus to a limb leaves the value alone, and must not be another encoding of it.
    let sample = &*SAMPLE;
    assert!(valid(sample, |_, _, _, _| ()));
    let raise = |bytes: &mut [u8]| {
        let limb = u32::from_le_bytes(bytes.try_into().unwrap());
        bytes.copy_from_slice(&limb.checked_add(0x7f00_0001).unwrap().to_le_bytes());
    };
    for at in [4, 44, 1072, 2532] {
        let mut signature = sample.signature.clone();
        raise(&mut signature[at..at + 4]);
        let error = Signature::<Prod>::decode(&signature);
        assert_eq!(error, Err(Error::NonCanonical { what: "signature" }), "byte {at}");
    }
    let mut key = sample.key.encode();
    raise(&mut key[48..]);
    assert_eq!(PublicKey::decode(&key), Err(Error::NonCanonical { what: "public key" }));
}

#[test]
fn offsets_and_lengths_have_one_value() {
    let signature = &SAMPLE.signature;
    for (at, expected) in [(0, 36), (32, 1064), (36, 4)] {
        let mut changed = signature.clone();
        changed[at] ^= 8;
        let found = u32::from_le_bytes(changed[at..at + 4].try_into().unwrap()) as usize;
        assert_eq!(
            Signature::<Prod>::decode(&changed),
            Err(Error::Offset { what: "signature", expected, found })
        );
    }
    for len in [0, 424, 2535, 2537] {
        let bytes: Vec<u8> = signature.iter().copied().chain([0]).cycle().take(len).collect();
        let expected = Error::Length { what: "signature", expected: 2536, found: len };
        assert_eq!(Signature::<Prod>::decode(&bytes), Err(expected));
    }
}

#[test]
fn a_batch_of_any_size_finds_exactly_the_bad_ones() {
    let sample = &*SAMPLE;
    let signature = Signature::<Prod>::decode(&sample.signature).unwrap();
    let other = [0x5b; 32];
    for size in 0..=19usize {
        for bad in [None, Some(0), Some(size / 2), Some(size.wrapping_sub(1))] {
            let claims: Vec<Claim<'_, Prod>> = (0..size)
                .map(|i| Claim {
                    public_key: &sample.key,
                    slot: sample.slot,
                    message: if Some(i) == bad { &other } else { &sample.message },
                    signature: &signature,
                })
                .collect();
            let expected: Vec<bool> = (0..size).map(|i| Some(i) != bad).collect();
            assert_eq!(verify_batch(&claims), expected);
        }
    }
}

#[test]
fn malformed_bytes_in_a_batch_are_invalid_and_harm_no_one() {
    let sample = &*SAMPLE;
    let key = sample.key.encode();
    let claim = |public_key, signature| BytesClaim {
        public_key,
        slot: sample.slot,
        message: &sample.message,
        signature,
    };
    let bad_key = [0xff; PUBLIC_KEY_BYTES];
    let claims = [
        claim(&key, &sample.signature[..]),
        claim(&key, &[]),
        claim(&bad_key, &sample.signature),
        claim(&key, &[0xff; 2536]),
        claim(&key, &sample.signature),
    ];
    assert_eq!(verify_bytes_batch::<Prod>(&claims), [true, false, false, false, true]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn single_bits_count_with_the_production_parameters(bit in 0..8 * 2536usize, which in 0..4u8) {
        let sample = &*SAMPLE;
        let flip = |bytes: &mut [u8]| bytes[bit / 8 % bytes.len()] ^= 1 << (bit % 8);
        let changed = valid(sample, |key, slot, message, signature| match which {
            0 => flip(key),
            1 => *slot ^= 1 << (bit % 64),
            2 => flip(message),
            _ => flip(signature),
        });
        prop_assert!(!changed);
    }

    #[test]
    fn random_messages_sign_and_verify(slot in 0..48u64, message: [u8; 32], other: [u8; 32]) {
        static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
            let made = SecretKey::<Test>::generate(&mut ChaCha20Rng::seed_from_u64(3), 0..48, |_, _| ());
            made.unwrap().encode().to_vec()
        });
        let mut key = SecretKey::<Test>::decode(&FILE).unwrap();
        let signature = key.sign_with_build(slot, &message).unwrap();
        prop_assert_eq!(Signature::decode(&signature.encode()), Ok(signature.clone()));
        prop_assert!(verify(&key.public_key(), slot, &message, &signature));
        prop_assert_eq!(verify(&key.public_key(), slot, &other, &signature), other == message);
    }

    #[test]
    fn decoders_take_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..3000), cut in 0..2536usize) {
        let _ = Signature::<Test>::decode(&bytes);
        let _ = Signature::<Prod>::decode(&bytes);
        let _ = PublicKey::from_slice(&bytes);
        let _ = SecretKey::<Test>::decode(&bytes);
        // Noise behind a true beginning gets further than noise alone.
        let spliced: Vec<u8> = SAMPLE.signature[..cut].iter().chain(bytes.iter().cycle()).copied().take(2536).collect();
        if !bytes.is_empty() {
            prop_assert!(!verify_bytes(&SAMPLE.key.encode(), SAMPLE.slot, &SAMPLE.message, &spliced));
        }
        let file = [&b"LATHEKEY\x01\x00"[..], &bytes].concat();
        let _ = SecretKey::<Test>::decode(&file);
    }
}
