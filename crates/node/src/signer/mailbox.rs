//! What the signer can be told.

use lathe_actor::{Bounds, Inbox, Message, Policy};
use lathe_engine::{JobId, SignRequest};
use lathe_types::Slot;

/// Groups that may wait. The engine asks for two in a slot: the votes and the block.
const CAPACITY: usize = 16;

/// What the signer is to do.
#[derive(Debug)]
pub(crate) enum SignerTask {
    /// Sign a group of messages at once.
    Sign {
        /// To be answered.
        job: JobId,
        /// The messages.
        requests: Vec<SignRequest>,
    },
    /// These signatures of our keys are about that were not made in this run: stop the keys that others sign with.
    Seen(Vec<SignRequest>),
    /// See to it that the keys can sign after this slot.
    LookAhead(Slot),
    /// The clock was wrong and was set back.
    ClockCorrected {
        /// The slot by the clock now; `None` before genesis.
        clock: Option<Slot>,
        /// That of the newest block.
        newest_block: Slot,
    },
}

impl Message for SignerTask {
    fn policy(&self) -> Policy {
        match self {
            Self::Sign { .. } => Policy::Keep,
            // The newest tell as much as the older ones, and the next slot brings more.
            Self::Seen(seen) => Policy::DropStale { freshness: seen.first().map_or(0, |seen| seen.slot.0) },
            Self::LookAhead(_) => Policy::Coalesce { key: 0 },
            Self::ClockCorrected { .. } => Policy::Coalesce { key: 1 },
        }
    }
}

/// The signer's mailbox.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox(lathe_actor::Mailbox<SignerTask>);

/// Opens the signer's mailbox.
pub(crate) fn open() -> (Mailbox, Inbox<SignerTask>) {
    let (mailbox, inbox) = lathe_actor::mailbox("signer", Bounds::messages(CAPACITY));
    (Mailbox(mailbox), inbox)
}

impl Mailbox {
    /// Its numbers, for metrics.
    pub(crate) fn probe(&self) -> lathe_actor::Probe {
        self.0.probe()
    }

    /// Has a group signed. When too much waits, it is refused, with the number of its requests: a missed duty is safe,
    /// a late signature is of no use.
    pub(crate) fn sign(&self, job: JobId, requests: Vec<SignRequest>) -> Result<(), usize> {
        let count = requests.len();
        self.0.try_send(SignerTask::Sign { job, requests }).map(|_| ()).map_err(|_| count)
    }

    /// Has the ledger judge signatures of our keys that others show.
    pub(crate) fn seen(&self, seen: Vec<SignRequest>) {
        let _ = self.0.try_send(SignerTask::Seen(seen));
    }

    /// Has the ledger forget what a wrong clock said.
    pub(crate) fn clock_corrected(&self, clock: Option<Slot>, newest_block: Slot) {
        let _ = self.0.try_send(SignerTask::ClockCorrected { clock, newest_block });
    }

    /// Has the keys prepared for the slots after `slot`. Lost on a signer that has stopped, which needs none.
    pub(crate) fn look_ahead(&self, slot: Slot) {
        let _ = self.0.try_send(SignerTask::LookAhead(slot));
    }
}
