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
use lathe_signer::{Exhaustion, KeyAssignment, KeyStore, Locked, Signer};
use lathe_types::{KeyRole, MILLISECONDS_PER_SLOT, Slot};
use tracing::{error, info, warn};

pub(crate) use actor::run;
pub(crate) use mailbox::{Mailbox, Order, open};

use crate::error::NodeError;
use crate::metrics::Metrics;
use crate::options::NodeOptions;

/// Slots of a day: a key that ends within them is worth a warning.
const SLOTS_PER_DAY: u64 = 21_600;

/// Keys that one line names; the rest is counted.
const NAMED_KEYS: usize = 8;

/// Loads the keys and takes the ledger, so that no other process signs with them any more.
pub(crate) fn lock(options: &NodeOptions) -> Result<Locked, NodeError> {
    let assignments = options.keys.iter().map(|key| KeyAssignment {
        validator: key.validator,
        role: key.role,
        path: key.path.clone(),
        public_key: key.public_key,
    });
    let keys = KeyStore::load(&assignments.collect::<Vec<_>>())?;
    Ok(Locked::take(keys, &options.ledger_dir, options.genesis.genesis_time)?)
}

/// Opens the ledger for what the clock or the stored chain says is the current slot, whichever is later, and prepares
/// the keys for it.
pub(crate) fn load(
    locked: Locked,
    options: &NodeOptions,
    metrics: &Metrics,
    now: Millis,
    newest_block: Slot,
) -> Result<Arc<Signer>, NodeError> {
    let clock = slot_at(now);
    if newest_block > Slot(clock.unwrap_or_default().0 + 1) {
        warn!(
            clock_slot = clock.map(|slot| slot.0),
            newest_block = newest_block.0,
            "the system clock is behind the stored chain: set it; nothing is signed before the slots that have passed"
        );
    }
    let slot = clock.max((newest_block > Slot(0)).then_some(newest_block));
    if options.allow_key_reuse {
        warn!(
            "--allow-key-reuse: keys may sign again what they have signed for another genesis, which gives them away; \
             only for throw-away networks"
        );
        metrics.validator.key_reuse_allowed.set(1);
    }
    let signer = locked.open(slot, options.allow_key_reuse)?;
    if !signer.opened().is_clean() {
        warn!(
            from_slot = signer.watermark().0,
            "the signing ledger in {} does not vouch for every slot: {}; duties rest until then",
            options.ledger_dir.display(),
            signer.opened()
        );
    }
    for directory in signer.unmarked() {
        warn!(
            "{} cannot be written, so what its keys have signed is only known to the ledger directory: never wipe {} \
             while these keys are in use",
            directory.display(),
            options.ledger_dir.display()
        );
    }
    signer.prepare_now(slot.unwrap_or_default()).map_err(NodeError::Keys)?;
    info!(keys = signer.keys().len(), watermark = signer.watermark().0, "signer ready");
    for key in signer.exhausts_within(Slot(0), u64::MAX) {
        let labels = [&*key.validator.to_string(), role_name(key.role)];
        metrics.validator.key_end.with_label_values(&labels).set(key.end.0 as i64);
    }
    warn_of_ending_keys(&signer, slot.unwrap_or_default());
    Ok(Arc::new(signer))
}

/// The current slot; `None` before genesis.
fn slot_at(now: Millis) -> Option<Slot> {
    u64::try_from(now.0).ok().map(|ms| Slot(ms / MILLISECONDS_PER_SLOT))
}

/// Says once a day, and at the start, which keys are about to end, and which have ended.
fn warn_of_ending_keys(signer: &Signer, now: Slot) {
    let ending = signer.exhausts_within(now, SLOTS_PER_DAY);
    let (ended, ending): (Vec<_>, Vec<_>) = ending.into_iter().partition(|key| key.end <= now);
    say_ended(&ended);
    if let Some(first) = ending.iter().min_by_key(|exhaustion| exhaustion.end) {
        warn!(
            keys = ending.len(),
            first_end_slot = first.end.0,
            current_slot = now.0,
            "keys end within a day"
        );
    }
}

/// One line for all of them: afterwards their missed duties are counted in silence.
fn say_ended(ended: &[Exhaustion]) {
    if ended.is_empty() {
        return;
    }
    let mut names: Vec<String> = ended
        .iter()
        .take(NAMED_KEYS)
        .map(|key| {
            let role = role_name(key.role);
            format!("validator {} {role} (last slot {})", key.validator, key.end.0.saturating_sub(1))
        })
        .collect();
    if ended.len() > NAMED_KEYS {
        names.push(format!("and {} more", ended.len() - NAMED_KEYS));
    }
    error!(
        "keys have ended and sign nothing any more: {}; a key cannot be extended, make new ones (lathe keys generate) \
         for a new network",
        names.join(", ")
    );
}

/// The role as metrics and log lines have it.
fn role_name(role: KeyRole) -> &'static str {
    match role {
        KeyRole::Attestation => "attestation",
        KeyRole::Proposal => "proposal",
    }
}
