//! Whoever signs for this node: its own signer, or one in another process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lathe_config::KeyFile;
use lathe_signer::{HeldKey, RemoteSigner, SignError, SignRequest, Signer};
use lathe_types::{KeyRole, Signature, Slot, ValidatorIndex};
use tracing::{debug, error, info, warn};

use super::{say_stopped, warn_of_ending_keys};
use crate::error::NodeError;
use crate::metrics::Metrics;
use crate::workers::Workers;

/// Keys that rest because somebody else signs with them, each with the slot where that was seen.
pub(crate) type Stopped = Vec<(ValidatorIndex, KeyRole, Slot)>;

/// Whoever signs.
pub(crate) enum Hand {
    /// Keys and ledger are in this process.
    Own(Arc<Signer>),
    /// They are in another one.
    Remote(Remote),
}

/// A signer in another process, and the keys that it has to hold.
pub(crate) struct Remote {
    signer: RemoteSigner,
    wanted: Vec<KeyFile>,
    /// The connection that the keys were last compared on; a signer that was started anew may hold others.
    compared_on: AtomicU64,
}

impl Remote {
    /// An error unless the signer holds the keys that the registry names.
    fn compare(&self) -> Result<(), SignError> {
        if self.compared_on.load(Ordering::Acquire) == self.signer.connection() {
            return Ok(());
        }
        let held = self.signer.keys()?;
        if let Some(key) = missing(&held, &self.wanted) {
            let role = super::role_name(key.role);
            let what = format!(
                "it does not hold the {role} key of validator {} that config.yaml names",
                key.validator
            );
            return Err(SignError::NotServed(what));
        }
        self.compared_on.store(self.signer.connection(), Ordering::Release);
        Ok(())
    }

    fn sign_all(&self, requests: &[SignRequest]) -> Vec<Result<Signature, SignError>> {
        match self.compare() {
            Ok(()) => self.signer.sign_all(requests),
            Err(error) => vec![Err(error); requests.len()],
        }
    }
}

/// The first key that is wanted and not held.
fn missing<'a>(held: &[HeldKey], wanted: &'a [KeyFile]) -> Option<&'a KeyFile> {
    wanted.iter().find(|wanted| {
        let same = |held: &&HeldKey| (held.validator, held.role) == (wanted.validator, wanted.role);
        held.iter().find(same).is_none_or(|held| held.public_key != wanted.public_key)
    })
}

impl Hand {
    pub(super) fn sign_all(&self, requests: &[SignRequest]) -> Vec<Result<Signature, SignError>> {
        match self {
            Self::Own(signer) => signer.sign_all(requests),
            Self::Remote(remote) => remote.sign_all(requests),
        }
    }

    /// Shows signatures of our keys; answers with all keys that rest if that is news.
    pub(super) fn seen(&self, seen: &[SignRequest]) -> Result<Option<Stopped>, SignError> {
        match self {
            Self::Own(signer) => {
                let mut is_news = false;
                for request in seen {
                    match signer.seen(request) {
                        Ok(stopped) => is_news |= stopped,
                        Err(SignError::UnknownKey) => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(is_news.then(|| signer.stopped()))
            }
            // One that is away is told again at the next slot.
            Self::Remote(remote) => Ok(remote.signer.seen(seen).ok().filter(|stopped| !stopped.is_empty())),
        }
    }

    /// Hands out the work that keys need before they can go on after `slot`. What the pool refuses is handed out again
    /// at the next slot, long before it is needed.
    pub(super) fn prepare(&self, workers: &Workers, slot: Slot) {
        let signer = match self {
            Self::Own(signer) => signer,
            Self::Remote(remote) => {
                if let Err(error) = remote.signer.prepare(slot) {
                    debug!(%error, "the signer does not prepare its keys");
                }
                return;
            }
        };
        for job in signer.work_due(slot) {
            let signer = signer.clone();
            let (validator, role) = (job.validator(), job.role());
            workers.in_background(move || match job.run() {
                Ok(prepared) => signer.install(prepared),
                Err(error) => error!(%error, validator = validator.0, ?role, "a key cannot be prepared"),
            });
        }
    }

    /// Every key with its range; none while a signer in another process is away.
    pub(super) fn keys(&self) -> Vec<HeldKey> {
        match self {
            Self::Own(signer) => signer.describe_keys(),
            Self::Remote(remote) => remote.signer.keys().unwrap_or_default(),
        }
    }
}

/// A signer in another process, which has to hold the keys that the registry names. One that is away costs duties until
/// it is back; one that holds other keys never serves us.
pub(super) fn remote(
    signer: RemoteSigner,
    wanted: &[KeyFile],
    metrics: &Metrics,
    now: Slot,
) -> Result<Hand, NodeError> {
    let remote = Remote { signer, wanted: wanted.to_vec(), compared_on: AtomicU64::new(0) };
    let address = remote.signer.address();
    let held = match remote.signer.keys() {
        Ok(held) => held,
        Err(error) => {
            warn!(%error, "the signer at {address} does not answer: duties are missed until it does");
            return Ok(Hand::Remote(remote));
        }
    };
    if let Some(missing) = missing(&held, wanted) {
        return Err(NodeError::SignerLacksKey {
            address: address.to_string(),
            validator: missing.validator,
            role: super::role_name(missing.role),
        });
    }
    info!(keys = held.len(), signer = %address, "signer ready");
    let hand = Hand::Remote(remote);
    metrics.describe_keys(&held);
    warn_of_ending_keys(&held, now);
    if let Ok(Some(stopped)) = hand.seen(&[]) {
        say_stopped(stopped, metrics);
    }
    Ok(hand)
}
