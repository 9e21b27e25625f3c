//! Keys of all kinds of ranges sign for every slot of theirs, and for no other.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking, and may print")]

use lathe_xmss_blake2s::{Error, Layout, SecretKey, verify};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

fn key(slots: std::ops::Range<u64>) -> SecretKey {
    let mut rng = ChaCha20Rng::seed_from_u64(slots.start * 1000 + slots.end);
    SecretKey::generate(Layout::L5, &mut rng, slots, |_, _| ()).unwrap()
}

fn signs_everywhere(slots: std::ops::Range<u64>, step: usize) {
    let mut key = key(slots.clone());
    assert_eq!(key.slots(), slots);
    for slot in slots.clone().step_by(step).chain([slots.end - 1]) {
        let message = std::array::from_fn(|i| (slot as usize * 31 + i) as u8);
        let signature = key.sign_with_build(slot, &message).unwrap();
        assert!(
            verify(Layout::L5, &key.public_key(), slot, &message, &signature),
            "slot {slot} of {slots:?}"
        );
        assert_eq!(key.sign(slot, &message).as_ref(), Ok(&signature), "signing is deterministic");
        assert!(!verify(Layout::L5, &key.public_key(), slot ^ 1, &message, &signature));
        assert!(!verify(Layout::L5, &key.public_key(), slot + (1 << 32), &message, &signature));
    }
    for outside in [slots.end, slots.start.wrapping_sub(1), u64::MAX] {
        let expected = Error::OutOfRange { slot: outside, start: slots.start, end: slots.end };
        assert_eq!(key.sign(outside, &[0; 32]), Err(expected.clone()));
        assert_eq!(key.sign_with_build(outside, &[0; 32]), Err(expected));
    }
}

#[test]
fn keys_of_every_shape_sign() {
    for slots in [0..1, 3..5, 15..17, 17..40, 255..256, 100..101, 5..11] {
        signs_everywhere(slots, 7);
    }
    signs_everywhere(0..124, 41);
    signs_everywhere(1000..1200, 37);
    signs_everywhere(u64::from(u32::MAX) - 3..1 << 32, 1);
}

#[test]
fn ranges_that_are_none_are_refused() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for (start, end) in [(5, 5), (9, 3), (0, (1 << 32) + 1), (1 << 32, (1 << 32) + 1)] {
        let made = SecretKey::generate(Layout::L5, &mut rng, start..end, |_, _| ());
        assert_eq!(made.map(|_| ()), Err(Error::Range { start, end }));
    }
}

#[test]
fn a_key_says_when_it_is_not_prepared_and_what_it_needs() {
    // 60 slots: windows of eight.
    let mut key = key(0..60);
    assert_eq!(key.sign(5, &[0; 32]), Err(Error::NotPrepared { slot: 5 }));
    let task = key.prepare(5).unwrap();
    assert_eq!(task.leaves(), 8);
    key.install(task.run().unwrap());
    assert!(key.is_prepared(0) && key.is_prepared(7) && !key.is_prepared(8), "one window is eight slots");
    assert!(key.sign(5, &[0; 32]).is_ok());
    key.install(key.prepare(5).unwrap().run().unwrap());
    assert!(key.is_prepared(5) && key.is_prepared(15), "the window after it is next");
    assert!(key.prepare(5).is_none(), "and then there is nothing to do");
    key.install(key.prepare(8).unwrap().run().unwrap());
    assert!(!key.is_prepared(5) && key.is_prepared(16), "the window left behind is gone");
    let last = key.prepare(59).unwrap();
    assert_eq!(last.leaves(), 4, "the range ends inside it");
    key.install(last.run().unwrap());
    assert!(key.sign(59, &[0; 32]).is_ok(), "a jump is one window of work");
    assert!(key.prepare(59).is_none(), "no window follows");
}

#[test]
fn a_key_prepares_before_its_range_and_rests_after_it() {
    let mut key = key(10..20);
    while let Some(task) = key.prepare(0) {
        key.install(task.run().unwrap());
    }
    assert!(key.sign(10, &[0; 32]).is_ok() && key.sign(15, &[0; 32]).is_ok());
    assert!(key.prepare(20).is_none() && key.prepare(u64::MAX).is_none());
}

#[test]
fn progress_reaches_the_total() {
    let largest = std::sync::atomic::AtomicU64::new(0);
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    SecretKey::generate(Layout::L5, &mut rng, 3..100, |done, total| {
        assert_eq!(total, 97);
        largest.fetch_max(done, std::sync::atomic::Ordering::Relaxed);
    })
    .unwrap();
    assert_eq!(largest.into_inner(), 97);
}

#[test]
fn debug_prints_no_secret() {
    let key = key(0..16);
    let expected = format!("SecretKey<xmss-blake2s, L5>(slots 0..16, {:?})", key.public_key());
    assert_eq!(format!("{key:?}"), expected);
}
