//! A registry, signatures in the shape of real ones, and a backend with a record of what happens to it.

#![allow(dead_code, reason = "every test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

pub(crate) mod compile;

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use lathe_aggregation::{
    AggregationError, Backend as _, Cancellation, Component, Evidence, KeyRole, Message, Registry, Statement,
};
use lathe_external::{ExternalBackend, ExternalError, Incident, IncidentKind, Options, Purpose, Target};
use lathe_types::{
    AggregationBits, Decode, MultiMessageAggregate, Participation, PublicKey, Root, Signature,
    SignatureShape, SingleMessageAggregate, Slot, Validator, ValidatorIndex,
};

/// Longest wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const VOTE: Message = Message { root: Root::repeat_byte(7), slot: Slot(3) };
pub(crate) const BLOCK: Message = Message { root: Root::repeat_byte(8), slot: Slot(4) };
pub(crate) const PROPOSER: ValidatorIndex = ValidatorIndex(5);

/// A backend over a library of its own.
pub(crate) struct World {
    pub backend: ExternalBackend,
    pub registry: Registry,
    pub incidents: Incidents,
    pub library: PathBuf,
    pub dir: tempfile::TempDir,
}

/// What happened to the workers so far.
#[derive(Clone, Default)]
pub(crate) struct Incidents(Arc<(Mutex<Vec<Incident>>, Condvar)>);

impl Incidents {
    pub(crate) fn note(&self, incident: &Incident) {
        self.0.0.lock().unwrap().push(incident.clone());
        self.0.1.notify_all();
    }

    pub(crate) fn all(&self) -> Vec<(Purpose, IncidentKind)> {
        self.0.0.lock().unwrap().iter().map(|incident| (incident.purpose, incident.kind)).collect()
    }

    pub(crate) fn details(&self) -> Vec<String> {
        self.0.0.lock().unwrap().iter().map(|incident| incident.detail.clone()).collect()
    }

    /// Waits until so many incidents of the kind have happened.
    pub(crate) fn wait_for(&self, kind: IncidentKind, count: usize) {
        let reached = |incidents: &mut Vec<Incident>| {
            incidents.iter().filter(|incident| incident.kind == kind).count() < count
        };
        let (incidents, timed_out) =
            self.0.1.wait_timeout_while(self.0.0.lock().unwrap(), PATIENCE, reached).unwrap();
        assert!(!timed_out.timed_out(), "no {kind:?}: {incidents:?}");
    }
}

/// Waits until something holds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn worker() -> PathBuf {
    env!("CARGO_BIN_EXE_lathe-external-worker").into()
}

/// What a library with these macros leads to.
pub(crate) fn start(macros: &[&str]) -> Result<World, ExternalError> {
    start_with(macros, "")
}

/// The same, misbehaving from the start.
pub(crate) fn start_with(macros: &[&str], behaviour: &str) -> Result<World, ExternalError> {
    let dir = tempfile::tempdir().unwrap();
    let library = compile::compile(dir.path(), macros);
    compile::behave(&library, behaviour);
    let incidents = Incidents::default();
    let record = incidents.clone();
    let options = Options { program: worker(), target: Target::Library(library.clone()) };
    let backend = ExternalBackend::start(&options, move |incident| record.note(incident))?;
    let registry = registry();
    Ok(World { backend, registry, incidents, library, dir })
}

/// Eight validators.
pub(crate) fn registry() -> Registry {
    let key = |index: u64, role: u8| {
        let mut key = [0; PublicKey::LEN];
        // Not in the order of the indices, as keys of real validators are not.
        key[0] = 200 - index as u8;
        key[1] = role;
        PublicKey::from(key)
    };
    let registry = (0..8).map(|index| Validator {
        attestation_public_key: key(index, 1),
        proposal_public_key: key(index, 2),
        index: ValidatorIndex(index),
    });
    Registry::try_from_iter(registry).unwrap()
}

/// Bytes that decode as a signature of the production scheme.
pub(crate) fn signature() -> Signature {
    let shape = SignatureShape::PROD;
    let mut bytes = vec![0; shape.encoded_len()];
    bytes[..4].copy_from_slice(&36u32.to_le_bytes());
    bytes[32..36].copy_from_slice(&(40 + 32 * shape.siblings() as u32).to_le_bytes());
    bytes[36..40].copy_from_slice(&4u32.to_le_bytes());
    Signature::from_ssz_bytes(&bytes).unwrap()
}

pub(crate) fn bits(indices: &[u64]) -> AggregationBits {
    AggregationBits::from_indices(indices.iter().map(|index| ValidatorIndex(*index))).unwrap()
}

pub(crate) fn statements(voters: &[u64]) -> [Statement; 2] {
    [
        Statement { message: VOTE, role: KeyRole::Attestation, participants: bits(voters) },
        Statement { message: BLOCK, role: KeyRole::Proposal, participants: bits(&[PROPOSER.0]) },
    ]
}

impl World {
    pub(crate) fn behave(&self, behaviour: &str) {
        compile::behave(&self.library, behaviour);
    }

    pub(crate) fn fold(
        &self,
        children: &[&SingleMessageAggregate],
        raw: &[u64],
    ) -> Result<SingleMessageAggregate, AggregationError> {
        let raw: Vec<_> = raw.iter().map(|index| (ValidatorIndex(*index), signature())).collect();
        self.backend.aggregate(&self.registry, children, &raw, VOTE, &Cancellation::default())
    }

    pub(crate) fn verify(&self, aggregate: &SingleMessageAggregate) -> Result<(), AggregationError> {
        self.backend.verify_single(&self.registry, aggregate, VOTE)
    }

    /// Merges a vote's proof and the proposer's signature.
    pub(crate) fn seal(
        &self,
        vote: &SingleMessageAggregate,
        cancellation: &Cancellation,
    ) -> Result<MultiMessageAggregate, AggregationError> {
        let proposer = [(PROPOSER, signature())];
        let vote = Component { message: VOTE, role: KeyRole::Attestation, evidence: Evidence::Proof(vote) };
        let evidence = Evidence::Signatures(&proposer);
        let block = Component { message: BLOCK, role: KeyRole::Proposal, evidence };
        self.backend.merge(&self.registry, &[vote, block], cancellation)
    }

    pub(crate) fn verify_block(
        &self,
        voters: &[u64],
        proof: &MultiMessageAggregate,
    ) -> Result<(), AggregationError> {
        self.backend.verify_multi(&self.registry, &statements(voters), proof)
    }

    /// Process ids of the workers.
    pub(crate) fn processes(&self) -> Vec<String> {
        processes_with(&self.library.canonicalize().unwrap().to_string_lossy())
    }
}

/// Process ids by a word on their command line, on Linux.
pub(crate) fn processes_with(word: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let matching = processes.filter(|process| {
        let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes())
    });
    matching.map(|process| process.file_name().to_string_lossy().into_owned()).collect()
}

/// `kill -9`.
pub(crate) fn kill(process: &str) {
    assert!(std::process::Command::new("kill").args(["-9", process]).status().unwrap().success());
}
