//! What the integration tests share.

#![allow(
    dead_code,
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail by panicking, and may print"
)]

use std::path::PathBuf;

use sha2::{Digest, Sha256};

/// A directory of the shared material, or a note that it is not there.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let found = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(path);
    if found.exists() {
        return Some(found);
    }
    println!("skipped: ../shared/{path} is not there");
    None
}

/// The leanSpec fixtures, or a note that they are not there.
pub(crate) fn fixtures(path: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os("LATHE_SPEC_FIXTURES") else {
        return shared(&format!("leanspec-fixtures/{path}"));
    };
    let found = PathBuf::from(root).join(path);
    if found.exists() {
        return Some(found);
    }
    println!("skipped: {} is not there", found.display());
    None
}

/// The bytes of a hex string, with or without 0x.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text.trim_start_matches("0x")).unwrap()
}

/// What a validator signs: the hash tree root of a slot and the checkpoints head, target and source.
pub(crate) fn vote_root(slot: u64, checkpoints: [(&[u8], u64); 3]) -> [u8; 32] {
    let number = |value: u64| {
        let mut chunk = [0; 32];
        chunk[..8].copy_from_slice(&value.to_le_bytes());
        chunk
    };
    let hash = |left: &[u8], right: &[u8]| -> [u8; 32] {
        Sha256::new().chain_update(left).chain_update(right).finalize().into()
    };
    let [head, target, source] = checkpoints.map(|(root, slot)| hash(root, &number(slot)));
    hash(&hash(&number(slot), &head), &hash(&target, &source))
}
