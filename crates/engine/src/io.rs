//! What goes into the engine and what comes out of it.
//!
//! Every effect that needs an answer carries a [`JobId`] or [`RequestId`]; its documentation names the input that
//! answers it. Drivers may answer late, out of order or with a failure, but they answer every job exactly once.

mod event;
mod execution;
mod work;

use std::sync::Arc;

use lathe_types::{
    AttestationData, Checkpoint, ExecutionBody, MultiMessageAggregate, Root, Signature,
    SignedAggregatedAttestation, SignedAttestation, SignedBlock, SingleMessageAggregate, Slot, State, Status,
    SubnetId,
};

pub use crate::core::Singles;
pub use event::{Duty, Event, MissReason, ObjectKind, RefusedBlock};
pub use execution::{
    ExecutionHealth, ForkchoiceState, NewPayload, PayloadAttributes, PayloadFailure, PayloadVerdict,
};
pub use lathe_storage::{Batch, ImportedBlock};
pub use lathe_types::KeyRole;
pub use work::{
    AggregateRequest, JobFailure, PrepareRequest, PreparedBlock, ProveRequest, SignFailure, SignRequest,
    SignatureCheck, VerifyAnswer, VerifyRequest, VoteEvidence,
};

/// Milliseconds since genesis; negative before it. The engine's only notion of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub i64);

/// Names a job handed to a worker or to the signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// Names a request for blocks sent to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A peer, as the driver numbers it. A peer that reconnects may keep its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Peer(pub u64);

/// Where a peer's address belongs to, as the driver numbers it: one IPv4 address, or one IPv6 /64 prefix. Identities
/// are free and addresses cost something, so what peers share is shared out by group; though honest peers may share
/// one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group(pub u64);

/// Position in the order of persisted batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

/// Gossip message id (20 bytes of SHA-256).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub [u8; 20]);

/// Where an object came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// From a gossip topic; answered by [`Effect::GossipVerdict`] within three seconds.
    Gossip {
        /// The message, for the verdict.
        id: MessageId,
        /// The peer that forwarded it.
        peer: Peer,
    },
    /// A chunk of an answer to [`Effect::Fetch`].
    Response {
        /// The request that it answers.
        request: RequestId,
        /// The peer that sent it.
        peer: Peer,
    },
}

impl Origin {
    /// The peer that it came from.
    pub fn peer(&self) -> Peer {
        match self {
            Self::Gossip { peer, .. } | Self::Response { peer, .. } => *peer,
        }
    }
}

/// Something that happened outside.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "fields without a comment are what their names say")]
pub enum Input {
    /// Time passed: `now` has reached an interval boundary or [`crate::Engine::next_timeout`].
    Tick,
    /// A block arrived.
    Block { block: Arc<SignedBlock>, origin: Origin },
    /// A vote arrived.
    Attestation { attestation: SignedAttestation, origin: Origin },
    /// An aggregated vote arrived.
    Aggregate {
        /// The vote and its proof.
        aggregate: Arc<SignedAggregatedAttestation>,
        origin: Origin,
    },
    /// Answers [`Effect::Verify`].
    Verified {
        job: JobId,
        /// What it found.
        answer: VerifyAnswer,
    },
    /// Answers [`Effect::Aggregate`].
    Aggregated {
        job: JobId,
        /// The proof over the union of the participants.
        proof: SingleMessageAggregate,
    },
    /// Answers [`Effect::Prove`].
    Proved {
        job: JobId,
        /// Proofs, each with its data. They need not cover all that was asked about.
        proofs: Vec<(AttestationData, SingleMessageAggregate)>,
    },
    /// Answers [`Effect::Prepare`].
    Prepared {
        job: JobId,
        /// The unsigned block with everything that its proof needs.
        prepared: Arc<PreparedBlock>,
    },
    /// Answers [`Effect::Sign`]. Whatever was signed is already recorded durably.
    Signed {
        job: JobId,
        /// One outcome per request, in order.
        signatures: Vec<Result<Signature, SignFailure>>,
    },
    /// Answers [`Effect::Seal`].
    Sealed {
        job: JobId,
        /// The proof of the block.
        proof: MultiMessageAggregate,
    },
    /// Answers [`Effect::Split`].
    Split {
        job: JobId,
        /// The components that could be taken out, each with its data.
        proofs: Vec<(AttestationData, SingleMessageAggregate)>,
    },
    /// A worker did not do what was asked; answers any effect with a job except [`Effect::Sign`].
    JobFailed {
        job: JobId,
        /// Why.
        failure: JobFailure,
    },
    /// Answers [`Effect::Persist`]: this batch and all before it survive a power loss.
    Durable {
        /// The batch.
        sequence: Sequence,
    },
    /// A peer is connected. The engine asks for its status ([`Effect::RequestStatus`]).
    PeerConnected {
        peer: Peer,
        /// Where it connected from.
        group: Group,
    },
    /// A peer said what its chain is.
    PeerStatus {
        peer: Peer,
        /// Its chain.
        status: Status,
    },
    /// A peer is gone. Its open requests end with [`Input::FetchEnded`] as well.
    PeerDisconnected { peer: Peer },
    /// Answers [`Effect::Fetch`] after its last block.
    FetchEnded {
        request: RequestId,
        /// How it ended. Blocks may have arrived before a failure.
        outcome: Result<(), FetchFailure>,
    },
    /// The operator turns the aggregator role on or off.
    SetAggregator {
        /// The role.
        enabled: bool,
    },
    /// The execution client can be reached, or can be no more. Nothing is asked of it before the first word that it is
    /// online. On an execution-paired chain only, as are the inputs below.
    ExecutionHealth(ExecutionHealth),
    /// Answers [`Effect::NewPayload`] and [`Effect::ForkchoiceUpdated`], and tells what a replay brought to light.
    PayloadStatus {
        /// The block whose payload it is about.
        block: Root,
        /// What the execution client says.
        verdict: PayloadVerdict,
    },
    /// Answers [`Effect::GetPayload`].
    PayloadReady {
        job: JobId,
        /// The payload and its requests.
        execution: Arc<ExecutionBody>,
    },
    /// Answers [`Effect::GetPayload`]: there is no payload.
    PayloadFailed {
        job: JobId,
        /// Why.
        failure: PayloadFailure,
    },
    /// Answers [`Effect::ReplayPayloads`], however it went.
    ReplayEnded { job: JobId },
}

impl Input {
    /// The job that this answers, if it answers one.
    pub(crate) fn job(&self) -> Option<JobId> {
        match self {
            Self::Verified { job, .. }
            | Self::Aggregated { job, .. }
            | Self::Proved { job, .. }
            | Self::Prepared { job, .. }
            | Self::Signed { job, .. }
            | Self::Sealed { job, .. }
            | Self::Split { job, .. }
            | Self::PayloadReady { job, .. }
            | Self::PayloadFailed { job, .. }
            | Self::ReplayEnded { job }
            | Self::JobFailed { job, .. } => Some(*job),
            _ => None,
        }
    }
}

/// Something to be done outside.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "fields without a comment are what their names say")]
pub enum Effect {
    /// Check signatures or a proof on a worker. Answered by [`Input::Verified`] or [`Input::JobFailed`].
    Verify {
        job: JobId,
        /// What to check.
        request: VerifyRequest,
    },
    /// Aggregate raw signatures and child proofs of one message. Answered by [`Input::Aggregated`] or
    /// [`Input::JobFailed`].
    Aggregate {
        job: JobId,
        /// What to aggregate.
        request: AggregateRequest,
        /// Not worth finishing after this.
        deadline: Millis,
    },
    /// Prove votes that a block of ours could not carry one by one. Answered by [`Input::Proved`] or
    /// [`Input::JobFailed`]. One is under way at a time, but for one whose deadline has passed.
    Prove {
        job: JobId,
        /// What to prove.
        request: Arc<ProveRequest>,
        /// Of no use after this.
        deadline: Millis,
    },
    /// Build the next block without signing it. Answered by [`Input::Prepared`] or [`Input::JobFailed`].
    Prepare {
        job: JobId,
        /// What to build on and from.
        request: Arc<PrepareRequest>,
        /// Not worth finishing after this.
        deadline: Millis,
    },
    /// Record and sign. Answered by [`Input::Signed`].
    Sign {
        job: JobId,
        /// All that is to be signed at once, so that it shares one write to the ledger.
        requests: Vec<SignRequest>,
    },
    /// Merge the prepared components and the proposer's signature into the block's proof. Answered by
    /// [`Input::Sealed`] or [`Input::JobFailed`].
    Seal {
        job: JobId,
        /// The block and its components.
        prepared: Arc<PreparedBlock>,
        /// The proposer's signature over the block root.
        signature: Signature,
    },
    /// Take votes out of a block's proof. Answered by [`Input::Split`] or [`Input::JobFailed`].
    Split {
        job: JobId,
        block: Arc<SignedBlock>,
        /// State before the block; holds the voters' keys.
        parent_state: Arc<State>,
        /// The data wanted, at most four.
        wanted: Vec<AttestationData>,
    },
    /// Write a batch, in sequence order. Answered by [`Input::Durable`].
    Persist {
        /// Its position.
        sequence: Sequence,
        /// What to write.
        batch: Batch,
    },
    /// Send our own message to the network. What it carries a signature for is recorded durably already.
    Publish { message: Publication },
    /// Tell the network what to do with a gossip message.
    GossipVerdict {
        /// The message.
        id: MessageId,
        /// The peer that forwarded it.
        peer: Peer,
        /// Relay it, drop it, or drop it and blame the peer.
        verdict: GossipVerdict,
    },
    /// Ask a peer for blocks. Answered by [`Input::Block`] per block, then [`Input::FetchEnded`].
    Fetch {
        request: RequestId,
        /// The peer to ask.
        peer: Peer,
        /// Which blocks.
        what: FetchWhat,
    },
    /// Ask a peer for its status. Answered by [`Input::PeerStatus`], if at all.
    RequestStatus { peer: Peer },
    /// A peer broke a rule.
    Penalise {
        peer: Peer,
        /// How badly.
        offence: Offence,
    },
    /// Have the execution client judge a payload whose block's proof is verified; parents come before their children.
    /// Answered by [`Input::PayloadStatus`]. On an execution-paired chain only, as are the effects below, and only
    /// while the client is online.
    NewPayload(NewPayload),
    /// Tell the execution client the head, after every payload that was handed out before. Answered by
    /// [`Input::PayloadStatus`] for the head's block; one that a newer one overtakes may go unsent and unanswered,
    /// unless it asks for a build.
    ForkchoiceUpdated {
        /// The chain as fork choice has it.
        state: ForkchoiceState,
        /// Start building a payload on the head; the job is that of the [`Effect::GetPayload`] that may follow. A newer
        /// build replaces it.
        build: Option<(JobId, PayloadAttributes)>,
    },
    /// Fetch the payload whose building was started under this job, once. Answered by [`Input::PayloadReady`] or
    /// [`Input::PayloadFailed`].
    GetPayload {
        job: JobId,
        /// Of no use after this.
        deadline: Millis,
    },
    /// The execution client lacks payloads that lead up to `head`: find the newest one on that chain that it knows,
    /// read the blocks after it from storage and hand over their payloads, oldest first. What it says of each may be
    /// told by [`Input::PayloadStatus`], an invalid one must be. Answered by [`Input::ReplayEnded`]; one is under way
    /// at a time.
    ReplayPayloads {
        job: JobId,
        /// The newest block of the chain.
        head: Checkpoint,
    },
    /// Something worth telling an operator, a metric or a subscriber. Needs no answer.
    Announce(Event),
}

/// Why a fetch ended early.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FetchFailure {
    /// No answer in time.
    Timeout,
    /// The connection failed; says nothing about the peer's protocols.
    Transport,
    /// The peer does not speak the protocol.
    Unsupported,
    /// The peer says that it does not hold the range.
    Unavailable,
    /// The peer answered with an error or with bytes that do not decode.
    Invalid,
    /// Our own limit on the answer's size was reached; what came before it counts.
    Truncated,
}

/// Which blocks to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchWhat {
    /// By root.
    ByRoot(Vec<Root>),
    /// Canonical blocks of a range of slots.
    ByRange {
        /// First slot.
        start: Slot,
        /// Number of slots.
        count: u64,
    },
}

/// Our own messages.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "fields without a comment are what their names say")]
pub enum Publication {
    /// A block that we propose.
    Block(Arc<SignedBlock>),
    /// A vote of ours.
    Attestation { attestation: SignedAttestation, subnet: SubnetId },
    /// An aggregate that we made.
    Aggregate(Arc<SignedAggregatedAttestation>),
}

/// What the network does with a gossip message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GossipVerdict {
    /// Relay it.
    Accept,
    /// Do not relay it; nobody is to blame.
    Ignore,
    /// Do not relay it; the peer that sent it is.
    Reject,
}

/// How a peer misbehaved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Offence {
    /// Sent something that no honest node sends.
    Invalid,
    /// Answered a request with something that was not asked for.
    Unrequested,
    /// Keeps failing to answer.
    Unresponsive,
}
