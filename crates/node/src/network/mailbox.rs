//! What the network can be told.

use std::sync::Arc;

use lathe_actor::{Bounds, Inbox, Message, Policy};
use lathe_engine::{
    FetchWhat, GossipVerdict, MessageId, Offence, Peer, Publication, RefusedBlock, RequestId,
};
use lathe_types::{Root, SignedBlock};
use tokio::sync::oneshot;

/// Orders, most of them from the chain, which bounds them itself: verdicts by what it received, requests and
/// publications by what it has open; so none is ever refused, and the two actors never wait for each other. A replay
/// looks up one block at a time.
#[derive(Debug)]
pub(crate) enum Command {
    /// Send our own message.
    Publish(Publication),
    /// Relay a message or not.
    Verdict(MessageId, Peer, GossipVerdict),
    /// Ask for blocks.
    Fetch(RequestId, Peer, FetchWhat),
    /// Ask some peer for one block, whose root nobody has checked yet. No answer: the sender is dropped.
    LookUp(Root, oneshot::Sender<Arc<SignedBlock>>),
    /// Ask for a status.
    RequestStatus(Peer),
    /// Count an offence.
    Penalise(Peer, Offence),
    /// Say that a block was refused, and who brought it.
    TellRefused(RefusedBlock, &'static str),
    /// Follow the subnets of an aggregator, or no longer.
    SetAggregator(bool),
}

impl Message for Command {
    fn policy(&self) -> Policy {
        Policy::Answer
    }
}

/// The network's mailbox.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox(lathe_actor::Mailbox<Command>);

pub(crate) fn open() -> (Mailbox, Inbox<Command>) {
    let (mailbox, inbox) = lathe_actor::mailbox("network", Bounds::messages(1));
    (Mailbox(mailbox), inbox)
}

impl Mailbox {
    /// Its numbers, for metrics.
    pub(crate) fn probe(&self) -> lathe_actor::Probe {
        self.0.probe()
    }

    /// Sends our own message.
    pub(crate) fn publish(&self, message: Publication) {
        self.tell(Command::Publish(message));
    }

    /// Relays a message or not.
    pub(crate) fn verdict(&self, id: MessageId, peer: Peer, verdict: GossipVerdict) {
        self.tell(Command::Verdict(id, peer, verdict));
    }

    /// Asks for blocks; answered by the chain's inputs.
    pub(crate) fn fetch(&self, request: RequestId, peer: Peer, what: FetchWhat) {
        self.tell(Command::Fetch(request, peer, what));
    }

    /// The block that some peer sends under this root, unchecked; `None` if it has none. Another call asks another
    /// peer.
    pub(crate) async fn look_up(&self, root: Root) -> Option<Arc<SignedBlock>> {
        let (answer, answered) = oneshot::channel();
        self.tell(Command::LookUp(root, answer));
        answered.await.ok()
    }

    /// Asks for a status.
    pub(crate) fn request_status(&self, peer: Peer) {
        self.tell(Command::RequestStatus(peer));
    }

    /// Counts an offence.
    pub(crate) fn penalise(&self, peer: Peer, offence: Offence) {
        self.tell(Command::Penalise(peer, offence));
    }

    /// Says that a block was refused, and who brought it.
    pub(crate) fn tell_refused(&self, block: RefusedBlock, reason: &'static str) {
        self.tell(Command::TellRefused(block, reason));
    }

    /// Follows the subnets of an aggregator, or no longer.
    pub(crate) fn set_aggregator(&self, enabled: bool) {
        self.tell(Command::SetAggregator(enabled));
    }

    /// A closed mailbox means that the process stops.
    fn tell(&self, order: Command) {
        let _ = self.0.try_send(order);
    }
}
