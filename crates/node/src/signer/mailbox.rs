//! What the signer can be told.

use lathe_actor::{Bounds, Inbox, Message, Policy};
use lathe_engine::{JobId, SignRequest};

/// Groups that may wait. The engine asks for two in a slot: the votes and the block.
const CAPACITY: usize = 16;

/// One group of messages to sign at once.
#[derive(Debug)]
pub(crate) struct Order {
    pub(super) job: JobId,
    pub(super) requests: Vec<SignRequest>,
}

impl Message for Order {
    fn policy(&self) -> Policy {
        Policy::Keep
    }
}

/// The signer's mailbox.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox(lathe_actor::Mailbox<Order>);

/// Opens the signer's mailbox.
pub(crate) fn open() -> (Mailbox, Inbox<Order>) {
    let (mailbox, inbox) = lathe_actor::mailbox("signer", Bounds::messages(CAPACITY));
    (Mailbox(mailbox), inbox)
}

impl Mailbox {
    /// Has a group signed. When too much waits, it is refused, with the number of its requests: a missed duty is safe,
    /// a late signature is of no use.
    pub(crate) fn sign(&self, job: JobId, requests: Vec<SignRequest>) -> Result<(), usize> {
        self.0
            .try_send(Order { job, requests })
            .map(|_| ())
            .map_err(|error| error.into_message().requests.len())
    }
}
