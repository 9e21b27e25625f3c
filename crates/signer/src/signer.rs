//! Signs: checks the key, records, syncs, and only then signs.

use std::fmt;

use lathe_leansig::{Prod, Scheme, Subtree, Task};
use lathe_types::{Decode as _, KeyRole, Root, Signature, Slot, ValidatorIndex};
use rayon::prelude::*;

use crate::error::SignError;
use crate::key_store::{Claim, KeyStore, Slotted};
use crate::ledger::{Entry, Ledger};
use crate::ledger_file::{DiskFile, LedgerFile};

/// One signature wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignRequest {
    /// Whose.
    pub validator: ValidatorIndex,
    /// Which key.
    pub role: KeyRole,
    /// At which slot.
    pub slot: Slot,
    /// What.
    pub message: Root,
}

/// Keys and ledger of a node. All methods may be called from any thread.
pub struct Signer<S: Scheme = Prod, F: LedgerFile = DiskFile> {
    keys: KeyStore<S>,
    ledger: Ledger<F>,
}

impl<S: Scheme, F: LedgerFile> Signer<S, F> {
    /// A signer that records in `ledger`.
    pub fn new(keys: KeyStore<S>, ledger: Ledger<F>) -> Self {
        Self { keys, ledger }
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger<F> {
        &self.ledger
    }

    /// The keys.
    pub fn keys(&self) -> &KeyStore<S> {
        &self.keys
    }

    /// Signs what may be signed, with one outcome per request, in order. All requests share one write to the ledger,
    /// and signatures are made on all threads of the pool after it is durable.
    pub fn sign_all(&self, requests: &[SignRequest]) -> Vec<Result<Signature, SignError>> {
        // A key that cannot sign must not use its slot up, so keys are checked first.
        let mut outcomes: Vec<Result<&Slotted<S>, SignError>> =
            requests.iter().map(|request| self.ready(request)).collect();
        let entries: Vec<Entry> = requests
            .iter()
            .zip(&outcomes)
            .filter_map(|(request, outcome)| {
                let key = outcome.as_ref().ok()?.id;
                Some(Entry { key, slot: request.slot.0, root: request.message })
            })
            .collect();
        let recorded = self.ledger.record_all(&entries);
        for (outcome, recorded) in outcomes.iter_mut().filter(|outcome| outcome.is_ok()).zip(recorded) {
            if let Err(refused) = recorded {
                *outcome = Err(refused);
            }
        }
        requests.par_iter().zip(outcomes).map(|(request, key)| sign(key?, request)).collect()
    }

    fn ready(&self, request: &SignRequest) -> Result<&Slotted<S>, SignError> {
        let slot = request.slot.0;
        let slotted = self.keys.get(request.validator, request.role).ok_or(SignError::UnknownKey)?;
        let key = slotted.key.read();
        if !key.slots().contains(&slot) {
            return Err(SignError::KeyExhausted { slot });
        }
        if !key.is_prepared(slot) {
            return Err(SignError::NotPrepared { slot });
        }
        Ok(slotted)
    }

    /// The heavy work that keys need before they can sign at `slot` and after it, the most urgent first. Run each job
    /// on a worker and [`Signer::install`] its result. Work is handed out once; a job that is dropped is handed out
    /// again.
    pub fn work_due(&self, slot: Slot) -> Vec<PreparationJob<S>> {
        let due = self.keys.iter().filter_map(|(validator, role, slotted)| {
            let claim = slotted.claim()?;
            let key = slotted.key.read();
            let task = key.prepare(slot.0)?;
            let urgent = key.slots().contains(&slot.0) && !key.is_prepared(slot.0);
            Some(PreparationJob { validator, role, urgent, task, claim })
        });
        let mut jobs: Vec<_> = due.collect();
        jobs.sort_unstable_by_key(|job| (!job.urgent, job.validator, job.role));
        jobs
    }

    /// Takes over what a job has built.
    pub fn install(&self, prepared: Prepared<S>) {
        if let Some(slotted) = self.keys.get(prepared.validator, prepared.role) {
            slotted.key.write().install(prepared.subtree);
        }
    }

    /// Prepares every key for `slot` here and now, on all threads of the pool; for starting up. What comes after the
    /// slot is left to [`Signer::work_due`]: with many keys it would double the time until the first duty.
    pub fn prepare_now(&self, slot: Slot) -> Result<(), SignError> {
        let jobs = self.work_due(slot);
        jobs.into_par_iter().try_for_each(|job| job.run().map(|prepared| self.install(prepared)))
    }

    /// Keys whose range ends within `slots` of `now`, or has ended, in order of validator and role. Say so a day ahead.
    pub fn exhausts_within(&self, now: Slot, slots: u64) -> Vec<Exhaustion> {
        let horizon = now.0.saturating_add(slots);
        let mut ending: Vec<_> = self
            .keys
            .iter()
            .map(|(validator, role, slotted)| Exhaustion {
                validator,
                role,
                end: Slot(slotted.key.read().slots().end),
            })
            .filter(|exhaustion| exhaustion.end.0 <= horizon)
            .collect();
        ending.sort_unstable_by_key(|exhaustion| (exhaustion.validator, exhaustion.role));
        ending
    }
}

impl<S: Scheme, F: LedgerFile> fmt::Debug for Signer<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("keys", &self.keys).field("ledger", &self.ledger).finish()
    }
}

fn sign<S: Scheme>(slotted: &Slotted<S>, request: &SignRequest) -> Result<Signature, SignError> {
    let signature = slotted.key.read().sign(request.slot.0, &request.message.0)?;
    let bytes = signature.encode();
    // Cannot fail for a scheme whose signatures the wire carries; no other scheme signs here.
    let what = "signature";
    Signature::from_ssz_bytes(&bytes).map_err(|_| {
        SignError::Scheme(lathe_leansig::Error::Length {
            what,
            expected: S::SIGNATURE_BYTES,
            found: bytes.len(),
        })
    })
}

/// A key that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhaustion {
    /// The validator.
    pub validator: ValidatorIndex,
    /// Which of its keys.
    pub role: KeyRole,
    /// The first slot that it cannot sign at any more.
    pub end: Slot,
}

/// Work for a worker: milliseconds to seconds of one thread, or of the pool for a whole tree of an imported key.
pub struct PreparationJob<S: Scheme = Prod> {
    validator: ValidatorIndex,
    role: KeyRole,
    urgent: bool,
    task: Task<S>,
    claim: Claim,
}

impl<S: Scheme> PreparationJob<S> {
    /// The validator whose key needs it.
    pub fn validator(&self) -> ValidatorIndex {
        self.validator
    }

    /// Which of its keys.
    pub fn role(&self) -> KeyRole {
        self.role
    }

    /// Whether the key cannot sign at the slot that was asked about before this is done.
    pub fn is_urgent(&self) -> bool {
        self.urgent
    }

    /// Does the work.
    pub fn run(self) -> Result<Prepared<S>, SignError> {
        let Self { validator, role, task, claim, .. } = self;
        Ok(Prepared { validator, role, subtree: task.run()?, _claim: claim })
    }
}

impl<S: Scheme> fmt::Debug for PreparationJob<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparationJob")
            .field("validator", &self.validator)
            .field("role", &self.role)
            .field("urgent", &self.urgent)
            .finish_non_exhaustive()
    }
}

/// What a [`PreparationJob`] has built.
pub struct Prepared<S: Scheme = Prod> {
    validator: ValidatorIndex,
    role: KeyRole,
    subtree: Subtree<S>,
    _claim: Claim,
}

impl<S: Scheme> fmt::Debug for Prepared<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prepared")
            .field("validator", &self.validator)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}
