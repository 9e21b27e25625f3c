//! The leaves of a key, from its seed: where nearly all the time of key generation goes.
//!
//! A leaf is 42 starts, 294 chain steps and a hash of eleven blocks. The lanes hold consecutive slots, so nothing ever
//! waits for a lane.

use rayon::prelude::*;

use crate::hash::{Chains, Digest, PackedDigest, chain_start, leaf};
use crate::lanes::{LANES, Packed, gather_word, lane, wipe};
use crate::range::Slots;
use crate::seed::Source;
use crate::tree::{Layer, top_of};
use crate::{BASE, CHAINS};

/// The leaves of at most [`LANES`] slots from `first` on.
fn group(source: &Source, first: u32, out: &mut [Digest]) {
    // Lanes beyond the wanted slots repeat the last one.
    let last = out.len().saturating_sub(1);
    let epoch = gather_word(|lane| first + lane.min(last) as u32);
    let (rules, parameter, seed) = (source.rules(), source.packed_parameter(), source.lanes());
    let ends: [PackedDigest; CHAINS] = std::array::from_fn(|chain| {
        let chain = Packed::splat(chain as u32);
        let mut start = chain_start(rules, &parameter, &seed, epoch, chain);
        let mut walk = Chains::new(rules, &parameter, epoch, chain, Packed::splat(0), &start);
        wipe(&mut start);
        for _ in 1..BASE {
            walk.step();
        }
        walk.value()
    });
    let leaves = leaf(rules, &parameter, epoch, &ends);
    for (index, out) in out.iter_mut().enumerate() {
        *out = lane(&leaves, index);
    }
}

/// The leaves of consecutive slots, on all threads of the pool. `done` hears of every group that is finished, and how
/// large it is.
fn leaves_parallel(source: &Source, slots: Slots, done: &(impl Fn(u64) + Sync)) -> Layer {
    let mut nodes = vec![Digest::default(); slots.count() as usize];
    nodes.par_chunks_mut(LANES).enumerate().for_each(|(index, out)| {
        group(source, slots.first() + (index * LANES) as u32, out);
        done(out.len() as u64);
    });
    Layer { start: u64::from(slots.first()), nodes }
}

/// The leaves of consecutive slots, on this thread.
pub(crate) fn leaves(source: &Source, slots: Slots) -> Layer {
    let mut nodes = vec![Digest::default(); slots.count() as usize];
    for (index, out) in nodes.chunks_mut(LANES).enumerate() {
        group(source, slots.first() + (index * LANES) as u32, out);
    }
    Layer { start: u64::from(slots.first()), nodes }
}

/// Leaves that key generation holds at a time: enough to fill lanes and threads, a small part of a large key.
const LEAVES_AT_A_TIME: u64 = 1 << 14;

/// The nodes of a level above all slots of a key.
pub(crate) fn nodes_above(source: &Source, slots: Slots, level: u8, done: &(impl Fn(u64) + Sync)) -> Layer {
    let all = slots.nodes(level);
    let mut nodes = Vec::with_capacity((all.end - all.start) as usize);
    let step = (LEAVES_AT_A_TIME >> level).max(1);
    for first in all.clone().step_by(step as usize) {
        let part = slots.under(level, &(first..all.end.min(first + step)));
        nodes.append(&mut top_of(source, leaves_parallel(source, part, done), 0, level).nodes);
    }
    Layer { start: all.start, nodes }
}
