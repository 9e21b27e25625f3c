//! The ledger's file, in a directory of its own.
//!
//! Its lock is on the file itself, so a directory under another name, a hard link or a lock file that was deleted do
//! not let a second process in. Before every write the file must still be the one that its path leads to, and have no
//! other name: what is written to a file that nobody finds again is not on record.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use lathe_ledger::{Ledger, Medium};

use crate::error::Error;
use crate::lock::{LockFailure, check_identity, lock};

/// Name of the ledger in its directory.
pub const FILE_NAME: &str = "signing.ledger";
const NEW_FILE_NAME: &str = "signing.ledger.new";
/// Keeps two processes from making the first ledger of a directory at once.
const LOCK_NAME: &str = "signing.lock";
/// A ledger is compacted long before this; more is not a ledger and would only fill the memory.
const MAX_FILE_BYTES: u64 = 512 << 20;

/// The ledger's file, under an exclusive lock.
#[derive(Debug)]
pub struct DiskFile {
    directory: PathBuf,
    /// Locked. `None` until there is a ledger.
    file: Option<File>,
    /// Held, not used: the lock lives as long as the file is open.
    _lock: File,
}

impl DiskFile {
    /// Takes the lock, making the directory if need be.
    pub fn lock(directory: &Path) -> Result<Self, Error> {
        let failed = |source| Error::ledger(directory.display().to_string(), source);
        fs::create_dir_all(directory).map_err(failed)?;
        let guard =
            File::options().create(true).append(true).open(directory.join(LOCK_NAME)).map_err(failed)?;
        let taken = |file: &File| {
            lock(file).map_err(|failure| match failure {
                LockFailure::Held(holder) => Error::Locked { path: directory.join(FILE_NAME), holder },
                LockFailure::Impossible(source) => failed(source),
            })
        };
        taken(&guard)?;
        let path = directory.join(FILE_NAME);
        let file = match File::options().read(true).write(true).open(&path) {
            Ok(file) => {
                taken(&file)?;
                check_identity(&path, &file, true)
                    .map_err(|source| Error::ledger(path.display().to_string(), source))?;
                Some(file)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(Error::ledger(path.display().to_string(), error)),
        };
        Ok(Self { directory: directory.to_owned(), file, _lock: guard })
    }

    fn path(&self) -> PathBuf {
        self.directory.join(FILE_NAME)
    }

    /// The file, if it is still the one that everybody finds.
    fn checked(&self) -> io::Result<&File> {
        let file = self.file.as_ref().ok_or_else(|| io::Error::other("it was never written"))?;
        check_identity(&self.path(), file, true)?;
        Ok(file)
    }
}

impl Medium for DiskFile {
    fn location(&self) -> String {
        self.path().display().to_string()
    }

    fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        self.file.as_ref().map(read_bounded).transpose()
    }

    fn replace(&mut self, contents: &[u8]) -> io::Result<()> {
        match &self.file {
            Some(_) => self.checked().map(|_| ())?,
            None if self.path().exists() => return Err(io::Error::other("another file has taken its place")),
            None => {}
        }
        let new_path = self.directory.join(NEW_FILE_NAME);
        let new = File::options().read(true).write(true).create(true).truncate(true).open(&new_path)?;
        // Locked before it gets its name, so there is no moment at which the ledger is free.
        new.try_lock().map_err(io::Error::from)?;
        new.write_all_at(contents, 0)?;
        new.sync_all()?;
        fs::rename(&new_path, self.path())?;
        sync_names(&self.directory)?;
        self.file = Some(new);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.checked()?.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), File::sync_data)
    }
}

/// Makes the names in a directory durable, and its own and those above it, any of which may have just been made. What
/// this process may not open, or what cannot be synced, was not made by it.
fn sync_names(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()?;
    for above in directory.canonicalize()?.ancestors().skip(1) {
        match File::open(above).and_then(|above| above.sync_all()) {
            Err(error) if !is_not_ours(&error) => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn is_not_ours(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, PermissionDenied, ReadOnlyFilesystem, Unsupported};
    matches!(error.kind(), InvalidInput | PermissionDenied | ReadOnlyFilesystem | Unsupported)
}

/// All of a file, unless it is far larger than any ledger.
pub(crate) fn read_bounded(file: &File) -> io::Result<Vec<u8>> {
    let bytes = file.metadata()?.len();
    if bytes > MAX_FILE_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "far larger than any signing ledger"));
    }
    let mut contents = vec![0; usize::try_from(bytes).unwrap_or_default()];
    file.read_exact_at(&mut contents, 0)?;
    Ok(contents)
}

/// What a ledger's file held when it was read; writes are refused.
#[derive(Debug)]
pub struct Snapshot {
    path: PathBuf,
    contents: Option<Vec<u8>>,
}

/// Reads the ledger in a directory to look at it, whoever uses it; `None` if there is none.
pub fn inspect_ledger(directory: &Path) -> Result<Option<Ledger<Snapshot>>, Error> {
    let path = directory.join(FILE_NAME);
    let contents = match File::open(&path).and_then(|file| read_bounded(&file)) {
        Ok(contents) => Some(contents),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(Error::ledger(path.display().to_string(), error)),
    };
    Ok(Ledger::inspect(Snapshot { path, contents })?)
}

impl Medium for Snapshot {
    fn location(&self) -> String {
        self.path.display().to_string()
    }

    fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.contents.clone())
    }

    fn replace(&mut self, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn write_at(&mut self, _: u64, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}
