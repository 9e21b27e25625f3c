//! A network of one node with one validator that is ended again and again, and an ear that hears what it publishes.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lathe_hostile::Heard;
use lathe_network::Multiaddr;
use lathe_types::{Root, Slot};
use tokio::runtime::Runtime;

use crate::probe::{View, get, view};
use crate::support::{SLOT, free_ports, lathe, ledger_records};

/// Longest wait; only reached when something hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The network, its files in one directory, and what was heard of it.
pub(crate) struct Solo {
    dir: tempfile::TempDir,
    port: u16,
    genesis_time: u64,
    heard: Heard,
    runtime: Runtime,
    node: Option<Child>,
}

impl Solo {
    /// Makes keys and files; starts nothing.
    pub(crate) fn new(slots: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_ports(3);
        let root = dir.path().join("root");
        std::fs::create_dir(&root).unwrap();
        let made = lathe()
            .args(["genesis", "--nodes", "1", "--validators", "1", "--genesis-delay", "1"])
            .args(["--slots", &slots.to_string(), "--base-port", &port.to_string()])
            .args([
                "--base-api-port",
                &(port + 1).to_string(),
                "--base-metrics-port",
                &(port + 2).to_string(),
            ])
            .arg("--out")
            .arg(root.join("net"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let config = lathe_config::NetworkConfig::read(&root.join("net/config.yaml")).unwrap();
        let runtime = Runtime::new().unwrap();
        let heard = runtime.block_on(Heard::start(Ipv4Addr::LOCALHOST.into(), config.fork_digest()));
        Self { dir, port, genesis_time: config.genesis().genesis_time, heard, runtime, node: None }
    }

    /// What a fault may touch: network files, keys and data.
    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.root().join("data")
    }

    /// A path that no fault touches.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = lathe();
        command.args(["node", "--node-id", "lathe_0", "--network-dir"]).arg(self.root().join("net"));
        command.arg("--data-dir").arg(self.data());
        command
    }

    pub(crate) fn start(&mut self, mut command: Command) {
        assert!(self.node.is_none());
        let log = std::fs::File::options().create(true).append(true).open(self.path("log")).unwrap();
        command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.node = Some(command.spawn().unwrap());
    }

    pub(crate) fn process(&self) -> String {
        self.node.as_ref().unwrap().id().to_string()
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        let mut node = self.node.take().unwrap();
        node.kill().unwrap();
        node.wait().unwrap();
    }

    /// Waits for the node to end by itself; `None` if it does not within a time.
    pub(crate) fn ended(&mut self, within: Duration) -> Option<ExitStatus> {
        let started = Instant::now();
        while started.elapsed() < within {
            self.listen();
            if let Some(status) = self.node.as_mut().unwrap().try_wait().unwrap() {
                self.node = None;
                return Some(status);
            }
            sleep(Duration::from_millis(10));
        }
        None
    }

    /// Lets time go by, and listens.
    pub(crate) fn run_for(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.listen();
            sleep(Duration::from_millis(20));
        }
    }

    /// Stays connected to the node, whoever restarts it.
    fn listen(&self) {
        let address: Multiaddr = format!("/ip4/127.0.0.1/udp/{}/quic-v1", self.port).parse().unwrap();
        self.runtime.block_on(self.heard.follow(&address));
    }

    pub(crate) fn view(&self) -> Option<View> {
        view(&format!("http://127.0.0.1:{}", self.port + 1))
    }

    /// Waits until the node answers.
    pub(crate) fn wait_up(&mut self) -> View {
        let started = Instant::now();
        loop {
            self.listen();
            if let Some(view) = self.view() {
                return view;
            }
            let ended = self.node.as_mut().unwrap().try_wait().unwrap();
            assert_eq!(ended, None, "the node ended:\n{}", self.said());
            assert!(started.elapsed() < PATIENCE, "the node does not come up:\n{}", self.said());
            sleep(Duration::from_millis(20));
        }
    }

    /// Slot by the clock.
    pub(crate) fn slot(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        now.saturating_sub(self.genesis_time) / SLOT.as_secs()
    }

    /// Waits until something is signed for a slot after this one; says for which.
    pub(crate) fn wait_for_duty(&mut self, after: u64) -> u64 {
        let started = Instant::now();
        loop {
            self.listen();
            let signed = self.heard.signed();
            if let Some((_, _, Slot(slot))) = signed.keys().find(|(_, _, slot)| slot.0 > after) {
                return *slot;
            }
            assert!(started.elapsed() < PATIENCE, "no duty is done:\n{}", self.said());
            sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn said(&self) -> String {
        let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// How many slots and roles were signed for as far as was heard, and those for which two roots were.
    pub(crate) fn reuse(&self) -> (usize, Vec<String>) {
        let signed = self.heard.signed();
        let twice = signed.iter().filter(|(_, roots)| roots.len() > 1);
        let lines = twice.map(|(signing, roots)| format!("{signing:?} {roots:?}")).collect();
        (signed.len(), lines)
    }

    /// What was heard and is not in the ledger, by slot and root.
    pub(crate) fn unrecorded(&self) -> BTreeSet<(u64, Root)> {
        let ledger = self.data().join("ledger");
        let recorded: BTreeSet<(u64, Root)> = if ledger.join("signing.ledger").exists() {
            ledger_records(&ledger).into_iter().map(|((_, slot), root)| (slot, Root::from(root))).collect()
        } else {
            BTreeSet::new()
        };
        let signed = self.heard.signed();
        let heard =
            signed.iter().flat_map(|((_, _, slot), roots)| roots.iter().map(move |root| (slot.0, *root)));
        heard.filter(|signed| !recorded.contains(signed)).collect()
    }

    /// The ledger's own judgement, marks beside the keys included.
    pub(crate) fn verify_ledger(&self) {
        let output = lathe()
            .args(["signer", "verify"])
            .arg(self.data().join("ledger"))
            .arg("--keys")
            .arg(self.root().join("net/hash-sig-keys"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}\n{}", String::from_utf8_lossy(&output.stderr), self.said());
    }

    /// Whether the canonical chain of the running node has this block at this slot.
    pub(crate) fn has_block(&self, slot: u64, root: Root) -> bool {
        let header = |id: &str| get(&format!("http://127.0.0.1:{}/lean/v0/headers/{id}", self.port + 1));
        let by_root = header(&root.to_string());
        by_root.is_some() && by_root == header(&slot.to_string())
    }
}

impl Drop for Solo {
    fn drop(&mut self) {
        if let Some(node) = &mut self.node {
            let _ = node.kill();
            let _ = node.wait();
        }
        if std::thread::panicking() {
            println!("{}", self.said());
        }
    }
}
