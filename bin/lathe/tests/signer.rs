//! A signer in a process of its own, and the real nodes that sign with it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, helpers included"
)]

mod support;

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use support::single::{Net, Node, PATIENCE};
use support::{lathe, ledger_records};

/// Two nodes with the duties of one validator, and the signer that both use.
struct Pair {
    net: Net,
    address: String,
    signer: Option<Node>,
    nodes: [Option<Node>; 2],
    /// What was ever on record: the ledger itself keeps the newest slots.
    signed: HashMap<([u8; 32], u64), [u8; 32]>,
    /// Slots that were signed with two messages.
    conflicts: usize,
    /// Slots of blocks that either node had in its chain.
    blocks: BTreeSet<u64>,
}

impl Pair {
    fn start() -> Self {
        let net = Net::new(4096);
        let address = format!("unix:{}", net.path("signer.sock").display());
        fs::write(net.path("identity"), "22".repeat(32)).unwrap();
        let (signed, blocks) = (HashMap::new(), BTreeSet::new());
        let mut pair = Self { net, address, signer: None, nodes: [None, None], signed, conflicts: 0, blocks };
        pair.start_signer();
        for which in [0, 1] {
            pair.start_node(which);
        }
        pair
    }

    fn start_signer(&mut self) {
        let mut command = lathe();
        command.args(["signer", "serve", "--node-id", "lathe_0", "--listen", &self.address, "--network-dir"]);
        command.arg(self.net.path("net")).arg("--ledger-dir").arg(self.net.path("ledger"));
        let mut signer = self.net.spawn(command, "signer.log");
        signer.wait_for_line("signer ready");
        self.signer = Some(signer);
    }

    /// The second node differs from the first by its identity and by where it listens.
    fn start_node(&mut self, which: usize) {
        let mut options = vec!["--remote-signer".to_owned(), self.address.clone()];
        if which == 1 {
            let identity = self.net.path("identity").display().to_string();
            options.extend(["--node-key".into(), identity]);
            for (option, at) in ["--gossipsub-port", "--api-port", "--metrics-port"].into_iter().zip(3..) {
                options.extend([option.to_owned(), (self.net.ports + at).to_string()]);
            }
        }
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let name = ["a", "b"][which];
        let mut node = self.net.spawn(self.net.command(name, &options), &format!("{name}.log"));
        node.wait_for_line("signer ready");
        self.nodes[which] = Some(node);
    }

    fn get(&self, which: usize, path: &str) -> Option<Value> {
        let port = self.net.ports + [1, 4][which];
        let mut answer = ureq::get(format!("http://127.0.0.1:{port}/lean/v0/{path}")).call().ok()?;
        serde_json::from_str(&answer.body_mut().read_to_string().ok()?).ok()
    }

    /// Sum of a metric's samples with all of these labels.
    fn metric(&self, which: usize, name: &str, labels: &[&str]) -> f64 {
        let port = self.net.ports + [2, 5][which];
        let mut answer = ureq::get(format!("http://127.0.0.1:{port}/metrics")).call().unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        let lines = text.lines().filter(|line| line.starts_with(name));
        let lines = lines.filter(|line| labels.iter().all(|label| line.contains(label)));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// Notes what is on record and in the chains now.
    fn look(&mut self) {
        for (key_and_slot, message) in ledger_records(&self.net.path("ledger")) {
            if self.signed.insert(key_and_slot, message).is_some_and(|before| before != message) {
                self.conflicts += 1;
            }
        }
        for which in [0, 1] {
            let Some(view) = self.get(which, "fork_choice") else { continue };
            let slots =
                view["nodes"].as_array().into_iter().flatten().filter_map(|node| node["slot"].as_u64());
            self.blocks.extend(slots.collect::<Vec<_>>());
        }
    }

    fn pass(&mut self, time: Duration) {
        let started = Instant::now();
        while started.elapsed() < time {
            self.look();
            sleep(Duration::from_millis(250).min(time.saturating_sub(started.elapsed())));
        }
    }

    fn wait_until(&mut self, what: &str, reached: impl Fn(&Self) -> bool) {
        let started = Instant::now();
        while !reached(self) {
            assert!(started.elapsed() < PATIENCE, "{what}: never\n{}", self.said());
            self.pass(Duration::from_millis(250));
        }
    }

    fn said(&self) -> String {
        ["signer.log", "a.log", "b.log"]
            .map(|name| {
                format!("--- {name}\n{}", fs::read_to_string(self.net.path(name)).unwrap_or_default())
            })
            .concat()
    }

    /// Slots of one of the two keys, by the name of its file.
    fn slots_of(&self, role: &str) -> BTreeSet<u64> {
        let key = self.net.key_id(role);
        self.signed.keys().filter(|(id, _)| *id == key).map(|(_, slot)| *slot).collect()
    }

    fn newest(&self) -> u64 {
        self.signed.keys().map(|(_, slot)| *slot).max().unwrap_or(0)
    }

    fn in_sync(&self, which: usize) -> bool {
        self.get(which, "node/syncing").is_some_and(|status| status["is_syncing"] == false)
    }
}

/// Kills one of the nodes again and again, at random moments, and counts what that costs.
fn kill_again_and_again(kills: usize) {
    let mut pair = Pair::start();
    pair.wait_until("both nodes are in sync and sign", |pair| {
        pair.newest() >= 2 && pair.in_sync(0) && pair.in_sync(1)
    });
    let first = pair.newest();
    for kill in 0..kills {
        let which = kill % 2;
        let moment = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_micros() % 4_000;
        pair.pass(Duration::from_millis(u64::from(moment)));
        pair.nodes[which] = None;
        let newest = pair.newest();
        pair.wait_until("the other node goes on", |pair| pair.newest() > newest + 1);
        pair.start_node(which);
        pair.wait_until("the node that was killed is back", |pair| pair.in_sync(which));
        assert!(!pair.said().contains("ANOTHER NODE"), "{}", pair.said());
    }
    let last = pair.newest();
    pair.wait_until("the last slot is over", |pair| pair.newest() > last + 1);
    let (votes, proposals) = (pair.slots_of("attester"), pair.slots_of("proposer"));
    let missing =
        |there: &BTreeSet<u64>| (first..=last).filter(|slot| !there.contains(slot)).collect::<Vec<_>>();
    let (no_vote, no_block) = (missing(&votes), missing(&pair.blocks));
    println!(
        "{kills} kills in slots {first} to {last}: {} votes and {} proposals signed, {} slots signed twice, votes missed \
         {no_vote:?}, blocks missed {no_block:?}",
        votes.len(),
        proposals.len(),
        pair.conflicts
    );
    assert_eq!(pair.conflicts, 0);
    assert!(no_vote.len() + no_block.len() <= kills, "{}", pair.said());
    for name in ["a", "b"] {
        assert!(!pair.net.path(name).join("ledger").exists(), "a node without keys has no ledger");
    }
}

#[test]
#[ignore = "takes a minute; run by make accept"]
fn long_two_nodes_on_one_signer_stand_in_for_each_other() {
    kill_again_and_again(3);
}

#[test]
#[ignore = "takes ten minutes; run by make accept"]
fn long_fifty_kills_of_nodes_on_one_signer_cost_a_duty_each_at_most() {
    kill_again_and_again(50);
}

#[test]
#[ignore = "takes a minute; run by make accept"]
fn long_a_signer_that_is_away_slow_or_restarted_costs_duties_only() {
    let mut pair = Pair::start();
    pair.wait_until("both nodes sign", |pair| pair.newest() >= 1);
    assert_eq!(fs::metadata(pair.net.path("signer.sock")).unwrap().permissions().mode() & 0o777, 0o600);
    let missed = |reason: &'static str| {
        move |pair: &Pair| {
            let label = format!("reason=\"{reason}\"");
            [0, 1].into_iter().all(|which| pair.metric(which, "lathe_missed_duties_total", &[&label]) > 0.0)
        }
    };
    pair.signer = None;
    pair.wait_until("a signer that is away is counted", missed("signer_away"));
    pair.start_signer();
    let newest = pair.newest();
    pair.wait_until("the nodes go on when it is back", |pair| pair.newest() > newest);
    let signer = pair.signer.as_ref().unwrap().child.id().to_string();
    let signal = |name: &str| assert!(support::signal(name, &signer));
    signal("-STOP");
    pair.wait_until("a signer that hangs is counted", missed("signer_slow"));
    signal("-CONT");
    let newest = pair.newest();
    pair.wait_until("the nodes go on when it does", |pair| pair.newest() > newest);
    assert_eq!(pair.conflicts, 0);
    for node in pair.nodes.iter_mut().flatten() {
        assert_eq!(node.child.try_wait().unwrap(), None, "no node ends with its signer");
    }
    signal("-TERM");
    let status = pair.signer.as_mut().unwrap().wait_for_end();
    assert!(status.success(), "a signer that is told to stop has not failed");
}
