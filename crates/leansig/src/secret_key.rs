//! Secret keys that fit into 64 KiB and never make the signer wait.
//!
//! A key holds its seed, the top tree, and of every bottom tree the nodes half way up, one per *window* of 256 slots.
//! Signing needs the window around the slot; it is rebuilt from the seed ahead of need. That is heavy work (about as
//! long as twenty signatures), so it is handed out: [`SecretKey::prepare`] gives a [`Task`] that runs on any thread,
//! and [`SecretKey::install`] takes its result. [`SecretKey::sign`] itself refuses rather than stall.
//!
//! The bound holds for ranges of up to 2^21 slots, a quarter of a year; beyond that the top tree grows by 64 bytes per
//! 65,536 slots.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use crate::error::Error;
use crate::hash::{Digest, Parameter};
use crate::leaves::{leaves, leaves_parallel, window};
use crate::prf::Seed;
use crate::range::Slots;
use crate::scheme::Scheme;
use crate::signature::{PublicKey, Signature};
use crate::tree::{Layer, grow};
use crate::window::Window;

/// Windows a key holds: that of the current slot and the next one.
const WINDOWS: usize = 2;
/// Bottom trees whose window nodes a key in use holds, the nearest ones: twelve days of 4-second slots. Each takes 8
/// KiB, and with more of them a key would not fit into 64 KiB. A longer key rebuilds the others from its seed, a tree
/// ahead of need.
const KEPT_TREES: usize = 4;

/// What of a key never changes. Tasks share it with the key they come from.
pub(crate) struct Core {
    pub(crate) seed: Seed,
    pub(crate) parameter: Parameter,
    pub(crate) slots: Slots,
    /// The layers from the roots of the bottom trees to the root of the key, all padded.
    pub(crate) top: Vec<Layer>,
}

/// A secret key. The seed is wiped when the last task and the key itself are gone.
pub struct SecretKey<S: Scheme> {
    pub(crate) core: Arc<Core>,
    /// Per bottom tree of the range the nodes of its windows, without pads. Missing where an imported key did not hold
    /// the tree.
    pub(crate) kept: Vec<Option<Arc<Layer>>>,
    windows: VecDeque<Window>,
    scheme: PhantomData<S>,
}

impl Core {
    /// Index of the first bottom tree.
    pub(crate) fn first_tree<S: Scheme>(&self) -> u32 {
        self.slots.nodes(S::BOTTOM_LEVEL).start
    }

    /// The layers of a bottom tree from its windows up, checked against the root that the top tree holds.
    fn upper_layers<S: Scheme>(&self, tree: u32, kept: &Layer) -> Result<Vec<Layer>, Error> {
        let pad = |level, index| self.seed.pad(level, index);
        let layers = grow(&self.parameter, kept.clone(), S::WINDOW_LEVEL, S::BOTTOM_LEVEL, &pad);
        let root = layers.last().and_then(|layer| layer.get(tree));
        if root.is_none() || root != self.top.first().and_then(|layer| layer.get(tree)) {
            return Err(Error::Damaged("one of its bottom trees does not lead to the root of the key"));
        }
        Ok(layers)
    }

    /// The siblings of a window's node and of everything above it.
    fn siblings_above<S: Scheme>(&self, window: u32, kept: &Layer) -> Result<Vec<Digest>, Error> {
        let tree = window >> (S::BOTTOM_LEVEL - S::WINDOW_LEVEL);
        let mut bottom = self.upper_layers::<S>(tree, kept)?;
        bottom.pop();
        bottom
            .iter()
            .chain(&self.top[..self.top.len() - 1])
            .zip(0..)
            .map(|(layer, height)| layer.sibling(u64::from(window).unbounded_shr(height) as u32).copied())
            .collect::<Option<_>>()
            .ok_or(Error::Damaged("its tree has gaps"))
    }
}

/// The window nodes of one bottom tree.
pub(crate) fn build_kept<S: Scheme>(
    seed: &Seed,
    parameter: &Parameter,
    slots: Slots,
    done: &(impl Fn(u64) + Sync),
) -> Layer {
    let leaves = leaves_parallel::<S>(seed, parameter, slots, done);
    let windows = slots.nodes(S::WINDOW_LEVEL);
    let start = windows.start;
    let nodes = windows
        .into_par_iter()
        .filter_map(|index| {
            let part = slots.under(S::WINDOW_LEVEL, index);
            let from = (part.first() - slots.first()) as usize;
            let leaves = leaves[from..from + part.count() as usize].to_vec();
            window::<S>(seed, parameter, part.first(), leaves).pop()?.nodes.pop()
        })
        .collect();
    Layer { start, nodes }
}

impl<S: Scheme> SecretKey<S> {
    /// A key from its parts. The parts given are checked against each other.
    pub(crate) fn assemble(core: Core, kept: Vec<Option<Arc<Layer>>>) -> Result<Self, Error> {
        for (level, layers) in (S::BOTTOM_LEVEL + 1..).zip(core.top.windows(2)) {
            let parents = layers[0].parents(&core.parameter, level);
            if !parents
                .nodes
                .iter()
                .zip(parents.start..)
                .all(|(node, index)| layers[1].get(index) == Some(node))
            {
                return Err(Error::Damaged("its top tree does not lead to one root"));
            }
        }
        for (tree, kept) in core.slots.nodes(S::BOTTOM_LEVEL).zip(&kept) {
            if let Some(kept) = kept {
                core.upper_layers::<S>(tree, kept)?;
            }
        }
        Ok(Self {
            core: Arc::new(core),
            kept,
            windows: VecDeque::with_capacity(WINDOWS),
            scheme: PhantomData,
        })
    }

    /// The slots that this key can sign for.
    pub fn slots(&self) -> Range<u64> {
        self.core.slots.bounds()
    }

    /// The public key that belongs to this key.
    pub fn public_key(&self) -> PublicKey {
        let root = self.core.top.last().and_then(|layer| layer.nodes.first()).copied().unwrap_or_default();
        PublicKey { root, parameter: self.core.parameter }
    }

    /// The most urgent work for a signer that is at `slot`, if there is any: the window of the slot, then the window
    /// after it, then the nodes of the next bottom tree of an imported key. Before its range a key prepares for the
    /// first slot; after it there is nothing to do.
    ///
    /// Ask again after each installed result; a window ahead is an idle quarter of an hour with 4-second slots.
    pub fn prepare(&self, slot: u64) -> Option<Task<S>> {
        let ahead = slot.max(u64::from(self.core.slots.first()));
        let here = self.core.slots.check(ahead).ok()? >> S::WINDOW_LEVEL;
        let range = self.core.slots.nodes(S::WINDOW_LEVEL);
        let window = [here, here.saturating_add(1)]
            .into_iter()
            .find(|index| range.contains(index) && self.window(*index).is_none());
        if let Some(window) = window {
            let tree = window >> (S::BOTTOM_LEVEL - S::WINDOW_LEVEL);
            return Some(self.task(tree, Some(window)));
        }
        let tree = (here >> (S::BOTTOM_LEVEL - S::WINDOW_LEVEL)) + 1;
        let missing = self.core.slots.nodes(S::BOTTOM_LEVEL).contains(&tree) && self.kept(tree).is_none();
        missing.then(|| self.task(tree, None))
    }

    /// Whether [`Self::sign`] would work for the slot right now.
    pub fn is_prepared(&self, slot: u64) -> bool {
        self.core.slots.check(slot).is_ok_and(|slot| self.window(slot >> S::WINDOW_LEVEL).is_some())
    }

    /// Takes over what a task of this key has built. The oldest of more than two windows is dropped.
    pub fn install(&mut self, subtree: Subtree<S>) {
        if !Arc::ptr_eq(&self.core, &subtree.core) {
            return;
        }
        let place = (subtree.tree - self.core.first_tree::<S>()) as usize;
        if let Some(kept) = self.kept.get_mut(place) {
            kept.get_or_insert(subtree.kept);
        }
        self.forget_far_trees(place);
        let Some(window) = subtree.window else { return };
        if self.window(window.index()).is_none() {
            self.windows.truncate(WINDOWS - 1);
            self.windows.push_front(window);
        }
    }

    /// Drops what is kept of the trees that lie furthest from the one at `here`; of two at one distance, the past one.
    fn forget_far_trees(&mut self, here: usize) {
        let mut held: Vec<usize> = (0..self.kept.len()).filter(|place| self.kept[*place].is_some()).collect();
        held.sort_unstable_by_key(|place| (place.abs_diff(here), *place < here));
        for place in held.into_iter().skip(KEPT_TREES) {
            self.kept[place] = None;
        }
    }

    /// Signs a message for a slot. The same message at the same slot gives the same bytes; two messages for one slot
    /// give the key away, and nothing here prevents it.
    ///
    /// # Errors
    /// [`Error::OutOfRange`]; [`Error::NotPrepared`] if the window of the slot has not been installed.
    pub fn sign(&self, slot: u64, message: &[u8; 32]) -> Result<Signature<S>, Error> {
        let epoch = self.core.slots.check(slot)?;
        let window = self.window(epoch >> S::WINDOW_LEVEL).ok_or(Error::NotPrepared { slot })?;
        let siblings = window.path(&self.core.parameter, &self.core.seed, epoch);
        crate::sign::sign(&self.core.seed, &self.core.parameter, epoch, message, siblings)
    }

    /// Like [`Self::sign`], but does the work of preparation on the spot. For tools and tests.
    ///
    /// # Errors
    /// [`Error::OutOfRange`]; [`Error::Damaged`] if the seed does not belong to the tree.
    pub fn sign_with_build(&mut self, slot: u64, message: &[u8; 32]) -> Result<Signature<S>, Error> {
        while !self.is_prepared(slot) {
            self.core.slots.check(slot)?;
            let task = self.prepare(slot).ok_or(Error::NotPrepared { slot })?;
            self.install(task.run()?);
        }
        self.sign(slot, message)
    }

    fn window(&self, index: u32) -> Option<&Window> {
        self.windows.iter().find(|window| window.index() == index)
    }

    pub(crate) fn kept(&self, tree: u32) -> Option<&Arc<Layer>> {
        self.kept.get(tree.checked_sub(self.core.first_tree::<S>())? as usize)?.as_ref()
    }

    fn task(&self, tree: u32, window: Option<u32>) -> Task<S> {
        Task {
            core: Arc::clone(&self.core),
            kept: self.kept(tree).cloned(),
            tree,
            window,
            scheme: PhantomData,
        }
    }
}

impl<S: Scheme> std::fmt::Debug for SecretKey<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretKey<{}>(slots {:?}, {:?})", S::NAME, self.slots(), self.public_key())
    }
}

/// Heavy work for a key, detached from it: runs on any thread while the key goes on signing.
pub struct Task<S: Scheme> {
    core: Arc<Core>,
    kept: Option<Arc<Layer>>,
    tree: u32,
    window: Option<u32>,
    scheme: PhantomData<S>,
}

impl<S: Scheme> Task<S> {
    /// Whether this is a whole bottom tree (seconds on all threads of the pool) and not one window (milliseconds on the
    /// calling thread). Only imported keys and those of more than four trees ever need one.
    pub fn is_whole_tree(&self) -> bool {
        self.kept.is_none()
    }

    /// Does the work.
    ///
    /// # Errors
    /// [`Error::Damaged`] if what the seed gives is not what the key holds.
    pub fn run(self) -> Result<Subtree<S>, Error> {
        let Core { seed, parameter, slots, .. } = &*self.core;
        let kept = self.kept.unwrap_or_else(|| {
            let slots = slots.under(S::BOTTOM_LEVEL, self.tree);
            Arc::new(build_kept::<S>(seed, parameter, slots, &|_| ()))
        });
        self.core.upper_layers::<S>(self.tree, &kept)?;
        let window = self
            .window
            .map(|index| {
                let part = slots.under(S::WINDOW_LEVEL, index);
                let mut layers =
                    window::<S>(seed, parameter, part.first(), leaves::<S>(seed, parameter, part));
                if layers.pop().as_ref().and_then(|layer| layer.get(index)) != kept.get(index) {
                    return Err(Error::Damaged("its seed does not belong to its tree"));
                }
                Ok(Window::new(index, layers, self.core.siblings_above::<S>(index, &kept)?))
            })
            .transpose()?;
        Ok(Subtree { core: Arc::clone(&self.core), tree: self.tree, kept, window, scheme: PhantomData })
    }
}

/// What a [`Task`] has built, for [`SecretKey::install`].
pub struct Subtree<S: Scheme> {
    core: Arc<Core>,
    tree: u32,
    kept: Arc<Layer>,
    window: Option<Window>,
    scheme: PhantomData<S>,
}

#[cfg(test)]
#[path = "secret_key_tests.rs"]
mod tests;
