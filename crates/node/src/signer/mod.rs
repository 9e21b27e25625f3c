//! The signer: a thread that owns keys and ledger.
//!
//! It records, syncs, and only then signs. What it cannot do in time it refuses: a missed duty is safe, a one-time leaf
//! used twice is not. Preparing the next window of a key is work for the pool's idle moments; the clock asks for it
//! slot by slot, so that keys are ready after a long synchronisation as well. When the ledger fails, nothing can be
//! signed any more, and the node stops to say so.

mod actor;
mod hand;
mod mailbox;
mod state;

use std::sync::Arc;

use lathe_engine::Millis;
use lathe_signer::{HeldKey, KeyAssignment, KeyStore, Locked, OutsideSigner, RemoteSigner};
use lathe_types::{KeyRole, MILLISECONDS_PER_SLOT, SECONDS_PER_SLOT, Slot, ValidatorIndex};
use tracing::{debug, error, warn};

pub(crate) use actor::run;
pub(crate) use hand::{Hand, Stopped};
pub(crate) use mailbox::{Mailbox, SignerTask, open};

use crate::backend::note;
use crate::description::duration;
use crate::error::NodeError;
use crate::metrics::Metrics;
use crate::options::{NodeOptions, RemoteOptions};

/// Slots of a day: a key that ends within them is worth a warning, unless it never lasted long.
const SLOTS_PER_DAY: u64 = 21_600;
/// A key that never lasted long is worth a warning when less than this part of its slots is left.
const LAST_PART: u64 = 8;

/// Keys that one line names; the rest is counted.
const NAMED_KEYS: usize = 8;

/// Loads the keys and takes the ledger, so that no other process signs with them any more.
pub(crate) fn lock(options: &NodeOptions, metrics: &Arc<Metrics>) -> Result<Option<Locked>, NodeError> {
    if options.remote_signer.is_some() {
        return Ok(None);
    }
    let assignments = options.keys.iter().map(|key| KeyAssignment {
        validator: key.validator,
        role: key.role,
        path: key.path.clone(),
        public_key: key.public_key,
    });
    let scheme = options.genesis.signature_scheme;
    let observed = metrics.clone();
    // An observer has no keys, and needs nobody who signs with them.
    let outside = if options.keys.is_empty() {
        None
    } else {
        options.backend.key_service(scheme, move |incident| note(&observed, incident))?
    };
    let outside = outside.map(|service| Arc::new(service) as Arc<dyn OutsideSigner>);
    let keys = KeyStore::load_with(scheme, &assignments.collect::<Vec<_>>(), outside.as_ref())?;
    Ok(Some(Locked::take(keys, &options.ledger_dir, options.genesis.genesis_time)?))
}

/// Opens the ledger for what the clock or the stored chain says is the current slot, whichever is later, and prepares
/// the keys for it.
pub(crate) fn load(
    locked: Option<Locked>,
    options: &NodeOptions,
    metrics: &Arc<Metrics>,
    now: Millis,
    newest_block: Slot,
) -> Result<Hand, NodeError> {
    let clock = slot_at(now);
    if newest_block > Slot(clock.unwrap_or_default().0 + 1) {
        warn!(
            clock_slot = clock.map(|slot| slot.0),
            newest_block = newest_block.0,
            "the system clock is behind the stored chain: set it; nothing is signed before the slots that have passed"
        );
    }
    let newest_block = beyond_genesis(newest_block);
    let slot = clock.max(newest_block);
    let Some(locked) = locked else {
        let Some(RemoteOptions { address, token }) = options.remote_signer.clone() else {
            return Err(NodeError::NoSigner);
        };
        let signer = RemoteSigner::new(address, token.0, options.genesis.genesis_time);
        return hand::remote(signer, &options.keys, metrics, slot.unwrap_or_default());
    };
    if options.allow_key_reuse {
        warn!(
            "--allow-key-reuse: keys may sign again what they have signed for another genesis, which gives them away; \
             only for throw-away networks"
        );
        metrics.validator.key_reuse_allowed.set(1);
    }
    let signer = locked.open(clock, newest_block, options.allow_key_reuse)?;
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
    debug!(keys = signer.keys().len(), watermark = signer.watermark().0, "signer ready");
    let keys = signer.describe_keys();
    metrics.describe_keys(&keys);
    warn_of_ending_keys(&keys, slot.unwrap_or_default());
    say_stopped(signer.stopped(), metrics);
    Ok(Hand::Own(Arc::new(signer)))
}

/// The slot of a block, unless it is the one that every chain begins with.
fn beyond_genesis(block: Slot) -> Option<Slot> {
    (block > Slot(0)).then_some(block)
}

/// The current slot; `None` before genesis.
pub(crate) fn slot_at(now: Millis) -> Option<Slot> {
    u64::try_from(now.0).ok().map(|ms| Slot(ms / MILLISECONDS_PER_SLOT))
}

/// Says once a day, and at the start, which keys are about to end, and which have ended.
fn warn_of_ending_keys(keys: &[HeldKey], now: Slot) {
    let horizon =
        |key: &HeldKey| SLOTS_PER_DAY.min(key.slots.end.saturating_sub(key.slots.start) / LAST_PART);
    let ending = keys.iter().filter(|key| key.slots.end <= now.0.saturating_add(horizon(key))).cloned();
    let (ended, ending): (Vec<_>, Vec<_>) = ending.partition(|key| key.slots.end <= now.0);
    say_ended(&ended);
    if let Some(first) = ending.iter().map(|key| key.slots.end).min() {
        let left = first.saturating_sub(now.0);
        warn!(
            keys = ending.len(),
            "keys end soon, the first after {left} more slots ({}): validators fall silent then; a key cannot be extended, \
             make new ones (lathe keys generate) for a new network",
            duration(left.saturating_mul(SECONDS_PER_SLOT))
        );
    }
}

/// One line for all of them: afterwards their missed duties are counted in silence.
fn say_ended(ended: &[HeldKey]) {
    if ended.is_empty() {
        return;
    }
    let of = |key: &HeldKey| {
        let role = role_name(key.role);
        format!("validator {} {role} (last slot {})", key.validator, key.slots.end.saturating_sub(1))
    };
    let mut names: Vec<String> = ended.iter().take(NAMED_KEYS).map(of).collect();
    if ended.len() > NAMED_KEYS {
        names.push(format!("and {} more", ended.len() - NAMED_KEYS));
    }
    error!(
        "keys have ended and sign nothing any more: {}; a key cannot be extended, make new ones (lathe keys generate) \
         for a new network",
        names.join(", ")
    );
}

/// Says which keys rest because somebody else signs with them.
fn say_stopped(mut stopped: Stopped, metrics: &Metrics) {
    stopped.sort_unstable();
    metrics.validator.keys_stopped.set(stopped.len() as i64);
    if stopped.is_empty() {
        return;
    }
    let of = |(validator, role, slot): &(ValidatorIndex, KeyRole, Slot)| {
        format!("validator {validator} {} (slot {})", role_name(*role), slot.0)
    };
    let names: Vec<String> = stopped.iter().take(NAMED_KEYS).map(of).collect();
    error!(
        keys = stopped.len(),
        "ANOTHER NODE SIGNS WITH OUR KEYS: a signature was seen that our ledger does not know, so these keys sign nothing \
         any more: {}; find and stop the other node, then stop this one, run lathe signer resume, and start it again",
        names.join(", ")
    );
}

/// The role as metrics and log lines have it.
pub(crate) fn role_name(role: KeyRole) -> &'static str {
    match role {
        KeyRole::Attestation => "attestation",
        KeyRole::Proposal => "proposal",
    }
}
