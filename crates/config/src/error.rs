//! Errors that name the file, the field and the remedy, because an operator reads them.

use std::io;
use std::path::{Path, PathBuf};

use lathe_keys::KeyError;

/// Why a network directory could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file is missing or cannot be read.
    #[error("{}: cannot be read ({source}); {advice}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
        /// What to do.
        advice: &'static str,
    },
    /// A file is larger than any valid one.
    #[error("{}: larger than {limit} bytes, so it cannot be the file that is expected here", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Bytes allowed.
        limit: u64,
    },
    /// A file is not YAML, or not of the expected layout.
    #[error("{}: not the YAML that is expected here: {detail}; {advice}", path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// What the parser said, with the line.
        detail: String,
        /// What the file should hold.
        advice: &'static str,
    },
    /// A field is missing or wrong.
    #[error("{}: {field}: {problem}; {advice}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// The field, as a path into the document.
        field: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        advice: String,
    },
    /// Something stands where we would write.
    #[error("{}: already exists and is never overwritten; {advice}", path.display())]
    Exists {
        /// The file or directory.
        path: PathBuf,
        /// What to do.
        advice: &'static str,
    },
    /// A file cannot be written.
    #[error("{}: cannot be written ({source}); check the directory's permissions and free space", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A network that was asked for cannot exist.
    #[error("{option}: {problem}")]
    Plan {
        /// The option as the command line spells it.
        option: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A key could not be made.
    #[error("key of validator {validator}: {detail}")]
    Key {
        /// The validator.
        validator: u64,
        /// What went wrong.
        detail: String,
    },
    /// A key cannot be written in another format.
    #[error("{}: {source}", path.display())]
    Convert {
        /// The file that was to be written.
        path: PathBuf,
        /// Why not.
        source: KeyError,
    },
    /// A node record could not be made.
    #[error("node record of {node}: {detail}")]
    NodeRecord {
        /// The node.
        node: String,
        /// What went wrong.
        detail: String,
    },
    /// The system gave no randomness.
    #[error("no randomness from the operating system: {0}")]
    Entropy(String),
}

impl ConfigError {
    pub(crate) fn field(
        path: &Path,
        field: impl Into<String>,
        problem: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self::Field { path: path.into(), field: field.into(), problem: problem.into(), advice: advice.into() }
    }

    pub(crate) fn write(path: &Path, source: io::Error) -> Self {
        Self::Write { path: path.into(), source }
    }
}
