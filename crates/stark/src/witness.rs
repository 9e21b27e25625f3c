//! From signatures to the rows of the tables. Whoever gets here has a valid signature: the walk checks it on the way.

use lathe_leansig::circuit::{
    BASE, Digest, chain_tweak, codeword, from_limb, limb, message_limbs, message_tweak, split, tree_tweak,
};
use lathe_leansig::{Prod, Scheme};
use p3_field::{PackedValue, PrimeCharacteristicRing};
use p3_koala_bear::{Poseidon1KoalaBear, default_koalabear_poseidon1_16, default_koalabear_poseidon1_24};
use p3_symmetric::Permutation;
use std::array::from_fn;
use std::sync::LazyLock;

use crate::layout::{BLOCKS, CHAIN_STEPS, CHAINS, ELEMENTS, LEVELS, NODE_ROWS};
use crate::ring::{LANES, Lanes};
use crate::statement::Claim;
use crate::system::F;
use crate::tables::chain::Step;
use crate::tables::digits::{self, Element};
use crate::tables::node::{Hash, Role};
use crate::tables::signature::key;

static POSEIDON_16: LazyLock<Poseidon1KoalaBear<16>> = LazyLock::new(default_koalabear_poseidon1_16);
static POSEIDON_24: LazyLock<Poseidon1KoalaBear<24>> = LazyLock::new(default_koalabear_poseidon1_24);

/// Everything that the tables say about one signature.
pub(crate) struct Walk {
    /// Number of the signature and of its slot, both from 1.
    pub ids: [u32; 2],
    /// Rows of the chain table, [`CHAIN_STEPS`] of them.
    pub steps: Vec<Step>,
    /// Rows of the node table, [`NODE_ROWS`] of them.
    pub hashes: Vec<Hash>,
    /// Rows of the digits table, [`ELEMENTS`] of them.
    pub elements: Vec<Element>,
    /// Parameter of the key.
    pub parameter: [F; 5],
    /// Ends of all chains.
    pub ends: Vec<Digest>,
    /// The leaf.
    pub leaf: Digest,
}

/// The parts of an encoded signature.
struct Parts {
    randomness: [F; 7],
    siblings: Vec<Digest>,
    values: Vec<Digest>,
}

impl Parts {
    /// Reads a signature whose encoding was checked before; `None` where it was not.
    fn read(bytes: &[u8]) -> Option<Self> {
        lathe_leansig::Signature::<Prod>::decode(bytes).ok()?;
        let elements = |range: std::ops::Range<usize>| -> Option<Vec<F>> {
            let (limbs, _) = bytes.get(range)?.as_chunks::<4>();
            limbs.iter().map(|limb| from_limb(u32::from_le_bytes(*limb))).collect()
        };
        const SIBLINGS: usize = 40;
        const VALUES: usize = SIBLINGS + 32 * LEVELS;
        let digests = |elements: Vec<F>| elements.as_chunks::<8>().0.to_vec();
        Some(Self {
            randomness: elements(4..32)?.try_into().ok()?,
            siblings: digests(elements(SIBLINGS..VALUES)?),
            values: digests(elements(VALUES..Prod::SIGNATURE_BYTES)?),
        })
    }
}

/// Writes parts one after the other, then zeros.
fn join<const WIDTH: usize>(parts: &[&[F]]) -> [F; WIDTH] {
    let mut input = [F::ZERO; WIDTH];
    let elements = parts.iter().copied().flatten();
    input.iter_mut().zip(elements).for_each(|(place, element)| *place = *element);
    input
}

fn first<const WIDTH: usize>(state: &[F; WIDTH], from: usize) -> Digest {
    from_fn(|i| state[from + i])
}

fn add(left: &Digest, right: &Digest) -> Digest {
    from_fn(|i| left[i] + right[i])
}

/// Applies a permutation to some states, no more than there are lanes, all at once.
fn permute<const WIDTH: usize>(
    permutation: &impl Permutation<[Lanes; WIDTH]>,
    states: &[[F; WIDTH]],
) -> [[F; WIDTH]; LANES] {
    let mut lanes: [Lanes; WIDTH] =
        from_fn(|i| Lanes::from_fn(|lane| states.get(lane).map_or(F::ZERO, |state| state[i])));
    permutation.permute_mut(&mut lanes);
    from_fn(|lane| lanes.map(|element| element.as_slice()[lane]))
}

/// Where the rows of one signature are collected.
struct Walker {
    /// Its place among the signatures that are walked together.
    place: usize,
    claim: Claim,
    ids: [u32; 2],
    root: Digest,
    parameter: [F; 5],
    parts: Parts,
    digits: Vec<u8>,
    steps: Vec<Step>,
    hashes: Vec<Hash>,
    elements: Vec<Element>,
    ends: Vec<Digest>,
}

/// Follows signatures from the message to the root, no more than there are lanes; `None` for each that is not valid for
/// its claim. `ids` are the numbers of the signatures and of their slots.
pub(crate) fn walk(claims: &[Claim], signatures: &[&[u8]], ids: &[[u32; 2]]) -> Vec<Option<Walk>> {
    let mut walks: Vec<Option<Walk>> = claims.iter().map(|_| None).collect();
    let read = claims.iter().zip(signatures).zip(ids).enumerate();
    let mut walkers: Vec<Walker> = read
        .filter_map(|(place, ((claim, signature), ids))| Walker::read(place, claim, signature, *ids))
        .collect();
    messages(&mut walkers);
    for walker in &mut walkers {
        walker.chains();
    }
    let leaves = sponges(&mut walkers);
    let tops = paths(&mut walkers, &leaves);
    for ((walker, leaf), top) in walkers.into_iter().zip(leaves).zip(tops) {
        let Walker { ids, steps, hashes, elements, parameter, ends, .. } = walker;
        if top == walker.root {
            walks[walker.place] = Some(Walk { ids, steps, hashes, elements, parameter, ends, leaf });
        }
    }
    walks
}

/// One permutation for each walker, and a row for each.
fn hash(
    walkers: &mut [Walker],
    counter: u32,
    inputs: &[[F; 24]],
    role: impl Fn(&Walker) -> Role,
) -> [[F; 24]; LANES] {
    for (walker, input) in walkers.iter_mut().zip(inputs) {
        let ([signature, group], role) = (walker.ids, role(walker));
        walker.hashes.push(Hash { input: *input, signature, group, counter, role });
    }
    permute(&*POSEIDON_24, inputs)
}

/// Hashes the messages. Walkers whose hash has no codeword are left out.
fn messages(walkers: &mut Vec<Walker>) {
    let inputs: Vec<[F; 24]> = walkers
        .iter()
        .map(|walker| {
            let limbs = message_limbs(&walker.claim.message);
            let tweak = message_tweak(walker.claim.slot);
            join(&[&limbs, &walker.parameter, &tweak, &walker.parts.randomness])
        })
        .collect();
    let outputs = hash(walkers, 0, &inputs, |_| Role::Message);
    for ((walker, input), output) in walkers.iter_mut().zip(&inputs).zip(&outputs) {
        let hashed = add(&first(output, 0), &first(input, 0));
        if let Some(digits) = codeword::<Prod>(&hashed) {
            walker.digits = digits.to_vec();
            walker.elements(&hashed);
        }
    }
    walkers.retain(|walker| !walker.digits.is_empty());
}

/// Hashes the ends of all chains to leaves.
fn sponges(walkers: &mut [Walker]) -> Vec<Digest> {
    let absorbed: Vec<[F; 15 * BLOCKS]> = walkers
        .iter()
        .map(|walker| {
            let tweak = tree_tweak(0, walker.claim.slot);
            join(&[&walker.parameter, &tweak, walker.ends.as_flattened()])
        })
        .collect();
    let mut states: Vec<[F; 24]> = walkers.iter().map(|_| join(&[&Prod::LEAF_CAPACITY])).collect();
    for number in 1..=BLOCKS {
        for (state, absorbed) in states.iter_mut().zip(&absorbed) {
            state[9..].copy_from_slice(&absorbed[15 * (number - 1)..15 * number]);
        }
        let role = if number == BLOCKS { Role::Last } else { Role::Block };
        let outputs = hash(walkers, number as u32, &states, |_| role);
        states.iter_mut().zip(outputs).for_each(|(state, output)| *state = output);
    }
    states.iter().map(|state| first(state, 9)).collect()
}

/// Follows the paths to their tops.
fn paths(walkers: &mut [Walker], leaves: &[Digest]) -> Vec<Digest> {
    let mut nodes = leaves.to_vec();
    for level in 0..LEVELS {
        let is_right = |walker: &Walker| (walker.claim.slot >> level) & 1 == 1;
        let inputs: Vec<[F; 24]> = walkers
            .iter()
            .zip(&nodes)
            .map(|(walker, node)| {
                let sibling = &walker.parts.siblings[level];
                let [left, right] = if is_right(walker) { [sibling, node] } else { [node, sibling] };
                let index = walker.claim.slot.checked_shr(level as u32 + 1).unwrap_or(0);
                join(&[&walker.parameter, &tree_tweak(level as u8 + 1, index), left, right])
            })
            .collect();
        let outputs = hash(walkers, level as u32, &inputs, |walker| Role::Node(is_right(walker)));
        for ((node, input), output) in nodes.iter_mut().zip(&inputs).zip(&outputs) {
            *node = add(&first(output, 0), &first(input, 0));
        }
    }
    nodes
}

impl Walker {
    fn read(place: usize, claim: &Claim, signature: &[u8], ids: [u32; 2]) -> Option<Self> {
        let (root, parameter) = key(&claim.public_key)?;
        Some(Self {
            place,
            claim: *claim,
            ids,
            root,
            parameter,
            parts: Parts::read(signature)?,
            digits: Vec::new(),
            steps: Vec::with_capacity(CHAIN_STEPS),
            hashes: Vec::with_capacity(NODE_ROWS),
            elements: Vec::new(),
            ends: Vec::new(),
        })
    }

    fn elements(&mut self, hashed: &Digest) {
        let [signature, group] = self.ids;
        let elements = (0..ELEMENTS).map(|counter| {
            let before = digits::DIGITS * counter;
            let mut elements = [F::ZERO; ELEMENTS];
            elements[..ELEMENTS - counter].copy_from_slice(&hashed[counter..ELEMENTS]);
            let placed = from_fn(|i| self.parts.values.get(before + i).copied().unwrap_or([F::ZERO; 8]));
            Element {
                signature,
                group,
                counter: counter as u32,
                sum: self.digits[..before].iter().map(|digit| u32::from(*digit)).sum(),
                elements,
                limb: limb(hashed[counter]),
                parameter: self.parameter,
                values: placed,
            }
        });
        self.elements = elements.collect();
    }

    /// Takes all chains to their ends, step by step, as many at once as there are lanes.
    fn chains(&mut self) {
        let [signature, group] = self.ids;
        let mut values = self.parts.values.clone();
        for step in 1..BASE {
            let open: Vec<usize> =
                (0..CHAINS).filter(|chain| u32::from(self.digits[*chain]) < step).collect();
            for chains in open.chunks(LANES) {
                let inputs: Vec<[F; 16]> = chains
                    .iter()
                    .map(|chain| {
                        let tweak = split(chain_tweak(self.claim.slot, *chain, step));
                        join(&[&values[*chain], &self.parameter, &tweak])
                    })
                    .collect();
                let outputs = permute(&*POSEIDON_16, &inputs);
                for ((chain, input), output) in chains.iter().zip(&inputs).zip(&outputs) {
                    let position = 8 * *chain as u32 + step - 1;
                    self.steps.push(Step { input: *input, signature, group, position });
                    values[*chain] = add(&first(output, 0), &first(input, 0));
                }
            }
        }
        self.ends = values;
    }
}
