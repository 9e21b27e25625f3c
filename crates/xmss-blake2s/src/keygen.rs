//! Key generation.
//!
//! Costs one leaf per slot of the range and a hash per level beside it: where the tree goes on beyond the range,
//! fillers stand in.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::CryptoRng;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::layout::Layout;
use crate::leaves::nodes_above;
use crate::range::Slots;
use crate::secret_key::SecretKey;
use crate::seed::{SEED_BYTES, Source};

impl SecretKey {
    /// Makes a key for a range of slots, on all threads of the current rayon pool. `progress` hears of the leaves done
    /// and of their total, from any of the threads.
    ///
    /// # Errors
    /// [`Error::Range`] if the range is empty or leaves the lifetime of the scheme.
    pub fn generate(
        layout: Layout,
        rng: &mut impl CryptoRng,
        slots: Range<u64>,
        progress: impl Fn(u64, u64) + Sync,
    ) -> Result<Self, Error> {
        let mut seed = Zeroizing::new([0; SEED_BYTES]);
        rng.fill_bytes(seed.as_mut());
        Self::from_seed(layout, &seed, slots, progress)
    }

    /// The key that follows from a seed, the only secret. Another range gives another key, even of the same seed.
    ///
    /// # Errors
    /// As [`Self::generate`].
    pub fn from_seed(
        layout: Layout,
        seed: &[u8; SEED_BYTES],
        slots: Range<u64>,
        progress: impl Fn(u64, u64) + Sync,
    ) -> Result<Self, Error> {
        let slots = Slots::new(&slots)?;
        let source = Source::new(layout, seed);
        let finished = AtomicU64::new(0);
        let done = |leaves| {
            let before = finished.fetch_add(leaves, Ordering::Relaxed);
            progress(before + leaves, slots.count());
        };
        let kept = nodes_above(&source, slots, slots.kept_level(), &done);
        Ok(Self::over(source, slots, kept))
    }
}
