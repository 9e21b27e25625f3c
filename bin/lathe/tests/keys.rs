//! Keys, their marks and ledgers under real nodes: new genesis, second process, restored backup, taken files, keys that
//! end, and the commands that look at them. Those that wait for many slots are run by `make accept`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, helpers included")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use support::single::{Net, PATIENCE, copy_ledger, failure, success};
use support::{lathe, ledger_conflicts, signal};

#[test]
#[ignore = "waits for slots; run by make accept"]
fn long_keys_of_another_genesis_sign_only_when_that_is_accepted() {
    let net = Net::new(64);
    let node = net.start("data", &[]);
    net.wait_for_signature(&node, 1);
    drop(node);
    fs::rename(net.path("data"), net.path("first")).unwrap();
    net.set_genesis(2);
    let error = net.start("data", &[]).refusal();
    assert!(error.contains("has signed for the network with genesis time"), "{error}");
    assert!(error.contains("--allow-key-reuse"), "{error}");
    assert!(!net.path("data/ledger/signing.ledger").exists());

    let mut node = net.start("data", &["--allow-key-reuse"]);
    let line = node.wait_for_line("--allow-key-reuse");
    assert!(line.contains("WARN") && line.contains("gives them away"), "{line}");
    node.wait_for_line("node is up");
    net.wait_for_signature(&node, 1);
    let metrics = format!("http://127.0.0.1:{}/metrics", net.ports + 2);
    let metrics = ureq::get(&metrics).call().unwrap().body_mut().read_to_string().unwrap();
    assert!(metrics.contains("\nlathe_key_reuse_allowed 1\n"), "{metrics}");
    assert!(metrics.contains("lathe_key_end_slot{role=\"attestation\",validator=\"0\"} 64\n"), "{metrics}");
    drop(node);
    // This is what was accepted, and what the guard is there for.
    let (conflicts, _) = ledger_conflicts(&[&net.path("first"), &net.path("data")]);
    assert!(conflicts > 0);
}

#[test]
#[ignore = "waits for slots; run by make accept"]
fn long_wiped_data_costs_two_slots_and_no_key() {
    let net = Net::new(64);
    let node = net.start("data", &[]);
    net.wait_for_signature(&node, 1);
    drop(node);
    fs::rename(net.path("data"), net.path("first")).unwrap();
    let mut node = net.start("data", &[]);
    node.wait_for_line("there was none, although the chain is running");
    let newest = net.newest().unwrap();
    net.wait_for_signature(&node, newest + 1);
    drop(node);
    let (conflicts, records) = ledger_conflicts(&[&net.path("first"), &net.path("data")]);
    assert_eq!(conflicts, 0);
    assert!(records >= 3, "{records}");
}

#[test]
fn a_second_node_with_the_same_key_files_ends_whatever_its_directories_are() {
    let net = Net::new(64);
    let mut first = net.start("a", &[]);
    first.wait_for_line("node is up");
    let error = net.start_other("b").refusal();
    let holder = format!("is in use by process {} (lathe", first.child.id());
    assert!(error.contains("_key_sk.ssz") && error.contains(&holder), "{error}");
    assert!(!net.path("b/ledger/signing.ledger").exists());
    assert_eq!(first.child.try_wait().unwrap(), None);
    drop(first);
    // The locks end with their process.
    net.start("b", &[]).wait_for_line("node is up");
}

#[test]
#[ignore = "waits for slots; run by make accept"]
fn long_key_files_that_were_replaced_by_copies_sign_in_one_process_only() {
    let net = Net::new(64);
    let mut first = net.start("a", &[]);
    first.wait_for_line("node is up");
    // The same keys, in files that nobody has locked.
    for entry in fs::read_dir(net.path("net/hash-sig-keys")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "ssz") {
            fs::copy(&path, net.path("copy")).unwrap();
            fs::rename(net.path("copy"), &path).unwrap();
        }
    }
    let mut second = net.start_other("b");
    let started = Instant::now();
    let said = "another process signs with a copy of key 0x";
    while ![&first, &second].into_iter().any(|node| node.said().contains(said)) {
        assert!(started.elapsed() < PATIENCE, "{}\n{}", first.said(), second.said());
        sleep(Duration::from_millis(100));
    }
    sleep(Duration::from_secs(2));
    let ended = [&mut first, &mut second].map(|node| node.child.try_wait().unwrap().is_some());
    assert_ne!(ended[0], ended[1], "one of them goes on:\n{}\n{}", first.said(), second.said());
    // What was recorded and has not left is no signature: the marks count those.
    let newest = net.newest().unwrap();
    let goes_on = if ended[0] { &second } else { &first };
    net.wait_for_signature(goes_on, newest + 1);
}

#[test]
#[ignore = "waits for slots; run by make accept"]
fn long_a_ledger_that_was_restored_from_a_backup_signs_no_slot_again() {
    let net = Net::new(64);
    let node = net.start("data", &[]);
    let first = net.wait_for_signature(&node, 1);
    copy_ledger(&net.path("data"), &net.path("backup"));
    net.wait_for_signature(&node, first + 1);
    drop(node);
    copy_ledger(&net.path("data"), &net.path("first"));
    copy_ledger(&net.path("backup"), &net.path("data"));
    let keys = net.path("net/hash-sig-keys");
    let verify = |data: &str| {
        let mut command = lathe();
        command.args(["signer", "verify"]).arg(net.path(data).join("ledger")).arg("--keys").arg(&keys);
        command.output().unwrap()
    };
    success(&verify("first"));
    assert!(failure(&verify("data")).contains("the ledger does not know them all"));
    let mut node = net.start("data", &[]);
    node.wait_for_line("does not vouch for every slot");
    let newest = net.newest().unwrap();
    net.wait_for_signature(&node, newest + 1);
    drop(node);
    let (conflicts, _) = ledger_conflicts(&[&net.path("first"), &net.path("data")]);
    assert_eq!(conflicts, 0);
}

#[test]
fn a_ledger_that_is_deleted_under_a_node_ends_it() {
    let net = Net::new(64);
    let mut node = net.start("data", &[]);
    node.wait_for_line("node is up");
    fs::remove_file(net.path("data/ledger/signing.ledger")).unwrap();
    let error = node.refusal();
    assert!(error.contains("it was moved away or deleted while it was in use"), "{error}");
}

#[test]
fn one_key_in_both_roles_is_refused() {
    let net = Net::new(4);
    let path = net.path("net/config.yaml");
    let text = fs::read_to_string(&path).unwrap();
    let value = |name: &str| text.split_once(&format!("{name}: \"")).unwrap().1.split('"').next().unwrap();
    fs::write(&path, text.replace(value("proposal_pubkey"), value("attestation_pubkey"))).unwrap();
    let rows = net.path("net/annotated_validators.yaml");
    let edited =
        fs::read_to_string(&rows).unwrap().replace(value("proposal_pubkey"), value("attestation_pubkey"));
    fs::write(&rows, edited).unwrap();
    let keys = net.path("net/hash-sig-keys");
    fs::copy(keys.join("validator_0_attester_key_sk.ssz"), keys.join("validator_0_proposer_key_sk.ssz"))
        .unwrap();
    let error = net.start("data", &[]).refusal();
    let expected = "serves twice, as the attester of validator 0 and as the proposer of validator 0";
    assert!(error.contains(expected), "{error}");
}

#[test]
#[ignore = "waits for slots; run by make accept"]
fn long_keys_that_have_ended_are_said_in_one_line() {
    let net = Net::new(2);
    let mut node = net.start("data", &[]);
    let line = node.wait_for_line("keys have ended");
    let expected = "validator 0 attestation (last slot 1), validator 0 proposal (last slot 1)";
    assert!(line.contains(expected) && line.contains("lathe keys generate"), "{line}");
    sleep(Duration::from_secs(6));
    let said = node.said();
    assert_eq!(said.matches("keys have ended").count(), 1, "{said}");
    // The line that tells of each slot counts it, and no other.
    let mut counted = said.lines().filter(|line| line.contains("key_exhausted"));
    assert!(counted.all(|line| line.contains(" slot ")), "{said}");
    drop(node);
    net.start("data", &[]).wait_for_line(expected);
    let shown = net.inspect(&["--config", net.path("net/config.yaml").to_str().unwrap()]);
    assert!(shown.contains("slots left  none: this key has ended"), "{shown}");
    assert!(shown.contains("used by     validator 0, proposal"), "{shown}");
    assert!(shown.lines().all(|line| line.starts_with('/') || line.len() <= 80), "{shown}");
}

#[test]
fn read_only_keys_are_locked_and_said_to_have_no_mark() {
    let net = Net::new(64);
    let script = "mount --bind \"$0\" \"$0\" && mount -o remount,ro,bind \"$0\" && exec \"$@\"";
    let node = net.command("data", &[]);
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(net.path("net/hash-sig-keys"));
    command.arg(node.get_program()).args(node.get_args());
    if !Command::new("unshare").args(["--mount", "true"]).status().is_ok_and(|status| status.success()) {
        // Only who may mount can see what happens on a mount that cannot be written.
        return;
    }
    let mut node = net.spawn(command, "log");
    let line = node.wait_for_line("cannot be written, so what its keys have signed is only known to");
    assert!(line.contains("WARN") && line.contains("never wipe"), "{line}");
    node.wait_for_line("node is up");
    assert!(net.start_other("b").refusal().contains("is in use by process"));
    assert!(
        net.path("data/ledger/signing.marks").exists()
            && !net.path("net/hash-sig-keys/signing.marks").exists()
    );
}

#[test]
fn a_ledger_is_shown_checked_and_moved() {
    let net = Net::new(64);
    let node = net.start("data", &[]);
    net.wait_for_signature(&node, 1);
    let config = net.path("net/config.yaml");
    let signer = |command: &str, ledger: &str, more: &[&Path]| {
        lathe().args(["signer", command]).arg(net.path(ledger).join("ledger")).args(more).output().unwrap()
    };
    // While the node runs it can be looked at, and not moved.
    let shown = success(&signer("show", "data", &[Path::new("--config"), &config]));
    assert!(shown.contains("validator 0, attestation") && shown.contains("  on record   slots "), "{shown}");
    let out = net.path("export");
    let error = failure(&signer("export", "data", &[Path::new("--out"), &out]));
    assert!(error.contains("signing.ledger is in use by process"), "{error}");
    drop(node);
    success(&signer("export", "data", &[Path::new("--out"), &out]));
    let error = failure(&signer("export", "data", &[Path::new("--out"), &out]));
    assert!(error.contains("choose another --out"), "{error}");
    let before = fs::read(net.path("data/ledger/signing.ledger")).unwrap();
    success(&signer("import", "data", &[&out]));
    success(&signer("import", "moved", &[&out]));
    assert_eq!(ledger_conflicts(&[&net.path("data"), &net.path("moved")]).0, 0);
    assert!(before.len() <= fs::read(net.path("data/ledger/signing.ledger")).unwrap().len());
    success(&signer("verify", "moved", &[Path::new("--keys"), &net.path("net/hash-sig-keys")]));
    // A directory without marks vouches for nothing.
    let error = failure(&signer("verify", "moved", &[Path::new("--keys"), &net.path("net")]));
    assert!(error.contains("there is no mark of a key of this ledger"), "{error}");
    let text = fs::read_to_string(&out).unwrap();
    let cut = net.path("cut");
    fs::write(&cut, &text[..text.len() - 10]).unwrap();
    let moved = fs::read(net.path("moved/ledger/signing.ledger")).unwrap();
    let error = failure(&signer("import", "moved", &[&cut]));
    assert!(error.contains("cut: the interchange file is not usable, line "), "{error}");
    assert_eq!(fs::read(net.path("moved/ledger/signing.ledger")).unwrap(), moved);
    assert!(success(&signer("resume", "moved", &[])).contains("no key rests"));
    for command in ["show", "verify", "resume"] {
        let error = failure(&signer(command, "nowhere", &[]));
        assert!(error.contains("nowhere/ledger: there is no signing ledger"), "{error}");
    }
    assert!(!net.path("nowhere").exists());
}

#[test]
fn keys_are_inspected_and_converted() {
    let net = Net::new(131_072 / 64);
    let keys = net.path("net/hash-sig-keys");
    let first = keys.join("validator_0_attester_key_sk.ssz");
    let convert = |to: &str, out: &Path| {
        lathe().args(["keys", "convert"]).arg(&first).args(["--to", to, "--out"]).arg(out).output().unwrap()
    };
    let shown = net.inspect(&[]);
    assert!(
        shown.contains("  format      lathe\n") && shown.contains("  slots       0 to 2047 (2 hours)\n"),
        "{shown}"
    );
    assert!(shown.contains("none that is known here"), "{shown}");
    let out = net.path("converted");
    let error = failure(&convert("lathe", &out));
    assert!(error.contains("is in lathe's format already"), "{error}");
    let error = failure(&convert("leansig", &out));
    assert!(
        error.contains("cannot be exported: leanSig's format holds whole spans of 65536 slots"),
        "{error}"
    );
    let error = failure(&convert("leansig", &first));
    assert!(error.contains("already exists and is never overwritten"), "{error}");
    let mut node = net.start("data", &[]);
    node.wait_for_line("node is up");
    assert!(failure(&convert("leansig", &out)).contains("is in use by process"));
    assert!(!out.exists());
    let error = failure(&lathe().args(["keys", "inspect"]).arg(net.path("net")).output().unwrap());
    assert!(error.contains("there are no *_sk.ssz files in this directory"), "{error}");
}

#[test]
#[ignore = "waits for slots; run by make accept"]
fn long_nodes_with_copies_of_one_key_stop_using_it() {
    let net = Net::new(256);
    let (keys, copies) = (net.path("net/hash-sig-keys"), net.path("copies"));
    fs::create_dir(&copies).unwrap();
    for entry in fs::read_dir(&keys).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copies.join(path.file_name().unwrap())).unwrap();
    }
    // The same node again, but for its identity and where it listens.
    let identity = net.path("identity");
    fs::write(&identity, "11".repeat(32)).unwrap();
    let ports = [3, 4, 5].map(|at| (net.ports + at).to_string());
    let mut options =
        vec!["--gossipsub-port", &ports[0], "--api-port", &ports[1], "--metrics-port", &ports[2]];
    options.extend([
        "--hash-sig-keys-dir",
        copies.to_str().unwrap(),
        "--node-key",
        identity.to_str().unwrap(),
    ]);
    let mut first = net.start("a", &[]);
    let mut second = net.spawn(net.command("b", &options), "other.log");
    second.wait_for_line("node is up");
    net.wait_for_signature(&first, 1);
    // In step they sign the same, which is harmless and tells nothing. One that was held up sees what the other signed
    // meanwhile, at slots that its own ledger vouches for.
    let process = second.child.id().to_string();
    let said = "ANOTHER NODE SIGNS WITH OUR KEYS";
    assert!(signal("-STOP", &process));
    let newest = net.newest().unwrap();
    net.wait_for_signature(&first, newest + 1);
    sleep(Duration::from_secs(1));
    assert!(signal("-CONT", &process));
    let started = Instant::now();
    let stopped = loop {
        if let Some(node) = [&first, &second].into_iter().find(|node| node.said().contains(said)) {
            break node.said();
        }
        assert!(started.elapsed() < PATIENCE, "{}\n{}", first.said(), second.said());
        sleep(Duration::from_millis(100));
    };
    let line = stopped.lines().find(|line| line.contains(said)).unwrap();
    assert!(
        line.contains("ERROR") && line.contains("validator 0 ") && line.contains("lathe signer resume"),
        "{line}"
    );
    for node in [&mut first, &mut second] {
        assert_eq!(node.child.try_wait().unwrap(), None, "the node itself goes on");
    }
}
