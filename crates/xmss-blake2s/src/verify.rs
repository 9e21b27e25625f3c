//! Verification, of one signature and of many side by side.
//!
//! A signature costs 99 chain steps, two compressions for the message, a leaf of eleven and 32 nodes: 144 compressions,
//! always. In a batch each lane holds a signature. A signature alone has only its chains to fill them with.

use crate::chains::{OneTime, Walks};
use crate::encoding::digits;
use crate::hash::{DIGEST, Digest, Encoding, PackedDigest, leaf, parent};
use crate::lanes::{LANES, Packed, gather, gather_rows, gather_word, lane, words};
use crate::layout::{Layout, Rules};
use crate::lockstep::{self, Revealed};
use crate::signature::{PUBLIC_KEY_BYTES, PublicKey, Signature};
use crate::{BASE, CHAINS, HEIGHT, LIFETIME};

/// Batches are cut into groups of this many signatures; multiples of it waste nothing.
pub const BATCH_LANES: usize = LANES;

/// Signatures from which on each has a lane of its own. Fewer are cheaper one after the other, with their chains in the
/// lanes: those of one signature take about a fifth of the time of a full vector.
const SIDE_BY_SIDE: usize = LANES / 2 + 1;

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
    for (claims, verdicts) in claims.chunks(LANES).zip(verdicts.chunks_mut(LANES)) {
        Group::new(claims).verify(layout.rules(), verdicts);
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

    /// Judges every claim.
    fn verify(mut self, rules: &Rules, verdicts: &mut [bool]) {
        let revealed = self.encode(rules);
        if revealed.iter().all(Option::is_none) {
            return;
        }
        if self.claims.len() >= SIDE_BY_SIDE {
            lockstep::walk(rules, &self.parameter, self.epoch, &revealed, &mut self.ends);
        } else {
            revealed
                .iter()
                .enumerate()
                .filter_map(|(lane, revealed)| Some((lane, revealed.as_ref()?)))
                .for_each(|(lane, revealed)| self.walk(rules, lane, revealed));
        }
        let roots = self.roots(rules);
        for (index, (claim, verdict)) in self.claims.iter().zip(verdicts).enumerate() {
            *verdict = revealed[index].is_some() && lane(&roots, index) == claim.public_key.root;
        }
    }

    /// The chain values of the claims whose messages have an encoding, each in its lane.
    fn encode(&self, rules: &Rules) -> [Option<Revealed<'a>>; LANES] {
        let message = gather(|lane| words(self.claim(lane).message));
        let randomizer = gather(|lane| self.claim(lane).signature.randomizer());
        let digests = Encoding::new(rules, &self.parameter, self.epoch, &message).digest(&randomizer);
        std::array::from_fn(|index| {
            let claim = self.claims.get(index).filter(|claim| claim.slot < LIFETIME)?;
            Some((claim.signature.values(), digits(&lane(&digests, index))?))
        })
    }

    /// Walks the chains of one claim.
    fn walk(&mut self, rules: &Rules, index: usize, (values, digits): &Revealed<'_>) {
        let mut end = |chain: usize, value: &Digest| {
            for (column, word) in self.ends[chain].iter_mut().zip(value) {
                column.as_mut_array()[index] = *word;
            }
        };
        let mut walks = Walks::new();
        for (chain, (value, digit)) in values.iter().zip(digits).enumerate() {
            if !walks.add(chain, u32::from(*digit), BASE - 1) {
                end(chain, value);
            }
        }
        let claim = &self.claims[index];
        let key = OneTime { parameter: claim.public_key.parameter, epoch: epoch(claim), values };
        walks.walk(rules, &key, |chain, value| end(chain, &value));
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
