//! Key generation.
//!
//! Costs one leaf per slot of the range and nothing per slot outside it: where the tree goes on beyond the range, pads
//! derived from the seed stand in. A key of some hundred slots takes milliseconds.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::field::{Element, from_limb};
use crate::hash::Parameter;
use crate::prf::{SEED_BYTES, Seed};
use crate::range::Slots;
use crate::scheme::Scheme;
use crate::secret_key::{Core, SecretKey, build_kept};
use crate::tree::{Layer, grow};

impl<S: Scheme> SecretKey<S> {
    /// Makes a key for a range of slots, on all threads of the current rayon pool. `progress` hears of the leaves done
    /// and of their total, from any of the threads.
    ///
    /// # Errors
    /// [`Error::Range`] if the range is empty or leaves the lifetime of the scheme.
    pub fn generate(
        rng: &mut impl CryptoRng,
        slots: Range<u64>,
        progress: impl Fn(u64, u64) + Sync,
    ) -> Result<Self, Error> {
        let slots = Slots::new::<S>(&slots)?;
        let parameter: Parameter = std::array::from_fn(|_| random_element(rng));
        let mut bytes = Zeroizing::new([0; SEED_BYTES]);
        rng.fill_bytes(bytes.as_mut());
        Self::from_seed(Seed::new(&bytes), parameter, slots, progress)
    }

    pub(crate) fn from_seed(
        seed: Seed,
        parameter: Parameter,
        slots: Slots,
        progress: impl Fn(u64, u64) + Sync,
    ) -> Result<Self, Error> {
        let finished = AtomicU64::new(0);
        let done = |leaves| {
            let before = finished.fetch_add(leaves, Ordering::Relaxed);
            progress(before + leaves, slots.count());
        };
        Self::from_trees(seed, parameter, slots, |seed, slots| {
            build_kept::<S>(seed, &parameter, slots, &done)
        })
    }

    /// A key over the window nodes that `kept` gives for the slots of each bottom tree.
    pub(crate) fn from_trees(
        seed: Seed,
        parameter: Parameter,
        slots: Slots,
        kept: impl Fn(&Seed, Slots) -> Layer,
    ) -> Result<Self, Error> {
        let pad = |level, index| seed.pad(level, index);
        let trees = slots.nodes(S::BOTTOM_LEVEL);
        let mut all = Vec::with_capacity(trees.len());
        let mut roots = Layer { start: trees.start, nodes: Vec::with_capacity(trees.len()) };
        for tree in trees {
            let layer = kept(&seed, slots.under(S::BOTTOM_LEVEL, tree));
            let root = grow(&parameter, layer.clone(), S::WINDOW_LEVEL, S::BOTTOM_LEVEL, &pad).pop();
            roots.nodes.extend(root.and_then(|layer| layer.nodes.first().copied()));
            all.push(Some(Arc::new(layer)));
        }
        let mut top = grow(&parameter, roots, S::BOTTOM_LEVEL, S::LOG_LIFETIME, &pad);
        // leanSig gives even the root a sibling. It means nothing, but then both kinds of keys look the same.
        let root = top.pop().map(|root| root.padded(S::LOG_LIFETIME, &pad));
        top.extend(root);
        Self::assemble(Core { seed, parameter, slots, top }, all)
    }
}

/// A uniform element: 31 random bits, drawn again in the rare case that they are not below the modulus.
fn random_element(rng: &mut impl CryptoRng) -> Element {
    loop {
        if let Some(element) = from_limb(rng.next_u32() >> 1) {
            return element;
        }
    }
}
