//! Scripted clients: every fault that one can show, and that the chain goes on through all of them.

use std::path::Path;

use lathe_engine::View;
use lathe_node::{Node, NodeError, NodeOptions};
use serde_json::json;

use crate::fake::el::{El, GENESIS};
use crate::fake::{Answer, Fake};
use crate::support::{Running, make_network, on_a_runtime, options};

/// A slot takes two seconds: the nodes share two cores with other tests.
const CLOCK_SPEED: f64 = 2.0;
const KEY_SLOTS: u64 = 512;

fn scripted_options(dir: &Path, node: usize, endpoint: &str) -> NodeOptions {
    options(dir, node, endpoint, Vec::new(), CLOCK_SPEED)
}

/// A node and the execution client beside it.
struct Pair {
    running: Running,
    fake: Fake,
    el: El,
}

impl Pair {
    async fn start(dir: &Path, number: usize, others: &[Self]) -> Self {
        let el = El::default();
        let honest = el.clone();
        let fake = Fake::start(move |call| honest.answer(call)).await;
        let mut options = scripted_options(dir, number, &fake.url());
        options.bootnodes = others.iter().map(|pair| pair.running.bootnode()).collect();
        Self { running: Running::start(options).await, fake, el }
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

/// What the client may do instead of answering as it should, each with what its node then says of it.
fn faults() -> Vec<(&'static str, Answer, Complaint)> {
    let offline: Complaint = |view| view.sync.el_offline;
    let optimistic: Complaint = |view| view.sync.is_optimistic;
    let syncing = json!({
        "status": "SYNCING",
        "payloadStatus": { "status": "SYNCING" },
        "hash": GENESIS,
        "number": "0x0",
    });
    vec![
        ("hangs", Answer::Hang, offline),
        ("HTTP 500", Answer::Status(500, "oops"), offline),
        ("wrong JWT, HTTP", Answer::Status(401, "no"), offline),
        ("wrong JWT, JSON", Answer::Error(-32000, "Auth failed"), offline),
        ("closes", Answer::Close, offline),
        ("nonsense", Answer::Body(b"{".to_vec()), offline),
        ("syncing", Answer::Result(syncing), optimistic),
        ("wrong fork", Answer::Error(-38005, "Unsupported fork"), optimistic),
    ]
}

#[test]
#[ignore = "minutes of a network in real time: make accept-el"]
fn accept_a_pair_of_pairs_goes_on_through_every_fault() {
    let dir = tempfile::tempdir().unwrap();
    make_network(dir.path(), GENESIS.parse().unwrap(), KEY_SLOTS);
    on_a_runtime(async {
        let first = Pair::start(dir.path(), 0, &[]).await;
        let second = Pair::start(dir.path(), 1, std::slice::from_ref(&first)).await;
        let node = &first.running;
        for pair in [&first, &second] {
            pair.running
                .until("finality", |view| view.head_finalized.slot.0 > 2 && !view.sync.is_optimistic)
                .await;
        }
        assert!(first.el.height() > 2);
        assert!(first.el.told().2.starts_with("0xb0"), "the client was told what is final");

        for (name, answer, shows) in faults() {
            first.fail(answer);
            let struck = node.until(name, |view| shows(view)).await;
            // The chain follows the other node meanwhile.
            let alone = node.until(name, |view| view.head.slot.0 >= struck.head.slot.0 + 4).await;
            first.heal();
            let healed = node.until(name, |view| !view.sync.el_offline && !view.sync.is_optimistic).await;
            assert!(healed.head.slot >= alone.head.slot, "{name}");
            node.until(name, |view| view.head_finalized.slot > alone.head.slot).await;
        }
        assert!(node.missed("execution_offline") > 0, "what was missed is counted with its reason");
        assert!(node.missed("optimistic_head") > 0, "what was missed is counted with its reason");

        // A client that lost everything gets it again.
        let before = first.el.height();
        first.el.wipe();
        node.until("a wiped client", |view| view.sync.is_optimistic).await;
        node.until("a wiped client", |view| !view.sync.is_optimistic).await;
        assert!(first.el.height() >= before);
        assert!(node.node.metrics().execution.replayed.get() > 0);

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
