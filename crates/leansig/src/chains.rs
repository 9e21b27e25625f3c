//! Many chains of unequal length walked at once.
//!
//! Each lane of the vector walks a chain of its own and takes the next one when it is done, longest first. The lanes
//! stay full whatever the lengths are: the chains of eight signatures take 122 packed permutations, as many as one of
//! the signatures takes single ones.

use crate::field::{LANES, Packed, Word, lane, set_lane, split, wipe_packed, zeros};
use crate::hash::{CHAIN_STEP, Digest, HASH, PARAMETER, Parameter, TWEAK, chain_tweak};
use crate::scheme::BASE;

/// A part of a chain: from `value` at step `from` to step `to`.
pub(crate) struct Walk<'a> {
    /// Parameter of the key.
    pub parameter: &'a Parameter,
    /// Slot of the chain.
    pub epoch: u32,
    /// Index of the chain.
    pub chain: usize,
    /// Step of `value` as given.
    pub from: u32,
    /// Step of `value` as left by [`walk`]; at least `from`.
    pub to: u32,
    /// Where the walk begins, and afterwards where it has ended.
    pub value: Digest,
}

/// What one lane is doing.
struct Lane {
    /// Index of the walk.
    walk: usize,
    /// Steps still to go, at least one.
    left: u32,
    /// Integer behind the tweak of the next step.
    tweak: u64,
}

// The places of the parameter and the tweak in the input of a chain step.
const PARAMETER_AT: usize = HASH;
const TWEAK_AT: usize = HASH + PARAMETER;

/// Takes every walk to its end.
pub(crate) fn walk(walks: &mut [Walk<'_>]) {
    let mut waiting = longest_first(walks).into_iter();
    let mut state: [Packed; 16] = zeros::<16>().map(Packed::from);
    let mut permuted = state;
    let mut lanes: [Option<Lane>; LANES] =
        std::array::from_fn(|index| start(walks, waiting.next(), &mut state, index));
    while lanes.iter().any(Option::is_some) {
        for (index, work) in lanes.iter_mut().enumerate() {
            if let Some(work) = work {
                set_lane(&mut state[TWEAK_AT..TWEAK_AT + TWEAK], index, &split(work.tweak));
                work.tweak += CHAIN_STEP;
            }
        }
        permuted = state;
        Packed::permute_16(&mut permuted);
        for (value, permuted) in state.iter_mut().zip(&permuted).take(HASH) {
            *value += *permuted;
        }
        for (index, slot) in lanes.iter_mut().enumerate() {
            let Some(work) = slot else { continue };
            work.left -= 1;
            if work.left == 0 {
                walks[work.walk].value = lane(&state[..HASH], index);
                *slot = start(walks, waiting.next(), &mut state, index);
            }
        }
    }
    // A signer's walks begin at secrets, and the two together tell the value before the last.
    wipe_packed(&mut state);
    wipe_packed(&mut permuted);
}

/// Loads a walk into a lane.
fn start(walks: &[Walk<'_>], walk: Option<usize>, state: &mut [Packed; 16], index: usize) -> Option<Lane> {
    let walk = walk?;
    let work = &walks[walk];
    set_lane(&mut state[..HASH], index, &work.value);
    set_lane(&mut state[PARAMETER_AT..TWEAK_AT], index, work.parameter);
    let tweak = chain_tweak(work.epoch, work.chain, work.from + 1);
    Some(Lane { walk, left: work.to - work.from, tweak })
}

/// Indices of the walks that have steps to go. Short ones last, so that the lanes run dry together.
fn longest_first(walks: &[Walk<'_>]) -> Vec<usize> {
    let mut order = Vec::with_capacity(walks.len());
    for steps in (1..BASE).rev() {
        order.extend(
            (0..walks.len()).filter(|index| walks[*index].to.saturating_sub(walks[*index].from) == steps),
        );
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::Element;
    use crate::hash::chain_step;

    #[test]
    fn walks_of_any_length_end_where_single_steps_do() {
        let parameters: Vec<Parameter> =
            (0..3).map(|key| std::array::from_fn(|i| Element::new(key * 31 + i as u32))).collect();
        for count in [0, 1, 3, LANES, LANES + 1, 40] {
            let mut walks: Vec<Walk<'_>> = (0..count)
                .map(|i| Walk {
                    parameter: &parameters[i % 3],
                    epoch: u32::MAX - i as u32,
                    chain: i,
                    from: (i as u32 * 5) % 4,
                    to: (i as u32 * 5) % 4 + (i as u32 * 3) % 5,
                    value: std::array::from_fn(|j| Element::new((i * 8 + j) as u32)),
                })
                .collect();
            let expected: Vec<Digest> = walks
                .iter()
                .map(|work| {
                    (work.from + 1..=work.to).fold(work.value, |value, step| {
                        chain_step(&value, work.parameter, split(chain_tweak(work.epoch, work.chain, step)))
                    })
                })
                .collect();
            walk(&mut walks);
            assert_eq!(walks.iter().map(|work| work.value).collect::<Vec<_>>(), expected, "{count} walks");
        }
    }
}
