//! The proof system of a network: the one place where it is chosen.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use lathe_aggregation::{
    Backend, FORMAT_VERSION, RAW_BACKEND_ID, RawBackend, STARK_BACKEND_ID, SchemeVerifier, SignatureBackend,
    is_foreign,
};
use lathe_external::{ExternalBackend, ExternalError, Incident, IncidentKind, Options};
use lathe_types::{Genesis, MAX_PROOF_BYTES, SignatureScheme, TreeHash as _};
use tracing::{info, warn};

use crate::error::NodeError;
use crate::metrics::Metrics;

/// What stands before the path of a library.
const EXTERNAL_PREFIX: &str = "external:";

/// Which proof system a network uses. All its nodes use the same: formats do not interoperate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AggregationBackend {
    /// Signatures as they are.
    Raw,
    /// Signatures as they are, and STARKs where they do not fit.
    #[default]
    Stark,
    /// What the shared library at that path does, in processes of its own.
    External(PathBuf),
}

impl AggregationBackend {
    /// What a network of ours uses, by its digest. A digest that neither of our own backends makes is that of a network
    /// of others, whose proofs we can only read while they are raw, or of an external one.
    pub fn of_network(genesis: &Genesis, fork_digest: &str) -> Option<Self> {
        let is_of = |id| Self::fork_digest(id, genesis) == fork_digest;
        [(Self::Raw, RAW_BACKEND_ID), (Self::Stark, STARK_BACKEND_ID)]
            .into_iter()
            .find_map(|(backend, id)| is_of(id).then_some(backend))
    }

    /// What a new network of a scheme uses: of ours, only the raw signatures are about any scheme.
    pub fn default_for(scheme: SignatureScheme) -> Self {
        if scheme == SignatureScheme::Leansig { Self::Stark } else { Self::Raw }
    }

    /// Refuses a proof system that is not about the signatures of a network.
    pub fn check(&self, scheme: SignatureScheme) -> Result<(), NodeError> {
        if scheme == SignatureScheme::Leansig || *self == Self::Raw {
            return Ok(());
        }
        Err(NodeError::OtherScheme { backend: self.to_string(), scheme })
    }

    /// How proofs that this backend cannot read are told, in a network that may use another, because its digest is none
    /// of ours. An external library speaks for its own proofs.
    pub(crate) fn foreign_proofs(&self, genesis: &Genesis, fork_digest: &str) -> Option<fn(&[u8]) -> bool> {
        let is_ours = Self::of_network(genesis, fork_digest).is_some();
        (!is_ours && !matches!(self, Self::External(_))).then_some(is_foreign)
    }

    /// Name of the system; part of what makes a network's digest. An external library is started to tell its own.
    pub fn id(&self) -> Result<Cow<'static, str>, ExternalError> {
        match self {
            Self::Raw => Ok(RAW_BACKEND_ID.into()),
            Self::Stark => Ok(STARK_BACKEND_ID.into()),
            Self::External(library) => Ok(ExternalBackend::identify(&options(library)?)?.into()),
        }
    }

    /// How long one of its processes takes to be ready; each node has at least two.
    pub fn set_up_time(&self) -> Result<Duration, ExternalError> {
        match self {
            Self::Raw | Self::Stark => Ok(Duration::ZERO),
            Self::External(library) => ExternalBackend::time_set_up(&options(library)?),
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

    /// The backend itself. Where it has proofs and signatures, proofs take over beyond `max_raw_bytes` of a block's
    /// proof; `None` leaves that to the size that a proof may have. An external library is set up before this returns.
    pub(crate) fn open(
        &self,
        verifier: SchemeVerifier,
        max_raw_bytes: Option<usize>,
        metrics: &Arc<Metrics>,
    ) -> Result<Arc<dyn Backend>, ExternalError> {
        Ok(match self {
            Self::Raw => Arc::new(RawBackend::new(verifier)),
            Self::Stark => Arc::new(SignatureBackend::with_proofs(max_raw_bytes.unwrap_or(MAX_PROOF_BYTES))),
            Self::External(library) => {
                let metrics = metrics.clone();
                let backend =
                    ExternalBackend::start(&options(library)?, move |incident| note(&metrics, incident))?;
                info!(library = %library.display(), id = backend.id(), "the aggregation library is set up");
                if !backend.is_confined() {
                    warn!(
                        "this system has no Landlock, so the aggregation library can read what the node can: \
                         keep its keys out of reach, or trust the library"
                    );
                }
                Arc::new(backend)
            }
        })
    }
}

/// This very program runs the library, in a process of its own. On Linux it is found even after its file was replaced.
fn options(library: &Path) -> Result<Options, ExternalError> {
    let program =
        if cfg!(target_os = "linux") { Ok("/proc/self/exe".into()) } else { std::env::current_exe() };
    let program =
        program.map_err(|source| ExternalError::Io { what: "finding the path of this program", source })?;
    Ok(Options { program, library: library.to_owned() })
}

fn note(metrics: &Metrics, Incident { purpose, kind, detail }: &Incident) {
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
        match (text, text.strip_prefix(EXTERNAL_PREFIX)) {
            (RAW_BACKEND_ID, _) => Ok(Self::Raw),
            (STARK_BACKEND_ID, _) => Ok(Self::Stark),
            (_, Some(library)) if !library.is_empty() => Ok(Self::External(library.into())),
            _ => Err(format!(
                "write {RAW_BACKEND_ID}, {STARK_BACKEND_ID} or {EXTERNAL_PREFIX}<path of a library>"
            )),
        }
    }
}

impl fmt::Display for AggregationBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Raw => f.write_str(RAW_BACKEND_ID),
            Self::Stark => f.write_str(STARK_BACKEND_ID),
            Self::External(library) => write!(f, "{EXTERNAL_PREFIX}{}", library.display()),
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
        let verifier = SchemeVerifier::of(SignatureScheme::Leansig).unwrap();
        for name in ["raw", "stark"] {
            let backend: AggregationBackend = name.parse().unwrap();
            assert_eq!(
                (backend.id().unwrap().as_ref(), backend.open(verifier, None, &metrics).unwrap().id()),
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
        for text in ["raw", "stark", "external:/lib/a b.so"] {
            assert_eq!(text.parse::<AggregationBackend>().unwrap().to_string(), text);
        }
        for text in ["snark", "external:", "external"] {
            let refused = text.parse::<AggregationBackend>();
            assert_eq!(refused, Err("write raw, stark or external:<path of a library>".into()));
        }
    }

    #[test]
    fn a_library_that_is_not_there_is_an_error() {
        let backend: AggregationBackend = "external:/nowhere.so".parse().unwrap();
        let metrics = Arc::new(Metrics::new("test", 0.0).unwrap());
        assert!(matches!(backend.id(), Err(ExternalError::NoLibrary { .. })));
        let verifier = SchemeVerifier::of(SignatureScheme::Leansig).unwrap();
        assert!(matches!(backend.open(verifier, None, &metrics), Err(ExternalError::NoLibrary { .. })));
    }

    #[test]
    fn only_raw_signatures_are_about_every_scheme() {
        let [leansig, blake] = [SignatureScheme::Leansig, SignatureScheme::XmssBlake2s];
        assert_eq!(AggregationBackend::default_for(leansig), AggregationBackend::Stark);
        assert_eq!(AggregationBackend::default_for(blake), AggregationBackend::Raw);
        assert!(
            AggregationBackend::Stark.check(leansig).is_ok() && AggregationBackend::Raw.check(blake).is_ok()
        );
        for backend in ["stark", "external:/lib.so"] {
            let error = backend.parse::<AggregationBackend>().unwrap().check(blake).unwrap_err();
            let expected = format!(
                "--aggregation-backend {backend} proves signatures of leansig, and the validators of this network \
                 sign with xmss-blake2s; use --aggregation-backend raw"
            );
            assert_eq!(error.to_string(), expected);
        }
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
