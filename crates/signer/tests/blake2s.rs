//! Keys of XMSS over BLAKE2s: from files of ours and of other clients to signatures.

#![allow(clippy::unwrap_used, reason = "helpers fail as tests do, by panicking")]

use std::fs;

use lathe_leansig::Test;
use lathe_ledger::Refusal;
use lathe_signer::{Error, KeyAssignment, KeyStore, Locked, SignError, SignRequest};
use lathe_types::{KeyRole, Root, SignatureScheme, Slot, ValidatorIndex};
use lathe_xmss_blake2s::{Layout, SecretKey};
use tempfile::TempDir;

const VALIDATOR: ValidatorIndex = ValidatorIndex(3);

fn vote(slot: u64, message: u8) -> SignRequest {
    SignRequest {
        validator: VALIDATOR,
        role: KeyRole::Attestation,
        slot: Slot(slot),
        message: Root::repeat_byte(message),
    }
}

/// A key of XMSS over BLAKE2s in a file, and what assigns it.
fn blake2s(dir: &TempDir, layout: Layout, postcard: bool) -> KeyAssignment {
    let key = SecretKey::from_seed(layout, &[u8::from(postcard); 32], 0..100, |_, _| ()).unwrap();
    let file = if postcard { key.export_postcard().unwrap() } else { key.encode() };
    let path = dir.path().join(format!("{layout}-{postcard}"));
    fs::write(&path, &file).unwrap();
    KeyAssignment {
        validator: VALIDATOR,
        role: KeyRole::Attestation,
        path,
        public_key: key.public_key().encode().into(),
    }
}

#[test]
fn keys_of_another_scheme_sign_in_their_network_and_are_refused_in_any_other() {
    let dir = TempDir::new().unwrap();
    for postcard in [false, true] {
        let here = blake2s(&dir, Layout::L5, postcard);
        let keys = KeyStore::<Test>::load(SignatureScheme::XmssBlake2s, std::slice::from_ref(&here)).unwrap();
        let signer =
            Locked::take(keys, &dir.path().join(format!("ledger-{postcard}")), 1_700_000_000).unwrap();
        let signer = signer.open(None, None, false).unwrap();
        assert_eq!(signer.sign_all(&[vote(5, 1)]), [Err(SignError::NotPrepared { slot: 5 })]);
        signer.prepare_now(Slot(5)).unwrap();
        let signature = signer.sign_all(&[vote(5, 1)]).remove(0).unwrap();
        let valid = lathe_xmss_blake2s::verify_bytes(
            Layout::L5,
            here.public_key.as_bytes().try_into().unwrap(),
            5,
            &Root::repeat_byte(1).0,
            signature.as_bytes(),
        );
        assert!(valid && signature.as_bytes().len() == 1208);
        assert_eq!(signer.sign_all(&[vote(5, 2)]), [Err(Refusal::AlreadySigned { slot: 5 }.into())]);
        drop(signer);
        // The key has the length of its neighbours', and is another one all the same.
        for other in [SignatureScheme::Leansig, SignatureScheme::XmssBlake2sL3, SignatureScheme::LeanPq] {
            let refused = KeyStore::<Test>::load(other, std::slice::from_ref(&here)).unwrap_err();
            assert!(matches!(refused, Error::Key { .. }), "{other}: {refused}");
        }
    }
}
