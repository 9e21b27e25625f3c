//! Secret keys that are small and never make the signer wait for a part of the tree.
//!
//! A key holds its seed and the nodes of the tree from half way up. Signing needs the *window* around the slot, the
//! subtree under one of the lowest nodes that are held (512 slots for a key of 2^18). It is rebuilt from the seed
//! ahead of need. That work takes milliseconds, so it is handed out: [`SecretKey::prepare`] gives a [`Task`] that
//! runs on any thread, and [`SecretKey::install`] takes its result. [`SecretKey::sign`] itself refuses rather than
//! stall.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use crate::HEIGHT;
use crate::error::Error;
use crate::hash::Digest;
use crate::layout::Layout;
use crate::range::Slots;
use crate::seed::Source;
use crate::signature::{PublicKey, Signature};
use crate::tree::{Layer, grow};
use crate::window::Window;

/// Windows a key holds: that of the current slot and the next one.
const WINDOWS: usize = 2;

/// What of a key never changes. Tasks share it with the key they come from.
pub(crate) struct Core {
    pub(crate) source: Source,
    pub(crate) slots: Slots,
    /// The layers from the kept nodes to the root.
    pub(crate) top: Vec<Layer>,
}

/// A secret key. The seed is wiped when the last task and the key itself are gone.
pub struct SecretKey {
    pub(crate) core: Arc<Core>,
    windows: VecDeque<Window>,
}

impl Core {
    /// Builds a window, which must lead to the node that the key holds.
    fn window(&self, index: u64) -> Result<Window, Error> {
        let (window, node) = Window::build(&self.source, self.slots, index);
        if self.top[0].get(index) == Some(&node) {
            return Ok(window);
        }
        Err(Error::OtherTree { layout: self.source.layout() })
    }
}

impl SecretKey {
    /// A key over the nodes that it keeps.
    pub(crate) fn over(source: Source, slots: Slots, kept: Layer) -> Self {
        let top = grow(&source, kept, slots.kept_level(), HEIGHT);
        Self { core: Arc::new(Core { source, slots, top }), windows: VecDeque::with_capacity(WINDOWS) }
    }

    /// Like [`Self::over`], for nodes that a file holds: the first of them is rebuilt from the seed. That tells a
    /// file of another layout before a slot is missed; every other node is checked when its window is built.
    pub(crate) fn checked(source: Source, slots: Slots, kept: Layer) -> Result<Self, Error> {
        let key = Self::over(source, slots, kept);
        key.core.window(key.core.top[0].start)?;
        Ok(key)
    }

    /// The slots that this key can sign for.
    pub fn slots(&self) -> Range<u64> {
        self.core.slots.bounds()
    }

    /// The layout of its hash calls.
    pub fn layout(&self) -> Layout {
        self.core.source.layout()
    }

    /// The public key that belongs to this key.
    pub fn public_key(&self) -> PublicKey {
        let root = self.core.top.last().and_then(|layer| layer.nodes.first()).copied().unwrap_or_default();
        PublicKey { root, parameter: self.core.source.parameter }
    }

    /// The most urgent work for a signer that is at `slot`, if there is any: the window of the slot, then the window
    /// after it. Before its range a key prepares for the first slot; after it there is nothing to do.
    pub fn prepare(&self, slot: u64) -> Option<Task> {
        let slots = self.core.slots;
        let here = self.window_of(slots.check(slot.max(slots.bounds().start)).ok()?);
        let range = slots.nodes(slots.kept_level());
        [here, here + 1]
            .into_iter()
            .find(|index| range.contains(index) && self.window(*index).is_none())
            .map(|window| Task { core: Arc::clone(&self.core), window })
    }

    /// Whether [`Self::sign`] would work for the slot right now.
    pub fn is_prepared(&self, slot: u64) -> bool {
        self.core.slots.check(slot).is_ok_and(|slot| self.window(self.window_of(slot)).is_some())
    }

    /// Takes over what a task of this key has built. The oldest of more than two windows is dropped.
    pub fn install(&mut self, subtree: Subtree) {
        let Subtree { core, window } = subtree;
        if Arc::ptr_eq(&self.core, &core) && self.window(window.index()).is_none() {
            self.windows.truncate(WINDOWS - 1);
            self.windows.push_front(window);
        }
    }

    /// Signs a message for a slot. The same message at the same slot gives the same bytes; two messages for one slot
    /// give the key away, and nothing here prevents it.
    ///
    /// Takes as long as it takes to find a randomizer under which the message has an encoding: 29,489 trials in the
    /// mean, 135,800 in one case of a hundred.
    ///
    /// # Errors
    /// [`Error::OutOfRange`]; [`Error::NotPrepared`] if the window of the slot has not been installed.
    pub fn sign(&self, slot: u64, message: &[u8; 32]) -> Result<Signature, Error> {
        let epoch = self.core.slots.check(slot)?;
        let window = self.window(self.window_of(epoch)).ok_or(Error::NotPrepared { slot })?;
        crate::sign::sign(&self.core.source, epoch, message, self.path(window, epoch))
    }

    /// Like [`Self::sign`], but does the work of preparation on the spot. For tools and tests.
    ///
    /// # Errors
    /// [`Error::OutOfRange`]; [`Error::OtherTree`] if the seed does not belong to the tree.
    pub fn sign_with_build(&mut self, slot: u64, message: &[u8; 32]) -> Result<Signature, Error> {
        while !self.is_prepared(slot) {
            self.core.slots.check(slot)?;
            let task = self.prepare(slot).ok_or(Error::NotPrepared { slot })?;
            self.install(task.run()?);
        }
        self.sign(slot, message)
    }

    fn window_of(&self, slot: u32) -> u64 {
        u64::from(slot) >> self.core.slots.kept_level()
    }

    fn window(&self, index: u64) -> Option<&Window> {
        self.windows.iter().find(|window| window.index() == index)
    }

    /// The siblings from a leaf to below the root.
    fn path(&self, window: &Window, slot: u32) -> [Digest; HEIGHT as usize] {
        let Core { source, slots, top } = &*self.core;
        let upper = top.iter().zip(slots.kept_level()..HEIGHT);
        let upper = upper.map(|(layer, level)| layer.sibling(source, level, u64::from(slot) >> level));
        let mut path = [Digest::default(); _];
        for (place, node) in path.iter_mut().zip(window.path(source, slot).chain(upper)) {
            *place = node;
        }
        path
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "SecretKey<xmss-blake2s, {}>(slots {:?}, {:?})",
            self.layout(),
            self.slots(),
            self.public_key()
        )
    }
}

/// The building of a window, detached from its key: runs on any thread while the key goes on signing.
pub struct Task {
    core: Arc<Core>,
    window: u64,
}

impl Task {
    /// Leaves to be computed: 512 for a key of 2^18 slots, 65,536 for the longest.
    pub fn leaves(&self) -> u64 {
        let slots = self.core.slots;
        slots.under(slots.kept_level(), &(self.window..self.window + 1)).count()
    }

    /// Does the work, on the calling thread.
    ///
    /// # Errors
    /// [`Error::OtherTree`] if what the seed gives is not what the key holds.
    pub fn run(self) -> Result<Subtree, Error> {
        let window = self.core.window(self.window)?;
        Ok(Subtree { core: self.core, window })
    }
}

/// What a [`Task`] has built, for [`SecretKey::install`].
pub struct Subtree {
    core: Arc<Core>,
    window: Window,
}

#[cfg(test)]
#[path = "secret_key_tests.rs"]
mod tests;
