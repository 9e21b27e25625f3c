//! The proof system of a network: the one place where it is chosen.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use lathe_aggregation::{
    Backend, FORMAT_VERSION, RAW_BACKEND_ID, RawBackend, STARK_BACKEND_ID, SchemeVerifier, SignatureBackend,
    Verifier, is_foreign,
};
use lathe_external::{
    ExternalBackend, ExternalError, Incident, IncidentKind, KeyWorker, Options, Target, lean_pq_worker,
};
use lathe_signer::{OutsideSigner, encode_outside_key};
use lathe_types::{
    Decode as _, Genesis, MAX_PROOF_BYTES, PublicKey, Root, Signature, SignatureScheme, TreeHash as _,
};
use tracing::{info, warn};
use zeroize::Zeroizing;

use crate::error::NodeError;
use crate::metrics::Metrics;

/// What stands before the path of a library, or before a command.
const EXTERNAL_PREFIX: &str = "external:";
/// leanVM's published bindings, by the worker that `make lean-pq` installs.
const LEAN_PQ: &str = "lean-pq";
/// What that worker says of itself, for whoever tells networks apart without starting it.
const LEAN_PQ_ID: &str = "external:lean-pq/0.7.0";

/// A proof system, and what checks single signatures.
type Opened = (Arc<dyn Backend>, Arc<dyn Verifier>);

/// Which proof system a network uses. All its nodes use the same: formats do not interoperate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AggregationBackend {
    /// Signatures as they are.
    Raw,
    /// Signatures as they are, and STARKs where they do not fit.
    #[default]
    Stark,
    /// What a shared library or a program does, in processes of its own.
    External(Target),
    /// What leanVM's published bindings do, in processes of their own.
    LeanPq,
}

impl AggregationBackend {
    /// What a network of ours uses, by its digest. A digest that neither of our own backends makes is that of a network
    /// of others, whose proofs we can only read while they are raw, or of an external one.
    pub fn of_network(genesis: &Genesis, fork_digest: &str) -> Option<Self> {
        let is_of = |id| Self::fork_digest(id, genesis) == fork_digest;
        [(Self::Raw, RAW_BACKEND_ID), (Self::Stark, STARK_BACKEND_ID), (Self::LeanPq, LEAN_PQ_ID)]
            .into_iter()
            .find_map(|(backend, id)| is_of(id).then_some(backend))
    }

    /// What a new network of a scheme uses: of ours, only the raw signatures are about any scheme that we can check.
    pub fn default_for(scheme: SignatureScheme) -> Self {
        match scheme {
            SignatureScheme::Leansig => Self::Stark,
            SignatureScheme::LeanPq => Self::LeanPq,
            SignatureScheme::XmssBlake2s | SignatureScheme::XmssBlake2sL3 => Self::Raw,
        }
    }

    /// How the validators of a new network with this backend sign, where nobody says it.
    pub fn default_scheme(&self) -> SignatureScheme {
        if *self == Self::LeanPq { SignatureScheme::LeanPq } else { SignatureScheme::Leansig }
    }

    /// The worker, if that is what it is.
    fn target(&self) -> Result<Option<Target>, ExternalError> {
        match self {
            Self::Raw | Self::Stark => Ok(None),
            Self::External(target) => Ok(Some(target.clone())),
            Self::LeanPq => {
                let missing = "leanVM's worker is not installed; run make lean-pq";
                Ok(Some(lean_pq_worker().ok_or_else(|| ExternalError::NotStarted(missing.into()))?))
            }
        }
    }

    /// Refuses a proof system that is not about the signatures of a network. A worker of others says so itself.
    pub fn check(&self, scheme: SignatureScheme) -> Result<(), NodeError> {
        let fits = match self {
            Self::Raw => scheme != SignatureScheme::LeanPq,
            Self::Stark => scheme == SignatureScheme::Leansig,
            Self::External(Target::Library(_)) => scheme == SignatureScheme::Leansig,
            Self::External(Target::Command(_)) => true,
            Self::LeanPq => scheme == SignatureScheme::LeanPq,
        };
        if fits { Ok(()) } else { Err(self.of_other_scheme(scheme)) }
    }

    fn of_other_scheme(&self, scheme: SignatureScheme) -> NodeError {
        let fitting = Self::default_for(scheme).to_string();
        NodeError::OtherScheme { backend: self.to_string(), scheme, fitting }
    }

    /// How proofs that this backend cannot read are told, in a network that may use another, because its digest is none
    /// of ours. An external library speaks for its own proofs.
    pub(crate) fn foreign_proofs(&self, genesis: &Genesis, fork_digest: &str) -> Option<fn(&[u8]) -> bool> {
        let is_ours = Self::of_network(genesis, fork_digest).is_some();
        (!is_ours && matches!(self, Self::Raw | Self::Stark)).then_some(is_foreign)
    }

    /// Name of the system; part of what makes a network's digest. A worker is started to tell its own.
    pub fn id(&self) -> Result<Cow<'static, str>, ExternalError> {
        match self {
            Self::Raw => Ok(RAW_BACKEND_ID.into()),
            Self::Stark => Ok(STARK_BACKEND_ID.into()),
            Self::LeanPq => Ok(LEAN_PQ_ID.into()),
            Self::External(target) => Ok(ExternalBackend::identify(&options(target.clone())?)?.into()),
        }
    }

    /// How long one of its processes takes to be ready; each node has at least two.
    pub fn set_up_time(&self) -> Result<Duration, ExternalError> {
        match self.target()? {
            None => Ok(Duration::ZERO),
            Some(target) => ExternalBackend::time_set_up(&options(target)?),
        }
    }

    /// A worker that makes keys and signs with them, for a scheme that no signer of ours is built in for; `None` if
    /// there is one, or no worker.
    pub fn key_service(
        &self,
        scheme: SignatureScheme,
        observer: impl Fn(&Incident) + Send + Sync + 'static,
    ) -> Result<Option<KeyService>, ExternalError> {
        match self.target()? {
            Some(target) if SchemeVerifier::of(scheme).is_none() => {
                Ok(Some(KeyService(KeyWorker::start(&options(target)?, observer)?)))
            }
            _ => Ok(None),
        }
    }

    /// The digest of a network of ours that starts at `genesis` with the backend of that name, so that foreign messages
    /// never meet.
    pub fn fork_digest(id: &str, genesis: &Genesis) -> String {
        let root = lathe_transition::generate_genesis(genesis).tree_hash_root();
        let mut kind = genesis.variant().name().to_owned();
        if genesis.signature_scheme != SignatureScheme::Leansig {
            kind.extend([" ", genesis.signature_scheme.name()]);
        }
        lathe_config::fork_digest(&kind, id, FORMAT_VERSION, root)
    }

    /// The backend itself, and what checks single signatures. Where it has proofs and signatures, proofs take over
    /// beyond `max_raw_bytes` of a block's proof; `None` leaves that to the size that a proof may have. A worker is set
    /// up before this returns.
    pub(crate) fn open(
        &self,
        scheme: SignatureScheme,
        max_raw_bytes: Option<usize>,
        metrics: &Arc<Metrics>,
    ) -> Result<Opened, NodeError> {
        let verifier = SchemeVerifier::of(scheme);
        let Some(target) = self.target()? else {
            let verifier = verifier.ok_or(NodeError::NoVerifier(scheme))?;
            let backend: Arc<dyn Backend> = match self {
                Self::Stark => {
                    Arc::new(SignatureBackend::with_proofs(max_raw_bytes.unwrap_or(MAX_PROOF_BYTES)))
                }
                _ => Arc::new(RawBackend::new(verifier)),
            };
            return Ok((backend, Arc::new(verifier)));
        };
        let metrics = metrics.clone();
        let backend = ExternalBackend::start(&options(target)?, move |incident| note(&metrics, incident))?;
        backend.check_scheme(scheme)?;
        info!(backend = %self, id = backend.id(), "the aggregation worker is set up");
        if !backend.is_confined() {
            warn!(
                "this system has no Landlock, so the aggregation worker can read what the node can: keep its keys out \
                 of reach, or trust it"
            );
        }
        let backend = Arc::new(backend);
        let verifier: Arc<dyn Verifier> = match verifier {
            Some(verifier) => Arc::new(verifier),
            None if backend.verifies_signatures() => backend.clone(),
            None => return Err(NodeError::NoVerifier(scheme)),
        };
        Ok((backend, verifier))
    }
}

/// A worker that makes keys and signs with them.
pub struct KeyService(KeyWorker);

impl KeyService {
    /// A key that signs in so many slots: its public key, and the bytes of its file.
    pub fn make(&self, seed: &[u8; 32], slots: u64) -> Result<lathe_config::MadeKey, String> {
        let (public, secret) = self.generate_raw(seed)?;
        Ok((PublicKey::from(public), encode_outside_key(&public, &(0..slots), &secret)))
    }

    /// A key: its public key and its secret.
    pub(crate) fn generate(&self, seed: &[u8; 32]) -> Result<(PublicKey, Zeroizing<Vec<u8>>), String> {
        let (public, secret) = self.generate_raw(seed)?;
        Ok((PublicKey::from(public), secret))
    }

    fn generate_raw(&self, seed: &[u8; 32]) -> Result<([u8; 32], Zeroizing<Vec<u8>>), String> {
        let (public, secret) = self.0.generate(seed).map_err(|error| error.to_string())?;
        let secret = Zeroizing::new(secret);
        let other = |_| "the worker made a public key of another length".to_owned();
        Ok((public.try_into().map_err(other)?, secret))
    }
}

impl OutsideSigner for KeyService {
    fn prepare(&self, secret: &[u8], leaf: u64) -> Result<(), String> {
        self.0.prepare(secret, leaf).map_err(|error| error.to_string())
    }

    fn sign(&self, secret: &[u8], leaf: u64, message: &Root) -> Result<Signature, String> {
        let bytes = self.0.sign(secret, leaf, &message.0).map_err(|error| error.to_string())?;
        Signature::from_ssz_bytes(&bytes).map_err(|_| format!("a signature of {} bytes", bytes.len()))
    }
}

/// This very program runs the library, in a process of its own. On Linux it is found even after its file was replaced.
fn options(target: Target) -> Result<Options, ExternalError> {
    let program =
        if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() };
    let program =
        program.map_err(|source| ExternalError::Io { what: "finding the path of this program", source })?;
    Ok(Options { program, target })
}

pub(crate) fn note(metrics: &Metrics, Incident { purpose, kind, detail }: &Incident) {
    let (worker, event) = (purpose.name(), kind.name());
    metrics.proofs.external.with_label_values(&[worker, event]).inc();
    match kind {
        IncidentKind::Restarted => info!(worker, "an aggregation worker is there again"),
        _ => warn!(worker, event, detail, "an aggregation worker was lost"),
    }
}

impl FromStr for AggregationBackend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || {
            format!(
                "write {RAW_BACKEND_ID}, {STARK_BACKEND_ID}, {LEAN_PQ}, {EXTERNAL_PREFIX}<path of a library> or \
                 {EXTERNAL_PREFIX}exec:<command>"
            )
        };
        match (text, text.strip_prefix(EXTERNAL_PREFIX)) {
            (RAW_BACKEND_ID, _) => Ok(Self::Raw),
            (STARK_BACKEND_ID, _) => Ok(Self::Stark),
            (LEAN_PQ, _) => Ok(Self::LeanPq),
            (_, Some(target)) => target.parse().map(Self::External).map_err(|_| refused()),
            _ => Err(refused()),
        }
    }
}

impl fmt::Display for AggregationBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raw => f.write_str(RAW_BACKEND_ID),
            Self::Stark => f.write_str(STARK_BACKEND_ID),
            Self::LeanPq => f.write_str(LEAN_PQ),
            Self::External(target) => write!(f, "{EXTERNAL_PREFIX}{target}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_known_by_its_digest() {
        let genesis = Genesis {
            genesis_time: 7,
            validators: Default::default(),
            execution_genesis: None,
            signature_scheme: Default::default(),
        };
        let metrics = Arc::new(Metrics::new("test", 0.0).unwrap());
        let leansig = SignatureScheme::Leansig;
        for name in ["raw", "stark"] {
            let backend: AggregationBackend = name.parse().unwrap();
            assert_eq!(
                (backend.id().unwrap().as_ref(), backend.open(leansig, None, &metrics).unwrap().0.id()),
                (name, name)
            );
            let digest = AggregationBackend::fork_digest(name, &genesis);
            assert_eq!(AggregationBackend::of_network(&genesis, &digest), Some(backend));
        }
        assert_eq!(AggregationBackend::of_network(&genesis, "12345678"), None);
        let one = AggregationBackend::fork_digest("external:test/1", &genesis);
        assert_ne!(one, AggregationBackend::fork_digest("external:test/2", &genesis));
        assert_eq!(AggregationBackend::of_network(&genesis, &one), None);
    }

    #[test]
    fn a_backend_is_written_as_it_is_read() {
        for text in ["raw", "stark", "lean-pq", "external:/lib/a b.so", "external:exec:/bin/worker --fast"] {
            assert_eq!(text.parse::<AggregationBackend>().unwrap().to_string(), text);
        }
        for text in ["snark", "external:", "external:exec:", "external"] {
            let refused = text.parse::<AggregationBackend>();
            let expected =
                "write raw, stark, lean-pq, external:<path of a library> or external:exec:<command>";
            assert_eq!(refused, Err(expected.into()));
        }
    }

    #[test]
    fn a_library_that_is_not_there_is_an_error() {
        let backend: AggregationBackend = "external:/nowhere.so".parse().unwrap();
        let metrics = Arc::new(Metrics::new("test", 0.0).unwrap());
        assert!(matches!(backend.id(), Err(ExternalError::NoLibrary { .. })));
        let opened = backend.open(SignatureScheme::Leansig, None, &metrics);
        assert!(matches!(opened, Err(NodeError::Aggregation(ExternalError::NoLibrary { .. }))));
    }

    #[test]
    fn only_raw_signatures_are_about_every_scheme() {
        let [leansig, blake] = [SignatureScheme::Leansig, SignatureScheme::XmssBlake2s];
        assert_eq!(AggregationBackend::default_for(leansig), AggregationBackend::Stark);
        assert_eq!(AggregationBackend::default_for(blake), AggregationBackend::Raw);
        assert!(
            AggregationBackend::Stark.check(leansig).is_ok() && AggregationBackend::Raw.check(blake).is_ok()
        );
        let lean_pq = SignatureScheme::LeanPq;
        for (backend, scheme, fitting) in [
            ("stark", blake, "raw"),
            ("external:/lib.so", blake, "raw"),
            ("raw", lean_pq, "lean-pq"),
            ("lean-pq", leansig, "stark"),
        ] {
            let error = backend.parse::<AggregationBackend>().unwrap().check(scheme).unwrap_err();
            let expected = format!(
                "--aggregation-backend {backend} is not about signatures of {scheme}, with which the validators of \
                 this network sign; use --aggregation-backend {fitting}"
            );
            assert_eq!(error.to_string(), expected);
        }
        assert_eq!(AggregationBackend::default_for(lean_pq), AggregationBackend::LeanPq);
        assert_eq!(AggregationBackend::LeanPq.default_scheme(), lean_pq);
    }

    #[test]
    fn the_scheme_is_part_of_the_digest() {
        let genesis = |signature_scheme| Genesis {
            genesis_time: 7,
            validators: Default::default(),
            execution_genesis: None,
            signature_scheme,
        };
        let digests =
            SignatureScheme::ALL.map(|scheme| AggregationBackend::fork_digest("raw", &genesis(scheme)));
        for (at, digest) in digests.iter().enumerate() {
            assert!(!digests[..at].contains(digest), "{digests:?}");
        }
    }
}
