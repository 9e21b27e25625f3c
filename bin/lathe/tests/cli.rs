//! The command line from outside: what it makes, and what it says when something is wrong.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

use std::fs;
use std::io::Read as _;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use lathe_network::{NodeKey, NodeRecord};
use tempfile::TempDir;

/// Longest wait for a process to end or to come up; only reached when something hangs.
const PATIENCE: Duration = Duration::from_secs(60);

fn lathe(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lathe")).args(args).env_remove("RUST_LOG").output().unwrap()
}

/// The one line that a failing command says.
fn error_of(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    let errors: Vec<&str> = text.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{text}");
    assert_eq!(text.lines().last(), Some(errors[0]), "{text}");
    errors[0].to_owned()
}

/// A network of one node whose genesis is far away.
struct Network {
    dir: TempDir,
    ports: [u16; 3],
}

impl Network {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tcp = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (quic, api, metrics) = (UdpSocket::bind("127.0.0.1:0").unwrap(), tcp(), tcp());
        let ports = [quic.local_addr().unwrap(), api.local_addr().unwrap(), metrics.local_addr().unwrap()];
        let network = Self { dir, ports: ports.map(|address| address.port()) };
        let made = network.genesis();
        assert!(made.status.success(), "{made:?}");
        network
    }

    fn genesis(&self) -> Output {
        let [quic, api, metrics] = self.ports.map(|port| port.to_string());
        let ports = ["--base-port", &quic, "--base-api-port", &api, "--base-metrics-port", &metrics];
        let plan =
            ["genesis", "--nodes", "1", "--validators", "1", "--slots", "4", "--genesis-delay", "3600"];
        lathe(&[&plan[..], &ports, &["--out", self.dir.path().to_str().unwrap()]].concat())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn node(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lathe"));
        command.args(["node", "--node-id", "lathe_0", "--network-dir"]).arg(self.dir.path()).args(more);
        command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// What a node says that does not start.
    fn refusal(&self, more: &[&str]) -> String {
        let mut child = Running(self.node(more).spawn().unwrap());
        let started = Instant::now();
        let status = loop {
            if let Some(status) = child.0.try_wait().unwrap() {
                break status;
            }
            assert!(started.elapsed() < PATIENCE, "the node runs although it should not");
            std::thread::sleep(Duration::from_millis(20));
        };
        let mut stderr = Vec::new();
        child.0.stderr.take().unwrap().read_to_end(&mut stderr).unwrap();
        error_of(&Output { status, stdout: Vec::new(), stderr })
    }

    /// Starts a node and waits until it answers.
    fn start(&self, more: &[&str]) -> Running {
        let mut child = Running(self.node(more).stderr(Stdio::null()).spawn().unwrap());
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.ports[1])).is_err() {
            assert_eq!(child.0.try_wait().unwrap(), None, "the node ended");
            assert!(started.elapsed() < PATIENCE, "the node does not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
        child
    }

    fn edit(&self, name: &str, change: impl Fn(&str) -> String) {
        let text = fs::read_to_string(self.path(name)).unwrap();
        let changed = change(&text);
        assert_ne!(text, changed, "the edit of {name} changes something");
        fs::write(self.path(name), changed).unwrap();
    }
}

/// A process that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn files_below(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            files.push((path, bytes));
        }
    }
    files.sort();
    files
}

#[test]
fn genesis_makes_records_of_its_own_keys() {
    let network = Network::new();
    let nodes = fs::read_to_string(network.path("nodes.yaml")).unwrap();
    let record: NodeRecord = nodes.trim().strip_prefix("- ").unwrap().parse().unwrap();
    let key = NodeKey::from_hex(&fs::read_to_string(network.path("lathe_0.key")).unwrap()).unwrap();
    assert_eq!(record.peer_id().unwrap(), key.peer_id());
    let address = format!("/ip4/127.0.0.1/udp/{}/quic-v1", network.ports[0]);
    assert_eq!(record.quic_address().unwrap().to_string(), address);
    let config = fs::read_to_string(network.path("config.yaml")).unwrap();
    assert!(
        config.contains("\nFORK_DIGEST: \""),
        "our proofs are of another format than the default digest's"
    );
}

#[test]
fn nothing_is_made_twice() {
    let network = Network::new();
    let before = files_below(network.dir.path());
    let error = error_of(&network.genesis());
    assert!(
        error
            .contains("config.yaml: already exists and is never overwritten; this directory holds a network")
    );
    let dir = network.dir.path().to_str().unwrap();
    let error = error_of(&lathe(&["keys", "generate", "--validators", "1", "--slots", "4", "--out", dir]));
    assert!(error.contains("hash-sig-keys: already exists and is never overwritten"), "{error}");
    assert_eq!(files_below(network.dir.path()), before);
}

#[test]
fn keys_are_made_alone() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().to_str().unwrap();
    let made = lathe(&["keys", "generate", "--validators", "1", "--slots", "4", "--out", out]);
    assert!(made.status.success(), "{made:?}");
    let said = String::from_utf8(made.stdout).unwrap();
    assert_eq!(said, format!("made 2 keys for slots 0 to 3 (16 seconds) in {out}/hash-sig-keys\n"));
    assert!(made.stderr.is_empty(), "no progress bar without a terminal");
    assert_eq!(files_below(dir.path()).len(), 5);
}

#[test]
fn broken_files_are_named() {
    /// A file, what spoils it, and what the error says.
    type Case<'a> = (&'a str, &'a dyn Fn(&str) -> String, &'a str);
    let cases: [Case<'_>; 6] = [
        ("config.yaml", &|_| "[".into(), "config.yaml: not the YAML that is expected here"),
        (
            "config.yaml",
            &|text| text.replace("GENESIS_TIME: ", "GENESIS_TIME: x"),
            "config.yaml: GENESIS_TIME: ",
        ),
        (
            "config.yaml",
            &|text| text.replacen("attestation_pubkey: \"", "attestation_pubkey: \"zz", 1),
            "config.yaml: GENESIS_VALIDATORS[0].attestation_pubkey: ",
        ),
        (
            "annotated_validators.yaml",
            &|text| text.replace("index: 0", "index: 7"),
            "annotated_validators.yaml: ",
        ),
        ("lathe_0.key", &|text| text[2..].into(), "lathe_0.key: node key: has 62 characters"),
        ("validator-config.yaml", &|text| text.replace("apiPort: ", "apiPort: 9"), "validator-config.yaml: "),
    ];
    for (file, change, expected) in cases {
        let network = Network::new();
        network.edit(file, change);
        let error = network.refusal(&[]);
        assert!(error.contains(expected), "{file}: {error}");
    }
}

#[test]
fn missing_and_damaged_keys_are_named() {
    let network = Network::new();
    let key = network.path("hash-sig-keys/validator_0_attester_key_sk.ssz");
    fs::write(&key, b"not a key").unwrap();
    let error = network.refusal(&[]);
    assert!(error.contains("validator_0_attester_key_sk.ssz"), "{error}");
    fs::remove_file(&key).unwrap();
    let error = network.refusal(&[]);
    assert!(error.contains("validator_0_attester_key_sk.ssz"), "{error}");
    // The keys of another network are keys, but not the right ones.
    let other = Network::new();
    fs::copy(other.path("hash-sig-keys/validator_0_attester_key_sk.ssz"), &key).unwrap();
    let error = network.refusal(&[]);
    assert!(error.contains("validator_0_attester_key_sk.ssz"), "{error}");
}

#[test]
fn a_directory_that_is_none_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("nowhere");
    let output = lathe(&["node", "--node-id", "lathe_0", "--network-dir", missing.to_str().unwrap()]);
    let error = error_of(&output);
    assert!(error.contains("nowhere/config.yaml: cannot be read (No such file or directory"), "{error}");
    assert!(!missing.exists());
}

#[test]
fn taken_ports_are_named() {
    let network = Network::new();
    let [quic, api, metrics] = network.ports;
    let held = UdpSocket::bind(("127.0.0.1", quic)).unwrap();
    let error = network.refusal(&[]);
    assert!(error.contains(&quic.to_string()), "{error}");
    drop(held);
    for (port, option) in [(api, "--api-port"), (metrics, "--metrics-port")] {
        let held = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let error = network.refusal(&[]);
        assert!(error.contains(&format!("127.0.0.1:{port}")) && error.contains(option), "{error}");
        drop(held);
    }
}

#[test]
fn a_checkpoint_that_cannot_be_had_is_named() {
    let network = Network::new();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{nobody}/lean/v0/states/finalized");
    let error = network.refusal(&["--checkpoint-sync-url", &url]);
    let expected = format!("no server gave a checkpoint to start from: http://{nobody} does not answer: ");
    assert!(error.contains(&expected), "{error}");
    assert!(error.contains("try another --checkpoint-sync-url"), "{error}");
    // With a chain to go on from, the node starts all the same.
    drop(network.start(&[]));
    drop(network.start(&["--checkpoint-sync-url", &url]));

    let output = network.node(&["--checkpoint-sync-url", "http://me:secret@host"]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("a name and a password in the URL are not supported"), "{text}");
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn a_second_process_on_the_same_data_is_refused() {
    let network = Network::new();
    let running = network.start(&[]);
    let elsewhere = ["--gossipsub-port", "0", "--api-port", "0", "--metrics-port", "0"];
    // Nor do another database and another ledger help: the key files themselves are what is held.
    let fresh = network.path("fresh");
    for more in [&[][..], &["--data-dir", fresh.to_str().unwrap()]] {
        let error = network.refusal(&[&elsewhere[..], more].concat());
        assert!(error.contains("_key_sk.ssz is in use by process"), "{error}");
    }
    drop(running);
    // Both locks end with the process that held them.
    drop(network.start(&[]));
}

#[test]
fn a_database_of_another_network_is_refused() {
    let (network, other) = (Network::new(), Network::new());
    drop(other.start(&[]));
    let data = other.path("data/lathe_0");
    let before = files_below(&data).len();
    let error = network.refusal(&["--data-dir", data.to_str().unwrap()]);
    assert!(error.contains("data/lathe_0"), "{error}");
    assert!(files_below(&data).len() >= before);
}
