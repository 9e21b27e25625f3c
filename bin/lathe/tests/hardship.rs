//! A node on a bad day: a full disk for its log, signals at any moment, files that are not as they should be.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, helpers included")]

mod support;

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use support::free_ports;
use tempfile::TempDir;

/// Longest wait for a process to end or to come up; only reached when something hangs.
const PATIENCE: Duration = Duration::from_secs(60);

fn lathe() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lathe"));
    command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A network of one node whose genesis is far away.
struct Network {
    dir: TempDir,
    api_port: u16,
}

impl Network {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let base = free_ports(3);
        let [quic, api, metrics] = [0, 1, 2].map(|at| (base + at).to_string());
        let made = lathe()
            .args(["genesis", "--nodes", "1", "--validators", "1", "--slots", "4", "--genesis-delay", "3600"])
            .args(["--base-port", &quic, "--base-api-port", &api, "--base-metrics-port", &metrics])
            .arg("--out")
            .arg(dir.path())
            .status();
        assert!(made.unwrap().success());
        Self { dir, api_port: base + 1 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn node(&self) -> Command {
        let mut command = lathe();
        command.args(["node", "--node-id", "lathe_0", "--network-dir"]).arg(self.dir.path());
        command
    }

    /// Waits until the node answers.
    fn wait_up(&self, node: &mut Running) {
        let started = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.api_port)).is_err() {
            assert_eq!(node.0.try_wait().unwrap(), None, "the node ended");
            assert!(started.elapsed() < PATIENCE, "the node does not come up");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Runs the node until it answers, stops it, and returns what it logged.
    fn log_of_a_start(&self, more: &[&str]) -> String {
        let log = self.path("node.log");
        let mut node = Running(self.node().args(more).stderr(File::create(&log).unwrap()).spawn().unwrap());
        self.wait_up(&mut node);
        node.signal("TERM");
        assert!(node.ended().success());
        fs::read_to_string(&log).unwrap()
    }

    /// The last line of a node that does not start.
    fn refusal(&self) -> String {
        let output = self.node().stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap().lines().last().unwrap_or_default().to_owned()
    }
}

/// A process that does not outlive its test.
struct Running(Child);

impl Running {
    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name, &self.0.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    fn ended(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "the process does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server that accepts and then keeps silent.
fn silent_server() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

#[test]
#[cfg(target_os = "linux")]
fn a_log_that_cannot_be_written_stops_nothing() {
    let network = Network::new();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut node = Running(network.node().env("RUST_LOG", "debug").stderr(full).spawn().unwrap());
    network.wait_up(&mut node);
    node.signal("TERM");
    assert!(node.ended().success());
    // Nor does a pipe that nobody reads, as of a terminal after Ctrl-S, hold up the end.
    let mut node = Running(
        network
            .node()
            .env("RUST_LOG", "trace,libp2p=trace,quinn=trace,hyper=trace")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    network.wait_up(&mut node);
    node.signal("TERM");
    assert!(node.ended().success());
}

#[test]
fn signals_are_heard_while_the_node_starts() {
    let network = Network::new();
    let (server, url) = silent_server();
    for signal in ["TERM", "INT"] {
        let mut node = Running(network.node().args(["--checkpoint-sync-url", &url]).spawn().unwrap());
        // It asks, and would wait for a minute.
        let (_asked, _) = server.accept().unwrap();
        node.signal(signal);
        assert_eq!(node.ended().code(), Some(0), "{signal}");
    }
}

#[test]
fn a_parent_that_goes_away_is_noticed_while_the_node_starts() {
    let network = Network::new();
    let (server, url) = silent_server();
    let mut command = network.node();
    command.args(["--checkpoint-sync-url", &url, "--stop-with-stdin"]).stdin(Stdio::piped());
    let mut node = Running(command.spawn().unwrap());
    let (_asked, _) = server.accept().unwrap();
    drop(node.0.stdin.take());
    assert!(node.ended().success());
}

#[test]
fn a_genesis_that_is_stopped_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("net");
    // Enough keys to be stopped in the middle.
    let mut genesis = lathe();
    genesis.args(["genesis", "--nodes", "1", "--validators", "64", "--slots", "100000", "--out"]).arg(&out);
    let mut genesis = Running(genesis.spawn().unwrap());
    let started = Instant::now();
    while fs::read_dir(&out).map_or(0, Iterator::count) == 0 {
        assert!(started.elapsed() < PATIENCE, "nothing is made");
        std::thread::sleep(Duration::from_millis(5));
    }
    genesis.signal("TERM");
    assert_eq!(genesis.ended().code(), Some(143));
    let left: Vec<PathBuf> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, Vec::<PathBuf>::new());
}

#[test]
fn bootnodes_that_cannot_be_used_are_warned_of_and_the_node_starts() {
    let network = Network::new();
    let own = fs::read_to_string(network.path("nodes.yaml")).unwrap();
    fs::write(network.path("nodes.yaml"), format!("\u{feff}- enr:-bad\n{own}")).unwrap();
    let log = network.log_of_a_start(&[]);
    assert!(log.contains("a bootnode is left out: `enr:-bad`"), "{log}");
    assert!(log.contains("no usable bootnode beside this node itself"), "{log}");
    let log = network.log_of_a_start(&["--bootnodes", "none"]);
    assert!(!log.contains("a bootnode is left out") && !log.contains("no usable bootnode"), "{log}");
    let log = network.log_of_a_start(&["--bootnodes", "/dns4/localhost/udp/9/quic-v1,'/ip4/10.0.0.1/tcp/1'"]);
    assert!(log.contains("a bootnode is left out: `/ip4/10.0.0.1/tcp/1`"), "{log}");
    assert!(!log.contains("no usable bootnode"), "{log}");
}

#[test]
#[cfg(unix)]
fn a_link_that_leads_nowhere_is_an_error() {
    let network = Network::new();
    let path = network.path("annotated_validators.yaml");
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink(network.path("nowhere"), &path).unwrap();
    let error = network.refusal();
    assert!(error.contains("annotated_validators.yaml: cannot be read"), "{error}");
}

#[test]
fn a_config_that_is_doubtful_is_told_of() {
    let network = Network::new();
    let path = network.path("config.yaml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}GENESIS_TIEM: 5\n")).unwrap();
    let log = network.log_of_a_start(&[]);
    assert!(log.contains("`GENESIS_TIEM` is not a name that is known here; is GENESIS_TIME meant?"), "{log}");
    fs::write(&path, text.replace("VALIDATOR_COUNT: 1", "VALIDATOR_COUNT: 9")).unwrap();
    let error = network.refusal();
    assert!(error.contains("config.yaml: VALIDATOR_COUNT: 9, but GENESIS_VALIDATORS lists 1"), "{error}");
}

#[test]
#[cfg(unix)]
fn secrets_that_others_can_read_are_told_of() {
    use std::os::unix::fs::PermissionsExt as _;
    let network = Network::new();
    assert!(!network.log_of_a_start(&[]).contains("secret files"));
    let key = network.path("lathe_0.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let log = network.log_of_a_start(&[]);
    assert!(
        log.contains("secret files can be read by others on this machine: ") && log.contains("lathe_0.key"),
        "{log}"
    );
}

#[test]
fn a_damaged_database_is_one_line_or_synchronised_anew() {
    let network = Network::new();
    network.log_of_a_start(&[]);
    let chain = network.path("data/lathe_0/chain");
    for entry in fs::read_dir(&chain).unwrap() {
        spoil(&entry.unwrap().path());
    }
    let error = network.refusal();
    assert!(
        error.starts_with(&format!("error: the chain database at {} is damaged (", chain.display())),
        "{error}"
    );
    assert!(error.ends_with("the signing ledger is not affected"), "{error}");
    let log = network.log_of_a_start(&["--resync-on-corruption"]);
    assert!(log.contains("it was moved to"), "{log}");
    network.log_of_a_start(&[]);
}

/// Overwrites the middle of a file.
fn spoil(path: &Path) {
    let mut bytes = Vec::new();
    File::open(path).unwrap().read_to_end(&mut bytes).unwrap();
    for byte in bytes.iter_mut().skip(64) {
        *byte ^= 0x5a;
    }
    File::create(path).unwrap().write_all(&bytes).unwrap();
}

#[test]
fn both_families_are_listened_on() {
    let network = Network::new();
    let log = network.log_of_a_start(&["--listen-addr", "127.0.0.1,::1", "--gossipsub-port", "0"]);
    let listening = log.lines().find(|line| line.contains("listening")).unwrap();
    assert!(listening.contains("127.0.0.1:") && listening.contains(", [::1]:"), "{log}");
}
