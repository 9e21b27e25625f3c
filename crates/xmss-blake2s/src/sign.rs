//! Signing: the search for an encoding, and the chain values at its digits.
//!
//! The search is nearly all of it: one trial in 29,489 succeeds. Trials go through the vector side by side, and what
//! is the same in all of them is hashed once. The first that succeeds counts, so a message has one signature per slot
//! whatever the machine.

use crate::HEIGHT;
use crate::chains::{OneTime, Walks};
use crate::encoding::{Digits, first_admissible};
use crate::error::Error;
use crate::hash::{Digest, Randomizer, Trials};
use crate::lanes::{LANES, Packed, gather_word, lane};
use crate::seed::Source;
use crate::signature::Signature;

/// Signs a message with the one-time key of a slot. `path` leads from its leaf to the root.
pub(crate) fn sign(
    source: &Source,
    epoch: u32,
    message: &[u8; 32],
    path: [Digest; HEIGHT as usize],
) -> Result<Signature, Error> {
    let Found { randomizer, digits, .. } =
        search(source, epoch, message).ok_or(Error::NoEncoding { slot: u64::from(epoch) })?;
    let mut starts = source.chain_starts(epoch);
    let mut values = starts;
    let mut walks = Walks::new();
    for (chain, digit) in digits.into_iter().enumerate() {
        walks.add(chain, 0, u32::from(digit));
    }
    let key = OneTime { parameter: source.parameter, epoch, values: &starts };
    walks.walk(source.rules(), &key, |chain, value| values[chain] = value);
    starts.fill(Digest::default());
    std::hint::black_box(&mut starts);
    Ok(Signature::new(values, randomizer, path))
}

/// A trial that succeeded.
pub(crate) struct Found {
    /// Its number, from 0.
    pub trial: u32,
    randomizer: Randomizer,
    digits: Digits,
}

/// The first trial whose randomizer leads to an encoding.
pub(crate) fn search(source: &Source, epoch: u32, message: &[u8; 32]) -> Option<Found> {
    let mut trials = Trials::new(source.rules(), &source.packed_parameter(), &source.lanes(), epoch, message);
    let mut trial = gather_word(|lane| lane as u32);
    for _ in 0..(1_u64 << 32) / LANES as u64 {
        let (randomizers, digests) = trials.run(trial);
        if let Some((index, digits)) = first_admissible(&digests) {
            return Some(Found {
                trial: trial.as_array()[index],
                randomizer: lane(&randomizers, index),
                digits,
            });
        }
        trial += Packed::splat(LANES as u32);
    }
    None
}
