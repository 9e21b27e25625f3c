//! A network of nodes that can be cut apart: each has a loopback address of its own.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lathe_hostile::Target;
use lathe_network::Multiaddr;

use crate::support::{SLOT, lathe, signal};

/// Set in a test that runs in a network namespace of its own.
const INSIDE: &str = "LATHE_TEST_NAMESPACE";
/// Port of every node's API; the metrics follow.
const API_PORT: u16 = 5052;
const METRICS_PORT: u16 = 5054;
/// Addresses that attacks come from.
const ATTACKERS: u8 = 6;

/// Runs the calling test in a network namespace of its own, where routes can be changed. Returns whether this is the
/// run inside: outside, everything has happened when this returns.
pub(crate) fn is_inside(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let may =
        Command::new("unshare").args(["--map-root-user", "--net", "ip", "link", "set", "lo", "up"]).output();
    if !may.is_ok_and(|output| output.status.success()) {
        println!("{test}: network namespaces are not allowed here, so nothing is cut off and nothing tried");
        return false;
    }
    let prepare =
        "ip link set lo up && ip rule add pref 10 lookup local && ip rule del pref 0 && exec \"$@\"";
    let status = Command::new("unshare")
        .args(["--map-root-user", "--net", "sh", "-c", prepare, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env(INSIDE, "1")
        .status();
    assert!(status.unwrap().success(), "{test} failed");
    false
}

/// A network of real processes.
pub(crate) struct Lab {
    dir: tempfile::TempDir,
    /// Second and third byte of every address.
    place: (u8, u8),
    nodes: Vec<Option<Child>>,
    /// Of the whole network; those beyond the nodes of the start belong to nobody.
    pub validators: usize,
    options: Vec<String>,
    pub genesis_time: u64,
    network: String,
}

impl Lab {
    /// Makes keys for `validators`, of which the last ones may belong to nobody, and starts `nodes`.
    pub(crate) fn start(nodes: usize, validators: usize, slots: u64, options: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let made = lathe()
            .args(["genesis", "--genesis-delay", "8", "--nodes", &(nodes.max(validators) + 2).to_string()])
            .args(["--validators", &validators.to_string(), "--slots", &slots.to_string()])
            .args(["--base-port", "9000", "--base-api-port", "5052", "--base-metrics-port", "6052"])
            .arg("--out")
            .arg(dir.path().join("net"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let config = std::fs::read_to_string(dir.path().join("net/config.yaml")).unwrap();
        let value = |name: &str| {
            let line = config.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.trim_matches([':', ' ', '"']).to_owned()
        };
        // A place that no other test is likely to have.
        let chance =
            SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos() ^ std::process::id();
        let place = (64 + (chance % 180) as u8, (chance / 180 % 250) as u8);
        let (genesis_time, network) = (value("GENESIS_TIME").parse().unwrap(), value("FORK_DIGEST"));
        let options = options.iter().map(ToString::to_string).collect();
        let children = (0..nodes).map(|_| None).collect();
        let mut lab = Self { dir, place, nodes: children, validators, options, genesis_time, network };
        for node in 0..nodes {
            lab.start_node(node, |_| {});
        }
        lab
    }

    /// A node without validators, which is not started yet; there can be two beside those of the start.
    pub(crate) fn add_observer(&mut self) -> usize {
        self.nodes.push(None);
        self.nodes.len() - 1
    }

    /// Starts a node that is not running, after `change` to its command. It knows all others.
    pub(crate) fn start_node(&mut self, node: usize, change: impl FnOnce(&mut Command)) {
        let all: Vec<usize> = (0..self.nodes.len()).collect();
        self.start_knowing(node, &all, change);
    }

    /// The same for a node that knows these only.
    pub(crate) fn start_knowing(&mut self, node: usize, known: &[usize], change: impl FnOnce(&mut Command)) {
        assert!(self.nodes[node].is_none(), "node {node} runs already");
        let log = File::options().create(true).append(true).open(self.log(node)).unwrap();
        let known: Vec<String> = known.iter().map(|other| self.address(*other).to_string()).collect();
        let ip = self.ip(node).to_string();
        let mut command = lathe();
        command
            .args(["node", "--node-id", &format!("lathe_{node}"), "--network-dir"])
            .arg(self.dir.path().join("net"))
            .arg("--data-dir")
            .arg(self.data_dir(node))
            .args(["--listen-addr", &ip, "--http-address", &ip, "--bootnodes", &known.join(",")])
            .args(["--gossipsub-port", "9000"])
            .args(["--api-port", &API_PORT.to_string(), "--metrics-port", &METRICS_PORT.to_string()])
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        change(&mut command);
        self.nodes[node] = Some(command.spawn().unwrap());
    }

    /// Tells a node to stop, and waits for its good end.
    pub(crate) fn stop_node(&mut self, node: usize) {
        let mut child = self.nodes[node].take().unwrap();
        assert!(signal("-TERM", &child.id().to_string()));
        assert!(child.wait().unwrap().success(), "{}", self.tail(node));
    }

    /// A path in the directory of this run.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn count(&self) -> usize {
        self.nodes.len()
    }

    /// The process of a node.
    pub(crate) fn process(&self, node: usize) -> Option<u32> {
        self.nodes[node].as_ref().map(Child::id)
    }

    pub(crate) fn ip(&self, node: usize) -> IpAddr {
        let (a, b) = self.place;
        Ipv4Addr::new(127, a, b, 10 + u8::try_from(node).unwrap()).into()
    }

    /// Where a node listens.
    pub(crate) fn address(&self, node: usize) -> Multiaddr {
        format!("/ip4/{}/udp/9000/quic-v1", self.ip(node)).parse().unwrap()
    }

    pub(crate) fn api(&self, node: usize) -> String {
        format!("http://{}:{API_PORT}", self.ip(node))
    }

    pub(crate) fn metrics(&self, node: usize) -> String {
        format!("http://{}:{METRICS_PORT}/metrics", self.ip(node))
    }

    /// The files of the network.
    pub(crate) fn net(&self) -> PathBuf {
        self.dir.path().join("net")
    }

    pub(crate) fn data_dir(&self, node: usize) -> PathBuf {
        self.dir.path().join(format!("data-{node}"))
    }

    pub(crate) fn log(&self, node: usize) -> PathBuf {
        self.dir.path().join(format!("node-{node}.log"))
    }

    /// The last lines that a node logged.
    pub(crate) fn tail(&self, node: usize) -> String {
        let log = std::fs::read_to_string(self.log(node)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }

    /// What an attack needs to know; the view is filled in by who looks at the nodes.
    pub(crate) fn target(&self) -> Target {
        let (a, b) = self.place;
        Target {
            nodes: (0..self.count()).map(|node| self.address(node)).collect(),
            from: (0..ATTACKERS).map(|at| Ipv4Addr::new(127, a, b, 100 + at).into()).collect(),
            network: self.network.clone(),
            genesis_time: self.genesis_time,
            finalized: Arc::default(),
            view: Arc::default(),
        }
    }

    /// Slot by the clock.
    pub(crate) fn slot(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        now.saturating_sub(self.genesis_time) / SLOT.as_secs()
    }

    /// Nothing passes between a node of one side and one of the other any more; nobody is told.
    pub(crate) fn cut(&self, one: &[usize], other: &[usize]) {
        self.rules("add", one, other);
    }

    /// Takes a cut back.
    pub(crate) fn heal(&self, one: &[usize], other: &[usize]) {
        self.rules("del", one, other);
    }

    fn rules(&self, verb: &str, one: &[usize], other: &[usize]) {
        assert!(std::env::var_os(INSIDE).is_some(), "routes are changed in a namespace only");
        for (a, b) in one.iter().flat_map(|a| other.iter().map(move |b| (*a, *b))) {
            for (from, to) in [(a, b), (b, a)] {
                let (from, to) = (self.ip(from).to_string(), self.ip(to).to_string());
                let rule = ["rule", verb, "pref", "1", "from", &from, "to", &to, "blackhole"];
                assert!(Command::new("ip").args(rule).status().unwrap().success());
            }
        }
    }

    /// Polls until `reached` holds, at most `patience`; says how long it took.
    pub(crate) fn wait_until(
        &self,
        what: &str,
        patience: Duration,
        mut reached: impl FnMut() -> bool,
    ) -> Duration {
        let started = Instant::now();
        while !reached() {
            let tails = || (0..self.count()).map(|node| self.tail(node)).collect::<Vec<_>>().join("\n---\n");
            assert!(started.elapsed() < patience, "{what}: not within {patience:?}\n{}", tails());
            std::thread::sleep(Duration::from_millis(200));
        }
        started.elapsed()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for child in self.nodes.iter_mut().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            for node in 0..self.count() {
                println!("--- node {node}\n{}", self.tail(node));
            }
        }
    }
}
