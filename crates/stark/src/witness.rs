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
pub struct Walk {
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

/// Where the rows of one signature are collected.
struct Walker {
    claim: Claim,
    ids: [u32; 2],
    parameter: [F; 5],
    steps: Vec<Step>,
    hashes: Vec<Hash>,
}

/// Follows a signature from the message to the root; `None` if it is not valid for the claim. `ids` are the number of
/// the signature and of its slot.
pub fn walk(claim: &Claim, signature: &[u8], ids: [u32; 2]) -> Option<Walk> {
    let (root, parameter) = key(&claim.public_key)?;
    let parts = Parts::read(signature)?;
    let mut walker = Walker {
        claim: *claim,
        ids,
        parameter,
        steps: Vec::with_capacity(CHAIN_STEPS),
        hashes: Vec::with_capacity(NODE_ROWS),
    };
    let hashed = walker.message(&parts.randomness);
    let digits = codeword::<Prod>(&hashed)?;
    let elements = walker.elements(&hashed, &digits[..CHAINS], &parts.values);
    let ends = walker.chains(&digits, parts.values);
    let leaf = walker.sponge(&ends);
    let top = parts
        .siblings
        .iter()
        .enumerate()
        .fold(leaf, |node, (level, sibling)| walker.node(level, &node, sibling));
    let Walker { steps, hashes, .. } = walker;
    (top == root).then_some(Walk { ids, steps, hashes, elements, parameter, ends, leaf })
}

impl Walker {
    fn permute(&mut self, input: [F; 24], counter: u32, role: Role) -> [F; 24] {
        let [signature, group] = self.ids;
        self.hashes.push(Hash { input, signature, group, counter, role });
        let mut state = input;
        POSEIDON_24.permute_mut(&mut state);
        state
    }

    fn message(&mut self, randomness: &[F; 7]) -> Digest {
        let tweak = message_tweak(self.claim.slot);
        let input = join(&[&message_limbs(&self.claim.message), &self.parameter, &tweak, randomness]);
        let output = self.permute(input, 0, Role::Message);
        add(&first(&output, 0), &first(&input, 0))
    }

    fn elements(&self, hashed: &Digest, digits: &[u8], values: &[Digest]) -> Vec<Element> {
        let [signature, group] = self.ids;
        (0..ELEMENTS)
            .map(|counter| {
                let before = digits::DIGITS * counter;
                let mut elements = [F::ZERO; ELEMENTS];
                elements[..ELEMENTS - counter].copy_from_slice(&hashed[counter..ELEMENTS]);
                let placed = from_fn(|i| values.get(before + i).copied().unwrap_or([F::ZERO; 8]));
                Element {
                    signature,
                    group,
                    counter: counter as u32,
                    sum: digits[..before].iter().map(|digit| u32::from(*digit)).sum(),
                    elements,
                    limb: limb(hashed[counter]),
                    parameter: self.parameter,
                    values: placed,
                }
            })
            .collect()
    }

    /// Takes all chains to their ends, step by step, as many at once as there are lanes.
    fn chains(&mut self, digits: &[u8], mut values: Vec<Digest>) -> Vec<Digest> {
        let [signature, group] = self.ids;
        for step in 1..BASE {
            let open: Vec<usize> = (0..CHAINS).filter(|chain| u32::from(digits[*chain]) < step).collect();
            for chains in open.chunks(LANES) {
                let mut inputs = [[F::ZERO; 16]; LANES];
                for (input, chain) in inputs.iter_mut().zip(chains) {
                    let tweak = split(chain_tweak(self.claim.slot, *chain, step));
                    *input = join(&[&values[*chain], &self.parameter, &tweak]);
                }
                let mut state: [Lanes; 16] = from_fn(|i| Lanes::from_fn(|lane| inputs[lane][i]));
                POSEIDON_16.permute_mut(&mut state);
                for (lane, (chain, input)) in chains.iter().zip(inputs).enumerate() {
                    self.steps.push(Step { input, signature, group, position: 8 * *chain as u32 + step - 1 });
                    values[*chain] = from_fn(|i| state[i].as_slice()[lane] + input[i]);
                }
            }
        }
        values
    }

    fn sponge(&mut self, ends: &[Digest]) -> Digest {
        let tweak = tree_tweak(0, self.claim.slot);
        let absorbed: [F; 15 * BLOCKS] = join(&[&self.parameter, &tweak, ends.as_flattened()]);
        let mut state: [F; 24] = join(&[&Prod::LEAF_CAPACITY]);
        for (number, block) in (1..).zip(absorbed.as_chunks::<15>().0) {
            state[9..].copy_from_slice(block);
            let role = if number as usize == BLOCKS { Role::Last } else { Role::Block };
            state = self.permute(state, number, role);
        }
        first(&state, 9)
    }

    fn node(&mut self, level: usize, node: &Digest, sibling: &Digest) -> Digest {
        let right = (self.claim.slot >> level) & 1 == 1;
        let [left_child, right_child] = if right { [sibling, node] } else { [node, sibling] };
        let index = self.claim.slot.checked_shr(level as u32 + 1).unwrap_or(0);
        let tweak = tree_tweak(level as u8 + 1, index);
        let input = join(&[&self.parameter, &tweak, left_child, right_child]);
        let output = self.permute(input, level as u32, Role::Node(right));
        add(&first(&output, 0), &first(&input, 0))
    }
}
