//! Signatures are bound to every bit of what they sign, and decoders take any bytes.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking, and may print")]

mod common;

use std::sync::LazyLock;

use lathe_xmss_blake2s::{
    BytesClaim, Error, Layout, PublicKey, SIGNATURE_BYTES, SecretKey, Signature, verify_bytes,
    verify_bytes_batch,
};
use proptest::prelude::*;

const SLOT: u64 = 108;
const MESSAGE: [u8; 32] = [0x5a; 32];

struct Sample {
    key: [u8; 32],
    signature: Vec<u8>,
}

static SAMPLE: LazyLock<Sample> = LazyLock::new(|| {
    let mut key = SecretKey::from_seed(Layout::L5, &[9; 32], 100..110, |_, _| ()).unwrap();
    Sample {
        key: key.public_key().encode(),
        signature: key.sign_with_build(SLOT, &MESSAGE).unwrap().encode(),
    }
});

fn claim<'a>(key: &'a [u8; 32], slot: u64, message: &'a [u8; 32], signature: &'a [u8]) -> BytesClaim<'a> {
    BytesClaim { public_key: key, slot, message, signature }
}

/// Which of the changed signatures are valid, in one batch.
fn valid_signatures(changed: &[Vec<u8>]) -> Vec<bool> {
    let claims: Vec<_> =
        changed.iter().map(|signature| claim(&SAMPLE.key, SLOT, &MESSAGE, signature)).collect();
    verify_bytes_batch(Layout::L5, &claims)
}

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

#[test]
fn every_bit_of_a_signature_counts() {
    assert!(verify_bytes(Layout::L5, &SAMPLE.key, SLOT, &MESSAGE, &SAMPLE.signature));
    // In every chain value, the randomizer and every sibling.
    let changed: Vec<_> = (0..8 * SIGNATURE_BYTES).map(|bit| flipped(&SAMPLE.signature, bit)).collect();
    assert_eq!(valid_signatures(&changed), vec![false; 8 * SIGNATURE_BYTES]);
}

#[test]
fn every_bit_of_key_slot_and_message_counts() {
    let Sample { key, signature } = &*SAMPLE;
    for bit in 0..256 {
        let changed = flipped(key, bit).try_into().unwrap();
        assert!(!verify_bytes(Layout::L5, &changed, SLOT, &MESSAGE, signature), "key bit {bit}");
        let changed = flipped(&MESSAGE, bit).try_into().unwrap();
        assert!(!verify_bytes(Layout::L5, key, SLOT, &changed, signature), "message bit {bit}");
    }
    for bit in 0..64 {
        assert!(!verify_bytes(Layout::L5, key, SLOT ^ (1 << bit), &MESSAGE, signature), "slot bit {bit}");
    }
}

/// Signatures that are honest but for a randomizer whose digest is inadmissible for one reason alone. A verifier that
/// does not check that reason walks the chains from the digits, and gets to the root.
#[test]
fn an_inadmissible_digest_is_refused_for_either_reason_alone() {
    use common::{Literal, encode};
    let literal = Literal { layout: Layout::L5, seed: [9; 32], first: 100, last: 109 };
    let parameter = literal.parameter();
    let epoch = SLOT as u32;
    let parts = |digest: &[u8; 16]| {
        let [d0, d1] = [0, 8].map(|at| u64::from_le_bytes(*digest[at..].first_chunk().unwrap()));
        let digits: [u32; 42] =
            std::array::from_fn(|i| ((if i < 21 { d0 >> (3 * i) } else { d1 >> (3 * (i - 21)) }) & 7) as u32);
        (digits, [d0 >> 63, d1 >> 63], digits.iter().sum::<u32>())
    };
    let wanted: [(&str, [u64; 2], u32); 5] = [
        ("spare bit of the first half", [1, 0], 195),
        ("spare bit of the second half", [0, 1], 195),
        ("sum one short", [0, 0], 194),
        ("sum one over", [0, 0], 196),
        ("nothing", [0, 0], 195),
    ];
    for (reason, spare, sum) in wanted {
        let (randomizer, digits) = (0_u64..)
            .find_map(|trial| {
                let mut randomizer = [0; 24];
                randomizer[..8].copy_from_slice(&trial.to_le_bytes());
                let (digits, bits, total) = parts(&encode(&parameter, epoch, &MESSAGE, &randomizer));
                (bits == spare && total == sum).then_some((randomizer, digits))
            })
            .unwrap();
        let mut signature = Vec::new();
        for (digit, chain) in digits.into_iter().zip(0..) {
            signature.extend(literal.chain(epoch, chain, digit));
        }
        signature.extend(randomizer);
        signature.extend_from_slice(&SAMPLE.signature[696..]);
        let valid = verify_bytes(Layout::L5, &SAMPLE.key, SLOT, &MESSAGE, &signature);
        assert_eq!(valid, reason == "nothing", "{reason}");
    }
}

#[test]
fn lengths_have_one_value() {
    for len in [0, 31, 33] {
        let expected = Error::Length { what: "public key", expected: 32, found: len };
        assert_eq!(PublicKey::from_slice(&vec![0; len]), Err(expected));
    }
    for len in [0, 1207, 1209, 2536] {
        let bytes: Vec<u8> = SAMPLE.signature.iter().copied().cycle().take(len).collect();
        let expected = Error::Length { what: "signature", expected: 1208, found: len };
        assert_eq!(Signature::decode(&bytes), Err(expected));
        assert!(!verify_bytes(Layout::L5, &SAMPLE.key, SLOT, &MESSAGE, &bytes));
    }
}

#[test]
fn a_batch_of_any_size_finds_exactly_the_bad_ones() {
    let other = [0x5b; 32];
    for size in (0..=19_usize).chain([63, 64, 65, 130]) {
        for bad in [None, Some(0), Some(size / 2), Some(size.wrapping_sub(1))] {
            let message = |i| if Some(i) == bad { &other } else { &MESSAGE };
            let claims: Vec<_> =
                (0..size).map(|i| claim(&SAMPLE.key, SLOT, message(i), &SAMPLE.signature)).collect();
            let expected: Vec<bool> = (0..size).map(|i| Some(i) != bad).collect();
            assert_eq!(verify_bytes_batch(Layout::L5, &claims), expected);
        }
    }
}

#[test]
fn malformed_bytes_in_a_batch_are_invalid_and_harm_no_one() {
    let signature = &SAMPLE.signature[..];
    let signatures = [signature, &[], &signature[1..], &[0xff; SIGNATURE_BYTES], signature];
    let claims = signatures.map(|signature| claim(&SAMPLE.key, SLOT, &MESSAGE, signature));
    assert_eq!(verify_bytes_batch(Layout::L5, &claims), [true, false, false, false, true]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn decoders_take_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..3000), cut in 0..SIGNATURE_BYTES) {
        if let Ok(signature) = Signature::decode(&bytes) {
            prop_assert_eq!(signature.encode(), bytes.clone());
        }
        let _ = PublicKey::from_slice(&bytes);
        prop_assert!(SecretKey::decode(Layout::L5, &bytes).is_err());
        let file = [&b"LATHEKEY\x01\x00\x03\x00\x05\x00"[..], &bytes].concat();
        prop_assert!(SecretKey::decode(Layout::L5, &file).is_err());
        // Noise behind a true beginning gets further than noise alone.
        if !bytes.is_empty() {
            let noise = bytes.iter().cycle();
            let spliced: Vec<u8> =
                SAMPLE.signature[..cut].iter().chain(noise).copied().take(SIGNATURE_BYTES).collect();
            prop_assert!(!verify_bytes(Layout::L5, &SAMPLE.key, SLOT, &MESSAGE, &spliced));
        }
    }
}
