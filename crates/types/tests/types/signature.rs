//! Signatures: two lengths, fixed offsets, canonical field elements.

use lathe_types::*;

use crate::random::Random;

const PRIME: u32 = 2_130_706_433;
const SHAPES: [(SignatureShape, usize); 2] = [(SignatureShape::PROD, 2536), (SignatureShape::TEST, 424)];

fn with_word(signature: &Signature, at: usize, word: u32) -> Result<Signature, DecodeError> {
    let mut bytes = signature.as_bytes().to_vec();
    bytes[at..at + 4].copy_from_slice(&word.to_le_bytes());
    Signature::from_ssz_bytes(&bytes)
}

#[test]
fn lengths_name_shapes() {
    for (shape, len) in SHAPES {
        let signature = Random::new(0).signature(shape);
        assert_eq!((signature.as_bytes().len(), shape.encoded_len(), signature.shape()), (len, len, shape));
        assert_eq!(signature.as_ssz_bytes(), signature.as_bytes());
        for other in [0, len - 4, len - 1, len + 1, len + 4] {
            assert!(Signature::from_ssz_bytes(&vec![0; other]).is_err(), "{other} bytes");
        }
    }
}

#[test]
fn offsets_are_fixed() {
    for (shape, _) in SHAPES {
        let signature = Random::new(1).signature(shape);
        // Where each list starts: the path, the chain hashes, the siblings within the path.
        for at in [0, 32, 36] {
            let offset = u32::from_le_bytes(signature.as_bytes()[at..at + 4].try_into().unwrap());
            assert!(with_word(&signature, at, offset).is_ok());
            for wrong in [0, offset - 32 * u32::from(offset >= 32), offset + 4, offset + 32, u32::MAX] {
                let accepted = with_word(&signature, at, wrong).is_ok();
                assert_eq!(accepted, wrong == offset, "offset {wrong} at {at}");
            }
        }
    }
}

#[test]
fn field_elements_are_canonical_everywhere() {
    for (shape, len) in SHAPES {
        let signature = Random::new(2).signature(shape);
        for at in (4..32).chain(40..len).step_by(4) {
            assert!(with_word(&signature, at, PRIME - 1).is_ok(), "the largest element at {at}");
            assert!(with_word(&signature, at, PRIME).is_err(), "the prime at {at}");
            assert!(with_word(&signature, at, u32::MAX).is_err(), "all ones at {at}");
        }
    }
}

#[test]
fn a_signed_attestation_ends_with_its_signature() {
    let attestation = Random::new(3).signed_attestation(SignatureShape::PROD);
    let bytes = attestation.as_ssz_bytes();
    assert_eq!(bytes.len(), 136 + 2536);
    assert_eq!(SignedAttestation::from_ssz_bytes(&bytes), Ok(attestation));
    assert!(SignedAttestation::from_ssz_bytes(&bytes[..136]).is_err());
    assert!(SignedAttestation::from_ssz_bytes(&bytes[..100]).is_err());
    assert!(SignedAttestation::from_ssz_bytes(&[bytes.as_slice(), &[0]].concat()).is_err());
}
