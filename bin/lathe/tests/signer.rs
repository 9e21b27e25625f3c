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
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
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
    /// Names of the logs, one for each process.
    logs: Vec<String>,
}

/// A node that was killed.
struct Kill {
    slot: u64,
    /// Votes that the other node was refused in that slot after the kill: the one that was signed may never have left.
    refused: u64,
}

impl Pair {
    fn start() -> Self {
        let net = Net::new(4096);
        let address = format!("unix:{}", net.path("signer.sock").display());
        fs::write(net.path("identity"), "22".repeat(32)).unwrap();
        let mut pair = Self {
            net,
            address,
            signer: None,
            nodes: [None, None],
            signed: HashMap::new(),
            conflicts: 0,
            blocks: BTreeSet::new(),
            logs: Vec::new(),
        };
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
        let log = self.next_log("signer");
        let mut signer = self.net.spawn(command, &log);
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
        let log = self.next_log(name);
        let mut node = self.net.spawn(self.net.command(name, &options), &log);
        node.wait_for_line("signer ready");
        self.nodes[which] = Some(node);
    }

    fn next_log(&mut self, name: &str) -> String {
        let log = format!("{name}-{}.log", self.logs.len());
        self.logs.push(log.clone());
        log
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
        let said = |name: &String| {
            format!("--- {name}\n{}", fs::read_to_string(self.net.path(name)).unwrap_or_default())
        };
        self.logs.iter().map(said).collect()
    }

    /// Slots of one of the two keys, by the name of its file.
    fn slots_of(&self, role: &str) -> BTreeSet<u64> {
        let key = self.net.key_id(role);
        self.signed.keys().filter(|(id, _)| *id == key).map(|(_, slot)| *slot).collect()
    }

    fn votes_refused(&self, which: usize) -> u64 {
        self.metric(
            which,
            "lathe_missed_duties_total",
            &["duty=\"attestation\"", "reason=\"signer_refused\""],
        ) as u64
    }

    fn newest(&self) -> u64 {
        self.signed.keys().map(|(_, slot)| *slot).max().unwrap_or(0)
    }

    fn in_sync(&self, which: usize) -> bool {
        self.get(which, "node/syncing").is_some_and(|status| status["is_syncing"] == false)
    }
}

/// Kills one of the nodes again and again, at random moments, and counts what each kill costs.
fn kill_again_and_again(count: usize) {
    let mut pair = Pair::start();
    pair.wait_until("both nodes are in sync and sign", |pair| {
        pair.newest() >= 2 && pair.in_sync(0) && pair.in_sync(1)
    });
    let mut kills: Vec<Kill> = Vec::new();
    for kill in 0..count {
        let (which, other) = (kill % 2, 1 - kill % 2);
        let moment = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_micros() % 4_000;
        pair.pass(Duration::from_millis(u64::from(moment)));
        let (refused, slot) = (pair.votes_refused(other), pair.net.slot());
        pair.nodes[which] = None;
        let newest = pair.newest();
        pair.wait_until("the other node goes on", |pair| pair.newest() > newest + 1);
        kills.push(Kill { slot, refused: pair.votes_refused(other) - refused });
        pair.start_node(which);
        pair.wait_until("the node that was killed is back", |pair| pair.in_sync(which));
        assert!(!pair.said().contains("ANOTHER NODE"), "{}", pair.said());
    }
    let last = pair.newest();
    pair.wait_until("the last slot is over", |pair| pair.newest() > last + 1);
    let (votes, proposals) = (pair.slots_of("attester"), pair.slots_of("proposer"));
    println!(
        "{count} kills in slots {} to {last}: {} votes and {} proposals signed, {} slots signed twice",
        kills[0].slot,
        votes.len(),
        proposals.len(),
        pair.conflicts
    );
    let ends = kills.iter().skip(1).map(|next| next.slot).chain([last + 1]);
    let mut too_much = 0;
    for (kill, end) in kills.iter().zip(ends) {
        let missing = |there: &BTreeSet<u64>| -> Vec<u64> {
            (kill.slot..end).filter(|slot| !there.contains(slot)).collect()
        };
        let (no_vote, no_block) = (missing(&votes), missing(&pair.blocks));
        let cost = no_vote.len() + no_block.len() + kill.refused as usize;
        if cost > 0 {
            println!(
                "the kill in slot {} cost {cost}: no vote in {no_vote:?}, votes refused {}, no block in {no_block:?}",
                kill.slot, kill.refused
            );
        }
        too_much += usize::from(cost > 1);
    }
    assert_eq!(pair.conflicts, 0);
    assert_eq!(too_much, 0, "{}", pair.said());
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
fn long_a_signer_that_is_away_slow_restarted_or_of_another_version_costs_duties_only() {
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
    // Somebody of another version in its place.
    fs::remove_file(pair.net.path("signer.sock")).unwrap();
    let other = UnixListener::bind(pair.net.path("signer.sock")).unwrap();
    std::thread::spawn(move || {
        for stream in other.incoming() {
            let _ = stream.unwrap().write_all(b"{\"error\":\"this signer speaks version 2, the node 1\"}\n");
        }
    });
    pair.wait_until("a signer of another version is counted", missed("signer_not_served"));
    fs::remove_file(pair.net.path("signer.sock")).unwrap();
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
    for (which, reason) in [0, 1]
        .into_iter()
        .flat_map(|which| ["signer_away", "signer_not_served", "signer_slow"].map(|reason| (which, reason)))
    {
        let label = format!("reason=\"{reason}\"");
        assert!(pair.metric(which, "lathe_signatures_refused_total", &[&label]) > 0.0, "{which} {reason}");
    }
    assert_eq!(pair.conflicts, 0);
    for node in pair.nodes.iter_mut().flatten() {
        assert_eq!(node.child.try_wait().unwrap(), None, "no node ends with its signer");
    }
    signal("-TERM");
    let status = pair.signer.as_mut().unwrap().wait_for_end();
    assert!(status.success(), "a signer that is told to stop has not failed");
}
