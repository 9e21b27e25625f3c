//! The seed of a key, and what is derived from it.

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::CHAINS;
use crate::hash::{self, Digest, PackedDigest, PackedSeed, Parameter};
use crate::lanes::{LANES, Packed, broadcast, gather_word, lane, wipe, words};
use crate::layout::{Layout, Rules};

/// Bytes of a seed.
pub const SEED_BYTES: usize = 32;

/// The seed of a secret key. Wiped when dropped, never printed, and on the heap, where it stays when a key is moved.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
struct Seed(Box<[u8; SEED_BYTES]>);

impl Seed {
    fn new(bytes: &[u8; SEED_BYTES]) -> Self {
        let mut own = Box::new([0; SEED_BYTES]);
        own.copy_from_slice(bytes);
        Self(own)
    }
}

/// A seed in every lane, wiped when dropped.
pub(crate) struct SeedLanes(PackedSeed);

impl std::ops::Deref for SeedLanes {
    type Target = PackedSeed;

    fn deref(&self) -> &PackedSeed {
        &self.0
    }
}

impl Drop for SeedLanes {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// What every node and every one-time key of a key is derived from.
#[derive(Clone)]
pub(crate) struct Source {
    seed: Seed,
    layout: Layout,
    /// The parameter of the key; it follows from the seed.
    pub parameter: Parameter,
}

impl Source {
    /// Copies the seed. The caller wipes its own.
    pub(crate) fn new(layout: Layout, seed: &[u8; SEED_BYTES]) -> Self {
        let mut source = Self { seed: Seed::new(seed), layout, parameter: Parameter::default() };
        source.parameter = lane(&hash::parameter(source.rules(), &source.lanes()), 0);
        source
    }

    /// The layout of its calls.
    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// The table behind the layout.
    pub(crate) fn rules(&self) -> &'static Rules {
        self.layout.rules()
    }

    /// For key files only.
    pub(crate) fn expose_seed(&self) -> &[u8; SEED_BYTES] {
        &self.seed.0
    }

    /// The seed in every lane.
    pub(crate) fn lanes(&self) -> SeedLanes {
        SeedLanes(broadcast(&words(&*self.seed.0)))
    }

    /// The parameter in every lane.
    pub(crate) fn packed_parameter(&self) -> PackedDigest {
        broadcast(&self.parameter)
    }

    /// The node that stands at `index` of `level`, where the key has no slots below.
    pub(crate) fn filler(&self, level: u8, index: u64) -> Digest {
        let index = Packed::splat(index as u32);
        lane(&hash::filler(self.rules(), &self.packed_parameter(), &self.lanes(), level, index), 0)
    }

    /// The secret starts of the chains of one slot.
    pub(crate) fn chain_starts(&self, epoch: u32) -> [Digest; CHAINS] {
        let (parameter, seed, epoch) = (self.packed_parameter(), self.lanes(), Packed::splat(epoch));
        let mut starts = [Digest::default(); CHAINS];
        for (group, starts) in starts.chunks_mut(LANES).enumerate() {
            let chain = gather_word(|lane| (group * LANES + lane) as u32);
            let mut packed = hash::chain_start(self.rules(), &parameter, &seed, epoch, chain);
            for (index, start) in starts.iter_mut().enumerate() {
                *start = lane(&packed, index);
            }
            wipe(&mut packed);
        }
        starts
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Source({}, seed secret)", self.layout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_wiped_when_it_is_dropped() {
        fn is_wiped<T: ZeroizeOnDrop>() {}
        is_wiped::<Seed>();
        let mut seed = Seed::new(&[7; SEED_BYTES]);
        seed.zeroize();
        assert_eq!(*seed.0, [0; SEED_BYTES]);
    }

    #[test]
    fn debug_keeps_the_seed_to_itself() {
        assert_eq!(format!("{:?}", Source::new(Layout::L5, &[7; SEED_BYTES])), "Source(L5, seed secret)");
    }
}
