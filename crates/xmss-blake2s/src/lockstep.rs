//! The chains of several signatures, one signature in each lane.
//!
//! The digits of every signature add up to the same number, so its chains are always as many steps away from their
//! ends. A lane walks them one after the other, and no lane rests before all of them are done.

use crate::encoding::Digits;
use crate::hash::{Chains, DIGEST, Digest, PackedDigest};
use crate::lanes::{LANES, Packed};
use crate::layout::Rules;
use crate::{BASE, CHAINS, TARGET_SUM};

/// Steps from the digits of a signature to the ends of its chains.
const STEPS: usize = CHAINS * (BASE as usize - 1) - TARGET_SUM as usize;

/// The chain values of a signature and the positions that they stand at.
pub(crate) type Revealed<'a> = (&'a [Digest; CHAINS], Digits);

/// What happens at a step.
#[derive(Clone, Copy)]
struct Step {
    /// All ones in lanes that take up their next chain.
    turns: Packed,
    /// That chain, and where on it they begin.
    chain: Packed,
    position: Packed,
    /// The value that they begin with; after the step, where every lane has come to.
    value: PackedDigest,
}

/// Walks the chains of the signatures that there are, one per lane, and notes their ends.
pub(crate) fn walk(
    rules: &Rules,
    parameter: &PackedDigest,
    epoch: Packed,
    signatures: &[Option<Revealed<'_>>; LANES],
    ends: &mut [PackedDigest; CHAINS],
) {
    let zero = Packed::splat(0);
    let nothing = Step { turns: zero, chain: zero, position: zero, value: [zero; DIGEST] };
    let mut steps = [nothing; STEPS];
    for (lane, signature) in signatures.iter().enumerate() {
        let Some((values, digits)) = signature else { continue };
        let mut at = 0;
        for (chain, (value, digit)) in values.iter().zip(digits).enumerate() {
            match way(*digit) {
                0 => put(&mut ends[chain], lane, value),
                way => {
                    let step = &mut steps[at];
                    step.turns.as_mut_array()[lane] = u32::MAX;
                    step.chain.as_mut_array()[lane] = chain as u32;
                    step.position.as_mut_array()[lane] = u32::from(*digit);
                    put(&mut step.value, lane, value);
                    at += way;
                }
            }
        }
    }
    let mut chains = Chains::new(rules, parameter, epoch, zero, zero, &[zero; DIGEST]);
    for step in &mut steps {
        chains.turn(step.turns, step.chain, step.position, &step.value);
        chains.step();
        step.value = chains.value();
    }
    for (lane, signature) in signatures.iter().enumerate() {
        let Some((_, digits)) = signature else { continue };
        let mut at = 0;
        for (digit, end) in digits.iter().zip(&mut *ends) {
            at += way(*digit);
            if way(*digit) > 0 {
                let value = &steps[at - 1].value;
                put(end, lane, &std::array::from_fn(|word| value[word].as_array()[lane]));
            }
        }
    }
}

/// Steps from a position to the end of a chain.
fn way(position: u8) -> usize {
    BASE as usize - 1 - usize::from(position)
}

/// Puts a value into a lane.
#[inline]
fn put(into: &mut PackedDigest, lane: usize, value: &Digest) {
    for (column, word) in into.iter_mut().zip(value) {
        column.as_mut_array()[lane] = *word;
    }
}
