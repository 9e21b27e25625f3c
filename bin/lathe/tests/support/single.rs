//! A network of one node with one validator, for the tests of its keys, its ledger and its signer.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tempfile::TempDir;

use super::{free_ports, lathe};

/// Longest wait; only reached when something hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// One node with one validator, whose network begins in a moment.
pub(crate) struct Net {
    dir: TempDir,
    /// The first of six free ones.
    pub ports: u16,
}

/// A process that does not outlive its test, and what it says.
pub(crate) struct Node {
    pub child: Child,
    log: PathBuf,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Node {
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub(crate) fn wait_for_line(&mut self, text: &str) -> String {
        let started = Instant::now();
        loop {
            let said = self.said();
            if let Some(line) = said.lines().find(|line| line.contains(text)) {
                return line.to_owned();
            }
            assert!(started.elapsed() < PATIENCE, "`{text}` was never said:\n{said}");
            assert_eq!(self.child.try_wait().unwrap(), None, "the node ended:\n{said}");
            sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn wait_for_end(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "the node runs on:\n{}", self.said());
            sleep(Duration::from_millis(50));
        }
    }

    /// The one line of a node that ends by itself.
    pub(crate) fn refusal(mut self) -> String {
        let status = self.wait_for_end();
        let said = self.said();
        assert_eq!(status.code(), Some(1), "{said}");
        let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{said}");
        errors[0].to_owned()
    }
}

impl Net {
    pub(crate) fn new(slots: u64) -> Self {
        let net = Self { dir: tempfile::tempdir().unwrap(), ports: free_ports(6) };
        let [quic, api, metrics] = [0, 1, 2].map(|at| (net.ports + at).to_string());
        let made = lathe()
            .args(["genesis", "--nodes", "1", "--validators", "1", "--genesis-delay", "2"])
            .args(["--aggregation-backend", "raw", "--slots", &slots.to_string()])
            .args(["--base-port", &quic, "--base-api-port", &api, "--base-metrics-port", &metrics])
            .arg("--out")
            .arg(net.path("net"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        net
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn command(&self, data: &str, options: &[&str]) -> Command {
        let mut command = lathe();
        command.args(["node", "--node-id", "lathe_0", "--aggregation-backend", "raw", "--network-dir"]);
        command.arg(self.path("net")).arg("--data-dir").arg(self.path(data)).args(options);
        command
    }

    pub(crate) fn spawn(&self, mut command: Command, name: &str) -> Node {
        let log = self.path(name);
        let file = File::create(&log).unwrap();
        command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        Node { child: command.spawn().unwrap(), log }
    }

    pub(crate) fn start(&self, data: &str, options: &[&str]) -> Node {
        self.spawn(self.command(data, options), "log")
    }

    /// A second node beside the first.
    pub(crate) fn start_other(&self, data: &str) -> Node {
        let ports = [3, 4, 5].map(|at| (self.ports + at).to_string());
        let options = ["--gossipsub-port", &ports[0], "--api-port", &ports[1], "--metrics-port", &ports[2]];
        self.spawn(self.command(data, &[&options[..], &["--bootnodes", "none"]].concat()), "other.log")
    }

    /// What the keys have signed, by their marks: the newest slot of the attestation key.
    pub(crate) fn newest(&self) -> Option<u64> {
        let inspected = self.inspect(&["--json"]);
        let keys = inspected.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        keys.filter_map(|key| key["used"]["newest_slot"].as_u64()).max()
    }

    pub(crate) fn inspect(&self, options: &[&str]) -> String {
        success(
            &lathe()
                .args(["keys", "inspect"])
                .arg(self.path("net/hash-sig-keys"))
                .args(options)
                .output()
                .unwrap(),
        )
    }

    /// Id in the ledger of the only validator's attester or proposer key.
    pub(crate) fn key_id(&self, role: &str) -> [u8; 32] {
        let inspected = self.inspect(&["--json"]);
        let keys = inspected.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let mut ours = keys.filter(|key| key["file"].as_str().unwrap().contains(role));
        let id = ours.next().unwrap()["key"].as_str().unwrap().to_owned();
        hex::decode(id.trim_start_matches("0x")).unwrap().try_into().unwrap()
    }

    pub(crate) fn wait_for_signature(&self, node: &Node, slot: u64) -> u64 {
        let started = Instant::now();
        loop {
            match self.newest() {
                Some(newest) if newest >= slot => return newest,
                _ => assert!(started.elapsed() < PATIENCE, "nothing is signed:\n{}", node.said()),
            }
            sleep(Duration::from_millis(100));
        }
    }

    /// The current slot; the network has begun.
    pub(crate) fn slot(&self) -> u64 {
        let text = fs::read_to_string(self.path("net/config.yaml")).unwrap();
        let genesis = text.lines().find_map(|line| line.strip_prefix("GENESIS_TIME:")).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        (now - genesis.trim().parse::<u64>().unwrap()) / super::SLOT.as_secs()
    }

    pub(crate) fn set_genesis(&self, seconds_from_now: u64) {
        let path = self.path("net/config.yaml");
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let text = fs::read_to_string(&path).unwrap();
        let new = format!("GENESIS_TIME: {}", now + seconds_from_now);
        let lines = text.lines().map(|line| if line.starts_with("GENESIS_TIME:") { &new } else { line });
        fs::write(&path, lines.collect::<Vec<_>>().join("\n")).unwrap();
    }
}

pub(crate) fn success(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) fn failure(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn copy_ledger(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("ledger")).unwrap();
    fs::copy(from.join("ledger/signing.ledger"), to.join("ledger/signing.ledger")).unwrap();
}
