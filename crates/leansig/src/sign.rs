//! Signing: the search for a codeword, and the chain values at its digits.
//!
//! The search is nearly all of it: one attempt in about 900 succeeds. Attempts go through the vector side by side, and
//! the message, the parameter and the tweak are laid out once. The first attempt that succeeds counts, so a message has
//! one signature per slot whatever the machine.

use std::marker::PhantomData;

use crate::chains::{Walk, walk};
use crate::encoding::{Codeword, codeword};
use crate::error::Error;
use crate::field::{LANES, Packed, broadcast, gather, lane, wipe};
use crate::hash::{Digest, Parameter, Randomness, message as message_hash, message_limbs, message_tweak};
use crate::prf::Seed;
use crate::scheme::{MAX_TRIES, Scheme};
use crate::signature::Signature;

/// Signs a message with the one-time key of a slot. `siblings` is the way from its leaf to the root.
pub(crate) fn sign<S: Scheme>(
    seed: &Seed,
    parameter: &Parameter,
    epoch: u32,
    message: &[u8; 32],
    siblings: Box<[Digest]>,
) -> Result<Signature<S>, Error> {
    let (randomness, digits) =
        search::<S>(seed, parameter, epoch, message).ok_or(Error::NoEncoding { slot: u64::from(epoch) })?;
    let mut starts = vec![Digest::default(); S::DIMENSION];
    seed.chain_starts(|chain| (epoch, chain), &mut starts);
    let mut walks: Vec<Walk<'_>> = starts
        .iter()
        .zip(digits)
        .enumerate()
        .map(|(chain, (start, digit))| Walk {
            parameter,
            epoch,
            chain,
            from: 0,
            to: u32::from(digit),
            value: *start,
        })
        .collect();
    walk(&mut walks);
    wipe(starts.as_flattened_mut());
    let hashes = walks.iter().map(|walk| walk.value).collect();
    Ok(Signature { siblings, randomness, hashes, scheme: PhantomData })
}

/// The first attempt whose randomness leads to a codeword.
fn search<S: Scheme>(
    seed: &Seed,
    parameter: &Parameter,
    epoch: u32,
    message: &[u8; 32],
) -> Option<(Randomness, Codeword)> {
    let limbs = broadcast::<Packed, _>(&message_limbs(message));
    let parameter = broadcast::<Packed, _>(parameter);
    let tweak = broadcast::<Packed, _>(&message_tweak(epoch));
    let mut attempts = [Randomness::default(); LANES];
    for first in (0..MAX_TRIES).step_by(LANES) {
        seed.attempts(epoch, message, first, &mut attempts);
        let hashed = message_hash(&limbs, &parameter, tweak, &gather(|lane| attempts[lane]));
        let found =
            (0..LANES).find_map(|index| Some((attempts[index], codeword::<S>(&lane(&hashed, index))?)));
        if found.is_some() {
            return found;
        }
    }
    None
}
