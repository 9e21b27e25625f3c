//! Reading and writing whole files, bounded and without overwriting.

use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::ConfigError;

/// Largest YAML file read. A full registry of 4,096 validators takes about 2 MiB in the wordiest of the files.
pub const MAX_YAML_BYTES: u64 = 8 << 20;
/// Largest node key file read: 64 digits, a prefix and a line end fit many times.
pub const MAX_NODE_KEY_BYTES: u64 = 1 << 10;

/// U+FEFF in UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Who may read a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Everybody,
    OwnerOnly,
}

/// The text of a file of at most `limit` bytes.
pub(crate) fn read_text(path: &Path, limit: u64, advice: &'static str) -> Result<String, ConfigError> {
    let failed = |source| ConfigError::Read { path: path.into(), source, advice };
    let file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(ConfigError::TooLarge { path: path.into(), limit });
    }
    // Some editors put a byte order mark in front, which is no part of the text.
    if bytes.starts_with(BYTE_ORDER_MARK) {
        bytes.drain(..BYTE_ORDER_MARK.len());
    }
    String::from_utf8(bytes).map_err(|_| ConfigError::Yaml {
        path: path.into(),
        detail: "not UTF-8 text".into(),
        advice,
    })
}

/// The text of the file at `path` as a document of type `T`.
pub(crate) fn parse_yaml<T: DeserializeOwned>(
    path: &Path,
    text: &str,
    advice: &'static str,
) -> Result<T, ConfigError> {
    serde_yaml_ng::from_str(text).map_err(|error| ConfigError::Yaml {
        path: path.into(),
        detail: error.to_string(),
        advice,
    })
}

/// Writes a file that does not exist yet, and makes it durable.
pub(crate) fn create(path: &Path, contents: &[u8], access: Access) -> Result<(), ConfigError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if access == Access::OwnerOnly {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    let mut file = options.open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            ConfigError::Exists { path: path.into(), advice: "choose another directory or move it away" }
        }
        _ => ConfigError::write(path, error),
    })?;
    let written = file.write_all(contents).and_then(|()| file.sync_all());
    written.map_err(|error| ConfigError::write(path, error))
}

/// Makes a directory and its parents. One that is there is kept.
pub(crate) fn create_dir(path: &Path) -> Result<(), ConfigError> {
    fs::create_dir_all(path).map_err(|error| ConfigError::write(path, error))
}
