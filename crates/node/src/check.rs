//! Trying a proof system before a network depends on it: whether it proves what it should, and how fast.
//!
//! Keys are made for it, each of a few leaves; a worker that makes them takes seconds for each.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lathe_aggregation::{
    AggregationError, Backend, Cancellation, Component, Evidence, KeyRole, Message, Registry, Statement,
};
use lathe_leansig::{Prod, SecretKey};
use lathe_signer::OutsideSigner as _;
use lathe_types::{
    AggregationBits, Decode as _, MultiMessageAggregate, Participation as _, ProofBytes, PublicKey, Root,
    Signature, SignatureScheme, SingleMessageAggregate, Slot, Validator, ValidatorIndex,
};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use zeroize::Zeroizing;

use crate::backend::{AggregationBackend, KeyService};
use crate::error::NodeError;
use crate::metrics::Metrics;

/// Signatures that are aggregated.
const SIGNATURES: [usize; 4] = [1, 4, 16, 64];
/// Components that are merged, the proposer's among them.
const COMPONENTS: [usize; 3] = [1, 2, 5];
/// Voters of each component of a merge.
const VOTERS: usize = 4;
/// What an aggregate may take: interval 2 and 3, so that the next proposer has it in interval 4.
const AGGREGATE_LIMIT: Duration = Duration::from_millis(1_600);
/// What a merge may take: from interval 1 of the slot before until the voters stop waiting for the block.
const MERGE_LIMIT: Duration = Duration::from_millis(3_600);
/// What the key is made from.
const SEED: [u8; 32] = [7; 32];
/// The first slot that is signed at; each message has its own. The key has a leaf for each.
const SLOT: u64 = 3;
const KEY_SLOTS: u64 = 16;

/// A measured operation.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Measured {
    /// Signatures, or components.
    pub size: usize,
    /// What it took, the check of the result included.
    pub millis: u64,
    /// What checking the result alone took.
    pub verify_millis: f64,
    /// Bytes of the proof.
    pub bytes: usize,
}

/// What came of a check.
#[derive(Clone, Debug, serde::Serialize)]
pub struct BackendReport {
    /// Name and version.
    pub id: String,
    /// The signature scheme that it was tried with.
    pub scheme: &'static str,
    /// Until it could be used.
    pub set_up_millis: u64,
    /// Tests of it that failed; a system with any is not to be used.
    pub faults: Vec<String>,
    /// Aggregates.
    pub aggregates: Vec<Measured>,
    /// Merges.
    pub merges: Vec<Measured>,
    /// Peak memory of each of its processes, in MiB; none where it has none, or the system does not say.
    pub process_mib: Vec<u64>,
    /// Validators of the network in question.
    pub validators: usize,
    /// Whether this machine keeps up with slots of four seconds.
    pub keeps_up: bool,
    /// Why.
    pub verdict: String,
}

/// Tries a proof system with up to so many signatures. `told` hears of each step.
pub fn check_backend(
    backend: &AggregationBackend,
    signatures: usize,
    validators: usize,
    told: &mut dyn FnMut(&str),
) -> Result<BackendReport, NodeError> {
    let scheme = backend.default_scheme();
    backend.check(scheme)?;
    let metrics = Arc::new(Metrics::new("check", 0.0)?);
    told("setting it up");
    let started = Instant::now();
    let (opened, _) = backend.open(scheme, None, &metrics)?;
    let set_up_millis = started.elapsed().as_millis() as u64;
    told("making keys");
    let trial = Trial::new(backend, scheme, &*opened, signatures, told)?;
    told("testing what it proves and refuses");
    let faults = trial.faults();
    let (mut aggregates, mut merges) = (Vec::new(), Vec::new());
    let most = signatures.min(opened.capabilities().max_single_signers);
    for size in SIGNATURES.into_iter().filter(|size| *size <= most) {
        told(&format!("aggregating {size} signatures"));
        aggregates.extend(trial.aggregate(size).ok());
    }
    for size in COMPONENTS {
        told(&format!("merging {size} components"));
        merges.extend(trial.merge(size).ok());
    }
    let (keeps_up, verdict) = judge(&faults, &aggregates, &merges, validators);
    Ok(BackendReport {
        id: opened.id().to_owned(),
        scheme: scheme.name(),
        set_up_millis,
        faults,
        aggregates,
        merges,
        process_mib: children_mib(),
        validators,
        keeps_up,
        verdict,
    })
}

fn judge(
    faults: &[String],
    aggregates: &[Measured],
    merges: &[Measured],
    validators: usize,
) -> (bool, String) {
    if let Some(fault) = faults.first() {
        return (false, format!("not to be used: {fault}"));
    }
    let larger = aggregates.iter().find(|it| it.size >= validators);
    let aggregate = match (larger, aggregates.last()) {
        (Some(measured), _) => measured.millis,
        // Beyond what was measured at most in proportion.
        (None, Some(most)) => most.millis * validators.div_ceil(most.size.max(1)) as u64,
        (None, None) => return (false, "nothing could be aggregated".into()),
    };
    let Some(merge) = merges.iter().find(|it| it.size == 2).map(|it| it.millis) else {
        return (false, "a vote and a block could not be merged".into());
    };
    let is_late = |millis: u64, limit: Duration| Duration::from_millis(millis) > limit;
    if is_late(merge, MERGE_LIMIT) {
        return (false, format!("blocks come late: a merge takes {merge} ms"));
    }
    if is_late(aggregate, AGGREGATE_LIMIT) {
        return (false, format!("aggregates of {validators} votes come late: {aggregate} ms"));
    }
    (true, format!("an aggregate of {validators} votes takes {aggregate} ms, and a merge {merge} ms"))
}

struct Trial<'a> {
    backend: &'a dyn Backend,
    registry: Registry,
    /// By the number of the message, see [`message`], and of the key.
    signatures: BTreeMap<(usize, usize), Signature>,
}

/// The message with that number.
fn message(number: usize) -> Message {
    Message { root: Root::repeat_byte(number as u8 + 1), slot: Slot(SLOT + number as u64) }
}

fn bits(count: usize) -> Result<AggregationBits, AggregationError> {
    AggregationBits::from_indices((0..count as u64).map(ValidatorIndex))
        .ok_or(AggregationError::NoParticipants)
}

/// A key, whatever signs with it.
enum TrialKey<'a> {
    BuiltIn(Box<SecretKey<Prod>>),
    Worker(&'a KeyService, Zeroizing<Vec<u8>>),
}

impl TrialKey<'_> {
    fn sign(&self, it: Message) -> Result<Signature, NodeError> {
        let failed = |why: String| NodeError::Check(why);
        match self {
            Self::BuiltIn(key) => {
                let signature = key.sign(it.slot.0, &it.root.0).map_err(|error| failed(error.to_string()))?;
                Signature::from_ssz_bytes(&signature.encode()).map_err(|error| failed(format!("{error:?}")))
            }
            Self::Worker(service, secret) => service.sign(secret, it.slot.0, &it.root).map_err(failed),
        }
    }
}

fn make_key<'a>(
    service: Option<&'a KeyService>,
    number: usize,
) -> Result<(PublicKey, TrialKey<'a>), NodeError> {
    let mut seed = SEED;
    seed[0] = number as u8;
    if let Some(service) = service {
        let (public_key, secret) = service.generate(&seed).map_err(NodeError::Check)?;
        service.prepare(&secret, SLOT).map_err(NodeError::Check)?;
        return Ok((public_key, TrialKey::Worker(service, secret)));
    }
    let failed = |error: lathe_leansig::Error| NodeError::Check(error.to_string());
    let mut key =
        SecretKey::<Prod>::generate(&mut StdRng::from_seed(seed), 0..KEY_SLOTS, |_, _| {}).map_err(failed)?;
    while let Some(task) = key.prepare(SLOT) {
        key.install(task.run().map_err(failed)?);
    }
    Ok((key.public_key().encode().into(), TrialKey::BuiltIn(Box::new(key))))
}

impl<'a> Trial<'a> {
    /// Makes as many keys as signatures are to be aggregated.
    fn new(
        system: &AggregationBackend,
        scheme: SignatureScheme,
        backend: &'a dyn Backend,
        keys: usize,
        told: &mut dyn FnMut(&str),
    ) -> Result<Self, NodeError> {
        let service = system.key_service(scheme, |_| {})?;
        let messages = COMPONENTS.into_iter().max().unwrap_or_default();
        let (mut validators, mut signatures) = (Vec::new(), BTreeMap::new());
        for number in 0..keys.max(VOTERS) {
            if service.is_some() {
                told(&format!("making key {} of {}", number + 1, keys.max(VOTERS)));
            }
            let (public_key, key) = make_key(service.as_ref(), number)?;
            validators.push(Validator {
                attestation_public_key: public_key,
                proposal_public_key: public_key,
                index: ValidatorIndex(number as u64),
            });
            // Everybody signs the first message, and a few all of them.
            for of in 0..if number < VOTERS { messages } else { 1 } {
                signatures.insert((of, number), key.sign(message(of))?);
            }
        }
        let registry =
            Registry::try_from_iter(validators).map_err(|error| NodeError::Check(format!("{error:?}")))?;
        Ok(Self { backend, registry, signatures })
    }

    fn held(&self, number: usize, count: usize) -> Vec<(ValidatorIndex, Signature)> {
        let signature = |index| {
            let signature = self.signatures.get(&(number, index))?;
            Some((ValidatorIndex(index as u64), signature.clone()))
        };
        (0..count).filter_map(signature).collect()
    }

    fn fold(&self, number: usize, count: usize) -> Result<SingleMessageAggregate, AggregationError> {
        let held = self.held(number, count);
        self.backend.aggregate(&self.registry, &[], &held, message(number), &Cancellation::default())
    }

    fn verify(&self, proof: &SingleMessageAggregate, of: Message) -> Result<(), AggregationError> {
        self.backend.verify_single(&self.registry, proof, of)
    }

    /// So many components: votes, and the proposer as the last.
    fn seal(&self, count: usize) -> Result<MultiMessageAggregate, AggregationError> {
        let held: Vec<_> = (0..count)
            .map(|number| self.held(number, if number + 1 == count { 1 } else { VOTERS }))
            .collect();
        let as_they_are = self.backend.capabilities().merges_signatures;
        let proofs: Vec<_> = (0..count.saturating_sub(1))
            .map(|number| if as_they_are { Ok(None) } else { self.fold(number, VOTERS).map(Some) })
            .collect::<Result<_, _>>()?;
        let components: Vec<_> = (0..count)
            .map(|number| Component {
                message: message(number),
                role: role(number, count),
                evidence: match proofs.get(number).and_then(Option::as_ref) {
                    Some(proof) => Evidence::Proof(proof),
                    None => Evidence::Signatures(&held[number]),
                },
            })
            .collect();
        self.backend.merge(&self.registry, &components, &Cancellation::default())
    }

    fn statements(count: usize) -> Result<Vec<Statement>, AggregationError> {
        let statement = |number| {
            let participants = bits(if number + 1 == count { 1 } else { VOTERS })?;
            Ok(Statement { message: message(number), role: role(number, count), participants })
        };
        (0..count).map(statement).collect()
    }

    fn aggregate(&self, size: usize) -> Result<Measured, AggregationError> {
        let started = Instant::now();
        let proof = self.fold(0, size)?;
        let millis = started.elapsed().as_millis() as u64;
        let checking = Instant::now();
        self.verify(&proof, message(0))?;
        let verify_millis = checking.elapsed().as_secs_f64() * 1e3;
        Ok(Measured { size, millis, verify_millis, bytes: proof.proof.len() })
    }

    fn merge(&self, size: usize) -> Result<Measured, AggregationError> {
        let started = Instant::now();
        let proof = self.seal(size)?;
        let millis = started.elapsed().as_millis() as u64;
        let checking = Instant::now();
        self.backend.verify_multi(&self.registry, &Self::statements(size)?, &proof)?;
        let verify_millis = checking.elapsed().as_secs_f64() * 1e3;
        Ok(Measured { size, millis, verify_millis, bytes: proof.proof.len() })
    }

    /// What it proves although it is not so, and does not although it is.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        match self.fold(0, VOTERS) {
            Err(error) => faults.push(format!("it does not aggregate: {error}")),
            Ok(proof) => self.single_faults(&proof, &mut faults),
        }
        match self.seal(2) {
            Err(error) => faults.push(format!("it does not merge: {error}")),
            Ok(proof) => self.multi_faults(&proof, &mut faults),
        }
        faults
    }

    fn single_faults(&self, proof: &SingleMessageAggregate, faults: &mut Vec<String>) {
        if let Err(error) = self.verify(proof, message(0)) {
            faults.push(format!("its own proof does not verify: {error}"));
        }
        let other = |bytes: Vec<u8>| SingleMessageAggregate {
            proof: ProofBytes::new(bytes).unwrap_or_default(),
            ..proof.clone()
        };
        let mut flipped = proof.proof.to_vec();
        let middle = flipped.len() / 2;
        flipped[middle] ^= 1;
        let shorter = proof.proof[..proof.proof.len() - 1].to_vec();
        let wrong = [
            ("another message", proof.clone(), message(1)),
            ("a proof with a bit turned", other(flipped), message(0)),
            ("a proof that is cut off", other(shorter), message(0)),
            ("noise", other(vec![0xa5; 1_000]), message(0)),
        ];
        for (what, proof, of) in wrong {
            self.expect_refusal(what, self.verify(&proof, of), faults);
        }
    }

    fn multi_faults(&self, proof: &MultiMessageAggregate, faults: &mut Vec<String>) {
        let check = |statements: &[Statement]| self.backend.verify_multi(&self.registry, statements, proof);
        let Ok(statements) = Self::statements(2) else { return };
        if let Err(error) = check(&statements) {
            faults.push(format!("its own merged proof does not verify: {error}"));
        }
        let mut other = statements.clone();
        other[1].message = message(2);
        self.expect_refusal("another block", check(&other), faults);
        self.expect_refusal("fewer statements", check(&statements[..1]), faults);
    }

    fn expect_refusal(&self, what: &str, outcome: Result<(), AggregationError>, faults: &mut Vec<String>) {
        match outcome {
            Err(error) if error.is_verdict() => {}
            Err(error) => faults.push(format!("it has no answer to {what}: {error}")),
            Ok(()) => faults.push(format!("it accepts {what}")),
        }
    }
}

fn role(number: usize, count: usize) -> KeyRole {
    if number + 1 == count { KeyRole::Proposal } else { KeyRole::Attestation }
}

/// Peak memory of the processes that are our children, on Linux.
fn children_mib() -> Vec<u64> {
    let own = std::process::id().to_string();
    let field = |status: &str, name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        Some(line.split_whitespace().nth(1)?.to_owned())
    };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let peaks = processes.filter_map(|process| {
        let status = std::fs::read_to_string(process.path().join("status")).ok()?;
        if field(&status, "PPid:")? != own {
            return None;
        }
        field(&status, "VmHWM:")?.parse::<u64>().ok().map(|kib| kib / 1024)
    });
    let mut peaks: Vec<u64> = peaks.collect();
    peaks.sort_unstable();
    peaks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(size: usize, millis: u64) -> Measured {
        Measured { size, millis, verify_millis: 1.0, bytes: 1 }
    }

    #[test]
    fn a_machine_keeps_up_if_votes_and_blocks_come_in_time() {
        let aggregates = [measured(1, 500), measured(16, 700), measured(64, 1_500)];
        let merges = [measured(1, 600), measured(2, 3_600)];
        assert!(judge(&[], &aggregates, &merges, 64).0);
        assert!(!judge(&[], &aggregates, &merges, 65).0, "in proportion");
        assert!(!judge(&[], &aggregates, &[measured(2, 3_601)], 4).0);
        assert!(!judge(&[], &aggregates, &[], 4).0);
        assert!(!judge(&["it accepts noise".into()], &aggregates, &merges, 4).0);
        let (_, verdict) = judge(&[], &aggregates, &merges, 10);
        assert_eq!(verdict, "an aggregate of 10 votes takes 700 ms, and a merge 3600 ms");
    }

    #[test]
    fn our_own_backend_has_no_faults() {
        let report = check_backend(&AggregationBackend::Raw, 64, 4, &mut |_| {}).unwrap();
        assert_eq!((report.faults.as_slice(), report.id.as_str()), (&[][..], "raw"));
        assert_eq!(report.aggregates.len() + report.merges.len(), 7);
        assert!(report.keeps_up, "{}", report.verdict);
    }
}
