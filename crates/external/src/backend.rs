//! The backend: statements with their keys out, proofs in.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lathe_aggregation::{
    AggregationError, Backend, Cancellation, Capabilities, Component, ComponentSize, Evidence, KeyRole,
    MAX_COMPONENTS, Message, Registry, SignatureCheck, Statement, Verifier, position_of,
};
use lathe_types::{
    AggregationBits, MAX_ATTESTATIONS_DATA, MultiMessageAggregate, Participation, ProofBytes, Signature,
    SignatureScheme, SignatureShape, SingleMessageAggregate, VALIDATOR_REGISTRY_LIMIT, ValidatorIndex,
};

use lathe_aggregation_abi::{self as protocol, Answer, Capabilities as Told, Purpose, Request};

use crate::claims::{as_it_is, claims, covered, evidence, size_of, statement, uncovered, widest};
use crate::connection::{Connection, Start, text, words};
use crate::error::ExternalError;
use crate::estimates::{Estimates, Work};
use crate::provers::{MAX_PROVERS, Provers, Urgency};
use crate::supervised::{Incident, Observer, Supervised};
use crate::target::Target;

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

/// Children that are folded in one call at most, whatever the library takes.
const MAX_CHILDREN: usize = 16;

/// What an external backend is made from.
#[derive(Clone, Debug)]
pub struct Options {
    /// A program that runs [`crate::run`] when its first argument is [`crate::WORKER_COMMAND`].
    pub program: PathBuf,
    /// What it runs there.
    pub target: Target,
}

/// Proofs by a library in processes of its own.
pub struct ExternalBackend {
    id: String,
    limits: Limits,
    told: Told,
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
        let target = options.target.absolute()?;
        let observer: Observer = Arc::new(observer);
        let worker = |purpose| {
            let start = Start { program: options.program.clone(), target: target.clone(), purpose };
            Supervised::start(start, observer.clone())
        };
        let (program, purpose) = (options.program.clone(), Purpose::Verify);
        let (_, described) = Connection::greet(&Start { program, target: target.clone(), purpose }, || true)?;
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
        Ok(Self { id, limits, told: described, verifier, provers, estimates: Mutex::default() })
    }

    /// Whether the system keeps the library from the files of the node.
    pub fn is_confined(&self) -> bool {
        self.told.is_confined
    }

    /// Whether it checks single signatures.
    pub fn verifies_signatures(&self) -> bool {
        self.told.verifies_signatures
    }

    /// Refuses a worker whose keys and signatures are not those of a network.
    pub fn check_scheme(&self, scheme: SignatureScheme) -> Result<(), ExternalError> {
        let or = |told: u32, usual: usize| if told == 0 { usual } else { told as usize };
        let usual = SignatureScheme::Leansig;
        let lengths = [
            or(self.told.public_key_bytes, usual.public_key_bytes()),
            or(self.told.signature_bytes, usual.signature_bytes()),
        ];
        if lengths == [scheme.public_key_bytes(), scheme.signature_bytes()] {
            return Ok(());
        }
        let [key, signature] = lengths;
        Err(ExternalError::OtherScheme { scheme, key, signature })
    }

    /// What [`Backend::id`] is going to be, for whoever makes a network and proves nothing.
    pub fn identify(options: &Options) -> Result<String, ExternalError> {
        let (program, target) = (options.program.clone(), options.target.absolute()?);
        let (_, told) = Connection::greet(&Start { program, target, purpose: Purpose::Verify }, || true)?;
        Ok(id_of(&told))
    }

    /// How long a process of the library takes to be ready, measured by starting one.
    pub fn time_set_up(options: &Options) -> Result<Duration, ExternalError> {
        let (program, target) = (options.program.clone(), options.target.absolute()?);
        let started = Instant::now();
        Connection::open(&Start { program, target, purpose: Purpose::Verify }, || true)?;
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
        let request = Request::Aggregate {
            raw: protocol::Evidence {
                statement: statement(registry, role, signers, message)?,
                bytes: raw.iter().flat_map(|(_, signature)| signature.as_bytes()).copied().collect(),
            },
            children: children
                .iter()
                .map(|child| evidence(registry, role, child, message))
                .collect::<Result<_, _>>()?,
        };
        let work = Work::Aggregate { raw: raw.len(), children: children.len() };
        let statement = statement(registry, role, participants.indices(), message)?;
        let check =
            |bytes: &[u8]| Request::VerifySingle(protocol::Evidence { statement, bytes: bytes.to_vec() });
        let proof = self.prove(work, urgency, &request, cancellation, check)?;
        Ok(SingleMessageAggregate { participants, proof })
    }

    /// What merging these is, where signatures are merged as they are, or were folded before.
    fn merge_work(&self, components: &[ComponentSize]) -> Work {
        let are_signatures = components.iter().all(|it| matches!(it, ComponentSize::Signatures(_)));
        if !self.told.merges_signatures || !are_signatures {
            return Work::Merge { components: components.len() };
        }
        let signatures = components.iter().map(|component| match component {
            ComponentSize::Proof => 0,
            ComponentSize::Signatures(count) => *count,
        });
        Work::Flat { signatures: signatures.sum() }
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
            // Those that cannot fold them first, at the same time.
            merges_signatures: true,
            provers: self.provers.count(),
            splits: self.told.splits,
        }
    }

    fn estimate(&self, n_raw: usize, children: usize) -> Duration {
        self.estimates().expected(Work::Aggregate { raw: n_raw, children }, Instant::now())
    }

    fn estimate_merge(&self, components: &[ComponentSize]) -> Duration {
        let (work, now) = (self.merge_work(components), Instant::now());
        let estimates = self.estimates();
        let merging = estimates.expected(work, now);
        if self.told.merges_signatures {
            return merging;
        }
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
        folds.iter().step_by(self.provers.count().max(1)).sum::<Duration>() + merging
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
        let sizes: Vec<_> = components.iter().map(size_of).collect();
        let mut merged = Vec::with_capacity(found);
        if self.told.merges_signatures {
            for component in components {
                merged.push(as_it_is(registry, component)?);
            }
        } else {
            let proofs = self.as_proofs(registry, components, cancellation)?;
            for (component, proof) in components.iter().zip(&proofs) {
                let evidence = evidence(registry, component.role, proof, component.message)?;
                merged.push(protocol::Component { evidence, is_signatures: false });
            }
        }
        let statements = merged.iter().map(|component| component.evidence.statement.clone()).collect();
        let check = |proof: &[u8]| Request::VerifyMulti { statements, proof: proof.to_vec() };
        let (work, request) = (self.merge_work(&sizes), Request::Merge(merged));
        let proof = self.prove(work, Urgency::Block, &request, cancellation, check)?;
        Ok(MultiMessageAggregate { proof })
    }

    fn verify_multi(
        &self,
        registry: &Registry,
        statements: &[Statement],
        proof: &MultiMessageAggregate,
    ) -> Result<(), AggregationError> {
        let (statements, proof) = claims(registry, statements, proof)?;
        self.verify(&Request::VerifyMulti { statements, proof }).map(drop)
    }

    fn split(
        &self,
        registry: &Registry,
        statements: &[Statement],
        proof: &MultiMessageAggregate,
        message: Message,
    ) -> Result<SingleMessageAggregate, AggregationError> {
        let index = position_of(statements, message)?;
        let (claims, proof) = claims(registry, statements, proof)?;
        let statement = claims[index].clone();
        let check =
            |bytes: &[u8]| Request::VerifySingle(protocol::Evidence { statement, bytes: bytes.to_vec() });
        let request = Request::Split { statements: claims, proof, index: index as u32 };
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

impl Verifier for ExternalBackend {
    fn shape(&self) -> SignatureShape {
        let bytes = usize::try_from(self.told.signature_bytes).unwrap_or_default();
        SignatureShape::of_len(bytes).unwrap_or(SignatureShape::PROD)
    }

    fn verify_batch(&self, checks: &[SignatureCheck<'_>]) -> Vec<bool> {
        let claim = |check: &SignatureCheck<'_>| protocol::SignatureClaim {
            public_key: check.public_key.as_bytes().to_vec(),
            slot: check.slot.0,
            message: check.message.0,
            signature: check.signature.as_bytes().to_vec(),
        };
        let request = Request::VerifySignatures(checks.iter().map(claim).collect());
        match self.verifier.call(&request, VERIFY_LIMIT, &Cancellation::default()) {
            Ok((Answer::Done(verdicts), _)) if verdicts.len() == checks.len() => {
                verdicts.into_iter().map(|verdict| verdict == 1).collect()
            }
            // No verdict is none: whoever asked ignores the vote and blames nobody.
            _ => Vec::new(),
        }
    }
}

impl Limits {
    fn of(hello: &Told) -> Self {
        let at_most = |told: u32, most: usize| usize::try_from(told).unwrap_or(most).min(most);
        Self {
            signers: at_most(hello.max_signers, VALIDATOR_REGISTRY_LIMIT as usize),
            children: at_most(hello.max_children, MAX_CHILDREN),
            components: at_most(hello.max_components, MAX_COMPONENTS),
        }
    }
}

fn id_of(told: &Told) -> String {
    format!("external:{}/{}", told.name, told.version)
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
        other => format!("the library failed: {}", words(other)),
    };
    AggregationError::Unavailable(why)
}
