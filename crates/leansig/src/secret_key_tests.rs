use super::*;
use crate::hash::HASH;
use crate::leaves::leaves;
use crate::scheme::Prod;
use crate::verify::verify;

const WINDOW: u64 = Prod::WINDOW_LEAVES;

/// A production key of any length in no time: only the windows named are those of its seed, the others are filled with
/// digests that belong to nothing. Verifiers see no difference.
fn sparse_key(slots: Range<u64>, genuine: &[u32]) -> SecretKey<Prod> {
    let seed = Seed::new(&[7; 32]);
    let parameter: Parameter = std::array::from_fn(|i| crate::field::Element::new(i as u32 + 1));
    let slots = Slots::new::<Prod>(&slots).unwrap();
    let kept = |seed: &Seed, tree: Slots| {
        let windows = tree.nodes(Prod::WINDOW_LEVEL);
        let node = |index: u32| {
            if !genuine.contains(&index) {
                return seed.pad(0xff, index);
            }
            let part = tree.under(Prod::WINDOW_LEVEL, index);
            let leaves = leaves::<Prod>(seed, &parameter, part);
            window::<Prod>(seed, &parameter, part.first(), leaves).pop().unwrap().nodes[0]
        };
        Layer { start: windows.start, nodes: windows.map(node).collect() }
    };
    SecretKey::from_trees(seed, parameter, slots, kept).unwrap()
}

/// Everything that a key holds: itself, what its pointers lead to, and the counters of what it shares.
fn bytes_held(key: &SecretKey<Prod>) -> usize {
    const COUNTERS: usize = 2 * size_of::<usize>();
    let layer = |layer: &Layer| layer.nodes.capacity() * size_of::<Digest>();
    let core = COUNTERS + size_of::<Core>() + key.core.top.capacity() * size_of::<Layer>();
    let top: usize = key.core.top.iter().map(layer).sum();
    let places = key.kept.capacity() * size_of::<Option<Arc<Layer>>>();
    let kept: usize = key.kept.iter().flatten().map(|kept| COUNTERS + size_of::<Layer>() + layer(kept)).sum();
    let windows = key.windows.capacity() * size_of::<Window>();
    let built: usize = key.windows.iter().map(Window::heap_bytes).sum();
    size_of_val(key) + core + top + places + kept + windows + built
}

fn prepare_all(key: &mut SecretKey<Prod>, slot: u64) {
    while let Some(task) = key.prepare(slot) {
        key.install(task.run().unwrap());
    }
}

fn assert_signs(key: &SecretKey<Prod>, slot: u64) {
    let message = [slot as u8; 32];
    let signature = key.sign(slot, &message).unwrap();
    assert!(verify(&key.public_key(), slot, &message, &signature), "slot {slot}");
}

#[test]
fn a_key_in_use_fits_into_64_kib_whatever_its_range() {
    for (log_slots, most) in [(7, 16 << 10), (16, 40 << 10), (18, 64 << 10), (20, 64 << 10), (21, 64 << 10)] {
        // In the last tree but one, so that every other one could be held as well.
        let slots = 1_u64 << log_slots;
        let here = (slots - slots.min(1 << 17) / 2 - 1) >> Prod::WINDOW_LEVEL;
        let mut key = sparse_key(0..slots, &[here as u32, here as u32 + 1]);
        prepare_all(&mut key, here * WINDOW);
        assert_signs(&key, here * WINDOW);
        let bytes = bytes_held(&key);
        assert!((most / 2..=most).contains(&bytes), "2^{log_slots} slots: {bytes} bytes");
    }
}

#[test]
fn a_long_key_keeps_the_trees_around_it_and_drops_past_ones_first() {
    let mut key = sparse_key(0..7 << 16, &[3 << 8, 3 << 8 | 1, 6 << 8]);
    let held =
        |key: &SecretKey<Prod>| -> Vec<usize> { (0..7).filter(|place| key.kept[*place].is_some()).collect() };
    assert_eq!(
        held(&key).len(),
        7,
        "all that the file holds, until it is known where in its range the key is"
    );
    prepare_all(&mut key, 3 << 16);
    assert_eq!(held(&key), [2, 3, 4, 5]);
    let task = key.prepare(6 << 16).unwrap();
    assert!(task.is_whole_tree(), "a jump to a tree that was dropped rebuilds it");
}

/// Signs slot after slot as a signer does: first the signature, then the work that is due. No slot may find its window
/// missing.
fn walks_without_a_stall(key: &mut SecretKey<Prod>, slots: Range<u64>) -> Vec<u64> {
    prepare_all(key, slots.start);
    let mut worked_at = Vec::new();
    for slot in slots {
        assert!(key.is_prepared(slot), "slot {slot} would stall");
        if slot % WINDOW <= 1 || slot % WINDOW == WINDOW - 1 {
            assert_signs(key, slot);
        }
        if let Some(task) = key.prepare(slot) {
            assert!(!task.is_whole_tree());
            key.install(task.run().unwrap());
            worked_at.push(slot);
        }
        assert!(key.prepare(slot).is_none(), "one window is all that a slot can ask for");
    }
    worked_at
}

#[test]
fn no_slot_stalls_where_bottom_trees_meet() {
    for boundary in [65_536_u64, 131_072] {
        let edge = (boundary >> Prod::WINDOW_LEVEL) as u32;
        let mut key = sparse_key(0..1 << 18, &[edge - 2, edge - 1, edge, edge + 1, edge + 2]);
        let worked_at = walks_without_a_stall(&mut key, boundary - WINDOW - 2..boundary + WINDOW + 1);
        assert_eq!(
            worked_at,
            [boundary - WINDOW, boundary, boundary + WINDOW],
            "a window ahead, at each edge"
        );
    }
}

#[test]
fn a_key_that_is_all_genuine_crosses_from_tree_to_tree() {
    use rand_chacha::rand_core::SeedableRng as _;
    for boundary in [65_536_u64, 131_072] {
        let slots = boundary - 300..boundary + 300;
        let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(boundary);
        let mut key = SecretKey::<Prod>::generate(&mut rng, slots.clone(), |_, _| ()).unwrap();
        let worked_at = walks_without_a_stall(&mut key, slots);
        assert_eq!(worked_at, [boundary - WINDOW, boundary]);
    }
}

#[test]
fn a_jump_to_any_slot_takes_one_window_of_work() {
    let jumps = [200_000_u64, 5, 65_535, 262_143, 65_536, 131_071];
    let windows = jumps.map(|slot| (slot >> Prod::WINDOW_LEVEL) as u32);
    let mut key = sparse_key(0..1 << 18, &windows);
    for slot in jumps {
        assert_eq!(key.sign(slot, &[0; 32]), Err(Error::NotPrepared { slot }));
        let task = key.prepare(slot).unwrap();
        assert!(!task.is_whole_tree());
        key.install(task.run().unwrap());
        assert_signs(&key, slot);
    }
}

#[test]
fn a_window_that_is_not_the_seeds_is_not_signed_with() {
    let key = sparse_key(0..1 << 16, &[3]);
    assert!(key.prepare(3 * WINDOW).unwrap().run().is_ok());
    let error = key.prepare(4 * WINDOW).unwrap().run().map(|_| ());
    assert_eq!(error, Err(Error::Damaged("its seed does not belong to its tree")));
    assert_eq!(HASH * 4, size_of::<Digest>(), "digests are counted as they lie in memory");
}
