//! Scripted clients: every fault that one can show, and that the chain goes on through all of them.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use lathe_engine::View;
use lathe_node::{Node, NodeError, NodeOptions};
use serde_json::{Value, json};

use crate::fake::el::{El, GENESIS};
use crate::fake::{Answer, Call, Fake};
use crate::support::{Running, make_network, on_a_runtime, options};

/// A slot takes two seconds: the nodes share two cores with other tests.
const CLOCK_SPEED: f64 = 2.0;
const KEY_SLOTS: u64 = 512;
/// Slots after a client is well within which its node's head is valid again.
const RECOVERY_SLOTS: u64 = 2;

fn scripted_options(dir: &Path, node: usize, endpoint: &str) -> NodeOptions {
    options(dir, node, endpoint, Vec::new(), CLOCK_SPEED)
}

/// Why a node in step with its peers misses a duty because of its client; which of them depends on the moment.
const MISS_REASONS: [&str; 5] =
    ["optimistic_head", "execution_offline", "payload_timeout", "payload_not_building", "payload_refused"];

/// A node and the execution client beside it.
struct Pair {
    running: Running,
    fake: Fake,
    el: El,
}

impl Pair {
    async fn start(dir: &Path, number: usize, others: &[&Self]) -> Self {
        Self::start_with(dir, number, others, |_| {}).await
    }

    /// Starts a node beside a client that knows nothing but block 0, with options changed by `change`.
    async fn start_with(
        dir: &Path,
        number: usize,
        others: &[&Self],
        change: impl FnOnce(&mut NodeOptions),
    ) -> Self {
        let el = El::default();
        let honest = el.clone();
        let fake = Fake::start(move |call| honest.answer(call)).await;
        let mut options = scripted_options(dir, number, &fake.url());
        options.bootnodes = others.iter().map(|pair| pair.running.bootnode()).collect();
        change(&mut options);
        Self { running: Running::start(options).await, fake, el }
    }

    /// Judges payloads as `verdicts` says, and everything else as an honest client.
    fn obey(&self, verdicts: &Verdicts) {
        let (honest, verdicts) = (self.el.clone(), verdicts.clone());
        self.fake.script(move |call| verdicts.answer(&honest, call));
    }

    /// Answers like this until [`Self::heal`].
    fn fail(&self, answer: Answer) {
        self.fake.script(move |_| answer.clone());
    }

    fn heal(&self) {
        let honest = self.el.clone();
        self.fake.script(move |call| honest.answer(call));
    }
}

/// What a node says of its client.
type Complaint = fn(&View) -> bool;

/// What the client may do instead of answering as it should, each with what its node then says of it and for how many
/// slots it goes on: half a minute of silence and twenty slots of catching up among them.
fn faults() -> Vec<(&'static str, Answer, Complaint, u64)> {
    let offline: Complaint = |view| view.sync.el_offline;
    let optimistic: Complaint = |view| view.sync.is_optimistic;
    let syncing = json!({
        "status": "SYNCING",
        "payloadStatus": { "status": "SYNCING" },
        "hash": GENESIS,
        "number": "0x0",
    });
    vec![
        ("hangs", Answer::Hang, offline, 15),
        ("HTTP 500", Answer::Status(500, "oops"), offline, 4),
        ("wrong JWT, HTTP", Answer::Status(401, "no"), offline, 4),
        ("wrong JWT, JSON", Answer::Error(-32000, "Auth failed"), offline, 4),
        ("closes", Answer::Close, offline, 4),
        ("nonsense", Answer::Body(b"{".to_vec()), offline, 4),
        ("syncing", Answer::Result(syncing), optimistic, 20),
        ("wrong fork", Answer::Error(-38005, "Unsupported fork"), optimistic, 4),
    ]
}

/// What the clients of a network think of payloads: all refuse those that build on a bad one. Clones share it.
#[derive(Clone, Default)]
struct Verdicts(Arc<Mutex<Bad>>);

#[derive(Default)]
struct Bad {
    /// Whether the next payload that is built is a bad one.
    armed: bool,
    /// Whether the clients say which payload was the last good one.
    names_latest_valid: bool,
    /// Bad payloads with the last good one before each.
    last_good: HashMap<String, String>,
}

impl Verdicts {
    fn with<T>(&self, act: impl FnOnce(&mut Bad) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The next payload that anybody builds will be refused by everybody.
    fn spoil_next(&self, names_latest_valid: bool) {
        self.with(|bad| (bad.armed, bad.names_latest_valid) = (true, names_latest_valid));
    }

    fn refused(&self) -> Vec<String> {
        self.with(|bad| bad.last_good.keys().cloned().collect())
    }

    fn answer(&self, el: &El, call: &Call) -> Answer {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match call.method.as_str() {
            "engine_newPayloadV4" => {
                let (hash, parent) =
                    (text(&call.params[0]["blockHash"]), text(&call.params[0]["parentHash"]));
                let refusal = self.with(|bad| {
                    let last_good =
                        bad.last_good.get(&hash).or_else(|| bad.last_good.get(&parent)).cloned()?;
                    bad.last_good.insert(hash, last_good.clone());
                    Some(bad.refusal(&last_good))
                });
                refusal.map_or_else(|| el.answer(call), Answer::Result)
            }
            "engine_forkchoiceUpdatedV3" => {
                let head = text(&call.params[0]["headBlockHash"]);
                let refusal = self.with(|bad| Some(bad.refusal(bad.last_good.get(&head)?)));
                let refused = |status| Answer::Result(json!({ "payloadStatus": status, "payloadId": null }));
                refusal.map_or_else(|| el.answer(call), refused)
            }
            "engine_getPayloadV5" => {
                let answer = el.answer(call);
                if let Answer::Result(built) = &answer {
                    let payload = &built["executionPayload"];
                    let (hash, parent) = (text(&payload["blockHash"]), text(&payload["parentHash"]));
                    self.with(|bad| {
                        if std::mem::take(&mut bad.armed) {
                            bad.last_good.insert(hash, parent);
                        }
                    });
                }
                answer
            }
            _ => el.answer(call),
        }
    }
}

impl Bad {
    fn refusal(&self, last_good: &str) -> Value {
        let latest_valid = self.names_latest_valid.then_some(last_good);
        json!({ "status": "INVALID", "latestValidHash": latest_valid, "validationError": "refused" })
    }
}

/// A payload that every client refuses, its builder's included, costs its slot and nothing else.
async fn invalid_payloads_leave_the_chain(pairs: [&Pair; 2]) {
    let verdicts = Verdicts::default();
    pairs.iter().for_each(|pair| pair.obey(&verdicts));
    for names_latest_valid in [true, false] {
        let before = verdicts.refused().len();
        verdicts.spoil_next(names_latest_valid);
        let node = &pairs[0].running;
        node.until("a refused payload", |_| verdicts.refused().len() > before).await;
        let refused_at = node.node.view().borrow().head.slot;
        for pair in pairs {
            pair.running
                .until("finality after a refused payload", |view| {
                    view.head_finalized.slot.0 > refused_at.0 + 2 && !view.sync.is_optimistic
                })
                .await;
            let told = pair.el.told();
            assert!(!verdicts.refused().iter().any(|hash| [&told.0, &told.1, &told.2].contains(&hash)));
        }
        let heads = pairs.map(|pair| pair.el.height());
        assert!(heads.iter().all(|height| *height > before as u64), "{heads:?}");
    }
    pairs.iter().for_each(|pair| pair.heal());
}

#[test]
#[ignore = "a minute of a network in real time: make accept-el"]
fn accept_a_checkpoint_brings_an_empty_client_into_step() {
    let dir = tempfile::tempdir().unwrap();
    make_network(dir.path(), GENESIS.parse().unwrap(), KEY_SLOTS);
    on_a_runtime(async {
        let first = Pair::start_with(dir.path(), 0, &[], |options| {
            options.api = Some("127.0.0.1:0".parse().unwrap());
        })
        .await;
        let second = Pair::start(dir.path(), 1, &[&first]).await;
        first.running.until("finality", |view| view.head_finalized.slot.0 >= 8).await;
        second.running.stop().await;
        let api = first.running.node.api_address().unwrap();
        // Another data directory, but the ledger of before: keys are never used without it.
        let second = Pair::start_with(dir.path(), 1, &[&first], |options| {
            options.data_dir = dir.path().join("data").join("again");
            options.checkpoint_servers = vec![format!("http://{api}").parse().unwrap()];
        })
        .await;
        let began = second.running.node.view().borrow().head_finalized.slot;
        assert!(began.0 >= 4, "the chain begins at a checkpoint, not at {began}");
        let in_step = |view: &Arc<View>| !view.sync.is_optimistic && view.head_finalized.slot > began;
        second.running.until("a client in step", in_step).await;
        assert!(second.el.height() > began.0 - 2, "{} payloads", second.el.height());
        assert!(second.running.node.metrics().execution.replayed.get() > began.0 - 2);
        for pair in [first, second] {
            pair.running.stop().await;
        }
    });
}

#[test]
#[ignore = "minutes of a network in real time: make accept-el"]
fn accept_a_pair_of_pairs_goes_on_through_every_fault() {
    let dir = tempfile::tempdir().unwrap();
    make_network(dir.path(), GENESIS.parse().unwrap(), KEY_SLOTS);
    on_a_runtime(async {
        let first = Pair::start(dir.path(), 0, &[]).await;
        let second = Pair::start(dir.path(), 1, &[&first]).await;
        let node = &first.running;
        for pair in [&first, &second] {
            pair.running
                .until("finality", |view| view.head_finalized.slot.0 > 2 && !view.sync.is_optimistic)
                .await;
        }
        assert!(first.el.height() > 2);
        assert!(first.el.told().2.starts_with("0xb0"), "the client was told what is final");

        for (name, answer, shows, slots) in faults() {
            first.fail(answer);
            let struck = node.until(name, |view| shows(view)).await;
            // The chain follows the other node meanwhile.
            let alone = node.until(name, |view| view.head.slot.0 >= struck.head.slot.0 + slots).await;
            first.heal();
            let healed = node.until(name, |view| !view.sync.el_offline && !view.sync.is_optimistic).await;
            assert!(healed.head.slot >= alone.head.slot, "{name}");
            let back = node.node.view().borrow().head.slot.0;
            eprintln!("{name}: from slot {} to {}, in step at {back}", struck.head.slot.0, alone.head.slot.0);
            assert!(back <= alone.head.slot.0 + RECOVERY_SLOTS + 1, "{name}: {} {back}", alone.head.slot);
            node.until(name, |view| view.head_finalized.slot > alone.head.slot).await;
        }
        let missed = MISS_REASONS.map(|reason| (reason, node.missed(reason)));
        eprintln!("missed duties by reason: {missed:?}");
        assert!(missed.iter().any(|(_, count)| *count > 0), "what was missed is counted with its reason");

        // A client that has its blocks, but can execute nothing on the newest ones, gets those again.
        first.el.lose_states_after(first.el.height() - 3);
        node.until("a client without states", |view| view.sync.is_optimistic).await;
        node.until("a client without states", |view| !view.sync.is_optimistic).await;

        // A client that lost everything gets it again.
        let before = first.el.height();
        first.el.wipe();
        node.until("a wiped client", |view| view.sync.is_optimistic).await;
        node.until("a wiped client", |view| !view.sync.is_optimistic).await;
        assert!(first.el.height() >= before);
        assert!(node.node.metrics().execution.replayed.get() > 0);

        invalid_payloads_leave_the_chain([&first, &second]).await;
        for pair in [&first, &second] {
            eprintln!("99 of 100 turns of the chain took at most {} s", pair.running.turn_p99());
        }

        for pair in [first, second] {
            pair.running.stop().await;
        }
    });
}

#[tokio::test]
async fn a_start_says_what_will_not_do_and_does_not_wait_for_what_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    make_network(dir.path(), GENESIS.parse().unwrap(), 4);
    let error = |fake: &Fake| {
        let options = scripted_options(dir.path(), 0, &fake.url());
        async move { Node::start(options).await.unwrap_err().to_string() }
    };
    let refuses = Fake::start(|_| Answer::Status(401, "no")).await;
    assert!(error(&refuses).await.contains("refuses our JWT"));
    let other = Fake::start(|call| match call.method.as_str() {
        "engine_exchangeCapabilities" => Answer::Result(call.params[0].clone()),
        _ => Answer::Result(json!({ "hash": format!("0x{}", "01".repeat(32)), "number": "0x0" })),
    })
    .await;
    let mismatch = error(&other).await;
    assert!(mismatch.contains("genesis block is 0x0101") && mismatch.contains(GENESIS), "{mismatch}");

    let hangs = Fake::start(|_| Answer::Hang).await;
    let node = Node::start(scripted_options(dir.path(), 0, &hangs.url())).await.unwrap();
    assert!(node.view().borrow().sync.el_offline);
    node.kill();
}

#[tokio::test]
async fn node_and_network_agree_on_whether_there_is_an_execution_layer() {
    let dir = tempfile::tempdir().unwrap();
    make_network(dir.path(), GENESIS.parse().unwrap(), 4);
    let mut alone = scripted_options(dir.path(), 0, "http://127.0.0.1:1");
    alone.execution = None;
    assert!(matches!(Node::start(alone).await, Err(NodeError::NoExecutionClient)));
    let mut plain = scripted_options(dir.path(), 0, "http://127.0.0.1:1");
    plain.genesis.execution_genesis = None;
    assert!(matches!(Node::start(plain).await, Err(NodeError::NoExecutionLayer)));
}
