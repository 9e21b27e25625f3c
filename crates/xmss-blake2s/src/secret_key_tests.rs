use super::*;
use crate::verify::verify;

const WINDOW: u64 = 512;

/// A key of 2^18 slots in no time: only the windows named are those of its seed, the others are filled with digests
/// that belong to nothing. Verifiers see no difference.
fn sparse_key(genuine: &[u64]) -> SecretKey {
    let source = Source::new(Layout::L5, &[7; 32]);
    let slots = Slots::new(&(0..1 << 18)).unwrap();
    let node = |index: u64| {
        if genuine.contains(&index) { Window::build(&source, slots, index).1 } else { [index as u32; 4] }
    };
    let kept = Layer { start: 0, nodes: slots.nodes(slots.kept_level()).map(node).collect() };
    SecretKey::over(source, slots, kept)
}

/// Everything that a key holds: itself, what its pointers lead to, and the counters of what it shares.
fn bytes_held(key: &SecretKey) -> usize {
    let top: usize = key.core.top.iter().map(|layer| layer.nodes.capacity() * size_of::<Digest>()).sum();
    let core = 2 * size_of::<usize>() + size_of::<Core>() + key.core.top.capacity() * size_of::<Layer>();
    let windows = key.windows.capacity() * size_of::<Window>();
    size_of_val(key) + core + top + windows + key.windows.iter().map(Window::heap_bytes).sum::<usize>()
}

fn assert_signs(key: &SecretKey, slot: u64) {
    let message = [slot as u8; 32];
    let signature = key.sign(slot, &message).unwrap();
    assert!(verify(Layout::L5, &key.public_key(), slot, &message, &signature), "slot {slot}");
}

#[test]
fn a_key_of_twelve_days_fits_into_64_kib() {
    let mut key = sparse_key(&[3, 4]);
    while let Some(task) = key.prepare(3 * WINDOW) {
        assert_eq!(task.leaves(), WINDOW);
        key.install(task.run().unwrap());
    }
    assert_signs(&key, 3 * WINDOW);
    let bytes = bytes_held(&key);
    assert!((32 << 10..=64 << 10).contains(&bytes), "{bytes} bytes");
}

/// Signs slot after slot as a signer does: first the signature, then the work that is due.
#[test]
fn no_slot_finds_its_window_missing() {
    let mut key = sparse_key(&[9, 10, 11, 12]);
    let slots = 10 * WINDOW - 2..11 * WINDOW + 1;
    while let Some(task) = key.prepare(slots.start) {
        key.install(task.run().unwrap());
    }
    let mut worked_at = Vec::new();
    for slot in slots {
        assert!(key.is_prepared(slot), "slot {slot} would stall");
        if slot % WINDOW == 0 || slot % WINDOW == WINDOW - 1 {
            assert_signs(&key, slot);
        }
        if let Some(task) = key.prepare(slot) {
            key.install(task.run().unwrap());
            worked_at.push(slot);
        }
        assert!(key.prepare(slot).is_none(), "one window is all that a slot can ask for");
    }
    assert_eq!(worked_at, [10 * WINDOW, 11 * WINDOW], "a window ahead, at each edge");
}

#[test]
fn a_window_that_is_not_the_seeds_is_not_signed_with() {
    let key = sparse_key(&[3]);
    assert!(key.prepare(3 * WINDOW).unwrap().run().is_ok());
    let error = key.prepare(5 * WINDOW).unwrap().run().map(|_| ());
    assert_eq!(error, Err(Error::OtherTree { layout: Layout::L5 }));
}

#[test]
fn a_key_whose_first_window_is_not_the_seeds_is_not_loaded() {
    let load = |key: &SecretKey, layout| {
        let source = Source::new(layout, key.core.source.expose_seed());
        SecretKey::checked(source, key.core.slots, key.core.top[0].clone()).map(|key| key.public_key())
    };
    let key = sparse_key(&[0]);
    assert_eq!(load(&key, Layout::L5), Ok(key.public_key()));
    for layout in [Layout::L3, Layout::L4] {
        assert_eq!(load(&key, layout), Err(Error::OtherTree { layout }));
    }
    assert_eq!(load(&sparse_key(&[1]), Layout::L5), Err(Error::OtherTree { layout: Layout::L5 }));
}

#[test]
fn what_another_key_has_built_is_not_installed() {
    let [mut one, other] = [sparse_key(&[3]), sparse_key(&[3])];
    one.install(other.prepare(3 * WINDOW).unwrap().run().unwrap());
    assert!(!one.is_prepared(3 * WINDOW));
}
