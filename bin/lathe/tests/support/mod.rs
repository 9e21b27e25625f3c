//! A network of real processes for the tests that kill some of them.

#![allow(dead_code, reason = "every test file uses its own part")]
#![allow(
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test fails by panicking, helpers included"
)]

pub(crate) mod single;

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Milliseconds of a slot.
pub(crate) const SLOT: Duration = Duration::from_secs(4);

/// The binary under test.
pub(crate) fn lathe() -> Command {
    Command::new(env!("CARGO_BIN_EXE_lathe"))
}

/// libfaketime, with which a process has a clock of its own, where it is installed.
pub(crate) fn faketime() -> Option<PathBuf> {
    let lib = format!("/usr/lib/{}-linux-gnu/faketime/libfaketimeMT.so.1", std::env::consts::ARCH);
    Some(PathBuf::from(lib)).filter(|lib| lib.exists())
}

/// Sends a signal to a process.
pub(crate) fn signal(name: &str, process: &str) -> bool {
    Command::new("kill").args([name, process]).status().is_ok_and(|status| status.success())
}

/// Where ports for nodes are looked for: below those that systems give to outgoing connections. One of these may have
/// taken a port again by the time that a node on a busy machine gets to listen on it.
const PORTS: std::ops::Range<u16> = 12_000..32_000;

/// First of `count` consecutive ports that are free for UDP and TCP alike.
pub(crate) fn free_ports(count: u16) -> u16 {
    for _ in 0..100 {
        let probe = rand::random_range(PORTS);
        let last = probe + count;
        let free = |port| {
            UdpSocket::bind(("127.0.0.1", port)).is_ok() && TcpListener::bind(("127.0.0.1", port)).is_ok()
        };
        if (probe..last).all(free) {
            return probe;
        }
    }
    panic!("no {count} consecutive free ports");
}

/// Nodes of one network, each a process of its own; all are killed when this is dropped.
pub(crate) struct Network {
    dir: tempfile::TempDir,
    api_port: u16,
    metrics_port: u16,
    nodes: Vec<Option<Child>>,
    genesis_time: u64,
    /// Options of every node.
    options: Vec<String>,
}

impl Network {
    /// Makes keys and genesis, starts every node, and returns before genesis.
    pub(crate) fn start(nodes: usize, validators: u64, slots: u64) -> Self {
        Self::start_with(nodes, validators, slots, &[])
    }

    /// The same with options that the network and its nodes have in common.
    pub(crate) fn start_with(nodes: usize, validators: u64, slots: u64, options: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let count = u16::try_from(nodes).unwrap();
        let base = free_ports(3 * count);
        let (api_port, metrics_port) = (base + count, base + 2 * count);
        let made = lathe()
            .args(["genesis", "--genesis-delay", "10"])
            .args(options)
            .args(["--nodes", &nodes.to_string(), "--validators", &validators.to_string()])
            .args(["--slots", &slots.to_string(), "--base-port", &base.to_string()])
            .args([
                "--base-api-port",
                &api_port.to_string(),
                "--base-metrics-port",
                &metrics_port.to_string(),
            ])
            .arg("--out")
            .arg(dir.path().join("net"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let config = std::fs::read_to_string(dir.path().join("net/config.yaml")).unwrap();
        let genesis_time = config
            .lines()
            .find_map(|line| line.strip_prefix("GENESIS_TIME:"))
            .and_then(|value| value.trim().parse().ok())
            .unwrap();
        let nodes = (0..nodes).map(|_| None).collect();
        let options = options.iter().map(ToString::to_string).collect();
        let mut network = Self { dir, api_port, metrics_port, nodes, genesis_time, options };
        for index in 0..network.nodes.len() {
            network.start_node(index);
        }
        network
    }

    /// Starts a node that is not running.
    pub(crate) fn start_node(&mut self, index: usize) {
        self.start_node_with(index, &[]);
    }

    /// Starts a node that is not running with further options.
    pub(crate) fn start_node_with(&mut self, index: usize, options: &[&str]) {
        assert!(self.nodes[index].is_none(), "node {index} runs already");
        let log = File::options().create(true).append(true).open(self.log(index)).unwrap();
        let mut command = lathe();
        if self.clock(index).exists() {
            command
                .env("LD_PRELOAD", faketime().unwrap())
                .env("FAKETIME_TIMESTAMP_FILE", self.clock(index))
                .env("FAKETIME_NO_CACHE", "1")
                .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        }
        let child = command
            .args(["node", "--node-id", &format!("lathe_{index}"), "--network-dir"])
            .arg(self.net())
            .arg("--data-dir")
            .arg(self.data_dir(index))
            .args(&self.options)
            .args(options)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.nodes[index] = Some(child);
    }

    /// Puts a node's system clock ahead of the real time by some seconds: at once if it runs with a clock of its own,
    /// else from its next start on.
    pub(crate) fn set_clock(&self, index: usize, ahead_s: u64) {
        let new = self.clock(index).with_extension("new");
        std::fs::write(&new, format!("+{ahead_s}")).unwrap();
        std::fs::rename(new, self.clock(index)).unwrap();
    }

    fn clock(&self, index: usize) -> PathBuf {
        self.dir.path().join(format!("clock-{index}"))
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self, index: usize) {
        let mut child = self.nodes[index].take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// The files of the network.
    pub(crate) fn net(&self) -> PathBuf {
        self.dir.path().join("net")
    }

    /// Where a node keeps its chain and its ledger.
    pub(crate) fn data_dir(&self, index: usize) -> PathBuf {
        self.dir.path().join(format!("data-{index}"))
    }

    /// What a node has logged.
    pub(crate) fn log_of(&self, index: usize) -> String {
        std::fs::read_to_string(self.log(index)).unwrap_or_default()
    }

    fn log(&self, index: usize) -> PathBuf {
        self.dir.path().join(format!("node-{index}.log"))
    }

    /// Time since genesis; zero before it.
    pub(crate) fn elapsed(&self) -> Duration {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        now.saturating_sub(Duration::from_secs(self.genesis_time))
    }

    /// Slot by the clock.
    pub(crate) fn slot(&self) -> u64 {
        self.elapsed().as_secs() / SLOT.as_secs()
    }

    /// Sleeps until the last interval of `slot`, when head and finality of the slot are settled.
    pub(crate) fn wait_for(&self, slot: u64) {
        let genesis = std::time::UNIX_EPOCH + Duration::from_secs(self.genesis_time);
        let moment = genesis + SLOT * u32::try_from(slot).unwrap() + Duration::from_millis(2700);
        if let Ok(rest) = moment.duration_since(std::time::SystemTime::now()) {
            std::thread::sleep(rest);
        }
    }

    /// Where a node's API answers.
    pub(crate) fn url(&self, index: usize) -> String {
        format!("http://127.0.0.1:{}", self.api_port + u16::try_from(index).unwrap())
    }

    /// A JSON answer of a node's API, or `None` if it does not answer.
    pub(crate) fn api(&self, index: usize, path: &str) -> Option<Value> {
        let body = get(&format!("{}/lean/v0/{path}", self.url(index)))?;
        serde_json::from_str(&body).ok()
    }

    /// A plain or labelled metric of a node, summed over its labels.
    pub(crate) fn metric(&self, index: usize, name: &str) -> Option<f64> {
        self.labelled(index, name, &[])
    }

    /// The same, of the values that have these labels only.
    pub(crate) fn labelled(&self, index: usize, name: &str, labels: &[&str]) -> Option<f64> {
        let port = self.metrics_port + u16::try_from(index).unwrap();
        let body = get(&format!("http://127.0.0.1:{port}/metrics"))?;
        let values: Vec<f64> = body
            .lines()
            .filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])))
            .filter(|line| labels.iter().all(|label| line.contains(label)))
            .filter_map(|line| line.rsplit(' ').next()?.parse().ok())
            .collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    /// Slot that a node has finalized.
    pub(crate) fn finalized(&self, index: usize) -> Option<u64> {
        self.api(index, "fork_choice")?["finalized"]["slot"].as_u64()
    }

    /// Slot and root of a node's head.
    pub(crate) fn head(&self, index: usize) -> Option<(u64, String)> {
        let view = self.api(index, "fork_choice")?;
        let head = view["head"].as_str()?.to_owned();
        let node = view["nodes"].as_array()?.iter().find(|node| node["root"] == head.as_str())?;
        Some((node["slot"].as_u64()?, head))
    }

    /// Whether a node says that it is in sync.
    pub(crate) fn in_sync(&self, index: usize) -> bool {
        self.api(index, "node/syncing").is_some_and(|status| status["is_syncing"] == false)
    }

    /// Polls until `reached` holds, at most `patience`.
    pub(crate) fn wait_until(&self, what: &str, patience: Duration, mut reached: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !reached(self) {
            assert!(start.elapsed() < patience, "{what}: not within {patience:?}\n{}", self.logs());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// Last lines of every node's log, for a failure's message.
    pub(crate) fn logs(&self) -> String {
        (0..self.nodes.len())
            .map(|index| {
                let log = std::fs::read_to_string(self.log(index)).unwrap_or_default();
                let lines: Vec<&str> = log.lines().collect();
                format!("--- node {index}\n{}\n", lines[lines.len().saturating_sub(25)..].join("\n"))
            })
            .collect()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for child in self.nodes.iter_mut().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            println!("{}", self.logs());
        }
    }
}

fn get(url: &str) -> Option<String> {
    let config = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(2))).build();
    ureq::Agent::new_with_config(config).get(url).call().ok()?.body_mut().read_to_string().ok()
}

/// Slots that a node's ledger has signing records for.
pub(crate) fn signed_slots(data_dir: &Path) -> BTreeSet<u64> {
    ledger_records(&data_dir.join("ledger")).into_iter().map(|((_, slot), _)| slot).collect()
}

/// Signing records in the ledgers of a node that hold a second message for one key and slot, and how many records there
/// are.
pub(crate) fn ledger_conflicts(data_dirs: &[&Path]) -> (usize, usize) {
    let mut seen = HashMap::new();
    let (mut conflicts, mut count) = (0, 0);
    for data_dir in data_dirs {
        for (key_and_slot, message) in ledger_records(&data_dir.join("ledger")) {
            count += 1;
            if seen.insert(key_and_slot, message).is_some_and(|before| before != message) {
                conflicts += 1;
            }
        }
    }
    (conflicts, count)
}

/// A key's id and a slot, and the message that was signed there.
pub(crate) type Signed = (([u8; 32], u64), [u8; 32]);

/// What a ledger says was signed: the key's id and the slot, and the message. Reads the file's bytes, so that it does
/// not rely on the code under test.
pub(crate) fn ledger_records(ledger_dir: &Path) -> Vec<Signed> {
    const HEADER: usize = 36;
    const RECORD: usize = 81;
    const SIGNED: u8 = 1;
    let bytes = std::fs::read(ledger_dir.join("signing.ledger")).unwrap();
    let records = bytes[HEADER..].chunks_exact(RECORD).take_while(|record| record[0] != 0);
    let signed = records.filter(|record| record[0] == SIGNED).map(|record| {
        let slot = u64::from_be_bytes(record[33..41].try_into().unwrap());
        ((record[1..33].try_into().unwrap(), slot), record[41..73].try_into().unwrap())
    });
    signed.collect()
}
