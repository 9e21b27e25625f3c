//! Taking the chain up where the database left it, or anew.
//!
//! A database that is damaged costs time and nothing else: the chain can be had from peers, and what must never be
//! lost, the signing ledger, lies elsewhere. So damage is one line with what to do, or is dealt with if the operator
//! said so.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use lathe_aggregation::Backend;
use lathe_driver::{GenesisBlock, resume};
use lathe_engine::{Engine, EngineConfig};
use lathe_storage::{Database, NetworkId, StorageError};
use lathe_types::{Genesis, Slot};
use tracing::{debug, warn};

use crate::checkpoint;
use crate::clock::Time;
use crate::error::NodeError;
use crate::metrics::Metrics;
use crate::options::NodeOptions;

/// Directory of the chain database inside the data directory.
pub const CHAIN_DIR: &str = "chain";

/// The network that a database belongs to, for a genesis and the proofs of `backend`.
pub fn network_of(genesis: &Genesis, backend: &str) -> NetworkId {
    GenesisBlock::new(genesis).network(backend)
}

/// Opens the chain database and takes the chain up where it stands. The slot is that of the newest block.
pub(crate) async fn open_chain(
    options: &NodeOptions,
    backend: &Arc<dyn Backend>,
    time: &Time,
    metrics: &Metrics,
    config: impl Fn() -> EngineConfig,
) -> Result<(Arc<dyn Database>, Engine, Slot), NodeError> {
    let path = options.data_dir.join(CHAIN_DIR);
    let attempt = async || {
        let origin = GenesisBlock::new(&options.genesis);
        let database = open(&path, &origin.network(backend.id()))?;
        let checkpoint = checkpoint::synchronise(options, &database, &origin, backend, time).await?;
        metrics.chain.checkpoint_slot.set(checkpoint.map_or(0, |slot| slot.0 as i64));
        let anchor = guarded(|| resume(&*database, &origin))?;
        debug!(
            slot = anchor.header.slot.0,
            later_blocks = anchor.later.len(),
            genesis_time = options.genesis.genesis_time,
            "chain opened"
        );
        let later = anchor.later.iter().map(|(block, _)| block.block.slot);
        let newest_block = later.fold(anchor.header.slot, Slot::max);
        let engine = Engine::new(config(), anchor)?;
        Ok((database, engine, newest_block))
    };
    let error = match attempt().await {
        Ok(opened) => return Ok(opened),
        Err(error) => error,
    };
    let Some(detail) = damage(&path, &error) else { return Err(error) };
    if !options.resync_on_corruption {
        return Err(NodeError::Damaged { path, detail });
    }
    let aside = set_aside(&path)?;
    warn!(
        "the chain database at {} is damaged ({detail}): it was moved to {}, and the chain is synchronised anew; the signing \
         ledger is not affected",
        path.display(),
        aside.display()
    );
    attempt().await
}

fn open(path: &Path, network: &NetworkId) -> Result<Arc<dyn Database>, NodeError> {
    Ok(Arc::new(guarded(|| lathe_disk::open(path, network))?))
}

/// Damage may break an assumption of the database's library, which then panics.
fn guarded<T>(work: impl FnOnce() -> Result<T, StorageError>) -> Result<T, StorageError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(StorageError::Corrupt { what: "its library does not understand what is there".into() })
    })
}

/// What is damaged, if that is what the error says.
fn damage(path: &Path, error: &NodeError) -> Option<String> {
    match error {
        NodeError::Storage(StorageError::Corrupt { what }) => Some(what.clone()),
        NodeError::Storage(StorageError::Backend(what)) => Some(what.clone()),
        NodeError::Storage(StorageError::NotADatabase { .. }) if lathe_disk::is_at(path) => {
            Some("its beginning is not that of a database".into())
        }
        NodeError::Engine(error) => Some(error.to_string()),
        _ => None,
    }
}

/// Moves a directory out of the way under a name that says when.
fn set_aside(path: &Path) -> Result<PathBuf, NodeError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".damaged-{now}"));
    let aside = PathBuf::from(name);
    let moved = std::fs::rename(path, &aside);
    moved.map_err(|source| NodeError::SetAside { path: path.to_owned(), source }).map(|()| aside)
}

#[cfg(test)]
mod tests {
    use lathe_types::{PublicKey, Validator, ValidatorIndex, Validators};

    use super::*;

    fn origin() -> GenesisBlock {
        let validator = Validator {
            attestation_public_key: PublicKey::from([1; PublicKey::LEN]),
            proposal_public_key: PublicKey::from([2; PublicKey::LEN]),
            index: ValidatorIndex(0),
        };
        let validators = Validators::try_from_iter([validator]).unwrap();
        GenesisBlock::new(&Genesis {
            genesis_time: 7,
            validators,
            execution_genesis: None,
            signature_scheme: Default::default(),
        })
    }

    /// Opens the database and reads where the chain stands.
    fn take_up(path: &Path, origin: &GenesisBlock) -> Result<(), NodeError> {
        let database = open(path, &origin.network("raw"))?;
        guarded(|| resume(&*database, origin))?;
        Ok(())
    }

    #[test]
    fn damage_of_any_kind_is_told_with_its_path_and_set_aside() {
        let origin = origin();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(CHAIN_DIR);
        take_up(&path, &origin).unwrap();
        let file = path.join("chain.redb");
        let whole = std::fs::read(&file).unwrap();
        let mut spoilt: Vec<Vec<u8>> = Vec::new();
        for step in 0..24 {
            let at = whole.len() * step / 24;
            spoilt.push(whole[..at].to_vec());
            let mut flipped = whole.clone();
            for byte in &mut flipped[at..(at + 4096).min(whole.len())] {
                *byte ^= 0x5a;
            }
            spoilt.push(flipped);
        }
        spoilt.push(vec![0; whole.len()]);
        spoilt.push(b"not a database".to_vec());
        let mut noticed = 0;
        for bytes in spoilt {
            std::fs::write(&file, &bytes).unwrap();
            let Err(error) = take_up(&path, &origin) else { continue };
            let detail = damage(&path, &error).unwrap_or_else(|| panic!("not told as damage: {error}"));
            let told = NodeError::Damaged { path: path.clone(), detail }.to_string();
            assert!(told.contains(path.to_str().unwrap()), "{told}");
            assert!(!told.contains('\n'), "{told}");
            let aside = set_aside(&path).unwrap();
            assert_eq!(std::fs::read(aside.join("chain.redb")).unwrap(), bytes, "nothing is lost");
            take_up(&path, &origin).unwrap();
            noticed += 1;
        }
        assert!(noticed > 20, "{noticed}");
    }

    #[test]
    fn what_is_no_damage_is_told_as_what_it_is() {
        let origin = origin();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(CHAIN_DIR);
        let is_damage =
            |path: &Path, origin: &GenesisBlock| damage(path, &take_up(path, origin).unwrap_err()).is_some();
        // Something else of the operator's.
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("photo.jpg"), "mine").unwrap();
        assert!(!is_damage(&path, &origin));
        // In use.
        let path = dir.path().join("other");
        let held = open(&path, &origin.network("raw")).unwrap();
        assert!(!is_damage(&path, &origin));
        drop(held);
        // Another network's.
        let error = open(&path, &origin.network("stark")).map(|_| ()).unwrap_err();
        assert_eq!(damage(&path, &error), None);
    }
}
