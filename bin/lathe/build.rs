//! Tells the program which commit it was built from and for which target, where that can be known.

use std::process::Command;

fn main() {
    let commit = std::env::var("LATHE_COMMIT").ok().or_else(|| git(&["rev-parse", "--short=7", "HEAD"]));
    let commit = commit.filter(|commit| !commit.is_empty());
    let version = match commit {
        Some(commit) => format!("{}-{commit}", env!("CARGO_PKG_VERSION")),
        None => env!("CARGO_PKG_VERSION").to_owned(),
    };
    println!("cargo:rustc-env=LATHE_VERSION={version}");
    println!("cargo:rustc-env=LATHE_TARGET={}", std::env::var("TARGET").unwrap_or_default());
    println!("cargo:rerun-if-env-changed=LATHE_COMMIT");
    println!("cargo:rerun-if-changed=build.rs");
    // Grows with every commit and every checkout.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"])
        && std::path::Path::new(&log).exists()
    {
        println!("cargo:rerun-if-changed={log}");
    }
}

/// What git says, if it is there and this is a repository.
fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
