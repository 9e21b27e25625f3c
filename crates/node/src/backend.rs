//! The proof system of a network: the one place where it is chosen.

use std::str::FromStr;
use std::sync::Arc;

use lathe_aggregation::{
    Backend, FORMAT_VERSION, Leansig, RAW_BACKEND_ID, RawBackend, STARK_BACKEND_ID, StarkBackend,
};
use lathe_leansig::Prod;
use lathe_types::{Genesis, MAX_PROOF_BYTES, TreeHash as _};

/// Which proof system a network uses. All its nodes use the same: formats do not interoperate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AggregationBackend {
    /// Signatures as they are.
    Raw,
    /// Signatures as they are, and STARKs where they do not fit.
    #[default]
    Stark,
}

impl AggregationBackend {
    /// What a network of ours uses, by its digest. A digest that no backend makes is that of a network of others, whose
    /// proofs we can only read while they are raw.
    pub fn of_network(genesis: &Genesis, fork_digest: &str) -> Option<Self> {
        [Self::Raw, Self::Stark]
            .into_iter()
            .find(|backend| backend.fork_digest(genesis).as_deref() == Some(fork_digest))
    }

    /// Name of the system; part of what makes a network's digest.
    pub fn id(&self) -> &'static str {
        match self {
            Self::Raw => RAW_BACKEND_ID,
            Self::Stark => STARK_BACKEND_ID,
        }
    }

    /// The digest of a network of ours that starts at `genesis`, so that foreign messages never meet; `None` if the digest
    /// is for others to choose.
    pub fn fork_digest(&self, genesis: &Genesis) -> Option<String> {
        let root = lathe_transition::generate_genesis(genesis).tree_hash_root();
        Some(lathe_config::fork_digest(genesis.variant().name(), self.id(), FORMAT_VERSION, root))
    }

    /// The backend itself. Where it has proofs and signatures, proofs take over beyond `max_raw_bytes` of a block's proof;
    /// `None` leaves that to the size that a proof may have.
    pub(crate) fn open(&self, max_raw_bytes: Option<usize>) -> Arc<dyn Backend> {
        match self {
            Self::Raw => Arc::new(RawBackend::new(Leansig::<Prod>::default())),
            Self::Stark => Arc::new(StarkBackend::new(max_raw_bytes.unwrap_or(MAX_PROOF_BYTES))),
        }
    }
}

impl FromStr for AggregationBackend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            RAW_BACKEND_ID => Ok(Self::Raw),
            STARK_BACKEND_ID => Ok(Self::Stark),
            _ => Err(format!("write {RAW_BACKEND_ID} or {STARK_BACKEND_ID}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_known_by_its_digest() {
        let genesis = Genesis { genesis_time: 7, validators: Default::default(), execution_genesis: None };
        for name in ["raw", "stark"] {
            let backend: AggregationBackend = name.parse().unwrap();
            assert_eq!((backend.id(), backend.open(None).id()), (name, name));
            let digest = backend.fork_digest(&genesis).unwrap();
            assert_eq!(AggregationBackend::of_network(&genesis, &digest), Some(backend));
        }
        assert_eq!(AggregationBackend::of_network(&genesis, "12345678"), None);
        assert_eq!("snark".parse::<AggregationBackend>(), Err("write raw or stark".into()));
    }
}
