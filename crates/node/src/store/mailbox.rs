//! What the store can be told.

use lathe_actor::{Bounds, Inbox, Message, Policy};
use lathe_driver::Persist;

/// Batches that may wait. Each import is one; a node that catches up imports faster than a disk syncs, but waiting
/// batches are merged into one, so a few dozen keep the disk busy.
const CAPACITY: usize = 64;

/// A batch to be written.
pub(crate) struct Write(pub(super) Persist);

impl Message for Write {
    fn policy(&self) -> Policy {
        Policy::Keep
    }
}

/// The store's mailbox.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox(lathe_actor::Mailbox<Write>);

/// The store takes no more.
#[derive(Debug)]
pub(crate) struct Closed;

pub(crate) fn open() -> (Mailbox, Inbox<Write>) {
    let (mailbox, inbox) = lathe_actor::mailbox("store", Bounds::messages(CAPACITY));
    (Mailbox(mailbox), inbox)
}

impl Mailbox {
    /// Its numbers, for metrics.
    pub(crate) fn probe(&self) -> lathe_actor::Probe {
        self.0.probe()
    }

    /// Hands a batch over, waiting while too many wait already; nothing is ever dropped.
    pub(crate) async fn persist(&self, persist: Persist) -> Result<(), Closed> {
        self.0.send(Write(persist)).await.map(|_| ()).map_err(|_| Closed)
    }
}
