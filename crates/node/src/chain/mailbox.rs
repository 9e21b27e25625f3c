//! What the chain can be told.

use std::sync::Arc;

use lathe_actor::{Bounds, Delivery, Inbox, Message, Policy};
use lathe_engine::{Input, Origin, Peer, RequestId};
use lathe_types::{SignedAggregatedAttestation, SignedAttestation, SignedBlock};

/// Messages that may wait. One slot of a network with 4,096 validators brings about as many votes; at the chain's
/// pace (tens of microseconds each before their signatures are checked) this many are read within a fraction of it.
const CAPACITY: usize = 8192;
/// Bytes of gossip that may wait: sixteen blocks with proofs of the largest size and a burst of votes.
const CAPACITY_BYTES: usize = 16 << 20;
/// Fixed part of a vote in bytes, beside its signature.
const VOTE_BYTES: usize = 136;

/// An input on its way to the engine.
pub(crate) struct Envelope {
    input: Input,
    policy: Policy,
    bytes: usize,
}

impl Envelope {
    pub(super) fn into_input(self) -> Input {
        self.input
    }
}

impl Message for Envelope {
    fn policy(&self) -> Policy {
        self.policy
    }
    fn size_bytes(&self) -> usize {
        self.bytes
    }
}

/// The chain's mailbox.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox(lathe_actor::Mailbox<Envelope>);

/// Gossip that found no room; the network ignores it.
#[derive(Debug)]
pub(crate) struct NoRoom(pub Vec<Origin>);

/// Opens the chain's mailbox.
pub(crate) fn open() -> (Mailbox, Inbox<Envelope>) {
    let (mailbox, inbox) =
        lathe_actor::mailbox("chain", Bounds { messages: CAPACITY, bytes: CAPACITY_BYTES });
    (Mailbox(mailbox), inbox)
}

impl Mailbox {
    /// Its numbers, for metrics.
    pub(crate) fn probe(&self) -> lathe_actor::Probe {
        self.0.probe()
    }

    /// Time has passed. Ticks coalesce.
    pub(crate) fn tick(&self) {
        self.tell(Input::Tick, Policy::Coalesce { key: 0 });
    }

    /// A job, a batch or a request is done, or a peer came or went: never lost.
    pub(crate) fn answer(&self, input: Input) {
        self.tell(input, Policy::Answer);
    }

    /// A block from gossip, refused when there is no room.
    pub(crate) fn gossip_block(&self, block: Arc<SignedBlock>, origin: Origin) -> Result<(), NoRoom> {
        let bytes = block_bytes(&block);
        self.gossip(Input::Block { block, origin }, Policy::Keep, bytes)
    }

    /// A vote from gossip. Without room the stalest slots give way.
    pub(crate) fn gossip_attestation(
        &self,
        attestation: SignedAttestation,
        origin: Origin,
    ) -> Result<(), NoRoom> {
        let policy = Policy::DropStale { freshness: attestation.data.slot.0 };
        let bytes = VOTE_BYTES + attestation.signature.as_bytes().len();
        self.gossip(Input::Attestation { attestation, origin }, policy, bytes)
    }

    /// An aggregate from gossip. Without room the stalest slots give way.
    pub(crate) fn gossip_aggregate(
        &self,
        aggregate: Arc<SignedAggregatedAttestation>,
        origin: Origin,
    ) -> Result<(), NoRoom> {
        let policy = Policy::DropStale { freshness: aggregate.data.slot.0 };
        let bytes = VOTE_BYTES + aggregate.proof.proof.len();
        self.gossip(Input::Aggregate { aggregate, origin }, policy, bytes)
    }

    /// A block that was asked for, waiting for room: the answer's later blocks wait with it.
    pub(crate) async fn response_block(&self, block: Arc<SignedBlock>, request: RequestId, peer: Peer) {
        let (bytes, origin) = (block_bytes(&block), Origin::Response { request, peer });
        let envelope = Envelope { input: Input::Block { block, origin }, policy: Policy::Keep, bytes };
        // A closed mailbox means that the process stops.
        let _ = self.0.send(envelope).await;
    }

    fn gossip(&self, input: Input, policy: Policy, bytes: usize) -> Result<(), NoRoom> {
        let lost = match self.0.try_send(Envelope { input, policy, bytes }) {
            Ok(Delivery::Queued | Delivery::Coalesced(_)) => return Ok(()),
            Ok(Delivery::Displaced(stale)) => stale,
            Ok(Delivery::Dropped(envelope)) => vec![envelope],
            Err(error) => vec![error.into_message()],
        };
        Err(NoRoom(lost.iter().filter_map(|envelope| origin_of(&envelope.input)).collect()))
    }

    /// A closed mailbox means that the process stops; nobody is left to tell.
    fn tell(&self, input: Input, policy: Policy) {
        let _ = self.0.try_send(Envelope { input, policy, bytes: 0 });
    }
}

/// Bytes that a block holds, near enough for a bound.
fn block_bytes(block: &SignedBlock) -> usize {
    let votes = block.block.body.attestations.iter().map(|vote| VOTE_BYTES + vote.aggregation_bits.len() / 8);
    block.proof.proof.len() + votes.sum::<usize>()
}

fn origin_of(input: &Input) -> Option<Origin> {
    match input {
        Input::Block { origin, .. } | Input::Attestation { origin, .. } | Input::Aggregate { origin, .. } => {
            Some(*origin)
        }
        _ => None,
    }
}
