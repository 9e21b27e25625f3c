//! The file under the ledger, as a trait so that tests can take the power away.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// What the ledger asks of its file.
pub trait LedgerFile: Send {
    /// Where the file is, for messages.
    fn location(&self) -> String;

    /// The whole file; `None` if there is none.
    fn read(&mut self) -> io::Result<Option<Vec<u8>>>;

    /// Puts another file in its place: after a crash there is the old one or the new one, and once this returned, the
    /// new one.
    fn replace(&mut self, contents: &[u8]) -> io::Result<()>;

    /// Writes bytes at an offset, extending the file if need be. Not durable before [`LedgerFile::sync`].
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Returns once all that was written survives a power loss.
    fn sync(&mut self) -> io::Result<()>;
}

const FILE_NAME: &str = "signing.ledger";
const NEW_FILE_NAME: &str = "signing.ledger.new";
/// The lock is on a file of its own, which is never replaced.
const LOCK_NAME: &str = "signing.lock";
/// A ledger is compacted long before this; more is not a ledger and would only fill the memory.
const MAX_FILE_BYTES: u64 = 512 << 20;

/// A file in a directory of its own, under an exclusive lock.
#[derive(Debug)]
pub struct DiskFile {
    directory: PathBuf,
    file: Option<File>,
    /// Held, not used: the lock lives as long as the file is open.
    _lock: File,
}

impl DiskFile {
    /// Takes the lock, making the directory if need be.
    pub fn lock(directory: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Io { location: directory.display().to_string(), source };
        fs::create_dir_all(directory).map_err(failed)?;
        let lock =
            File::options().create(true).append(true).open(directory.join(LOCK_NAME)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { directory: directory.to_owned(), file: None, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked { directory: directory.to_owned() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.join(FILE_NAME)
    }

    fn opened(&mut self) -> io::Result<&File> {
        let path = self.path();
        match &mut self.file {
            Some(file) => Ok(file),
            none => Ok(none.insert(File::options().read(true).write(true).open(path)?)),
        }
    }
}

impl LedgerFile for DiskFile {
    fn location(&self) -> String {
        self.path().display().to_string()
    }

    fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        let path = self.path();
        match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
            Ok(metadata) if metadata.len() > MAX_FILE_BYTES => {
                return Err(io::Error::new(
                    io::ErrorKind::FileTooLarge,
                    "far larger than any signing ledger",
                ));
            }
            Ok(_) => {}
        }
        fs::read(path).map(Some)
    }

    fn replace(&mut self, contents: &[u8]) -> io::Result<()> {
        self.file = None;
        let new = self.directory.join(NEW_FILE_NAME);
        fs::write(&new, contents)?;
        File::open(&new)?.sync_all()?;
        fs::rename(&new, self.path())?;
        File::open(&self.directory)?.sync_all()
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.opened()?.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.opened()?.sync_data()
    }
}
