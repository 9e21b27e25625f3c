//! The surface of a proof system.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lathe_types::{
    AggregationBits, KeyRole, MultiMessageAggregate, Participation, Root, Signature, SingleMessageAggregate,
    Slot, ValidatorIndex, Validators,
};

use crate::error::AggregationError;

/// The validators whose keys proofs are about.
pub type Registry = Validators;

/// What was signed. Always the caller's knowledge, never the proof's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// Root of the vote's data or of the block.
    pub root: Root,
    /// Slot of the vote's data or of the block.
    pub slot: Slot,
}

/// What one component of a multi-message proof has to show: these participants signed that message with that key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The message.
    pub message: Message,
    /// The key.
    pub role: KeyRole,
    /// Who signed.
    pub participants: AggregationBits,
}

/// One component to be merged into a multi-message proof.
#[derive(Clone, Copy, Debug)]
pub struct Component<'a> {
    /// The message.
    pub message: Message,
    /// The key.
    pub role: KeyRole,
    /// What shows that it was signed.
    pub evidence: Evidence<'a>,
}

/// Evidence for a component.
#[derive(Clone, Copy, Debug)]
pub enum Evidence<'a> {
    /// A proof that was verified or made here.
    Proof(&'a SingleMessageAggregate),
    /// Signatures still held, strictly ascending by validator.
    Signatures(&'a [(ValidatorIndex, Signature)]),
}

/// What a component's evidence is, as far as the time to merge it depends on that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComponentSize {
    /// A proof.
    Proof,
    /// So many signatures.
    Signatures(usize),
}

/// What callers may rely on when they plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Signers that one single-message proof can hold.
    pub max_single_signers: usize,
    /// Votes that one block can hold over all its data, beside the proposer.
    pub max_block_votes: usize,
    /// Votes of a block beyond which it is worth having proofs in place of signatures; `None` if the backend has no
    /// [`Prover`].
    pub prove_beyond: Option<usize>,
    /// Whether signers can be taken out of a proof, see [`Backend::trim`].
    pub trims: bool,
    /// Whether a block's votes may be merged as signatures, so that a proposer who holds them need not wait for proofs.
    pub merges_signatures: bool,
    /// Proofs that can be made at a time without one delaying the other.
    pub provers: usize,
    /// Whether votes can be taken out of a block's proof.
    pub splits: bool,
    /// Whether merging and splitting cost next to nothing, so that a proposer may merge at the slot boundary and every
    /// vote of a block may be split out of it.
    pub merges_freely: bool,
}

/// Set by whoever waits for a proof and no longer wants it. Backends look at it between steps of work.
#[derive(Clone, Debug, Default)]
pub struct Cancellation(Arc<AtomicBool>);

impl Cancellation {
    /// Asks the work to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// [`AggregationError::Cancelled`] once somebody asked.
    pub fn check(&self) -> Result<(), AggregationError> {
        if self.0.load(Ordering::Relaxed) { Err(AggregationError::Cancelled) } else { Ok(()) }
    }
}

/// A proof system. Networks agree on one; formats do not interoperate.
///
/// Synchronous and possibly slow: call it on a worker. Inputs that come from outside (`verify_*`, `split`) end in an
/// error, never in a panic. Raw signatures and proofs handed to [`Self::aggregate`] and [`Self::merge`] were verified
/// before, or made here.
pub trait Backend: Send + Sync {
    /// Name of the system; part of what makes a network's digest.
    fn id(&self) -> &str;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// The part of the backend that makes proofs in place of signatures, if it does so apart from aggregating.
    fn prover(&self) -> Option<&dyn Prover> {
        None
    }

    /// The room that an aggregate takes in a block.
    fn room(&self, _aggregate: &SingleMessageAggregate) -> Room {
        Room::PerSigner
    }

    /// What the votes of a block are shown by; `components` are all its messages, the proposer's among them.
    fn kind(&self, _registry: &Registry, _components: usize, _proof: &MultiMessageAggregate) -> ProofKind {
        ProofKind::External
    }

    /// How long aggregating that much is going to take.
    fn estimate(&self, n_raw: usize, children: usize) -> Duration;

    /// How long [`Self::merge`] is going to take with these components: the proposer signs that much earlier.
    fn estimate_merge(&self, _components: &[ComponentSize]) -> Duration {
        Duration::ZERO
    }

    /// Folds `children` and `raw` signatures over one vote into one proof. `raw` is strictly ascending by validator; a
    /// raw signer that is already covered is dropped.
    fn aggregate(
        &self,
        registry: &Registry,
        children: &[&SingleMessageAggregate],
        raw: &[(ValidatorIndex, Signature)],
        message: Message,
        cancellation: &Cancellation,
    ) -> Result<SingleMessageAggregate, AggregationError>;

    /// Whether exactly the participants signed `message` with their attestation keys.
    fn verify_single(
        &self,
        registry: &Registry,
        aggregate: &SingleMessageAggregate,
        message: Message,
    ) -> Result<(), AggregationError>;

    /// Merges components, in order, into one proof.
    fn merge(
        &self,
        registry: &Registry,
        components: &[Component<'_>],
        cancellation: &Cancellation,
    ) -> Result<MultiMessageAggregate, AggregationError>;

    /// Whether the proof shows all `statements`, in order.
    fn verify_multi(
        &self,
        registry: &Registry,
        statements: &[Statement],
        proof: &MultiMessageAggregate,
    ) -> Result<(), AggregationError>;

    /// Takes the component about `message` out of a verified proof.
    fn split(
        &self,
        registry: &Registry,
        statements: &[Statement],
        proof: &MultiMessageAggregate,
        message: Message,
    ) -> Result<SingleMessageAggregate, AggregationError>;

    /// Reduces a verified proof to those of its participants that are in `keep`.
    fn trim(
        &self,
        registry: &Registry,
        aggregate: &SingleMessageAggregate,
        keep: &AggregationBits,
    ) -> Result<SingleMessageAggregate, AggregationError>;
}

/// The room that an aggregate takes in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// That of one vote per signer, and signers can be taken out of it one by one.
    PerSigner,
    /// It stands and falls as a whole.
    Whole {
        /// Names what its room is taken by; aggregates with the same one take it together.
        content: u64,
        /// The votes whose room it takes.
        votes: usize,
    },
}

/// What the votes of a block are shown by. Our own backends never prove the proposer's signature: it is made last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProofKind {
    /// Signatures alone.
    Raw,
    /// Proofs alone.
    Stark,
    /// Proofs, and signatures beside them.
    Mixed,
    /// One proof of an external system over everything, the proposer's signature included.
    External,
}

impl ProofKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Raw, Self::Stark, Self::Mixed, Self::External];

    /// The kind's name, as metrics and summaries have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Stark => "stark",
            Self::Mixed => "mixed",
            Self::External => "external",
        }
    }
}

/// Votes for a [`Prover`], the most important first.
#[derive(Clone, Debug)]
pub struct ProofRequest<'a> {
    /// Aggregates at hand, by message.
    pub votes: Vec<(Message, Vec<&'a SingleMessageAggregate>)>,
    /// Votes that are still expected, and will have to stay raw.
    pub expected: usize,
    /// The time that there is.
    pub within: Duration,
}

/// Makes proofs in place of signatures, so that a block can carry more votes.
pub trait Prover: Send + Sync {
    /// How long proving that many signatures is going to take, learned from measured times.
    fn estimate(&self, signatures: usize) -> Duration;

    /// Proves as many signatures as a block with these votes and the expected ones needs, in one proof; returns what it
    /// shows, message by message. An error before anything was done if there is no such proof or not enough time.
    /// Takes seconds and hundreds of megabytes: call it on a thread that may be kept busy.
    fn prove(
        &self,
        registry: &Registry,
        request: &ProofRequest<'_>,
        cancellation: &Cancellation,
    ) -> Result<Vec<(Message, SingleMessageAggregate)>, AggregationError>;

    /// Learns what it took to prove that many signatures. Backends know no clock, so whoever runs the work measures.
    fn learn(&self, signatures: usize, took: Duration);
}

/// Where a proof over `statements` shows the votes for `message`.
pub fn position_of(statements: &[Statement], message: Message) -> Result<usize, AggregationError> {
    let wanted =
        |statement: &Statement| statement.message == message && statement.role == KeyRole::Attestation;
    statements.iter().position(wanted).ok_or(AggregationError::UnknownMessage)
}

/// The participants of `bits`, each inside the registry; an error if there are none.
pub fn participants_of(
    bits: &AggregationBits,
    registry: &Registry,
) -> Result<Vec<ValidatorIndex>, AggregationError> {
    let participants: Vec<ValidatorIndex> = bits.indices().collect();
    match participants.last() {
        None => Err(AggregationError::NoParticipants),
        Some(highest) if !highest.is_within_registry(registry.len() as u64) => {
            Err(AggregationError::SignerOutsideRegistry { index: highest.0, registry: registry.len() })
        }
        Some(_) => Ok(participants),
    }
}
