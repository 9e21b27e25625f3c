//! The marks in the key directories, one file in each.
//!
//! Nodes that share a directory share its file: each writes only the places of keys that it has locked, and they take
//! turns at making room for new ones. Where the key directory cannot be written the marks go to the ledger's, which
//! protects less: see `docs/keys.md`.

use std::collections::{BTreeMap, HashSet};
use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use lathe_ledger::{KeyId, Mark, Marks, Medium};

use crate::error::Error;
use crate::ledger_file::read_bounded;
use crate::lock::{check_identity, holder_of};

/// Longest wait for other processes that read or write the same marks, which takes each a sync to the disk.
const TURN_WITHIN: Duration = Duration::from_secs(2);
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(2);

/// Name of the file beside the keys.
pub const MARK_FILE: &str = "signing.marks";

/// A file of marks.
#[derive(Debug)]
pub(crate) struct MarkFile {
    path: PathBuf,
    file: File,
}

impl MarkFile {
    /// Opens the file in `directory`, or makes it.
    fn open(directory: &Path) -> io::Result<Self> {
        let path = directory.join(MARK_FILE);
        let is_new = !path.exists();
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path)?;
        if is_new {
            File::open(directory)?.sync_all()?;
        }
        Ok(Self { path, file })
    }
}

impl Medium for MarkFile {
    fn location(&self) -> String {
        self.path.display().to_string()
    }

    fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        read_bounded(&self.file).map(Some)
    }

    fn read_at(&mut self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut filled = 0;
        while filled < length {
            match self.file.read_at(&mut bytes[filled..], offset + filled as u64)? {
                0 => break,
                more => filled += more,
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    fn replace(&mut self, _: &[u8]) -> io::Result<()> {
        // Others write to the same file.
        Err(io::ErrorKind::Unsupported.into())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        check_identity(&self.path, &self.file, false)?;
        self.file.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// A file of marks that other processes may write to as well, each for keys of its own.
#[derive(Debug)]
struct Shared {
    marks: Marks<MarkFile>,
    turns: Turns,
    keys: HashSet<KeyId>,
}

/// The turns that processes take at a file of marks: a lock on it, held for as long as something is read and written.
#[derive(Debug)]
struct Turns(File);

impl Turns {
    fn at(marks: &MarkFile) -> io::Result<Self> {
        // A handle of the same open file.
        marks.file.try_clone().map(Self)
    }

    /// Does something when nobody else does. A process that hangs in its turn is waited for, but not for ever.
    fn take<T>(&self, work: impl FnOnce() -> T) -> io::Result<T> {
        let until = Instant::now() + TURN_WITHIN;
        while let Err(error) = self.0.try_lock() {
            match error {
                TryLockError::Error(source) => return Err(source),
                TryLockError::WouldBlock if Instant::now() < until => thread::sleep(ASK_AGAIN_AFTER),
                TryLockError::WouldBlock => {
                    let holder = holder_of(&self.0);
                    return Err(io::Error::other(format!(
                        "{holder} keeps it locked: nothing is signed without a mark"
                    )));
                }
            }
        }
        let done = work();
        self.0.unlock()?;
        Ok(done)
    }
}

/// The marks of a signer's keys, wherever they lie.
#[derive(Debug, Default)]
pub(crate) struct MarkFiles {
    files: Vec<Shared>,
    /// Key directories that cannot be written.
    read_only: Vec<PathBuf>,
    /// Marks that were found, before anything is written.
    found: Vec<Mark>,
}

impl MarkFiles {
    /// Finds the marks of `keys`, each with the directory that it lies in, and makes room for those that have none.
    pub(crate) fn open(
        keys: impl Iterator<Item = (KeyId, PathBuf)>,
        ledger_dir: &Path,
        genesis_time: u64,
    ) -> Result<Self, Error> {
        let mut by_directory: BTreeMap<PathBuf, Vec<KeyId>> = BTreeMap::new();
        for (key, directory) in keys {
            by_directory.entry(directory).or_default().push(key);
        }
        let mut marks = Self::default();
        let mut homeless = Vec::new();
        for (directory, keys) in by_directory {
            if !marks.add(&directory, &keys, genesis_time)? {
                marks
                    .found
                    .extend(read_marks(&directory)?.into_iter().filter(|mark| keys.contains(&mark.key)));
                homeless.extend(keys);
                marks.read_only.push(directory);
            }
        }
        if !homeless.is_empty() && !marks.add(ledger_dir, &homeless, genesis_time)? {
            let path = ledger_dir.join(MARK_FILE);
            return Err(Error::ledger(path.display().to_string(), io::ErrorKind::PermissionDenied.into()));
        }
        Ok(marks)
    }

    /// Takes up the marks in one directory. False if it cannot be written.
    fn add(&mut self, directory: &Path, keys: &[KeyId], genesis_time: u64) -> Result<bool, Error> {
        let failed = |source| Error::ledger(directory.join(MARK_FILE).display().to_string(), source);
        let file = match MarkFile::open(directory) {
            Ok(file) => file,
            Err(error) if is_read_only(&error) => return Ok(false),
            Err(error) => return Err(failed(error)),
        };
        let turns = Turns::at(&file).map_err(failed)?;
        let (marks, made) = turns
            .take(|| {
                let mut marks = Marks::open(file)?;
                self.found.extend(keys.iter().filter_map(|key| marks.of(*key)));
                let made = marks.make_room(genesis_time, keys);
                Ok::<_, Error>((marks, made))
            })
            .map_err(failed)??;
        made.map_err(failed)?;
        self.files.push(Shared { marks, turns, keys: keys.iter().copied().collect() });
        Ok(true)
    }

    /// What the marks said when they were opened.
    pub(crate) fn found(&self) -> &[Mark] {
        &self.found
    }

    /// Key directories beside whose keys no mark can be kept.
    pub(crate) fn read_only(&self) -> &[PathBuf] {
        &self.read_only
    }

    /// Writes marks down, durably.
    pub(crate) fn write(&mut self, marks: &[Mark]) -> Result<(), String> {
        for Shared { marks: file, turns, keys } in &mut self.files {
            let ours: Vec<Mark> = marks.iter().copied().filter(|mark| keys.contains(&mark.key)).collect();
            let written = turns.take(|| file.write(&ours)).flatten();
            written.map_err(|error| format!("{}: {error}", file.location()))?;
        }
        Ok(())
    }
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// The marks in a directory, which nobody has to be able to write.
pub fn read_marks(directory: &Path) -> Result<Vec<Mark>, Error> {
    let path = directory.join(MARK_FILE);
    let failed = |source| Error::ledger(path.display().to_string(), source);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    Ok(Marks::open(MarkFile { path: path.clone(), file })?.all())
}

/// Takes the mark of a key along to another directory, where a copy of its file is going to lie.
pub fn carry_mark(key: KeyId, from: &Path, to: &Path) -> Result<(), Error> {
    let Some(mark) = read_marks(from)?.into_iter().find(|mark| mark.key == key) else { return Ok(()) };
    let failed = |source| Error::ledger(to.join(MARK_FILE).display().to_string(), source);
    let file = MarkFile::open(to).map_err(failed)?;
    let turns = Turns::at(&file).map_err(failed)?;
    let carried = turns.take(|| {
        let mut marks = Marks::open(file)?;
        marks.make_room(mark.genesis_time, &[key]).and_then(|()| marks.write(&[mark])).map_err(failed)
    });
    carried.map_err(failed)?
}
