//! Keys of each scheme, in each format that holds them, and what is refused.

#![allow(clippy::unwrap_used, reason = "helpers fail as tests do, by panicking")]

use lathe_keys::{KeyError, KeyFormat, SigningKey, StoredKey, is_built_in};
use lathe_leansig::Test;
use lathe_types::{Root, SignatureScheme};
use lathe_xmss_blake2s::{Error as XmssError, Layout, SecretKey};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;

const BUILT_IN: [SignatureScheme; 3] =
    [SignatureScheme::Leansig, SignatureScheme::XmssBlake2s, SignatureScheme::XmssBlake2sL3];
const FORMATS: [KeyFormat; 3] = [KeyFormat::Lathe, KeyFormat::Leansig, KeyFormat::Postcard];
/// Whole spans of leanSig's test set.
const SLOTS: std::ops::Range<u64> = 0..64;

fn key(scheme: SignatureScheme) -> SigningKey<Test> {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    SigningKey::generate(scheme, &mut rng, SLOTS, |_| ()).unwrap()
}

/// A key of XMSS over BLAKE2s in a layout.
fn xmss(layout: Layout) -> SecretKey {
    SecretKey::from_seed(layout, &[7; 32], 5..70, |_, _| ()).unwrap()
}

#[test]
fn a_key_is_what_its_file_says_in_every_format_that_holds_it() {
    for scheme in BUILT_IN {
        let key = key(scheme);
        assert_eq!((key.scheme(), key.slots(), key.is_deterministic()), (scheme, SLOTS, true));
        for format in FORMATS {
            let file = key.encode(format, |_| ());
            if !format.holds(scheme) {
                assert_eq!(file.unwrap_err(), KeyError::NotStorable { format, scheme });
                continue;
            }
            let file = file.unwrap();
            let stored = StoredKey::<Test>::decode(&file).unwrap();
            assert_eq!((stored.scheme, stored.format), (scheme, format));
            assert_eq!(stored.key.public_key(), key.public_key());
            for other in BUILT_IN {
                let read = SigningKey::<Test>::decode(other, &file, None);
                assert_eq!(read.is_ok(), other == scheme, "{format:?} of {scheme} as {other}: {read:?}");
            }
        }
    }
}

#[test]
fn a_key_signs_once_it_is_prepared_and_not_before() {
    for scheme in BUILT_IN {
        let mut key = key(scheme);
        let message = Root::repeat_byte(3);
        assert!(!key.is_prepared(9) && key.sign(9, &message).is_err(), "{scheme}");
        while let Some(task) = key.prepare(9) {
            key.install(task.run().unwrap());
        }
        assert!(key.is_prepared(9));
        let signature = key.sign(9, &message).unwrap();
        assert_eq!(key.sign(9, &message).unwrap(), signature, "{scheme} signs the same again");
        assert!(key.sign(64, &message).is_err(), "beyond its slots");
        if scheme != SignatureScheme::Leansig {
            assert!(scheme.admits_signature(&signature) && scheme.admits_key(&key.public_key()));
        }
    }
}

#[test]
fn a_file_of_another_layout_is_refused_when_it_is_read() {
    for (file, of) in Layout::ALL.map(|layout| (xmss(layout).export_postcard().unwrap(), layout)) {
        for (scheme, layout) in
            [(SignatureScheme::XmssBlake2s, Layout::L5), (SignatureScheme::XmssBlake2sL3, Layout::L3)]
        {
            let read = SigningKey::<Test>::decode(scheme, &file, None);
            match of == layout {
                true => assert_eq!(read.unwrap().scheme(), scheme),
                false => {
                    assert_eq!(read.unwrap_err(), KeyError::XmssBlake2s(XmssError::OtherTree { layout }));
                }
            }
        }
    }
    // Nobody's network has this layout; its files are told apart nevertheless.
    let ours = StoredKey::<Test>::decode(&xmss(Layout::L4).encode()).unwrap_err();
    assert_eq!(ours, KeyError::XmssBlake2s(XmssError::OtherLayout { expected: Layout::L5, found: 4 }));
    let theirs = StoredKey::<Test>::decode(&xmss(Layout::L4).export_postcard().unwrap()).unwrap_err();
    assert_eq!(theirs, KeyError::XmssBlake2s(XmssError::OtherTree { layout: Layout::L5 }));
}

#[test]
fn what_is_no_key_of_ours_is_called_so() {
    assert_eq!(StoredKey::<Test>::decode(&[]).unwrap_err(), KeyError::NotAKey);
    assert_eq!(StoredKey::<Test>::decode(&[0x5a; 700]).unwrap_err(), KeyError::NotAKey);
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let made = SigningKey::<Test>::generate(SignatureScheme::LeanPq, &mut rng, SLOTS, |_| ());
    assert_eq!(made.unwrap_err(), KeyError::NoSigner(SignatureScheme::LeanPq));
    assert!(!is_built_in(SignatureScheme::LeanPq));
}

#[test]
fn a_damaged_file_is_refused_whichever_scheme_it_is_of() {
    for scheme in BUILT_IN {
        let mut file = key(scheme).encode(KeyFormat::Lathe, |_| ()).unwrap();
        let middle = file.len() / 2;
        file[middle] ^= 1;
        let error = StoredKey::<Test>::decode(&file).unwrap_err();
        assert_eq!(error.to_string(), "key file is damaged: its checksum does not match", "{scheme}");
    }
}
