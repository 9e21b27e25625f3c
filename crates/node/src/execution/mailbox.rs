//! What the execution actor can be told.

use lathe_actor::{Bounds, Inbox, Message, Policy};
use lathe_engine::{
    ForkchoiceState, Input, JobId, Millis, NewPayload, PayloadAttributes, PayloadFailure, PayloadVerdict,
};
use lathe_types::Checkpoint;

/// Requests that may wait to be looked at. The actor takes each at once, whatever it is doing, and keeps those that
/// have to wait by its own bounds; this is room for what one turn of the chain may ask.
const CAPACITY: usize = 1024;

/// Something to be asked of the execution client.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    /// Judge a payload.
    NewPayload(NewPayload),
    /// Move the head, and perhaps build on it.
    Forkchoice { state: ForkchoiceState, build: Option<(JobId, PayloadAttributes)> },
    /// Fetch what was built.
    GetPayload { job: JobId, deadline: Millis },
    /// Hand over what it lacks.
    Replay { job: JobId, head: Checkpoint },
}

impl Request {
    /// The answer to a request that is not carried out.
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

impl Message for Request {
    fn policy(&self) -> Policy {
        Policy::Keep
    }
}

/// The execution actor's mailbox.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox(lathe_actor::Mailbox<Request>);

/// Opens the execution actor's mailbox.
pub(crate) fn open() -> (Mailbox, Inbox<Request>) {
    let (mailbox, inbox) = lathe_actor::mailbox("execution", Bounds::messages(CAPACITY));
    (Mailbox(mailbox), inbox)
}

impl Mailbox {
    /// Has the client asked. The chain never waits: without room the request's refusal comes back.
    pub(crate) fn ask(&self, request: Request) -> Result<(), Box<Input>> {
        self.0.try_send(request).map(|_| ()).map_err(|error| Box::new(error.into_message().refusal()))
    }
}
