//! Whoever signs for this node: its own signer, or one in another process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use lathe_config::KeyFile;
use lathe_signer::{HeldKey, RemoteSigner, SignError, SignRequest, Signer};
use lathe_types::{KeyRole, Signature, Slot, ValidatorIndex};
use parking_lot::Mutex;
use tracing::{debug, error, info, warn};

use super::{beyond_genesis, say_stopped, warn_of_ending_keys};
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
    Remote(Box<Remote>),
}

/// A signer in another process, and the keys that it has to hold.
pub(crate) struct Remote {
    signer: RemoteSigner,
    wanted: Vec<KeyFile>,
    metrics: Arc<Metrics>,
    /// The connection that the keys were last compared on; a signer that was started anew may hold others.
    compared_on: AtomicU64,
    /// The keys that it held then.
    held: Mutex<Vec<HeldKey>>,
    /// What was last said of keys that rest.
    said: Mutex<Stopped>,
}

impl Remote {
    /// An error unless the signer holds the keys that the registry names. Says once per connection what it holds.
    fn compare(&self, now: Slot) -> Result<(), SignError> {
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
        info!(keys = held.len(), signer = %self.signer.address(), "signer ready");
        self.metrics.describe_keys(&held);
        warn_of_ending_keys(&held, now);
        *self.held.lock() = held;
        if let Some(stopped) = self.seen(&[])? {
            say_stopped(stopped, &self.metrics);
        }
        Ok(())
    }

    fn sign_all(&self, requests: &[SignRequest]) -> Vec<Result<Signature, SignError>> {
        let now = requests.iter().map(|request| request.slot).max().unwrap_or_default();
        match self.compare(now) {
            Ok(()) => self.signer.sign_all(requests),
            Err(error) => vec![Err(error); requests.len()],
        }
    }

    /// All keys that rest, if they are others than last time: the other nodes of this signer stop keys as well, and an
    /// operator resumes them.
    fn seen(&self, seen: &[SignRequest]) -> Result<Option<Stopped>, SignError> {
        let mut stopped = self.signer.seen(seen)?;
        stopped.sort_unstable();
        let mut said = self.said.lock();
        let is_news = *said != stopped;
        said.clone_from(&stopped);
        Ok(is_news.then_some(stopped))
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
            Self::Remote(remote) => Ok(remote.seen(seen).unwrap_or_else(|error| {
                // It costs duties that are counted; the next signature of the kind is shown again.
                debug!(%error, "the signer is not shown a signature of its keys");
                None
            })),
        }
    }

    /// A wrong clock was set back; a signer in another process sees to its own clock. The lowest slot that is signed
    /// from now on, if it has changed.
    pub(super) fn clock_corrected(
        &self,
        clock: Option<Slot>,
        newest_block: Slot,
    ) -> Result<Option<Slot>, SignError> {
        match self {
            Self::Own(signer) => signer.clock_corrected(clock, beyond_genesis(newest_block)),
            Self::Remote(_) => Ok(None),
        }
    }

    /// Hands out the work that keys need before they can go on after `slot`. What the pool refuses is handed out again
    /// at the next slot, long before it is needed.
    pub(super) fn prepare(&self, workers: &Workers, slot: Slot) {
        let signer = match self {
            Self::Own(signer) => signer,
            Self::Remote(remote) => {
                if let Err(error) = remote.compare(slot).and_then(|()| remote.signer.prepare(slot)) {
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

    /// The first slot that the ledger lets be signed; `None` where another process has it.
    pub(crate) fn watermark(&self) -> Option<Slot> {
        match self {
            Self::Own(signer) => Some(signer.watermark()),
            Self::Remote(_) => None,
        }
    }

    /// Every key with its range; none before a signer in another process was first reached.
    pub(crate) fn keys(&self) -> Vec<HeldKey> {
        match self {
            Self::Own(signer) => signer.describe_keys(),
            Self::Remote(remote) => remote.held.lock().clone(),
        }
    }
}

/// A signer in another process, which has to hold the keys that the registry names. One that is away costs duties until
/// it is back; one that holds other keys never serves us.
pub(super) fn remote(
    signer: RemoteSigner,
    wanted: &[KeyFile],
    metrics: &Arc<Metrics>,
    now: Slot,
) -> Result<Hand, NodeError> {
    let (wanted, metrics) = (wanted.to_vec(), metrics.clone());
    let (compared_on, held, said) = (AtomicU64::new(0), Mutex::default(), Mutex::default());
    let remote = Remote { signer, wanted, metrics, compared_on, held, said };
    let address = remote.signer.address();
    if let Ok(held) = remote.signer.keys()
        && let Some(missing) = missing(&held, &remote.wanted)
    {
        return Err(NodeError::SignerLacksKey {
            address: address.to_string(),
            validator: missing.validator,
            role: super::role_name(missing.role),
        });
    }
    if let Err(error) = remote.compare(now) {
        warn!(%error, "the signer at {address} does not serve us: duties are missed until it does");
    }
    Ok(Hand::Remote(Box::new(remote)))
}
