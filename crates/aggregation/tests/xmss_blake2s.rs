//! Raw proofs of a network that signs with XMSS over BLAKE2s: twice as many signatures in the same bytes.

#![allow(clippy::unwrap_used, reason = "helpers fail as tests do, by panicking")]

use std::sync::Arc;

use lathe_aggregation::{
    AggregationError, Backend as _, Cancellation, Message, RawBackend, SchemeVerifier, SignatureCheck,
    Verifier as _,
};
use lathe_types::{
    Decode as _, PublicKey, Root, Signature, SignatureScheme, SignatureShape, Slot, Validator,
    ValidatorIndex, Validators,
};
use lathe_xmss_blake2s::{Layout, SecretKey};

const SLOT: Slot = Slot(3);
const MESSAGE: Root = Root::repeat_byte(7);

/// The key of a validator, and its signature over the message.
fn signed(layout: Layout, index: u8) -> (PublicKey, Signature) {
    let mut key = SecretKey::from_seed(layout, &[index; 32], 0..4, |_, _| ()).unwrap();
    let signature = key.sign_with_build(SLOT.0, &MESSAGE.0).unwrap();
    (key.public_key().encode().into(), Signature::from_ssz_bytes(&signature.encode()).unwrap())
}

fn verifier(scheme: SignatureScheme) -> SchemeVerifier {
    SchemeVerifier::of(scheme).unwrap()
}

#[test]
fn each_scheme_has_the_verifier_of_its_layout() {
    let schemes = [(SignatureScheme::XmssBlake2s, Layout::L5), (SignatureScheme::XmssBlake2sL3, Layout::L3)];
    for (signer, layout) in schemes {
        let (public_key, signature) = signed(layout, 1);
        let long = PublicKey::from([1; PublicKey::LEN]);
        for (scheme, other) in schemes {
            let check = SignatureCheck {
                public_key: &public_key,
                slot: SLOT,
                message: MESSAGE,
                signature: &signature,
            };
            let checks = [
                check,
                SignatureCheck { slot: Slot(2), ..check },
                SignatureCheck { message: Root::ZERO, ..check },
                SignatureCheck { public_key: &long, ..check },
                check,
            ];
            let same = other == layout;
            assert_eq!(verifier(scheme).verify_batch(&checks), [same, false, false, false, same], "{signer}");
        }
    }
    assert!(SchemeVerifier::of(SignatureScheme::LeanPq).is_none());
    assert_eq!(verifier(SignatureScheme::Leansig).shape(), SignatureShape::Leansig);
}

#[test]
fn a_block_has_room_for_432_raw_votes_instead_of_205() {
    let most = |scheme| RawBackend::new(verifier(scheme)).capabilities().max_block_votes;
    assert_eq!([SignatureScheme::Leansig, SignatureScheme::XmssBlake2s].map(most), [205, 432]);
}

#[test]
fn raw_proofs_of_such_signatures_are_made_and_checked() {
    let mut votes = Vec::new();
    let mut registry = Vec::new();
    for index in 0..5_u8 {
        let (public_key, signature) = signed(Layout::L5, index);
        registry.push(Validator {
            attestation_public_key: public_key,
            proposal_public_key: public_key,
            index: ValidatorIndex(index.into()),
        });
        votes.push((ValidatorIndex(index.into()), signature));
    }
    let registry = Arc::new(Validators::new(registry).unwrap());
    let backend = RawBackend::new(verifier(SignatureScheme::XmssBlake2s));
    let message = Message { root: MESSAGE, slot: SLOT };
    let never = Cancellation::default();
    let proof = backend.aggregate(&registry, &[], &votes, message, &never).unwrap();
    assert_eq!(backend.verify_single(&registry, &proof, message), Ok(()));
    let other = Message { root: Root::ZERO, slot: SLOT };
    let refused = backend.verify_single(&registry, &proof, other);
    assert_eq!(refused, Err(AggregationError::InvalidSignature(0)));
    // A backend of another scheme does not even find the signatures.
    let leansig = RawBackend::new(verifier(SignatureScheme::Leansig));
    assert!(leansig.verify_single(&registry, &proof, message).is_err());
}
