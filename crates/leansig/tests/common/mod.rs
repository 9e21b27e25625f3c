//! What the integration tests share.

#![allow(dead_code, missing_docs, clippy::unwrap_used, clippy::print_stdout)]

use std::path::PathBuf;

/// A directory of the shared material, or a note that it is not there.
pub fn shared(path: &str) -> Option<PathBuf> {
    let found = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(path);
    if found.exists() {
        return Some(found);
    }
    println!("skipped: ../shared/{path} is not there");
    None
}

/// The leanSpec fixtures, or a note that they are not there.
pub fn fixtures(path: &str) -> Option<PathBuf> {
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
pub fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text.trim_start_matches("0x")).unwrap()
}
