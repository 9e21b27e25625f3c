//! What the execution actor can be told.

use lathe_actor::{Bounds, Inbox, Message, Policy};
use lathe_engine::{
    ForkchoiceState, Input, JobId, Millis, NewPayload, PayloadAttributes, PayloadFailure, PayloadVerdict,
};
use lathe_types::Checkpoint;

/// Orders that may wait to be looked at. The actor takes each at once, whatever it is doing, and keeps those that have
/// to wait by its own bounds; this is room for what one turn of the chain may ask.
const CAPACITY: usize = 1024;

/// Something to be asked of the execution client.
#[derive(Clone, Debug)]
pub(crate) enum Order {
    /// Judge a payload.
    NewPayload(NewPayload),
    /// Move the head, and perhaps build on it.
    Forkchoice { state: ForkchoiceState, build: Option<(JobId, PayloadAttributes)> },
    /// Fetch what was built.
    GetPayload { job: JobId, deadline: Millis },
    /// Hand over what it lacks.
    Replay { job: JobId, head: Checkpoint },
}

impl Order {
    /// The answer to an order that is not carried out.
    pub(crate) fn refusal(&self) -> Input {
        let unavailable = PayloadVerdict::Unavailable;
        match self {
            Self::NewPayload(payload) => Input::PayloadStatus { block: payload.block, verdict: unavailable },
            Self::Forkchoice { state, .. } => {
                Input::PayloadStatus { block: state.block, verdict: unavailable }
            }
            Self::GetPayload { job, .. } => {
                Input::PayloadFailed { job: *job, failure: PayloadFailure::Offline }
            }
            Self::Replay { job, .. } => Input::ReplayEnded { job: *job },
        }
    }

    /// What it holds, near enough.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::NewPayload(payload) => payload.execution.bytes(),
            Self::Forkchoice { .. } | Self::GetPayload { .. } | Self::Replay { .. } => 0,
        }
    }
}

impl Message for Order {
    fn policy(&self) -> Policy {
        Policy::Keep
    }
}

/// The execution actor's mailbox.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox(lathe_actor::Mailbox<Order>);

/// Opens the execution actor's mailbox.
pub(crate) fn open() -> (Mailbox, Inbox<Order>) {
    let (mailbox, inbox) = lathe_actor::mailbox("execution", Bounds::messages(CAPACITY));
    (Mailbox(mailbox), inbox)
}

impl Mailbox {
    /// Has an order carried out. The chain never waits: without room the order's refusal comes back.
    pub(crate) fn order(&self, order: Order) -> Result<(), Box<Input>> {
        self.0.try_send(order).map(|_| ()).map_err(|error| Box::new(error.into_message().refusal()))
    }
}
