//! Builds the test library with the C compiler of the machine.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles the test library into `dir`, with these macros defined.
pub(crate) fn compile(dir: &Path, macros: &[&str]) -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|dir| dir.join("crates/external"));
    let sources = sources.into_iter().find(|dir| dir.is_dir()).expect("the workspace has crates/external");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let library = dir.join("libtest_library.so");
    let output = Command::new(&compiler)
        .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC"])
        .args(macros.iter().map(|name| format!("-D{name}")))
        .arg("-I")
        .arg(sources.join("include"))
        .arg(sources.join("tests/library/test_library.c"))
        .arg("-o")
        .arg(&library)
        .output()
        .unwrap_or_else(|error| panic!("these tests need a C compiler; `{compiler}`: {error}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library
}

/// Makes the library misbehave from now on: "<function> <behaviour> [once]". Without a word it behaves again.
pub(crate) fn behave(library: &Path, behaviour: &str) {
    let file = PathBuf::from(format!("{}.behaviour", library.display()));
    if behaviour.is_empty() {
        // It removes the file itself where it is to misbehave once.
        let _ = std::fs::remove_file(file);
        return;
    }
    // In one piece: a worker may read it at any moment.
    let new = file.with_extension("new");
    std::fs::write(&new, behaviour).expect("the directory can be written");
    std::fs::rename(new, file).expect("the directory can be written");
}
