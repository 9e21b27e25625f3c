//! Keys survive their files, in our format and in that of other clients; what is damaged or of another layout is
//! refused and never panics.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking, and may print")]

use lathe_xmss_blake2s::{Error, KeyFormat, Layout, SecretKey};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

fn key(layout: Layout, slots: std::ops::Range<u64>) -> SecretKey {
    SecretKey::generate(layout, &mut ChaCha20Rng::seed_from_u64(slots.end), slots, |_, _| ()).unwrap()
}

/// The public key of a file, or why it is refused.
fn load(layout: Layout, file: &[u8]) -> Result<[u8; 32], Error> {
    SecretKey::decode(layout, file).map(|key| key.public_key().encode())
}

#[test]
fn a_key_is_the_same_after_its_file() {
    for slots in [0..1, 3..40, 250..300, (1 << 32) - 5..1 << 32] {
        for layout in Layout::ALL {
            let mut key = key(layout, slots.clone());
            let [ours, theirs] = [key.encode(), key.export_postcard().unwrap()];
            assert_eq!(KeyFormat::of(&ours), Some(KeyFormat::Lathe));
            assert_eq!(KeyFormat::of(&theirs), Some(KeyFormat::Postcard));
            for file in [&ours, &theirs] {
                let mut again = SecretKey::decode(layout, file).unwrap();
                assert_eq!((again.encode(), again.export_postcard()), (ours.clone(), Ok(theirs.clone())));
                assert_eq!((again.slots(), again.layout()), (slots.clone(), layout));
                let slot = slots.end - 1;
                assert_eq!(again.sign_with_build(slot, &[7; 32]), key.sign_with_build(slot, &[7; 32]));
            }
        }
    }
}

#[test]
fn a_file_of_another_layout_is_refused_when_it_is_loaded() {
    for layout in Layout::ALL {
        let key = key(layout, 3..40);
        let [ours, theirs] = [key.encode(), key.export_postcard().unwrap()];
        for expected in Layout::ALL.into_iter().filter(|other| *other != layout) {
            let found = u16::from(layout.name().as_bytes()[1] - b'0');
            assert_eq!(load(expected, &ours), Err(Error::OtherLayout { expected, found }));
            assert_eq!(load(expected, &theirs), Err(Error::OtherTree { layout: expected }));
        }
    }
    let error = Error::OtherLayout { expected: Layout::L5, found: 3 };
    assert_eq!(error.to_string(), "key file of layout L3, the network uses layout L5: make keys for it");
    let error = Error::OtherLayout { expected: Layout::L5, found: 9 };
    assert!(error.to_string().starts_with("key file of unknown layout number 9, "));
}

#[test]
fn files_are_small_and_of_the_lengths_that_are_documented() {
    assert_eq!(key(Layout::L5, 0..124).encode().len(), 214);
    // Postcard lengths of ranges that start at 0, as described: 2^4 and 2^10 slots.
    for (log, len) in [(4, 643), (10, 1441)] {
        assert_eq!(key(Layout::L5, 0..1 << log).export_postcard().unwrap().len(), len);
    }
}

#[test]
fn no_byte_of_a_file_of_ours_may_change() {
    let file = key(Layout::L5, 3..40).encode();
    for at in 0..file.len() {
        let mut damaged = file.to_vec();
        damaged[at] ^= 1 << (at % 8);
        let error = load(Layout::L5, &damaged).unwrap_err();
        match at {
            0..8 => assert_eq!(error, Error::NotAKey),
            8..10 => assert!(matches!(error, Error::Version { expected: 1, .. })),
            _ => assert_eq!(error, Error::Damaged("its checksum does not match")),
        }
    }
    for len in 0..file.len() {
        assert!(load(Layout::L5, &file[..len]).is_err(), "{len} bytes");
    }
    let longer = [&file[..], &[0]].concat();
    assert_eq!(load(Layout::L5, &longer), Err(Error::Damaged("its checksum does not match")));
}

/// A file of ours whose bytes are changed and whose checksum is made right again.
fn resealed(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    use sha3::{Digest as _, Sha3_256};
    let mut content = key(Layout::L5, 3..40).encode().to_vec();
    content.truncate(content.len() - 32);
    change(&mut content);
    let checksum = Sha3_256::digest(&content);
    [&content[..], &checksum[..]].concat()
}

#[test]
fn a_file_with_a_right_checksum_is_judged_by_what_it_says() {
    let other_tree = Error::OtherTree { layout: Layout::L5 };
    assert!(load(Layout::L5, &resealed(|_| ())).is_ok());
    let scheme = resealed(|file| file[10] = 1);
    assert_eq!(load(Layout::L5, &scheme), Err(Error::OtherScheme { expected: 3, found: 1 }));
    let empty = resealed(|file| file[14] = 50);
    assert_eq!(load(Layout::L5, &empty), Err(Error::Range { start: 50, end: 40 }));
    let longest = resealed(|file| file[14..22].copy_from_slice(&[0, 0, 0, 0, 255, 255, 255, 255]));
    let gaps = Error::Damaged("it does not hold the nodes of its slots");
    assert_eq!(load(Layout::L5, &longest), Err(gaps.clone()));
    assert_eq!(load(Layout::L5, &resealed(|file| file.push(0))), Err(gaps));
    assert_eq!(load(Layout::L5, &resealed(|file| file[30] ^= 1)), Err(other_tree.clone()), "the seed");
    assert_eq!(load(Layout::L5, &resealed(|file| file[54] ^= 1)), Err(other_tree), "the first node");
    // A node further on is checked when the key gets there.
    let mut late = SecretKey::decode(Layout::L5, &resealed(|file| file[54 + 16] ^= 1)).unwrap();
    assert!(late.sign_with_build(7, &[0; 32]).is_ok());
    assert_eq!(late.sign_with_build(8, &[0; 32]), Err(Error::OtherTree { layout: Layout::L5 }));
}

#[test]
fn damaged_files_of_other_clients_are_refused_or_harmless() {
    let key = key(Layout::L5, 3..40);
    let file = key.export_postcard().unwrap();
    for at in 0..file.len() {
        let mut damaged = file.to_vec();
        damaged[at] ^= 1 << (at % 8);
        // The format has no checksum, but all of it leads to the root. Only the end of the range may move within its
        // window, and then that window is not what the seed gives.
        match SecretKey::decode(Layout::L5, &damaged) {
            Err(_) => (),
            Ok(mut read) => {
                assert!(at == 1 && read.public_key() == key.public_key(), "byte {at}");
                assert!(read.sign_with_build(31, &[0; 32]).is_ok());
                let refused = read.sign_with_build(32, &[0; 32]);
                assert_eq!(refused, Err(Error::OtherTree { layout: Layout::L5 }));
            }
        }
    }
    for len in 0..file.len() {
        assert_eq!(load(Layout::L5, &file[..len]), Err(Error::NotAKey), "{len} bytes");
    }
    assert_eq!(load(Layout::L5, &[&file[..], &[0]].concat()), Err(Error::NotAKey));
}

#[test]
fn what_is_neither_format_is_not_a_key() {
    for bytes in [&b""[..], b"LATHE", &[0; 100], &[0xff; 5000]] {
        assert_eq!(load(Layout::L5, bytes), Err(Error::NotAKey));
    }
}
