//! Signs: checks the key, records, syncs, and only then signs.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::thread;

use lathe_keys::{Subtree, Task};
use lathe_leansig::{Prod, Scheme};
use lathe_ledger::{Entry, Ledger, Mark, Opened, Refusal, Terms};
use lathe_types::{KeyRole, PublicKey, Root, Signature, Slot, ValidatorIndex};
use parking_lot::Mutex;
use rayon::prelude::*;

use crate::error::{Error, SignError};
use crate::key_store::{Claim, KeyStore, Slotted};
use crate::ledger_file::DiskFile;
use crate::mark_files::MarkFiles;

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

/// Keys, ledger and marks that no other process can take any more, and that nothing was signed with yet.
#[derive(Debug)]
pub struct Locked<S: Scheme = Prod> {
    keys: KeyStore<S>,
    file: DiskFile,
    marks: MarkFiles,
    genesis_time: u64,
}

impl<S: Scheme> Locked<S> {
    /// Takes the ledger in `ledger_dir`, and the marks beside the keys, which are locked already.
    pub fn take(keys: KeyStore<S>, ledger_dir: &Path, genesis_time: u64) -> Result<Self, Error> {
        let file = DiskFile::lock(ledger_dir)?;
        let marks = MarkFiles::open(keys.places(), ledger_dir, genesis_time)?;
        Ok(Self { keys, file, marks, genesis_time })
    }

    /// Opens the ledger. `current_slot` is the slot by the clock, `None` before genesis, and `newest_block` that of the
    /// newest stored block, if there is one. [`Signer::opened`] says what was found.
    pub fn open(
        self,
        current_slot: Option<Slot>,
        newest_block: Option<Slot>,
        allow_key_reuse: bool,
    ) -> Result<Signer<S>, Error> {
        let Self { keys, file, mut marks, genesis_time } = self;
        let terms = Terms {
            genesis_time,
            current_slot: current_slot.map(|slot| slot.0),
            proven_slot: newest_block.map(|slot| slot.0),
            marks: marks.found(),
            allow_key_reuse,
        };
        let mut ledger = Ledger::open(file, &terms)?;
        if keys.iter().any(|(.., key)| !key.key.read().is_deterministic()) {
            ledger.refuse_repeats();
        }
        // A ledger that knows more than the marks says so. One that is not the keys' own has nothing to say: whoever
        // signs with a copy of them now is to go on.
        if ledger.opened().is_clean() {
            let known: Vec<Mark> = keys.iter().map(|(.., key)| ledger.mark(key.id)).collect();
            marks.write(&known).map_err(|why| Error::ledger(why, std::io::Error::other("not written")))?;
        }
        Ok(Signer { keys, ledger: Mutex::new(ledger), marks: Mutex::new(marks) })
    }
}

/// Keys and ledger of a node. All methods may be called from any thread.
pub struct Signer<S: Scheme = Prod> {
    keys: KeyStore<S>,
    ledger: Mutex<Ledger<DiskFile>>,
    marks: Mutex<MarkFiles>,
}

impl<S: Scheme> Signer<S> {
    /// The keys.
    pub fn keys(&self) -> &KeyStore<S> {
        &self.keys
    }

    /// What was found when the ledger was opened.
    pub fn opened(&self) -> Opened {
        *self.ledger.lock().opened()
    }

    /// Below this slot no key signs.
    pub fn watermark(&self) -> Slot {
        Slot(self.ledger.lock().watermark())
    }

    /// Key directories that cannot be written, so that no mark is kept beside their keys.
    pub fn unmarked(&self) -> Vec<PathBuf> {
        self.marks.lock().read_only().to_vec()
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
        let (recorded, marks) = self.record(&entries);
        for (outcome, recorded) in outcomes.iter_mut().filter(|outcome| outcome.is_ok()).zip(recorded) {
            if let Err(refused) = recorded {
                *outcome = Err(refused.into());
            }
        }
        // The marks become durable while the signatures are made; no signature leaves before both are done.
        thread::scope(|scope| {
            let marking = scope.spawn(|| self.marks.lock().write(&marks));
            let signed =
                requests.par_iter().zip(outcomes).map(|(request, key)| sign(key?, request)).collect();
            let marked = marking.join().unwrap_or_else(|_| Err("writing a mark panicked".into()));
            match marked {
                Ok(()) => signed,
                Err(why) => withhold(signed, &why),
            }
        })
    }

    /// Puts entries on record, and says what their keys' marks have to become.
    fn record(&self, entries: &[Entry]) -> (Vec<Result<(), Refusal>>, Vec<Mark>) {
        let mut ledger = self.ledger.lock();
        let recorded = ledger.record_all(entries);
        let allowed = entries.iter().zip(&recorded).filter(|(_, outcome)| outcome.is_ok());
        let marks = allowed.map(|(entry, _)| ledger.mark(entry.key)).collect();
        (recorded, marks)
    }

    /// A valid signature by one of our keys was seen. If it was made elsewhere the key signs nothing any more, until an
    /// operator resumes it. True if this stopped it.
    pub fn seen(&self, request: &SignRequest) -> Result<bool, SignError> {
        let key = self.keys.get(request.validator, request.role).ok_or(SignError::UnknownKey)?;
        let entry = Entry { key: key.id, slot: request.slot.0, root: request.message };
        Ok(self.ledger.lock().seen(entry)?)
    }

    /// The clock was set back: the ledger does not hold to what it said before, see [`Ledger::clock_corrected`]. The
    /// lowest slot that keys sign from now on, if it has changed.
    pub fn clock_corrected(
        &self,
        current_slot: Option<Slot>,
        newest_block: Option<Slot>,
    ) -> Result<Option<Slot>, SignError> {
        let [clock, block] = [current_slot, newest_block].map(|slot| slot.map(|slot| slot.0));
        Ok(self.ledger.lock().clock_corrected(clock, block)?.map(Slot))
    }

    /// Every key with its range, in order of validator and role.
    pub fn describe_keys(&self) -> Vec<HeldKey> {
        let describe = |(validator, role, slotted): (ValidatorIndex, KeyRole, &Slotted<S>)| {
            let key = slotted.key.read();
            HeldKey { validator, role, public_key: key.public_key(), slots: key.slots() }
        };
        let mut keys: Vec<_> = self.keys.iter().map(describe).collect();
        keys.sort_unstable_by_key(|key| (key.validator, key.role));
        keys
    }

    /// Keys that rest because somebody else signs with them, each with the slot where that was seen.
    pub fn stopped(&self) -> Vec<(ValidatorIndex, KeyRole, Slot)> {
        let ledger = self.ledger.lock();
        let of = |(validator, role, key): (ValidatorIndex, KeyRole, &Slotted<S>)| {
            Some((validator, role, Slot(ledger.stopped(key.id)?)))
        };
        self.keys.iter().filter_map(of).collect()
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

impl<S: Scheme> fmt::Debug for Signer<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("keys", &self.keys).field("ledger", &*self.ledger.lock()).finish()
    }
}

/// Nothing leaves: a ledger that was lost now could not be told from one that is complete.
fn withhold(signed: Vec<Result<Signature, SignError>>, why: &str) -> Vec<Result<Signature, SignError>> {
    signed
        .into_iter()
        .map(|outcome| outcome.and_then(|_| Err(Refusal::Failed(why.to_owned()).into())))
        .collect()
}

fn sign<S: Scheme>(slotted: &Slotted<S>, request: &SignRequest) -> Result<Signature, SignError> {
    Ok(slotted.key.read().sign(request.slot.0, &request.message)?)
}

/// A key that a signer holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldKey {
    /// The validator.
    pub validator: ValidatorIndex,
    /// Which of its keys.
    pub role: KeyRole,
    /// Its public half.
    pub public_key: PublicKey,
    /// The slots that it can sign at.
    pub slots: Range<u64>,
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
