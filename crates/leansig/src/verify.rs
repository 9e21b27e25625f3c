//! Verification, of one signature and of many side by side.
//!
//! A signature costs 122 chain steps, one message hash, a leaf of 25 blocks and 32 nodes. In a batch the lanes hold
//! different signatures, so all of it is packed. A signature alone has only its chains to pack.

use crate::chains::{Walk, walk};
use crate::encoding::codeword;
use crate::field::{Element, LANES, Packed, Word, gather, lane};
use crate::hash::{Digest, HASH, PARAMETER, leaf, message, message_limbs, message_tweak, node, tree_tweak};
use crate::scheme::{BASE, Prod, Scheme};
use crate::signature::{PUBLIC_KEY_BYTES, PublicKey, Signature};

/// Batches are cut into groups of this many signatures; multiples of it waste nothing.
pub const BATCH_LANES: usize = LANES;

/// Groups of fewer signatures are cheaper one by one: a packed permutation costs as much as two or three single ones,
/// and the chains are packed either way.
const PACKED_FROM: usize = if LANES > 1 { 3 } else { 1 };

/// One claim that a signature is valid.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a, S: Scheme> {
    /// Key that is said to have signed.
    pub public_key: &'a PublicKey,
    /// Slot that is said to have been signed for.
    pub slot: u64,
    /// Message that is said to have been signed.
    pub message: &'a [u8; 32],
    /// The signature.
    pub signature: &'a Signature<S>,
}

/// Whether `signature` is the key's signature over `message` for `slot`. Slots beyond the lifetime have none.
pub fn verify<S: Scheme>(
    public_key: &PublicKey,
    slot: u64,
    message: &[u8; 32],
    signature: &Signature<S>,
) -> bool {
    let mut verdict = [false];
    verify_into(&[Claim { public_key, slot, message, signature }], &mut verdict);
    verdict[0]
}

/// Verifies every claim; the answers are in the order of the claims. Cheapest per signature in multiples of
/// [`BATCH_LANES`].
pub fn verify_batch<S: Scheme>(claims: &[Claim<'_, S>]) -> Vec<bool> {
    let mut verdicts = vec![false; claims.len()];
    verify_into(claims, &mut verdicts);
    verdicts
}

fn verify_into<S: Scheme>(claims: &[Claim<'_, S>], verdicts: &mut [bool]) {
    for (claims, verdicts) in claims.chunks(LANES).zip(verdicts.chunks_mut(LANES)) {
        if claims.len() >= PACKED_FROM {
            verify_group::<S, Packed>(claims, verdicts);
        } else {
            for (claim, verdict) in claims.chunks(1).zip(verdicts.chunks_mut(1)) {
                verify_group::<S, Element>(claim, verdict);
            }
        }
    }
}

/// Verifies at most as many claims as `W` has lanes. Lanes beyond them repeat the last one.
fn verify_group<S: Scheme, W: Word>(claims: &[Claim<'_, S>], verdicts: &mut [bool]) {
    let claim = |lane: usize| &claims[lane.min(claims.len() - 1)];
    // A slot outside the lifetime keeps its lane busy under another number, and fails at the end.
    let epoch = |lane: usize| (claim(lane).slot % S::LIFETIME) as u32;
    let parameter = gather::<W, _>(|lane| claim(lane).public_key.parameter);

    let hashed = message(
        &gather(|lane| message_limbs(claim(lane).message)),
        &parameter,
        gather(|lane| message_tweak(epoch(lane))),
        &gather(|lane| claim(lane).signature.randomness),
    );
    let mut walks = Vec::with_capacity(claims.len() * S::DIMENSION);
    for (index, claim) in claims.iter().enumerate() {
        let word = codeword::<S>(&lane(&hashed, index));
        verdicts[index] = word.is_some() && claim.slot < S::LIFETIME;
        // A message without a codeword has no way up: its chains are left where they are.
        let digits = word.unwrap_or([(BASE - 1) as u8; _]);
        walks.extend(claim.signature.hashes.iter().zip(digits).enumerate().map(|(chain, (value, digit))| {
            Walk {
                parameter: &claim.public_key.parameter,
                epoch: epoch(index),
                chain,
                from: u32::from(digit),
                to: BASE - 1,
                value: *value,
            }
        }));
    }
    if verdicts.iter().all(|verdict| !verdict) {
        return;
    }
    walk(&mut walks);

    let end = |lane: usize, chain: usize| walks[lane.min(claims.len() - 1) * S::DIMENSION + chain].value;
    let ends: Vec<_> = (0..S::DIMENSION).map(|chain| gather::<W, _>(|lane| end(lane, chain))).collect();
    let tweak = gather(|lane| tree_tweak(0, epoch(lane)));
    let mut current = leaf(&S::LEAF_CAPACITY, &parameter, tweak, &ends);
    for level in 0..S::LOG_LIFETIME {
        let sibling = |lane: usize| claim(lane).signature.siblings[usize::from(level)];
        current = climb(&parameter, &current, level, epoch, sibling);
    }
    for (index, (claim, verdict)) in claims.iter().zip(verdicts).enumerate() {
        *verdict &= lane(&current, index) == claim.public_key.root;
    }
}

/// From the nodes on one level to their parents.
fn climb<W: Word>(
    parameter: &[W; PARAMETER],
    current: &[W; HASH],
    level: u8,
    epoch: impl Fn(usize) -> u32,
    sibling: impl Fn(usize) -> Digest,
) -> [W; HASH] {
    let is_right = |lane: usize| (epoch(lane) >> level) & 1 == 1;
    let left = gather(|i| if is_right(i) { sibling(i) } else { lane(current, i) });
    let right = gather(|i| if is_right(i) { lane(current, i) } else { sibling(i) });
    let tweak = gather(|i| tree_tweak(level + 1, ((u64::from(epoch(i))) >> (level + 1)) as u32));
    node(parameter, tweak, &left, &right)
}

/// Verifies an encoded production signature. Malformed bytes are not valid signatures.
pub fn verify_bytes(
    public_key: &[u8; PUBLIC_KEY_BYTES],
    slot: u64,
    message: &[u8; 32],
    signature: &[u8],
) -> bool {
    verify_bytes_batch::<Prod>(&[BytesClaim { public_key, slot, message, signature }]) == [true]
}

/// One claim that an encoded signature is valid under an encoded key.
#[derive(Clone, Copy, Debug)]
pub struct BytesClaim<'a> {
    /// Key that is said to have signed.
    pub public_key: &'a [u8; PUBLIC_KEY_BYTES],
    /// Slot that is said to have been signed for.
    pub slot: u64,
    /// Message that is said to have been signed.
    pub message: &'a [u8; 32],
    /// The encoded signature.
    pub signature: &'a [u8],
}

/// Verifies every claim; the answers are in the order of the claims. Malformed bytes are not valid signatures, and take
/// no lane from the others.
pub fn verify_bytes_batch<S: Scheme>(claims: &[BytesClaim<'_>]) -> Vec<bool> {
    let decode = |claim: &BytesClaim<'_>| {
        Some((PublicKey::decode(claim.public_key).ok()?, Signature::<S>::decode(claim.signature).ok()?))
    };
    let decoded: Vec<_> = claims.iter().map(decode).collect();
    let well_formed: Vec<Claim<'_, S>> = claims
        .iter()
        .zip(&decoded)
        .filter_map(|(claim, decoded)| {
            let (public_key, signature) = decoded.as_ref()?;
            Some(Claim { public_key, slot: claim.slot, message: claim.message, signature })
        })
        .collect();
    let mut verdicts = verify_batch(&well_formed).into_iter();
    decoded.iter().map(|decoded| decoded.is_some() && verdicts.next().unwrap_or(false)).collect()
}
