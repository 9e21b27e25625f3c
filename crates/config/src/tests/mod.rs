//! The files of other tools, our own, and what is said about broken ones.

mod interop;
mod quickstart;
mod reading;

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

/// A directory with files in it.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, contents) in files {
            fs::write(dir.path().join(name), contents).unwrap();
        }
        Self(dir)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// A public key of 104 digits that a number parser would read as a number.
pub(crate) fn key(digit: char) -> String {
    format!("{digit}2e40010{}", "00000010".repeat(12))
}

/// A `config.yaml` with these validators.
pub(crate) fn config(validators: &[(char, char)]) -> String {
    let mut text = String::from("GENESIS_TIME: 1700000000\nGENESIS_VALIDATORS:\n");
    for (attestation, proposal) in validators {
        text += &format!(
            "  - attestation_pubkey: {}\n    proposal_pubkey: {}\n",
            key(*attestation),
            key(*proposal)
        );
    }
    text
}
