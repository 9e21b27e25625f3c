//! What files hold after the power has failed, by the journal that `unsynced.c` keeps.
//!
//! The model is stricter than most file systems: what was written since a file's last sync is there in part, each write
//! for itself; a file that was made, renamed or deleted is so for certain only once its directory was synced.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// The library that keeps the journal.
pub(crate) struct Shim {
    library: PathBuf,
}

impl Shim {
    /// Compiles it into a directory.
    pub(crate) fn compile(into: &Path) -> Self {
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/torture/unsynced.c");
        let library = into.join("unsynced.so");
        let status =
            Command::new("cc").args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(source).status();
        assert!(status.unwrap().success(), "a C compiler is needed");
        Self { library }
    }

    /// Has a process keep a journal of what it does below `directory`.
    pub(crate) fn watch(&self, command: &mut Command, directory: &Path, journal: &Path) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("UNSYNCED_DIR", directory)
            .env("UNSYNCED_JOURNAL", journal);
    }
}

/// A file as it would be found, and what may or may not have reached it.
#[derive(Clone, Default)]
struct Inode {
    durable: Vec<u8>,
    current: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write(at, data) => {
                bytes.resize(bytes.len().max(at + data.len()), 0);
                bytes[*at..at + data.len()].copy_from_slice(data);
            }
            Self::Length(len) => bytes.resize(*len, 0),
        }
    }
}

/// What a name leads to.
#[derive(Clone, PartialEq)]
enum Entry {
    File(usize),
    Directory,
}

/// Every file below a directory: as processes see it, and as it is on the disk for certain.
pub(crate) struct Disk {
    root: PathBuf,
    inodes: Vec<Inode>,
    current: BTreeMap<PathBuf, Entry>,
    durable: BTreeMap<PathBuf, Entry>,
    /// Operations of the journal so far.
    pub operations: usize,
}

impl Disk {
    /// Everything that lies there now is durable.
    pub(crate) fn read(root: &Path) -> Self {
        let mut disk = Self {
            root: root.to_owned(),
            inodes: Vec::new(),
            current: BTreeMap::new(),
            durable: BTreeMap::new(),
            operations: 0,
        };
        disk.read_directory(root);
        disk.durable = disk.current.clone();
        disk
    }

    fn read_directory(&mut self, path: &Path) {
        for entry in std::fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.current.insert(path.clone(), Entry::Directory);
                self.read_directory(&path);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                self.inodes.push(Inode { durable: bytes.clone(), current: bytes, pending: Vec::new() });
                self.current.insert(path, Entry::File(self.inodes.len() - 1));
            }
        }
    }

    /// Does again what the journal says.
    pub(crate) fn replay(&mut self, journal: &[u8]) {
        let mut rest = journal;
        // The last entry may be cut short: the process was killed.
        while let Some((kind, path, number, data, tail)) = entry(rest) {
            rest = tail;
            self.operations += 1;
            let path = PathBuf::from(String::from_utf8(path.to_vec()).unwrap());
            match kind {
                b'C' => {
                    self.inodes.push(Inode::default());
                    self.current.insert(path, Entry::File(self.inodes.len() - 1));
                }
                b'W' => self.change(&path, Change::Write(number as usize, data.to_vec())),
                b'L' => self.change(&path, Change::Length(number as usize)),
                b'S' => self.sync(&path),
                b'M' => drop(self.current.insert(path, Entry::Directory)),
                b'U' => drop(self.current.remove(&path)),
                b'R' => self.rename(&path, &PathBuf::from(String::from_utf8(data.to_vec()).unwrap())),
                other => panic!("an entry of kind {other}"),
            }
        }
    }

    fn change(&mut self, path: &Path, change: Change) {
        // A file that is open after its name is gone concerns nobody.
        let Some(Entry::File(inode)) = self.current.get(path) else { return };
        let inode = &mut self.inodes[*inode];
        change.apply(&mut inode.current);
        inode.pending.push(change);
    }

    fn sync(&mut self, path: &Path) {
        if let Some(Entry::File(inode)) = self.current.get(path) {
            let inode = &mut self.inodes[*inode];
            inode.durable = inode.current.clone();
            inode.pending.clear();
            return;
        }
        let is_inside = |name: &Path| name.parent() == Some(path);
        self.durable.retain(|name, _| !is_inside(name));
        let inside = self.current.iter().filter(|(name, _)| is_inside(name));
        self.durable.extend(inside.map(|(name, entry)| (name.clone(), entry.clone())));
    }

    /// A directory takes along what is in it; what of that is durable stays so under the new name once that is.
    fn rename(&mut self, from: &Path, to: &Path) {
        for names in [&mut self.current, &mut self.durable] {
            let moved: Vec<PathBuf> =
                names.keys().filter(|name| name.starts_with(from) && *name != from).cloned().collect();
            for name in moved {
                let entry = names.remove(&name).unwrap();
                names.insert(to.join(name.strip_prefix(from).unwrap()), entry);
            }
        }
        if let Some(entry) = self.current.remove(from) {
            self.current.insert(to.to_owned(), entry);
        }
    }

    /// The power fails: puts on the disk what is durable and, of the rest, what chance brings.
    pub(crate) fn lose_power(&self, seed: u64) {
        let mut random = StdRng::seed_from_u64(seed);
        let mut names = self.durable.clone();
        // Names that were changed and not synced: each as before, or as after.
        let touched: Vec<&PathBuf> = self.current.keys().chain(self.durable.keys()).collect();
        for name in touched {
            if self.current.get(name) != self.durable.get(name) && random.random_bool(0.5) {
                match self.current.get(name) {
                    Some(entry) => drop(names.insert(name.clone(), entry.clone())),
                    None => drop(names.remove(name)),
                }
            }
        }
        clear(&self.root);
        for (name, entry) in &names {
            // What lies in a directory that is gone is gone with it.
            if !name.parent().is_some_and(Path::is_dir) {
                continue;
            }
            match entry {
                Entry::Directory => std::fs::create_dir(name).unwrap(),
                Entry::File(inode) => {
                    std::fs::write(name, self.inodes[*inode].after_loss(&mut random)).unwrap();
                    secure(name);
                }
            }
        }
    }
}

impl Inode {
    fn after_loss(&self, random: &mut StdRng) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for change in &self.pending {
            match change {
                // A write may be there in part.
                Change::Write(at, data) if random.random_bool(0.2) => {
                    let kept = random.random_range(0..=data.len());
                    Change::Write(*at, data[..kept].to_vec()).apply(&mut bytes);
                }
                change if random.random_bool(0.5) => change.apply(&mut bytes),
                _ => {}
            }
        }
        bytes
    }
}

/// Key files are for their owner only.
fn secure(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn clear(directory: &Path) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.unwrap();
    }
}

type Parsed<'a> = (u8, &'a [u8], u64, &'a [u8], &'a [u8]);

/// The first entry of a journal and what follows it.
fn entry(bytes: &[u8]) -> Option<Parsed<'_>> {
    let (head, rest) = bytes.split_first_chunk::<17>()?;
    let number = |at: usize| u32::from_ne_bytes(head[at..at + 4].try_into().unwrap()) as usize;
    let (path, rest) = rest.split_at_checked(number(1))?;
    let (data, rest) = rest.split_at_checked(number(5))?;
    Some((head[0], path, u64::from_ne_bytes(head[9..17].try_into().unwrap()), data, rest))
}
