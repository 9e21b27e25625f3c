//! Verification, of one signature and of many side by side.
//!
//! A signature costs 99 chain steps, two compressions for the message, a leaf of eleven and 32 nodes: 144 compressions,
//! always. In a batch the lanes hold different signatures. A signature alone has only its chains to fill them with.

use crate::chains::{OneTime, Walks};
use crate::encoding::digits;
use crate::hash::{DIGEST, Digest, Encoding, PackedDigest, leaf, parent};
use crate::lanes::{LANES, Packed, gather, gather_rows, gather_word, lane, words};
use crate::layout::{Layout, Rules};
use crate::signature::{PUBLIC_KEY_BYTES, PublicKey, Signature};
use crate::{BASE, CHAINS, HEIGHT, LIFETIME};

/// Batches are cut into groups of this many signatures; multiples of it waste nothing.
pub const BATCH_LANES: usize = LANES;

/// Signatures whose chains are walked together: enough that hardly a lane rests, few enough to stay in a cache.
const CHAINS_OF: usize = 4 * LANES;

/// One claim that a signature is valid.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Key that is said to have signed.
    pub public_key: &'a PublicKey,
    /// Slot that is said to have been signed for.
    pub slot: u64,
    /// Message that is said to have been signed.
    pub message: &'a [u8; 32],
    /// The signature.
    pub signature: &'a Signature,
}

/// Whether `signature` is the key's signature over `message` for `slot`. Slots beyond the lifetime have none.
pub fn verify(
    layout: Layout,
    public_key: &PublicKey,
    slot: u64,
    message: &[u8; 32],
    signature: &Signature,
) -> bool {
    verify_batch(layout, &[Claim { public_key, slot, message, signature }]) == [true]
}

/// Verifies every claim; the answers are in the order of the claims. Cheapest per signature in multiples of
/// [`BATCH_LANES`].
pub fn verify_batch(layout: Layout, claims: &[Claim<'_>]) -> Vec<bool> {
    let mut verdicts = vec![false; claims.len()];
    for (claims, verdicts) in claims.chunks(CHAINS_OF).zip(verdicts.chunks_mut(CHAINS_OF)) {
        verify_some(layout.rules(), claims, verdicts);
    }
    verdicts
}

/// At most as many claims as a vector has lanes, side by side. Lanes beyond them repeat the last one.
struct Group<'a> {
    claims: &'a [Claim<'a>],
    parameter: PackedDigest,
    epoch: Packed,
    /// The ends of all chains.
    ends: Box<[PackedDigest; CHAINS]>,
}

/// A slot outside the lifetime keeps its lane busy under another number, and fails at the end.
fn epoch(claim: &Claim<'_>) -> u32 {
    (claim.slot % LIFETIME) as u32
}

fn verify_some(rules: &Rules, claims: &[Claim<'_>], verdicts: &mut [bool]) {
    let mut walks = Walks::for_keys(claims.len());
    let mut groups: Vec<Group<'_>> = claims.chunks(LANES).map(Group::new).collect();
    for (number, (group, verdicts)) in groups.iter_mut().zip(verdicts.chunks_mut(LANES)).enumerate() {
        group.encode(rules, number * LANES, verdicts, &mut walks);
    }
    if verdicts.iter().all(|verdict| !verdict) {
        return;
    }
    let keys: Vec<OneTime<'_>> = claims
        .iter()
        .map(|claim| OneTime {
            parameter: claim.public_key.parameter,
            epoch: epoch(claim),
            values: claim.signature.values(),
        })
        .collect();
    walks.walk(rules, &keys, |claim, chain, value| groups[claim / LANES].end(claim % LANES, chain, &value));
    for (group, verdicts) in groups.iter().zip(verdicts.chunks_mut(LANES)) {
        let roots = group.roots(rules);
        for (index, (claim, verdict)) in group.claims.iter().zip(verdicts).enumerate() {
            *verdict &= lane(&roots, index) == claim.public_key.root;
        }
    }
}

impl<'a> Group<'a> {
    fn new(claims: &'a [Claim<'a>]) -> Self {
        let claim = |lane: usize| &claims[lane.min(claims.len() - 1)];
        Self {
            claims,
            parameter: gather_rows(|lane| claim(lane).public_key.parameter),
            epoch: gather_word(|lane| epoch(claim(lane))),
            ends: Box::new([[Packed::splat(0); DIGEST]; CHAINS]),
        }
    }

    fn claim(&self, lane: usize) -> &'a Claim<'a> {
        &self.claims[lane.min(self.claims.len() - 1)]
    }

    /// Notes where a chain ends.
    #[inline]
    fn end(&mut self, lane: usize, chain: usize, value: &Digest) {
        for (column, word) in self.ends[chain].iter_mut().zip(value) {
            column.as_mut_array()[lane] = *word;
        }
    }

    /// Says which messages have an encoding, and adds the chains of these to the walks. `first` is the number of the
    /// first claim among those of all groups.
    fn encode(&mut self, rules: &Rules, first: usize, verdicts: &mut [bool], walks: &mut Walks) {
        let message = gather(|lane| words(self.claim(lane).message));
        let randomizer = gather(|lane| self.claim(lane).signature.randomizer());
        let digests = Encoding::new(rules, &self.parameter, self.epoch, &message).digest(&randomizer);
        for (index, (claim, verdict)) in self.claims.iter().zip(verdicts).enumerate() {
            let Some(digits) = digits(&lane(&digests, index)).filter(|_| claim.slot < LIFETIME) else {
                continue;
            };
            *verdict = true;
            for (chain, (value, digit)) in claim.signature.values().iter().zip(digits).enumerate() {
                if !walks.add(first + index, chain, u32::from(digit), BASE - 1) {
                    self.end(index, chain, value);
                }
            }
        }
    }

    /// The roots that the ends of the chains and the siblings lead to.
    fn roots(&self, rules: &Rules) -> PackedDigest {
        let paths: [_; LANES] = std::array::from_fn(|lane| self.claim(lane).signature.path());
        let mut node = leaf(rules, &self.parameter, self.epoch, &self.ends);
        let mut index = self.epoch;
        for level in 0..HEIGHT {
            let sibling = gather_rows(|lane| paths[lane][usize::from(level)]);
            let [left, right] = in_order(index, node, sibling);
            index >>= 1_u32;
            node = parent(rules, &self.parameter, level + 1, index, &left, &right);
        }
        node
    }
}

/// A node and its sibling, left one first. The node's index says which it is.
#[inline]
fn in_order(index: Packed, node: PackedDigest, sibling: PackedDigest) -> [PackedDigest; 2] {
    // All ones where the node is the right one.
    let is_right = Packed::splat(0) - (index & Packed::splat(1));
    let swap: PackedDigest = std::array::from_fn(|i| (node[i] ^ sibling[i]) & is_right);
    [std::array::from_fn(|i| node[i] ^ swap[i]), std::array::from_fn(|i| sibling[i] ^ swap[i])]
}

/// Verifies an encoded signature. Malformed bytes are not valid signatures.
pub fn verify_bytes(
    layout: Layout,
    public_key: &[u8; PUBLIC_KEY_BYTES],
    slot: u64,
    message: &[u8; 32],
    signature: &[u8],
) -> bool {
    verify_bytes_batch(layout, &[BytesClaim { public_key, slot, message, signature }]) == [true]
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

/// Verifies every claim; the answers are in the order of the claims. Signatures of a wrong length are not valid, and
/// take no lane from the others.
pub fn verify_bytes_batch(layout: Layout, claims: &[BytesClaim<'_>]) -> Vec<bool> {
    let decoded: Vec<_> = claims
        .iter()
        .map(|claim| Some((PublicKey::decode(claim.public_key), Signature::decode(claim.signature).ok()?)))
        .collect();
    let well_formed: Vec<Claim<'_>> = claims
        .iter()
        .zip(&decoded)
        .filter_map(|(claim, decoded)| {
            let (public_key, signature) = decoded.as_ref()?;
            Some(Claim { public_key, slot: claim.slot, message: claim.message, signature })
        })
        .collect();
    let mut verdicts = verify_batch(layout, &well_formed).into_iter();
    decoded.iter().map(|decoded| decoded.is_some() && verdicts.next().unwrap_or(false)).collect()
}
