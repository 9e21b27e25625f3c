//! Networks of another signature scheme than the specification's, and of other clients, from the command line.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

fn lathe(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lathe")).args(args).env_remove("RUST_LOG").output().unwrap()
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The one line that a failing command says.
fn error_of(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    text.lines().last().unwrap().to_owned()
}

/// A network of one validator and one node, made with these options.
fn network(options: &[&str]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let plan = ["genesis", "--validators", "1", "--slots", "8", "--genesis-delay", "3600", "--out"];
    said(&lathe(&[&plan[..], &[dir.path().to_str().unwrap()], options].concat()));
    dir
}

fn text(dir: &TempDir, file: &str) -> String {
    fs::read_to_string(dir.path().join(file)).unwrap()
}

/// What a node that must not start says.
fn refusal(dir: &TempDir, node: &str, options: &[&str]) -> String {
    let network = ["node", "--network-dir", dir.path().to_str().unwrap(), "--node-id", node];
    error_of(&lathe(&[&network[..], options].concat()))
}

fn replace(dir: &TempDir, file: &str, from: &str, to: &str) {
    let old = text(dir, file);
    assert!(old.contains(from), "{old}");
    fs::write(dir.path().join(file), old.replace(from, to)).unwrap();
}

#[test]
fn a_network_of_another_scheme_says_so_in_its_files() {
    let dir = network(&["--nodes", "1", "--signature-scheme", "xmss-blake2s"]);
    let config = text(&dir, "config.yaml");
    assert!(config.contains("\nSIGNATURE_SCHEME: \"xmss-blake2s\"\n"), "{config}");
    let key = config.split("attestation_pubkey: \"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(key.len(), 64);
    let manifest = text(&dir, "hash-sig-keys/validator-keys-manifest.yaml");
    for line in [
        "key_scheme: \"XmssTargetSumLifetime32Dim42Base8\"",
        "hash_function: \"BLAKE2s\"",
        "signature_scheme: \"xmss-blake2s\"",
        "pubkey_bytes: 32",
    ] {
        assert!(manifest.contains(&format!("{line}\n")), "{line}: {manifest}");
    }
    let plain = network(&["--nodes", "1"]);
    assert!(!text(&plain, "config.yaml").contains("SIGNATURE_SCHEME"), "that file is what other tools read");
    assert!(!text(&plain, "hash-sig-keys/validator-keys-manifest.yaml").contains("pubkey_bytes"));
}

#[test]
fn keys_and_proofs_of_another_scheme_are_refused_at_start() {
    let dir = network(&["--nodes", "1", "--signature-scheme", "xmss-blake2s"]);
    let error = refusal(&dir, "lathe_0", &["--aggregation-backend", "stark"]);
    assert!(
        error.contains("--aggregation-backend: stark, but FORK_DIGEST in config.yaml is that of raw"),
        "{error}"
    );
    // The same keys under the name of another layout: the lengths fit, the trees do not.
    replace(&dir, "config.yaml", "\"xmss-blake2s\"", "\"xmss-blake2s-l3\"");
    let error = refusal(&dir, "lathe_0", &["--aggregation-backend", "raw"]);
    assert!(error.contains("key file of layout L5, the network uses layout L3"), "{error}");
    replace(&dir, "config.yaml", "\"xmss-blake2s-l3\"", "\"lean-pq\"");
    let error = refusal(&dir, "lathe_0", &["--aggregation-backend", "raw"]);
    assert!(error.contains("--aggregation-backend raw is not about signatures of lean-pq"), "{error}");
    replace(&dir, "config.yaml", "\"lean-pq\"", "\"leansig\"");
    let error = refusal(&dir, "lathe_0", &["--aggregation-backend", "raw"]);
    assert!(error.contains("GENESIS_VALIDATORS[0].attestation_pubkey: a key of 32 bytes"), "{error}");
    replace(&dir, "config.yaml", "\"leansig\"", "\"something\"");
    let error = refusal(&dir, "lathe_0", &["--aggregation-backend", "raw"]);
    assert!(error.contains("no signature scheme is called \"something\""), "{error}");
}

#[test]
fn a_directory_for_other_clients_has_their_names_their_digest_and_their_key_files() {
    let options = ["--node-names", "lathe_0,zeam_0", "--fork-digest", "12345678", "--key-format", "postcard"];
    let dir = network(&[&options[..], &["--signature-scheme", "xmss-blake2s"]].concat());
    assert!(text(&dir, "config.yaml").contains("\nFORK_DIGEST: \"12345678\"\n"));
    assert!(text(&dir, "validators.yaml").starts_with("lathe_0:\n  - 0\nzeam_0: []\n"));
    assert!(text(&dir, "validator-config.yaml").contains("name: \"zeam_0\""));
    assert!(dir.path().join("zeam_0.key").exists());
    let key = fs::read(dir.path().join("hash-sig-keys/validator_0_attester_key_sk.ssz")).unwrap();
    assert!(key.starts_with(&[0, 7]), "first and last slot, as postcard writes them");
    // Nobody can say what the proofs of such a network are but its operator.
    let error = refusal(&dir, "lathe_0", &[]);
    assert!(error.starts_with("error: the network 12345678 does not say what its proofs are"), "{error}");
    let error = refusal(&dir, "lathe_0", &["--aggregation-backend", "raw", "--data-dir", "/proc/none"]);
    assert!(!error.contains("what its proofs are"), "raw in so many words is taken: {error}");
}

#[test]
fn names_and_formats_that_cannot_be_are_refused_before_anything_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("net");
    let plan = ["genesis", "--validators", "1", "--out", out.to_str().unwrap()];
    for (options, expected) in [
        (&["--node-names", "a,a"][..], "--node-names: a stands twice"),
        (&["--node-names", "a/b"], "--node-names: \"a/b\", but a name is 1 to 64 letters"),
        (
            &["--nodes", "1", "--key-format", "postcard"],
            "postcard holds no keys of leansig; lathe and leansig do",
        ),
        (
            &["--nodes", "1", "--key-format", "leansig", "--slots", "8"],
            "multiples of 65536 slots, 131072 at least",
        ),
    ] {
        let error = error_of(&lathe(&[&plan[..], options].concat()));
        assert!(error.contains(expected), "{options:?}: {error}");
        assert!(!out.exists(), "{options:?}");
    }
}

#[test]
fn keys_of_another_scheme_are_inspected_and_converted() {
    let dir = network(&["--nodes", "1", "--signature-scheme", "xmss-blake2s-l3"]);
    let ours = dir.path().join("hash-sig-keys/validator_0_attester_key_sk.ssz");
    let theirs = dir.path().join("theirs");
    let inspect = |path: &Path| said(&lathe(&["keys", "inspect", path.to_str().unwrap()]));
    let shown = inspect(&ours);
    for line in ["  scheme      xmss-blake2s-l3\n", "  format      lathe\n", "  slots       0 to 7 "] {
        assert!(shown.contains(line), "{shown}");
    }
    let convert = |to: &str, out: &Path| {
        lathe(&["keys", "convert", ours.to_str().unwrap(), "--to", to, "--out", out.to_str().unwrap()])
    };
    said(&convert("postcard", &theirs));
    // The file does not say its layout: it is found by its tree.
    let converted = inspect(&theirs);
    assert!(converted.contains("  scheme      xmss-blake2s-l3\n  format      postcard\n"), "{converted}");
    let key = |shown: &str| shown.split("public key").nth(1).unwrap().lines().next().unwrap().to_owned();
    assert_eq!(key(&shown), key(&converted));
    let error = error_of(&convert("leansig", &dir.path().join("other")));
    assert_eq!(error, "error: --to: leansig's files hold no keys of xmss-blake2s-l3; lathe and postcard do");
}
