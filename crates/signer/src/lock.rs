//! Exclusive locks on open files, and who holds one.
//!
//! A lock belongs to the file itself, not to its name: whatever the directories are called, and on a mount that cannot
//! be written as well. It ends with the process.

use std::fmt;
use std::fs::{File, Metadata, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Whoever holds a lock, as far as that can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its process, if it is on this machine and in our namespace.
    pub process: Option<u32>,
    /// What the process is called.
    pub name: Option<String>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.process, &self.name) {
            (Some(process), Some(name)) => write!(f, "process {process} ({name})"),
            (Some(process), None) => write!(f, "process {process}"),
            _ => write!(f, "another process, perhaps in another container"),
        }
    }
}

/// Why a file could not be locked.
pub(crate) enum LockFailure {
    Held(Holder),
    Impossible(io::Error),
}

/// Locks an open file until it is closed.
pub(crate) fn lock(file: &File) -> Result<(), LockFailure> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(LockFailure::Held(holder_of(file))),
        Err(TryLockError::Error(source)) => Err(LockFailure::Impossible(source)),
    }
}

/// Whether a path still leads to an open file, and only that path.
pub(crate) fn check_identity(path: &Path, file: &File, expects_one_link: bool) -> io::Result<()> {
    let (named, open) = (std::fs::metadata(path), file.metadata()?);
    let same = |named: &Metadata| named.dev() == open.dev() && named.ino() == open.ino();
    match named {
        Ok(named) if !same(&named) => Err(io::Error::other("another file has taken its place")),
        Ok(_) if expects_one_link && open.nlink() != 1 => {
            Err(io::Error::other(format!("it has {} names (hard links), it must have one", open.nlink())))
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(io::Error::other("it was moved away or deleted while it was in use"))
        }
        Err(error) => Err(error),
    }
}

pub(crate) fn holder_of(file: &File) -> Holder {
    let process = file.metadata().ok().and_then(|metadata| {
        let locks = std::fs::read_to_string("/proc/locks").ok()?;
        find_holder(&locks, metadata.dev(), metadata.ino())
    });
    let name = process.and_then(|process| std::fs::read_to_string(format!("/proc/{process}/comm")).ok());
    Holder { process, name: name.map(|name| name.trim().to_owned()) }
}

/// The process that holds a lock on the file, in the words of Linux's `/proc/locks`:
/// `1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF`.
fn find_holder(locks: &str, device: u64, inode: u64) -> Option<u32> {
    let major = ((device >> 8) & 0xfff) | ((device >> 32) & !0xfff);
    let minor = (device & 0xff) | ((device >> 12) & !0xff);
    let file = format!("{major:02x}:{minor:02x}:{inode}");
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "FLOCK")?;
        (words.get(at + 4) == Some(&file.as_str())).then(|| words.get(at + 3)?.parse().ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_holder_of_a_file_is_found_among_all_locks() {
        let locks = "1: POSIX  ADVISORY  WRITE 10 08:01:77 0 EOF\n2: FLOCK  ADVISORY  WRITE 11 fd:02:77 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 12 08:01:77 0 EOF\n3: -> FLOCK  ADVISORY  WRITE 13 08:01:78 0 EOF\n";
        assert_eq!(find_holder(locks, 0x801, 77), Some(12));
        assert_eq!(find_holder(locks, 0xfd02, 77), Some(11));
        assert_eq!(find_holder(locks, 0x801, 79), None);
        let text =
            |process, name: Option<&str>| Holder { process, name: name.map(str::to_owned) }.to_string();
        assert_eq!(text(Some(12), Some("lathe")), "process 12 (lathe)");
        assert_eq!(text(None, None), "another process, perhaps in another container");
    }

    #[test]
    fn a_locked_file_names_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let first = File::create(&path).unwrap();
        assert!(lock(&first).is_ok());
        // Reading is enough to hold a lock, and a hard link is the same file.
        let link = dir.path().join("link");
        std::fs::hard_link(&path, &link).unwrap();
        for name in [&path, &link] {
            match lock(&File::open(name).unwrap()) {
                Err(LockFailure::Held(holder)) if cfg!(target_os = "linux") => {
                    assert_eq!(holder.process, Some(std::process::id()));
                }
                Err(LockFailure::Held(_)) => {}
                _ => panic!("locked twice"),
            }
        }
        drop(first);
        assert!(lock(&File::open(&path).unwrap()).is_ok());
    }
}
