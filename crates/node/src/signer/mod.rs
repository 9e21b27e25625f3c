//! The signer: a thread that owns keys and ledger.
//!
//! It records, syncs, and only then signs. What it cannot do in time it refuses: a missed duty is safe, a one-time leaf
//! used twice is not. Preparing the next window of a key is work for the pool's idle moments; the clock asks for it
//! slot by slot, so that keys are ready after a long synchronisation as well. When the ledger fails, nothing can be
//! signed any more, and the node stops to say so.

mod actor;
mod mailbox;
mod state;

use std::sync::Arc;

use lathe_engine::Millis;
use lathe_signer::{KeyAssignment, KeyStore, Ledger, Signer};
use lathe_types::{MILLISECONDS_PER_SLOT, Slot};
use tracing::{info, warn};

pub(crate) use actor::run;
pub(crate) use mailbox::{Mailbox, Order, open};

use crate::error::NodeError;
use crate::options::NodeOptions;

/// Slots of a day: a key that ends within them is worth a warning.
const SLOTS_PER_DAY: u64 = 21_600;

/// Loads the keys, takes the ledger, and prepares the keys for the current slot.
pub(crate) fn load(options: &NodeOptions, now: Millis) -> Result<Arc<Signer>, NodeError> {
    let assignments = options.keys.iter().map(|key| KeyAssignment {
        validator: key.validator,
        role: key.role,
        path: key.path.clone(),
        public_key: key.public_key,
    });
    let keys = KeyStore::load(&assignments.collect::<Vec<_>>())?;
    let slot = slot_at(now);
    let ledger = Ledger::open(&options.ledger_dir, options.genesis.genesis_time, slot.map(|slot| slot.0))?;
    let signer = Signer::new(keys, ledger);
    signer.prepare_now(slot.unwrap_or_default()).map_err(NodeError::Keys)?;
    info!(keys = signer.keys().len(), watermark = signer.ledger().watermark(), "signer ready");
    warn_of_ending_keys(&signer, slot.unwrap_or_default());
    Ok(Arc::new(signer))
}

/// The current slot; `None` before genesis.
fn slot_at(now: Millis) -> Option<Slot> {
    u64::try_from(now.0).ok().map(|ms| Slot(ms / MILLISECONDS_PER_SLOT))
}

fn warn_of_ending_keys(signer: &Signer, now: Slot) {
    let ending = signer.exhausts_within(now, SLOTS_PER_DAY);
    if let Some(first) = ending.iter().min_by_key(|exhaustion| exhaustion.end) {
        warn!(
            keys = ending.len(),
            first_end_slot = first.end.0,
            current_slot = now.0,
            "keys end within a day"
        );
    }
}
