//! The peers that a node knew, kept for its next life: a text file with one address a line.
//!
//! Without it a node whose bootnodes are gone would find nobody. What a stranger puts there is only dialled, less and
//! less often, and never in place of a bootnode. The file is a help and no more: if it cannot be read or written the
//! node runs.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use lathe_network::Bootnode;
use tracing::{debug, warn};

/// Name of the file in the data directory.
const FILE: &str = "peers.txt";
/// Longest file that is read: as many addresses as the network remembers, several times over.
const MAX_BYTES: u64 = 128 << 10;

/// The peers of a former life. Lines that make no sense are skipped.
pub(super) fn read(data_dir: &Path) -> Vec<Bootnode> {
    let mut text = String::new();
    let file = fs::File::open(data_dir.join(FILE));
    match file.and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            warn!(%error, "{}: the peers of the last run cannot be read", data_dir.join(FILE).display())
        }
    }
    text.lines().filter_map(|line| line.parse().ok()).collect()
}

/// Writes the file whenever the peers changed.
#[derive(Debug)]
pub(super) struct Keeper {
    path: PathBuf,
    kept: Vec<Bootnode>,
}

impl Keeper {
    pub(super) fn new(data_dir: &Path) -> Self {
        Self { path: data_dir.join(FILE), kept: Vec::new() }
    }

    /// What is to be written, if anything changed: run it where waiting for a disk is allowed.
    pub(super) fn keep(&mut self, known: Vec<Bootnode>) -> Option<impl FnOnce() + Send + use<>> {
        if known == self.kept {
            return None;
        }
        self.kept.clone_from(&known);
        let path = self.path.clone();
        Some(move || {
            if let Err(error) = write(&path, &known) {
                debug!(%error, "{}: the peers cannot be kept for the next run", path.display());
            }
        })
    }
}

/// Replaces the file whole.
fn write(path: &Path, known: &[Bootnode]) -> io::Result<()> {
    let partial = path.with_extension("new");
    let mut file = fs::File::create(&partial)?;
    for Bootnode { peer_id, address } in known {
        match peer_id {
            Some(peer) => writeln!(file, "{address}/p2p/{peer}")?,
            None => writeln!(file, "{address}")?,
        }
    }
    drop(file);
    fs::rename(&partial, path)
}

#[cfg(test)]
mod tests {
    use lathe_network::NodeKey;

    use super::*;

    #[test]
    fn peers_survive_and_damage_costs_only_itself() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()), []);
        let known: Vec<Bootnode> = (1..=3)
            .map(|port| {
                let peer = NodeKey::generate().peer_id();
                format!("/ip4/10.0.0.1/udp/{port}/quic-v1/p2p/{peer}").parse().unwrap()
            })
            .collect();
        let mut keeper = Keeper::new(dir.path());
        keeper.keep(known.clone()).unwrap()();
        assert_eq!(read(dir.path()), known);
        assert!(keeper.keep(known.clone()).is_none(), "nothing changed");
        keeper.keep(known[..2].to_vec()).unwrap()();
        assert_eq!(read(dir.path()), known[..2]);

        let path = dir.path().join(FILE);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("nonsense\n\n{text}/ip4/1.2.3.4/udp/0/quic-v1\n")).unwrap();
        assert_eq!(read(dir.path()), known[..2]);
        // A directory in its place: no peers, and no failure.
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert_eq!(read(dir.path()), []);
        keeper.keep(known).unwrap()();
    }
}
