//! A copy of the workspace to break rules in.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What a build of the pure crates reads.
const PARTS: [&str; 7] =
    ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", ".cargo", "bin", "crates", "spec-tests"];

/// The copy. Only what differs is written, so that a second run compiles little.
#[derive(Debug)]
pub struct Tree {
    root: PathBuf,
}

impl Tree {
    /// Copies the workspace in `source` to `root`.
    pub fn copy(source: &Path, root: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&root)?;
        for part in PARTS {
            sync(&source.join(part), &root.join(part))?;
        }
        Ok(Self { root })
    }

    /// Where the copy is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The text of a file.
    pub fn read(&self, path: &str) -> io::Result<String> {
        fs::read_to_string(self.root.join(path))
    }

    /// Replaces the text of a file.
    pub fn write(&self, path: &str, text: &str) -> io::Result<()> {
        fs::write(self.root.join(path), text)
    }
}

/// Makes `to` equal to `from`, which may be missing.
fn sync(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(to)? {
            let entry = entry?;
            if !from.join(entry.file_name()).exists() {
                remove(&entry.path())?;
            }
        }
        for entry in fs::read_dir(from)? {
            let name = entry?.file_name();
            sync(&from.join(&name), &to.join(&name))?;
        }
    } else if from.is_file() {
        let new = fs::read(from)?;
        if fs::read(to).ok().as_ref() != Some(&new) {
            fs::write(to, new)?;
        }
    }
    Ok(())
}

fn remove(path: &Path) -> io::Result<()> {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}
