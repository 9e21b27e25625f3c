//! When a block is prepared and signed.

use lathe_types::{MILLISECONDS_PER_INTERVAL, Slot};

use crate::attesting::WAIT_FOR_BLOCK_MS;
use crate::config::EngineConfig;
use crate::io::Millis;

/// Time for a preparation that has to begin before interval 4.
const PREPARE_MS: u64 = 100;
/// What a final merge can take without the block being late. Then the block is prepared 1.24 s into the slot before,
/// when everybody there has voted: whichever block these votes are for is the one to build on.
const MAX_MERGE_MS: u64 = 2_600;

/// A block that is not signed by then is not worth signing: interval 1 has begun, and the votes go elsewhere.
pub(super) fn too_late_to_sign(slot: Slot) -> Millis {
    Millis::of_slot(slot).plus(MILLISECONDS_PER_INTERVAL)
}

/// A block that comes later than this into its slot misses its votes: they wait for it for 400 ms of interval 1, and
/// some time is for the way to the voters.
const VOTED_FOR_MS: u64 = MILLISECONDS_PER_INTERVAL + WAIT_FOR_BLOCK_MS - 200;

/// What the final merge of the block for `slot` may take, if it is prepared now and is still to be voted for in its
/// slot.
pub(super) fn merge_within_ms(now: Millis, slot: Slot, config: &EngineConfig) -> u64 {
    let sign_at = now.max(Millis::of_slot(slot).minus(config.sign_lead_ms + MAX_MERGE_MS));
    let signed_at = sign_at.plus(config.sign_lead_ms);
    Millis::of_slot(slot).plus(VOTED_FOR_MS).since(signed_at).try_into().unwrap_or(0)
}

/// What the final merge takes, as the newest prepared block said.
#[derive(Default)]
pub(super) struct MergeTime(Option<u64>);

impl MergeTime {
    pub(super) fn is(&mut self, millis: u64) {
        self.0 = Some(millis);
    }

    /// What the final merge is going to take, up to what can be allowed for.
    pub(super) fn merge_ms(&self, config: &EngineConfig) -> u64 {
        self.0.unwrap_or(config.merge_ms).min(MAX_MERGE_MS)
    }

    /// How long before the start of its slot a block is signed.
    pub(super) fn sign_lead_ms(&self, config: &EngineConfig) -> u64 {
        config.sign_lead_ms + self.merge_ms(config)
    }

    /// When the proposal of the slot after `slot` has to be taken up, if interval 4 is too late for it.
    pub(super) fn early_take_up(&self, slot: Slot, config: &EngineConfig) -> Option<Millis> {
        let lead = self.sign_lead_ms(config) + PREPARE_MS;
        let start = Millis::of_slot(Slot(slot.0.saturating_add(1)));
        (lead > MILLISECONDS_PER_INTERVAL).then(|| start.minus(lead))
    }
}
