//! The leaves of a key, from its seed: where nearly all the time of key generation goes.
//!
//! A leaf is 46 calls of the pseudorandom function, 322 chain steps and a sponge of 25 blocks. The lanes hold
//! consecutive slots, so nothing ever waits for a lane.

use rayon::prelude::*;

use crate::field::{Element, LANES, P, Packed, broadcast, gather, lane, split, wipe};
use crate::hash::{CHAIN_STEP, Digest, Parameter, Tweak, chain_step, chain_tweak, leaf, tree_tweak};
use crate::prf::Seed;
use crate::range::Slots;
use crate::scheme::{BASE, Scheme};
use crate::tree::{Layer, grow};

/// Steps from the start of a chain to its end.
const STEPS: usize = BASE as usize - 1;

/// Slots whose leaves are computed together.
pub(crate) const GROUP: usize = LANES;

/// The leaves of at most [`GROUP`] slots from `first` on.
pub(crate) fn group<S: Scheme>(seed: &Seed, parameter: &Parameter, first: u32, out: &mut [Digest]) {
    // Lanes beyond the wanted slots repeat the last one.
    let last = out.len().saturating_sub(1);
    let epoch = |lane: usize| first + lane.min(last) as u32;
    let parameters = broadcast::<Packed, _>(parameter);
    let mut starts = [Digest::default(); LANES];
    let mut ends = Vec::with_capacity(S::DIMENSION);
    for chain in 0..S::DIMENSION {
        seed.chain_starts(|lane| (epoch(lane), chain), &mut starts);
        let mut value = gather::<Packed, _>(|lane| starts[lane]);
        for tweak in chain_tweaks(|lane| chain_tweak(epoch(lane), chain, 1)) {
            value = chain_step(&value, &parameters, tweak);
        }
        ends.push(value);
    }
    wipe(starts.as_flattened_mut());
    let tweak = gather(|lane| tree_tweak(0, epoch(lane)));
    let leaves = leaf(&S::LEAF_CAPACITY, &parameters, tweak, &ends);
    for (index, out) in out.iter_mut().enumerate() {
        *out = lane(&leaves, index);
    }
}

/// The tweaks of all steps of one chain per lane, from the integers behind the first of them.
fn chain_tweaks(first: impl Fn(usize) -> u64) -> [Tweak<Packed>; STEPS] {
    // Splitting is a division. A step adds to the low limb, and unless that wraps, adding is all there is to do.
    let wraps = |lane| first(lane) % u64::from(P) + (STEPS as u64 - 1) * CHAIN_STEP >= u64::from(P);
    if (0..LANES).any(wraps) {
        return std::array::from_fn(|step| gather(|lane| split(first(lane) + step as u64 * CHAIN_STEP)));
    }
    let step = Packed::from(Element::new(CHAIN_STEP as u32));
    let mut next: Tweak<Packed> = gather(|lane| split(first(lane)));
    std::array::from_fn(|_| {
        let tweak = next;
        next[0] += step;
        tweak
    })
}

/// The leaves of consecutive slots.
pub(crate) fn leaves<S: Scheme>(seed: &Seed, parameter: &Parameter, slots: Slots) -> Vec<Digest> {
    let mut leaves = vec![Digest::default(); slots.count() as usize];
    for (index, group) in leaves.chunks_mut(GROUP).enumerate() {
        self::group::<S>(seed, parameter, slots.first() + (index * GROUP) as u32, group);
    }
    leaves
}

/// Like [`leaves`], on all threads of the pool. `done` hears of every group that is finished, and how large it is.
pub(crate) fn leaves_parallel<S: Scheme>(
    seed: &Seed,
    parameter: &Parameter,
    slots: Slots,
    done: &(impl Fn(u64) + Sync),
) -> Vec<Digest> {
    let mut leaves = vec![Digest::default(); slots.count() as usize];
    leaves.par_chunks_mut(GROUP).enumerate().for_each(|(index, group)| {
        self::group::<S>(seed, parameter, slots.first() + (index * GROUP) as u32, group);
        done(group.len() as u64);
    });
    leaves
}

/// The layers of one window, from its leaves up to its node.
pub(crate) fn window<S: Scheme>(
    seed: &Seed,
    parameter: &Parameter,
    first: u32,
    leaves: Vec<Digest>,
) -> Vec<Layer> {
    let pad = |level, index| seed.pad(level, index);
    grow(parameter, Layer { start: first, nodes: leaves }, 0, S::WINDOW_LEVEL, &pad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tweaks_of_a_chain_are_those_of_its_steps_also_where_the_low_limb_wraps() {
        let p = u64::from(P);
        for first in [
            0,
            5 << 24,
            3 * p - 6 * CHAIN_STEP,
            3 * p - 6 * CHAIN_STEP - 1,
            3 * p - 1,
            u64::from(u32::MAX) << 24,
        ] {
            let integers = |lane: usize| if lane == 0 { first } else { lane as u64 };
            for (step, tweak) in chain_tweaks(integers).iter().enumerate() {
                for index in 0..LANES {
                    assert_eq!(lane(tweak, index), split(integers(index) + step as u64 * CHAIN_STEP));
                }
            }
        }
    }
}
