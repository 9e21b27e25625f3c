//! What the execution clients say of their chain, and the account of it at the end of a run.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use serde::Serialize;

use super::rpc::{Block, Rpc};

/// Blocks followed in one round, so that a round stays short after a pause.
const BLOCKS_PER_ROUND: u64 = 64;

/// One execution client at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Tip {
    /// Number of its newest block.
    pub latest: u64,
    /// Hash of its newest block.
    pub latest_hash: String,
    /// Number of the block that it was told is safe.
    pub safe: Option<u64>,
    /// Number of the block that it was told is final.
    pub finalized: Option<u64>,
}

impl Tip {
    fn ask(rpc: &Rpc, client: SocketAddr) -> Option<Self> {
        let latest = rpc.block(client, "latest")?;
        let number = |which| rpc.block(client, which).map(|block: Block| block.number);
        Some(Self {
            latest: latest.number,
            latest_hash: latest.hash,
            safe: number("safe"),
            finalized: number("finalized"),
        })
    }
}

/// The execution layer's part in a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct ExecutionSummary {
    /// The newest fork.
    pub fork: String,
    /// Whether all clients have the same newest block.
    pub agreed: bool,
    /// Number of the newest block.
    pub latest: u64,
    /// Distance from the newest block to the safe one, where all clients agree on both.
    pub safe_lag: Option<u64>,
    /// Distance from the newest block to the final one.
    pub finalized_lag: Option<u64>,
    /// Transactions sent.
    pub transactions_sent: u64,
    /// Transactions in blocks.
    pub transactions_included: u64,
    /// Blocks with requests to the consensus layer.
    pub blocks_with_requests: u64,
    /// Each client.
    pub clients: BTreeMap<String, Option<Tip>>,
}

/// Watches the execution clients.
pub(super) struct Account {
    rpc: Rpc,
    clients: Vec<(String, SocketAddr)>,
    fork: String,
    tips: Vec<Option<Tip>>,
    /// Transactions and requests of each block, by number; a block that was replaced is counted as what replaced it.
    blocks: BTreeMap<u64, (String, u64, bool)>,
}

impl Account {
    /// An account of these clients.
    pub(super) fn new(clients: Vec<(String, SocketAddr)>, fork: String) -> Self {
        let tips = vec![None; clients.len()];
        Self { rpc: Rpc::new(), clients, fork, tips, blocks: BTreeMap::new() }
    }

    /// Asks every client for its newest blocks, and the one that is furthest for what is in them.
    pub(super) fn update(&mut self) {
        self.tips = std::thread::scope(|scope| {
            let rpc = &self.rpc;
            let asked: Vec<_> =
                self.clients.iter().map(|(_, client)| scope.spawn(move || Tip::ask(rpc, *client))).collect();
            asked.into_iter().map(|answer| answer.join().ok().flatten()).collect()
        });
        let furthest = self
            .tips
            .iter()
            .zip(&self.clients)
            .filter_map(|(tip, (_, client))| Some((tip.as_ref()?, *client)));
        let Some((tip, client)) = furthest.max_by_key(|(tip, _)| tip.latest) else { return };
        // From the newest back to what is known: a reorganisation is never deeper than what is not final.
        for number in (1..=tip.latest).rev().take(BLOCKS_PER_ROUND as usize) {
            let Some(block) = self.rpc.block(client, &format!("{number:#x}")) else { return };
            let known = self.blocks.get(&number).is_some_and(|(hash, ..)| *hash == block.hash);
            let has_requests = block.has_requests();
            self.blocks.insert(number, (block.hash, block.transactions.len() as u64, has_requests));
            if known {
                return;
            }
        }
    }

    /// What each client said last.
    pub(super) fn tips(&self) -> &[Option<Tip>] {
        &self.tips
    }

    /// The account so far.
    pub(super) fn summary(&self, transactions_sent: u64) -> ExecutionSummary {
        let first = self.tips.first().cloned().flatten();
        let agreed =
            first.is_some() && self.tips.iter().all(|tip| tip.as_ref().map(hash) == first.as_ref().map(hash));
        let lag = |of: fn(&Tip) -> Option<u64>| {
            let mut lags =
                self.tips.iter().map(|tip| tip.as_ref().and_then(|tip| tip.latest.checked_sub(of(tip)?)));
            let first = lags.next().flatten()?;
            lags.all(|lag| lag == Some(first)).then_some(first)
        };
        ExecutionSummary {
            fork: self.fork.clone(),
            agreed,
            latest: self.tips.iter().flatten().map(|tip| tip.latest).max().unwrap_or(0),
            safe_lag: lag(|tip| tip.safe),
            finalized_lag: lag(|tip| tip.finalized),
            transactions_sent,
            transactions_included: self.blocks.values().map(|(_, transactions, _)| transactions).sum(),
            blocks_with_requests: self.blocks.values().filter(|(.., has_requests)| *has_requests).count()
                as u64,
            clients: self
                .clients
                .iter()
                .map(|(name, _)| name.clone())
                .zip(self.tips.iter().cloned())
                .collect(),
        }
    }
}

fn hash(tip: &Tip) -> &str {
    &tip.latest_hash
}

impl fmt::Display for ExecutionSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lag = |lag: Option<u64>| lag.map_or("unknown".into(), |lag| format!("latest - {lag}"));
        write!(
            f,
            "execution: {} clients {} at block {}, safe = {}, finalized = {}, {} of {} transactions included, {} blocks with requests",
            self.clients.len(),
            if self.agreed { "agree" } else { "differ" },
            self.latest,
            lag(self.safe_lag),
            lag(self.finalized_lag),
            self.transactions_included,
            self.transactions_sent,
            self.blocks_with_requests,
        )
    }
}

impl ExecutionSummary {
    /// What is wrong with the execution layer, if anything, after a run that could finalize: justified and finalized
    /// lag by these numbers of slots.
    pub(crate) fn complaint(&self, justified_lag: u64, finalized_lag: u64) -> Option<String> {
        if !self.agreed {
            return Some(
                "the execution clients do not have the same newest block, or not all of them answer".into(),
            );
        }
        if self.transactions_included == 0 {
            return Some("no transaction was included".into());
        }
        if (self.safe_lag, self.finalized_lag) != (Some(justified_lag), Some(finalized_lag)) {
            return Some(format!("the execution clients were not told what is safe and final: {self}"));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tip(latest: u64, hash: &str) -> Option<Tip> {
        Some(Tip {
            latest,
            latest_hash: hash.into(),
            safe: latest.checked_sub(2),
            finalized: latest.checked_sub(3),
        })
    }

    fn account(tips: Vec<Option<Tip>>) -> Account {
        let clients = (0..tips.len()).map(|n| (format!("el_{n}"), "127.0.0.1:1".parse().unwrap())).collect();
        let blocks = [(1, ("a".into(), 2, false)), (2, ("b".into(), 1, true))].into();
        Account { tips, blocks, ..Account::new(clients, "prague".into()) }
    }

    #[test]
    fn clients_with_one_chain_agree() {
        let summary = account(vec![tip(7, "h"), tip(7, "h")]).summary(4);
        assert_eq!((summary.agreed, summary.latest), (true, 7));
        assert_eq!((summary.safe_lag, summary.finalized_lag), (Some(2), Some(3)));
        assert_eq!(
            (summary.transactions_sent, summary.transactions_included, summary.blocks_with_requests),
            (4, 3, 1)
        );
        assert_eq!(summary.complaint(2, 3), None);
        assert!(summary.complaint(2, 4).unwrap().contains("safe and final"));
    }

    #[test]
    fn what_differs_is_complained_of() {
        for tips in [
            vec![tip(7, "h"), tip(7, "i")],
            vec![tip(7, "h"), None],
            vec![None, tip(7, "h")],
            vec![None, None],
        ] {
            let summary = account(tips).summary(4);
            assert!(!summary.agreed);
            assert!(summary.complaint(2, 3).unwrap().contains("newest block"));
        }
        let mut idle = account(vec![tip(7, "h")]);
        idle.blocks.clear();
        assert!(idle.summary(4).complaint(2, 3).unwrap().contains("no transaction"));
    }

    #[test]
    fn a_lag_is_told_where_all_agree() {
        let mut other = tip(7, "h");
        if let Some(tip) = &mut other {
            tip.safe = Some(6);
        }
        let summary = account(vec![tip(7, "h"), other]).summary(0);
        assert_eq!((summary.safe_lag, summary.finalized_lag), (None, Some(3)));
    }
}
