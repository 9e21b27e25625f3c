//! What is not a proof is rejected, whatever it looks like.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::Signed;
use crate::{Error, MAX_PROOF_BYTES, prove, verify};

fn below(rng: &mut ChaCha20Rng, bound: usize) -> usize {
    rng.next_u64() as usize % bound
}

/// Verdicts over mutated proofs and random strings; nothing may be accepted, and nothing may panic.
fn reject_all(mutated: usize, random: usize) {
    let signed = Signed::one();
    let statement = signed.statement();
    let proof = prove(&statement, &signed.bytes()).unwrap();
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for round in 0..mutated {
        let mut bytes = proof.clone();
        match round % 4 {
            // A bit, a run of bytes, a shorter string, a part moved.
            0 => bytes[below(&mut rng, proof.len())] ^= 1 << below(&mut rng, 8),
            1 => {
                let at = below(&mut rng, proof.len() - 8);
                rng.fill_bytes(&mut bytes[at..at + 8]);
            }
            2 => bytes.truncate(below(&mut rng, proof.len())),
            _ => bytes.rotate_left(1 + below(&mut rng, proof.len() - 1)),
        }
        if bytes != proof {
            let verdict = verify(&statement, &bytes);
            assert!(matches!(verdict, Err(Error::Malformed(_) | Error::Rejected(_))), "{round}: {verdict:?}");
        }
    }
    for round in 0..random {
        let mut bytes = vec![0; below(&mut rng, 4096)];
        rng.fill_bytes(&mut bytes);
        let verdict = verify(&statement, &bytes);
        assert!(matches!(verdict, Err(Error::Malformed(_) | Error::Rejected(_))), "{round}: {verdict:?}");
    }
}

#[test]
fn mutated_proofs_and_random_bytes_are_rejected() {
    reject_all(40, 200);
}

#[test]
#[ignore = "minutes: make accept-proofs"]
fn a_hundred_thousand_mutated_proofs_and_random_strings_are_rejected() {
    reject_all(100_000, 100_000);
}

#[test]
fn an_encoding_is_the_only_one() {
    let signed = Signed::one();
    let statement = signed.statement();
    let proof = prove(&statement, &signed.bytes()).unwrap();
    let mut longer = proof.clone();
    longer.push(0);
    assert_eq!(verify(&statement, &longer), Err(Error::Malformed("bytes are left")));
    // The proof begins with the length of its first list, which fits in one byte. Two bytes say the same.
    let mut padded = vec![proof[0] | 0x80, 0];
    padded.extend_from_slice(&proof[1..]);
    assert_eq!(verify(&statement, &padded), Err(Error::Malformed("not canonical")));
    let long = vec![0; MAX_PROOF_BYTES + 1];
    assert_eq!(
        verify(&statement, &long),
        Err(Error::TooLong { found: MAX_PROOF_BYTES + 1, max: MAX_PROOF_BYTES })
    );
}
