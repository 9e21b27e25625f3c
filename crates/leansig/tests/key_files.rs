//! Keys survive their files, in our format and in leanSig's; damaged files are refused and never panic.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking, and may print")]

mod common;

use lathe_leansig::{Error, KeyFormat, Prod, PublicKey, SecretKey, Test, verify};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

fn test_key(slots: std::ops::Range<u64>) -> SecretKey<Test> {
    SecretKey::generate(&mut ChaCha20Rng::seed_from_u64(slots.end), slots, |_, _| ()).unwrap()
}

#[test]
fn a_key_is_the_same_after_its_file() {
    for slots in [0..1, 3..40, 0..256, 16..48, 200..256] {
        let mut key = test_key(slots.clone());
        let file = key.encode();
        assert_eq!(KeyFormat::of(&file), Some(KeyFormat::Lathe));
        let mut again = SecretKey::<Test>::decode(&file).unwrap();
        assert_eq!(again.encode(), file);
        assert_eq!((again.slots(), again.public_key()), (slots.clone(), key.public_key()));
        for slot in slots {
            assert_eq!(again.sign_with_build(slot, &[7; 32]), key.sign_with_build(slot, &[7; 32]));
        }
    }
}

#[test]
fn production_files_are_small() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let key = SecretKey::<Prod>::generate(&mut rng, 65_530..65_540, |_, _| ()).unwrap();
    let file = key.encode();
    assert_eq!(file.len(), 8 + 4 + 16 + 32 + 20 + 17 * 2 * 32 + 2 * (1 + 32) + 32);
    let mut key = SecretKey::<Prod>::decode(&file).unwrap();
    for slot in 65_530..65_540 {
        let signature = key.sign_with_build(slot, &[slot as u8; 32]).unwrap();
        assert!(verify(&key.public_key(), slot, &[slot as u8; 32], &signature));
    }
    assert_eq!(
        SecretKey::<Test>::decode(&file).map(|_| ()),
        Err(Error::OtherScheme { expected: 2, found: 1 }),
        "the file says which parameters it belongs to"
    );
}

#[test]
fn no_byte_of_a_file_of_ours_may_change() {
    let file = test_key(3..40).encode();
    for at in 0..file.len() {
        let mut damaged = file.to_vec();
        damaged[at] ^= 1 << (at % 8);
        let error = SecretKey::<Test>::decode(&damaged).map(|_| ()).unwrap_err();
        match at {
            0..8 => assert_eq!(error, Error::NotAKey),
            8..10 => assert!(matches!(error, Error::Version { expected: 1, .. })),
            _ => assert_eq!(error, Error::Damaged("its checksum does not match")),
        }
    }
    for len in 0..file.len() {
        assert!(SecretKey::<Test>::decode(&file[..len]).is_err());
    }
}

#[test]
fn leansig_files_hold_whole_trees_only() {
    for slots in [0..16, 0..40, 3..64, 255..256] {
        let expected = Error::NotExportable { start: slots.start, end: slots.end, span: 16 };
        assert_eq!(test_key(slots).export_leansig(|_, _| ()), Err(expected));
    }
    for slots in [0..32, 16..64, 208..256, 0..256] {
        let mut key = test_key(slots.clone());
        let file = key.export_leansig(|_, _| ()).unwrap();
        assert_eq!(KeyFormat::of(&file), Some(KeyFormat::LeanSig));
        let mut again = SecretKey::<Test>::decode(&file).unwrap();
        assert_eq!(again.export_leansig(|_, _| ()).as_ref(), Ok(&file));
        for slot in slots {
            assert_eq!(again.sign_with_build(slot, &[1; 32]), key.sign_with_build(slot, &[1; 32]));
        }
        let compact = again.encode();
        assert_eq!(SecretKey::<Test>::decode(&compact).unwrap().public_key(), key.public_key());
    }
}

#[test]
fn damaged_leansig_files_are_refused_or_harmless() {
    let key = test_key(0..48);
    let file = key.export_leansig(|_, _| ()).unwrap();
    for at in 0..file.len() {
        let mut damaged = file.to_vec();
        damaged[at] ^= 0x80;
        // The format has no checksum. What is read is checked against the root; the rest is never used.
        if let Ok(mut read) = SecretKey::<Test>::decode(&damaged) {
            let same_key = read.public_key() == key.public_key();
            match read.sign_with_build(5, &[0; 32]) {
                Ok(signature) => assert!(verify(&read.public_key(), 5, &[0; 32], &signature)),
                Err(error) => assert_eq!(error, Error::Damaged("its seed does not belong to its tree")),
            }
            assert!(same_key || at < 32 + 20, "byte {at}");
        }
    }
    for len in 0..file.len() {
        assert!(SecretKey::<Test>::decode(&file[..len]).is_err());
    }
}

#[test]
fn keys_of_the_specification_load_sign_and_verify() {
    let Some(dir) = common::fixtures("keys/test_scheme") else { return };
    let mut count = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let pairs: serde_json::Value = serde_json::from_str(&text).unwrap();
        for pair in pairs.as_object().unwrap().values() {
            let public = PublicKey::from_slice(&common::bytes(pair["public_key"].as_str().unwrap())).unwrap();
            let file = common::bytes(pair["secret_key"].as_str().unwrap());
            let mut key = SecretKey::<Test>::decode(&file).unwrap();
            assert_eq!(key.public_key(), public);
            assert_eq!(key.slots(), 0..112);
            assert_eq!(key.export_leansig(|_, _| ()).map(|file| file.to_vec()), Ok(file));
            // The file holds the first two bottom trees, slots 0..32; the others are rebuilt.
            for slot in key.slots() {
                let signature = key.sign_with_build(slot, &[slot as u8; 32]).unwrap();
                assert!(verify(&public, slot, &[slot as u8; 32], &signature), "slot {slot}");
            }
            count += 1;
        }
    }
    assert!(count >= 8, "{count} keys");
}

#[test]
fn a_tree_that_was_not_imported_is_announced_ahead() {
    let file = test_key(0..64).export_leansig(|_, _| ()).unwrap();
    let mut key = SecretKey::<Test>::decode(&file).unwrap();
    for slot in 0..64 {
        let mut whole_trees = 0;
        while let Some(task) = key.prepare(slot) {
            whole_trees += usize::from(task.is_whole_tree());
            key.install(task.run().unwrap());
        }
        // Trees 0 and 1 are in the file; tree 2 is built while the key is in tree 1, and so on.
        assert_eq!(whole_trees, usize::from(slot == 16 || slot == 32), "slot {slot}");
        assert!(key.sign(slot, &[3; 32]).is_ok());
    }
}

#[test]
fn what_is_neither_format_is_not_a_key() {
    for bytes in [&b""[..], b"LATHE", &[0; 100], &[0xff; 5000]] {
        assert_eq!(SecretKey::<Prod>::decode(bytes).map(|_| ()), Err(Error::NotAKey));
    }
}

#[test]
#[ignore = "computes 2^18 leaves, some 40 s of processor time"]
fn a_full_production_key_goes_through_leansigs_format() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let key = SecretKey::<Prod>::generate(&mut rng, 0..1 << 17, |_, _| ()).unwrap();
    let file = key.export_leansig(|_, _| ()).unwrap();
    assert_eq!(file.len(), 8_390_596);
    let mut again = SecretKey::<Prod>::decode(&file).unwrap();
    assert_eq!(again.encode(), key.encode());
    for slot in [0, 65_535, 65_536, 131_071] {
        let signature = again.sign_with_build(slot, &[slot as u8; 32]).unwrap();
        assert!(verify(&key.public_key(), slot, &[slot as u8; 32], &signature), "slot {slot}");
    }
}
