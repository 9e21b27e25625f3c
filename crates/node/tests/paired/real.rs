//! Real clients, killed at random moments and started again. What is not installed is left out, and the test says so.

use std::path::Path;
use std::time::Duration;

use lathe_execution::dev::{DevClient, Program};
use lathe_execution::{EngineClient, Fork, JwtSecret, Limits};
use lathe_types::Root;

use crate::support::{LIMIT, Running, make_network, on_a_runtime, options};

/// Kills of a run: `make accept-el` asks for all of them.
const KILLS: u32 = 50;
/// Slots after a client is back within which its node's head must be valid again.
const RECOVERY_SLOTS: u64 = 2;
/// Slots that the keys cover.
const KEY_SLOTS: u64 = 2048;

/// A node and a real client beside it.
struct Pair {
    running: Running,
    process: DevClient,
}

fn start_client(program: Program, name: &str, dir: &Path) -> DevClient {
    let mut process = DevClient::start(program, Fork::Prague, name, &dir.join(name)).unwrap();
    process.wait_until_ready(LIMIT).unwrap();
    process
}

fn caller(process: &DevClient) -> EngineClient {
    let secret = JwtSecret::from_file(&process.secret_file()).unwrap();
    EngineClient::new(process.endpoint().parse().unwrap(), secret, Limits::default())
}

async fn genesis_of(process: &DevClient) -> Root {
    for _ in 0..100 {
        if let Ok(peer) = caller(process).handshake(None).await {
            return peer.genesis;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{} does not answer", process.name());
}

/// Small, seeded and the same everywhere: a run can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

/// Kills and restarts the first client at random moments of the slot, and waits each time until its node is in step.
async fn kill_at_random(pairs: &mut [Pair], kills: u32) {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for kill in 1..=kills {
        let Pair { running, process } = &mut pairs[0];
        tokio::time::sleep(Duration::from_millis(dice.roll(8_000))).await;
        process.kill();
        tokio::time::sleep(Duration::from_millis(dice.roll(4_000))).await;
        process.run().unwrap();
        process.wait_until_ready(LIMIT).unwrap();
        let back = running.node.view().borrow().head.slot;
        let healed = running
            .until("a restarted client", |view| {
                view.head.slot > back && !view.sync.el_offline && !view.sync.is_optimistic
            })
            .await;
        let took = healed.head.slot.0 - back.0;
        eprintln!(
            "kill {kill} of {kills}: in step {took} slots after it was back, at slot {}",
            healed.head.slot.0
        );
        assert!(took <= RECOVERY_SLOTS + 1, "a client was back for {took} slots before its node used it");
    }
}

fn survives(program: Program, kills: u32) {
    if let Err(error) = program.locate() {
        eprintln!("left out: {error}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    on_a_runtime(async {
        let processes = ["el_0", "el_1"].map(|name| start_client(program, name, dir.path()));
        make_network(dir.path(), genesis_of(&processes[0]).await, KEY_SLOTS);
        let mut pairs: Vec<Pair> = Vec::new();
        for (node, process) in processes.into_iter().enumerate() {
            let bootnodes = pairs.iter().map(|pair| pair.running.bootnode()).collect();
            let options = options(dir.path(), node, &process.endpoint(), bootnodes, 1.0);
            pairs.push(Pair { running: Running::start(options).await, process });
        }
        pairs[0].running.until("finality", |view| view.head_finalized.slot.0 > 1).await;
        kill_at_random(&mut pairs, kills).await;

        // Both clients are on the one chain that both nodes finalize.
        let goal = pairs[0].running.node.view().borrow().head.slot.0 + 4;
        for pair in &pairs {
            pair.running
                .until("the end", |view| view.head_finalized.slot.0 > goal && !view.sync.is_optimistic)
                .await;
        }
        let heads = [
            caller(&pairs[0].process).latest().await.unwrap(),
            caller(&pairs[1].process).latest().await.unwrap(),
        ];
        let lowest = heads[0].number.min(heads[1].number);
        let mut blocks = Vec::new();
        for pair in &pairs {
            blocks.push(caller(&pair.process).block(lowest).await.unwrap().unwrap());
        }
        assert_eq!(blocks[0], blocks[1], "one chain");
        for pair in pairs {
            pair.running.stop().await;
        }
    });
}

#[test]
#[ignore = "a minute of a network in real time: make accept-el"]
fn accept_two_kills_of_ethrex() {
    survives(Program::Ethrex, 2);
}

#[test]
#[ignore = "takes ten minutes"]
fn accept_fifty_kills_of_ethrex() {
    survives(Program::Ethrex, KILLS);
}

#[test]
#[ignore = "takes a quarter of an hour"]
fn accept_fifty_kills_of_ethereumjs() {
    survives(Program::EthereumJs, KILLS);
}
