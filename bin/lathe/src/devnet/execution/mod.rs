//! The execution clients of a development network: one beside each node, kept busy with transactions.

mod account;
mod rpc;
mod traffic;
mod transactions;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use eyre::{WrapErr as _, bail, eyre};
use lathe_execution::Fork;
use lathe_execution::dev::{DevClient, Program};
use lathe_types::Root;

use account::Account;
use rpc::Rpc;
use traffic::Traffic;

use crate::nodes::Sample;

pub(crate) use account::{ExecutionSummary, Tip};

/// Directory of the execution clients inside that of the network.
const DIRECTORY: &str = "execution";
/// Time to come up, on a busy machine: EthereumJS takes up to five seconds on an idle one.
const START_LIMIT: Duration = Duration::from_secs(60);
/// Pause between questions to a client that comes up.
const POLL: Duration = Duration::from_millis(100);
/// The interval at which transactions are sent: after the slot's block is everywhere, and before the next one is built.
const TRAFFIC_INTERVAL: u64 = 2;

/// Which execution clients a network gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// ethrex beside every node
    Ethrex,
    /// EthereumJS beside every node
    Ethereumjs,
    /// One and the other in turn
    Mixed,
}

/// The newest fork of the execution chain, active from its genesis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ForkName {
    /// Blobs
    Cancun,
    /// Execution requests
    Prague,
    /// ethrex only
    Osaka,
}

impl From<ForkName> for Fork {
    fn from(name: ForkName) -> Self {
        match name {
            ForkName::Cancun => Self::Cancun,
            ForkName::Prague => Self::Prague,
            ForkName::Osaka => Self::Osaka,
        }
    }
}

impl Kind {
    fn program(self, node: usize) -> Program {
        match (self, node % 2) {
            (Self::Ethrex, _) | (Self::Mixed, 0) => Program::Ethrex,
            (Self::Ethereumjs, _) | (Self::Mixed, _) => Program::EthereumJs,
        }
    }
}

/// The execution clients, in the order of the nodes. Dropping them stops them.
pub(super) struct Clients {
    clients: Vec<DevClient>,
    fork: Fork,
}

impl Clients {
    /// Starts one for each of `nodes` nodes of the network in `dir`, and waits until all listen.
    pub(super) fn start(kind: Kind, fork: Fork, nodes: usize, dir: &Path) -> eyre::Result<Self> {
        let mut clients = Vec::new();
        for node in 0..nodes {
            let program = kind.program(node);
            if !program.knows(fork) {
                bail!("--fork: {} does not know {fork:?}; choose prague or --el ethrex", program.name());
            }
            let name = format!("{}_{node}", program.name());
            let home = dir.join(DIRECTORY).join(&name);
            clients.push(DevClient::start(program, fork, &name, &home)?);
        }
        for client in &mut clients {
            client.wait_until_ready(START_LIMIT)?;
        }
        Ok(Self { clients, fork })
    }

    /// The options by which a node finds its execution client.
    pub(super) fn options(&self, node: usize) -> eyre::Result<Vec<String>> {
        let client = self.clients.get(node).ok_or_else(|| eyre!("there is no execution client {node}"))?;
        let secret: PathBuf = std::path::absolute(client.secret_file())?;
        Ok(vec![
            "--execution-endpoint".into(),
            client.endpoint(),
            "--execution-jwt-secret".into(),
            secret.display().to_string(),
        ])
    }

    /// Hash of block 0, which all of them share.
    pub(super) fn genesis(&self) -> eyre::Result<Root> {
        let rpc = Rpc::new();
        let first = self.clients.first().ok_or_else(|| eyre!("there is no execution client"))?;
        let deadline = Instant::now() + START_LIMIT;
        while Instant::now() < deadline {
            if let Some(block) = rpc.block(first.rpc(), "0x0") {
                return block.hash.parse().wrap_err("the hash of the execution client's block 0");
            }
            std::thread::sleep(POLL);
        }
        bail!("{} does not tell its block 0; see {}", first.name(), first.log().display())
    }

    /// How each that ended did so; each is told once and not started again.
    pub(super) fn ended(&mut self) -> Vec<String> {
        let ended = self.clients.iter_mut().filter(|client| client.process_id().is_some());
        let mut told = Vec::new();
        for client in ended {
            if !client.is_running() {
                client.kill();
                told.push(format!("{} ended; see {}", client.name(), client.log().display()));
            }
        }
        told
    }
}

/// Watches the execution clients and keeps them busy.
pub(super) struct Watch {
    account: Account,
    traffic: Traffic,
}

impl Watch {
    /// A watch over these clients.
    pub(super) fn new(clients: &Clients) -> Self {
        let addresses: Vec<SocketAddr> = clients.clients.iter().map(DevClient::rpc).collect();
        let named = clients.clients.iter().map(|client| (client.name().to_owned(), client.rpc())).collect();
        let fork = format!("{:?}", clients.fork).to_lowercase();
        Self { account: Account::new(named, fork), traffic: Traffic::new(addresses, clients.fork) }
    }

    /// One round: sends what the slot is due, asks every client, and adds what they say to the nodes' samples.
    pub(super) async fn round(
        mut self,
        slot: u64,
        interval: u64,
        samples: &mut [Option<Sample>],
    ) -> eyre::Result<Self> {
        let work = tokio::task::spawn_blocking(move || {
            if interval == TRAFFIC_INTERVAL {
                self.traffic.send(slot);
            }
            self.account.update();
            self
        });
        let watch = work.await.wrap_err("asking the execution clients failed")?;
        for (sample, tip) in samples.iter_mut().zip(watch.account.tips()) {
            if let Some(sample) = sample {
                sample.execution.clone_from(tip);
            }
        }
        Ok(watch)
    }

    /// The account of the run.
    pub(super) fn summary(&self) -> ExecutionSummary {
        self.account.summary(self.traffic.sent())
    }
}
