//! The backend: statements with their keys out, proofs in.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lathe_aggregation::{
    AggregationError, Backend, Cancellation, Capabilities, Component, ComponentSize, Evidence, KeyRole,
    MAX_COMPONENTS, Message, Registry, Statement, participants_of, position_of,
};
use lathe_types::{
    AggregationBits, MAX_ATTESTATIONS_DATA, MultiMessageAggregate, Participation, ProofBytes, Signature,
    SingleMessageAggregate, VALIDATOR_REGISTRY_LIMIT, ValidatorIndex,
};

use crate::connection::{Start, absolute};
use crate::error::ExternalError;
use crate::estimates::{Estimates, Work};
use crate::message::{self, Answer, Hello, MAX_CHILDREN, Purpose, Request, text};
use crate::provers::{MAX_PROVERS, Provers, Urgency};
use crate::supervised::{Incident, Observer, Supervised};

/// Time for a verification, after which the library hangs: a slot, fifty times what leanVM takes.
const VERIFY_LIMIT: Duration = Duration::from_secs(4);
/// A proof that takes this many times as long as expected hangs,
const PATIENCE: u32 = 4;
/// but none before this: a machine may be busy for a while, and ending a process costs another set-up,
const SHORTEST_PROOF_LIMIT: Duration = Duration::from_secs(4);
/// and each after this, as whatever it was for has passed; also where nothing like it was ever done. A slow proof is
/// worth more than a process that begins anew.
const LONGEST_PROOF_LIMIT: Duration = Duration::from_secs(60);
/// An aggregate waits for a prover as long as this, a slot; a block that is signed as long as a proof may take.
const AGGREGATE_PATIENCE: Duration = Duration::from_secs(4);

/// What an external backend is made from.
#[derive(Clone, Debug)]
pub struct Options {
    /// A program that runs [`crate::run`] when its first argument is [`crate::WORKER_COMMAND`].
    pub program: PathBuf,
    /// The shared library.
    pub library: PathBuf,
}

/// Proofs by a library in processes of its own.
pub struct ExternalBackend {
    id: String,
    limits: Limits,
    is_confined: bool,
    verifier: Supervised,
    provers: Provers,
    estimates: Mutex<Estimates>,
}

/// What the library can do, as far as we would ask for it.
#[derive(Clone, Copy, Debug)]
struct Limits {
    signers: usize,
    children: usize,
    components: usize,
}

impl ExternalBackend {
    /// Starts all workers, and fails if the library cannot be used. `observer` is told of everything that happens to a
    /// worker later on, on the thread that notices.
    pub fn start(
        options: &Options,
        observer: impl Fn(&Incident) + Send + Sync + 'static,
    ) -> Result<Self, ExternalError> {
        let library = absolute(&options.library)?;
        let observer: Observer = Arc::new(observer);
        let worker = |purpose| {
            let start = Start { program: options.program.clone(), library: library.clone(), purpose };
            Supervised::start(start, observer.clone())
        };
        let described = describe(&Start {
            program: options.program.clone(),
            library: library.clone(),
            purpose: Purpose::Describe,
        })?;
        let count = usize::try_from(described.provers).unwrap_or(MAX_PROVERS).clamp(1, MAX_PROVERS);
        let purposes = std::iter::once(Purpose::Verify).chain(std::iter::repeat_n(Purpose::Prove, count));
        let workers = std::thread::scope(|scope| {
            let starting: Vec<_> = purposes.map(|purpose| scope.spawn(move || worker(purpose))).collect();
            let gone = |_| Err(ExternalError::NotStarted("its thread panicked".into()));
            let started = starting.into_iter().map(|starting| starting.join().unwrap_or_else(gone));
            started.collect::<Result<Vec<_>, _>>()
        })?;
        if workers.iter().any(|(_, hello)| *hello != described) {
            return Err(ExternalError::NotStarted("the workers loaded different libraries".into()));
        }
        let mut workers = workers.into_iter().map(|(worker, _)| worker);
        let verifier = workers.next().ok_or(ExternalError::Closed)?;
        let provers = Provers::new(workers.collect());
        let (id, limits) = (id_of(&described), Limits::of(&described));
        let is_confined = described.is_confined;
        Ok(Self { id, limits, is_confined, verifier, provers, estimates: Mutex::default() })
    }

    /// Whether the system keeps the library from the files of the node.
    pub fn is_confined(&self) -> bool {
        self.is_confined
    }

    /// What [`Backend::id`] is going to be, for whoever makes a network and proves nothing.
    pub fn identify(options: &Options) -> Result<String, ExternalError> {
        let (program, library) = (options.program.clone(), absolute(&options.library)?);
        Ok(id_of(&describe(&Start { program, library, purpose: Purpose::Describe })?))
    }

    /// How long a process of the library takes to be ready, measured by starting one.
    pub fn time_set_up(options: &Options) -> Result<Duration, ExternalError> {
        let (program, library) = (options.program.clone(), absolute(&options.library)?);
        let started = Instant::now();
        describe(&Start { program, library, purpose: Purpose::Verify })?;
        Ok(started.elapsed())
    }

    fn estimates(&self) -> MutexGuard<'_, Estimates> {
        self.estimates.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long it took, waiting aside.
    fn verify(&self, request: &Request) -> Result<Duration, AggregationError> {
        let called = self.verifier.call(request, VERIFY_LIMIT, &Cancellation::default());
        let (answer, took) = called.map_err(unavailable)?;
        match answer {
            Answer::Done(_) => Ok(took),
            Answer::Invalid(_) => Err(AggregationError::InvalidProof),
            other => Err(refused(other)),
        }
    }

    /// Has a proof made and, by another process, checked. Learns how long both took, but not how long they waited.
    fn prove(
        &self,
        work: Work,
        urgency: Urgency,
        request: &Request,
        cancellation: &Cancellation,
        check: impl FnOnce(&[u8]) -> Request,
    ) -> Result<ProofBytes, AggregationError> {
        let failed = |error| match error {
            ExternalError::Cancelled => AggregationError::Cancelled,
            error => unavailable(error),
        };
        let patience = if urgency == Urgency::Block { LONGEST_PROOF_LIMIT } else { AGGREGATE_PATIENCE };
        let prover = self.provers.lease(urgency, patience, cancellation).map_err(failed)?;
        let (answer, took) = prover.call(request, self.limit(work), cancellation).map_err(failed)?;
        let bytes = match answer {
            Answer::Done(bytes) => bytes,
            // What it was to be made from was verified, so this blames nobody.
            other => return Err(refused(other)),
        };
        match self.verify(&check(&bytes)) {
            Ok(checked) => self.estimates().learn(work, took + checked, Instant::now()),
            Err(error) if error.is_verdict() => {
                let error = prover.distrust("a new proof does not verify");
                return Err(unavailable(error));
            }
            Err(error) => return Err(error),
        }
        ProofBytes::new(bytes).map_err(|_| AggregationError::Unavailable("the proof is too long".into()))
    }

    fn limit(&self, work: Work) -> Duration {
        let known = self.estimates().known(work, Instant::now());
        known.map_or(LONGEST_PROOF_LIMIT, |known| {
            (known * PATIENCE).clamp(SHORTEST_PROOF_LIMIT, LONGEST_PROOF_LIMIT)
        })
    }

    /// Folds signatures by keys of `role`, and children, which are by attestation keys.
    fn fold(
        &self,
        registry: &Registry,
        (role, urgency): (KeyRole, Urgency),
        children: &[&SingleMessageAggregate],
        raw: &[(ValidatorIndex, Signature)],
        message: Message,
        cancellation: &Cancellation,
    ) -> Result<SingleMessageAggregate, AggregationError> {
        cancellation.check()?;
        let children = widest(children);
        let covered = covered(&children, registry)?;
        let raw = uncovered(raw, &covered, registry)?;
        if let ([child], true) = (&children[..], raw.is_empty()) {
            return Ok((*child).clone());
        }
        if children.len() > self.limits.children {
            return Err(AggregationError::Unsupported("fold that many proofs at once"));
        }
        let signers = raw.iter().map(|(index, _)| *index);
        let mut everybody: Vec<_> = covered.iter().copied().chain(signers.clone()).collect();
        everybody.sort_unstable();
        let (signatures, max) = (everybody.len(), self.limits.signers);
        if signatures > max {
            return Err(AggregationError::TooLarge { signatures, max });
        }
        let participants =
            AggregationBits::from_indices(everybody).ok_or(AggregationError::NoParticipants)?;
        let request = Request::Aggregate(message::Aggregate {
            raw: message::Evidence {
                statement: statement(registry, role, signers, message)?,
                bytes: raw.iter().flat_map(|(_, signature)| signature.as_bytes()).copied().collect(),
            },
            children: children
                .iter()
                .map(|child| evidence(registry, role, child, message))
                .collect::<Result<_, _>>()?,
        });
        let work = Work::Aggregate { raw: raw.len(), children: children.len() };
        let statement = statement(registry, role, participants.indices(), message)?;
        let check =
            |bytes: &[u8]| Request::VerifySingle(message::Evidence { statement, bytes: bytes.to_vec() });
        let proof = self.prove(work, urgency, &request, cancellation, check)?;
        Ok(SingleMessageAggregate { participants, proof })
    }

    /// Every component as a proof. Signatures are folded, those of several components at the same time.
    fn as_proofs<'a>(
        &self,
        registry: &Registry,
        components: &[Component<'a>],
        cancellation: &Cancellation,
    ) -> Result<Vec<Cow<'a, SingleMessageAggregate>>, AggregationError> {
        let fold = |component: &Component<'a>| match component.evidence {
            Evidence::Proof(proof) => Ok(Cow::Borrowed(proof)),
            Evidence::Signatures(held) => {
                let for_block = (component.role, Urgency::Block);
                let made = self.fold(registry, for_block, &[], held, component.message, cancellation);
                made.map(Cow::Owned)
            }
        };
        std::thread::scope(|scope| {
            let folding: Vec<_> =
                components.iter().map(|component| scope.spawn(move || fold(component))).collect();
            let gone = |_| Err(AggregationError::Unavailable("a thread of it panicked".into()));
            folding.into_iter().map(|folding| folding.join().unwrap_or_else(gone)).collect()
        })
    }
}

impl Backend for ExternalBackend {
    fn id(&self) -> &str {
        &self.id
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            max_single_signers: self.limits.signers,
            // A proof does not grow with its votes.
            max_block_votes: self.limits.signers * MAX_ATTESTATIONS_DATA,
            prove_beyond: None,
            trims: false,
            merges_freely: false,
            merges_signatures: true,
            provers: self.provers.count(),
            splits: true,
        }
    }

    fn estimate(&self, n_raw: usize, children: usize) -> Duration {
        self.estimates().expected(Work::Aggregate { raw: n_raw, children }, Instant::now())
    }

    fn estimate_merge(&self, components: &[ComponentSize]) -> Duration {
        let (estimates, now) = (self.estimates(), Instant::now());
        let mut folds: Vec<Duration> = components
            .iter()
            .filter_map(|component| match component {
                ComponentSize::Proof => None,
                ComponentSize::Signatures(raw) => {
                    Some(estimates.expected(Work::Aggregate { raw: *raw, children: 0 }, now))
                }
            })
            .collect();
        folds.sort_unstable_by_key(|fold| std::cmp::Reverse(*fold));
        // As many at a time as there are provers; each round takes as long as its longest.
        let folding: Duration = folds.iter().step_by(self.provers.count().max(1)).sum();
        folding + estimates.expected(Work::Merge { components: components.len() }, now)
    }

    fn aggregate(
        &self,
        registry: &Registry,
        children: &[&SingleMessageAggregate],
        raw: &[(ValidatorIndex, Signature)],
        message: Message,
        cancellation: &Cancellation,
    ) -> Result<SingleMessageAggregate, AggregationError> {
        self.fold(registry, (KeyRole::Attestation, Urgency::Votes), children, raw, message, cancellation)
    }

    fn verify_single(
        &self,
        registry: &Registry,
        aggregate: &SingleMessageAggregate,
        message: Message,
    ) -> Result<(), AggregationError> {
        let claim = evidence(registry, KeyRole::Attestation, aggregate, message)?;
        self.verify(&Request::VerifySingle(claim)).map(drop)
    }

    fn merge(
        &self,
        registry: &Registry,
        components: &[Component<'_>],
        cancellation: &Cancellation,
    ) -> Result<MultiMessageAggregate, AggregationError> {
        let (expected, found) = (self.limits.components, components.len());
        if found == 0 || found > expected {
            return Err(AggregationError::WrongComponentCount { expected, found });
        }
        let proofs = self.as_proofs(registry, components, cancellation)?;
        let evidences = components.iter().zip(&proofs);
        let evidences = evidences.map(|(it, proof)| evidence(registry, it.role, proof, it.message));
        let evidences = evidences.collect::<Result<Vec<_>, _>>()?;
        let statements = evidences.iter().map(|evidence| evidence.statement.clone()).collect();
        let check = |proof: &[u8]| Request::VerifyMulti(message::Multi { statements, proof: proof.to_vec() });
        let work = Work::Merge { components: found };
        let proof = self.prove(work, Urgency::Block, &Request::Merge(evidences), cancellation, check)?;
        Ok(MultiMessageAggregate { proof })
    }

    fn verify_multi(
        &self,
        registry: &Registry,
        statements: &[Statement],
        proof: &MultiMessageAggregate,
    ) -> Result<(), AggregationError> {
        self.verify(&Request::VerifyMulti(multi(registry, statements, proof)?)).map(drop)
    }

    fn split(
        &self,
        registry: &Registry,
        statements: &[Statement],
        proof: &MultiMessageAggregate,
        message: Message,
    ) -> Result<SingleMessageAggregate, AggregationError> {
        let index = position_of(statements, message)?;
        let multi = multi(registry, statements, proof)?;
        let statement = multi.statements[index].clone();
        let check =
            |bytes: &[u8]| Request::VerifySingle(message::Evidence { statement, bytes: bytes.to_vec() });
        let request = Request::Split(message::Split { multi, index: index as u64 });
        let proof = self.prove(Work::Split, Urgency::Votes, &request, &Cancellation::default(), check)?;
        Ok(SingleMessageAggregate { participants: statements[index].participants.clone(), proof })
    }

    fn trim(
        &self,
        _: &Registry,
        _: &SingleMessageAggregate,
        _: &AggregationBits,
    ) -> Result<SingleMessageAggregate, AggregationError> {
        Err(AggregationError::Unsupported("take signers out of a proof"))
    }
}

impl Limits {
    fn of(hello: &Hello) -> Self {
        let at_most = |told: u32, most: usize| usize::try_from(told).unwrap_or(most).min(most);
        Self {
            signers: at_most(hello.max_signers, VALIDATOR_REGISTRY_LIMIT as usize),
            children: at_most(hello.max_children, MAX_CHILDREN),
            components: at_most(hello.max_components, MAX_COMPONENTS),
        }
    }
}

/// What the library says of itself, without setting it up.
fn describe(start: &Start) -> Result<Hello, ExternalError> {
    let (_, hello) = crate::connection::Connection::open(start, || true)?;
    Ok(hello)
}

fn id_of(hello: &Hello) -> String {
    format!("external:{}/{}", text(&hello.name), text(&hello.version))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unavailable(error: ExternalError) -> AggregationError {
    AggregationError::Unavailable(error.to_string())
}

/// An answer that is no result.
fn refused(answer: Answer) -> AggregationError {
    let why = match answer {
        Answer::Invalid(why) => format!("the library refused what was verified: {}", text(&why)),
        Answer::Unsupported(why) => format!("the library cannot do that: {}", text(&why)),
        Answer::Failed(why) | Answer::Garbage(why) => format!("the library failed: {}", text(&why)),
        Answer::Ready(_) | Answer::Done(_) => "an answer to another question".into(),
    };
    AggregationError::Unavailable(why)
}

/// Children whose signers are not all in another one. A child costs as much as many signatures.
fn widest<'a>(children: &[&'a SingleMessageAggregate]) -> Vec<&'a SingleMessageAggregate> {
    let is_within = |inner: &AggregationBits, outer: &AggregationBits| {
        inner.indices().all(|index| outer.get(index.0 as usize).unwrap_or(false))
    };
    let mut kept: Vec<&SingleMessageAggregate> = Vec::with_capacity(children.len());
    for &child in children {
        if kept.iter().any(|other| is_within(&child.participants, &other.participants)) {
            continue;
        }
        kept.retain(|other| !is_within(&other.participants, &child.participants));
        kept.push(child);
    }
    kept
}

/// Everybody whom the children cover.
fn covered(
    children: &[&SingleMessageAggregate],
    registry: &Registry,
) -> Result<BTreeSet<ValidatorIndex>, AggregationError> {
    let mut covered = BTreeSet::new();
    for child in children {
        covered.extend(participants_of(&child.participants, registry)?);
    }
    Ok(covered)
}

/// The signatures of everybody else.
fn uncovered<'a>(
    raw: &'a [(ValidatorIndex, Signature)],
    covered: &BTreeSet<ValidatorIndex>,
    registry: &Registry,
) -> Result<Vec<&'a (ValidatorIndex, Signature)>, AggregationError> {
    if raw.windows(2).any(|pair| pair[0].0 >= pair[1].0) {
        return Err(AggregationError::UnorderedSignatures);
    }
    if let Some((outside, _)) = raw.iter().find(|(index, _)| !index.is_within_registry(registry.len() as u64))
    {
        let registry = registry.len();
        return Err(AggregationError::SignerOutsideRegistry { index: outside.0, registry });
    }
    Ok(raw.iter().filter(|(index, _)| !covered.contains(index)).collect())
}

fn multi(
    registry: &Registry,
    statements: &[Statement],
    proof: &MultiMessageAggregate,
) -> Result<message::Multi, AggregationError> {
    let found = statements.len();
    if found == 0 || found > MAX_COMPONENTS {
        return Err(AggregationError::WrongComponentCount { expected: MAX_COMPONENTS, found });
    }
    let statements = statements.iter().map(|shown| {
        let participants = participants_of(&shown.participants, registry)?;
        statement(registry, shown.role, participants, shown.message)
    });
    Ok(message::Multi { statements: statements.collect::<Result<_, _>>()?, proof: bytes_of(&proof.proof)? })
}

fn evidence(
    registry: &Registry,
    role: KeyRole,
    aggregate: &SingleMessageAggregate,
    message: Message,
) -> Result<message::Evidence, AggregationError> {
    let participants = participants_of(&aggregate.participants, registry)?;
    let statement = statement(registry, role, participants, message)?;
    Ok(message::Evidence { statement, bytes: bytes_of(&aggregate.proof)? })
}

/// A proof has bytes; no library has to think about one that has none.
fn bytes_of(proof: &ProofBytes) -> Result<Vec<u8>, AggregationError> {
    if proof.is_empty() { Err(AggregationError::Truncated) } else { Ok(proof.to_vec()) }
}

fn statement(
    registry: &Registry,
    role: KeyRole,
    participants: impl IntoIterator<Item = ValidatorIndex>,
    message: Message,
) -> Result<message::Statement, AggregationError> {
    let mut public_keys = Vec::new();
    for index in participants {
        let validator = registry
            .get(index.0 as usize)
            .ok_or(AggregationError::SignerOutsideRegistry { index: index.0, registry: registry.len() })?;
        let key = match role {
            KeyRole::Attestation => validator.attestation_public_key,
            KeyRole::Proposal => validator.proposal_public_key,
        };
        public_keys.extend_from_slice(key.as_bytes());
    }
    Ok(message::Statement { message: message.root.0, slot: message.slot.0, public_keys })
}
