//! What is known of one node at one moment: its chain from the API, its figures from the metrics.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::Value;

use super::exposition::Exposition;
use super::overview::Overview;
use crate::devnet::Tip;

/// A checkpoint as the API writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct Checkpoint {
    /// Root, `0x` and hex.
    pub root: String,
    /// Slot.
    pub slot: u64,
}

/// A block of the fork-choice tree.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Block {
    /// Root.
    pub root: String,
    /// Slot.
    pub slot: u64,
    /// Root of the parent.
    pub parent_root: String,
}

/// The answer of `fork_choice`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(crate) struct ForkChoice {
    /// Blocks from the finalized slot on.
    pub nodes: Vec<Block>,
    /// Root of the head.
    pub head: String,
    /// The store's justified checkpoint.
    pub justified: Checkpoint,
    /// The store's finalized checkpoint.
    pub finalized: Checkpoint,
    /// Root of the safe target.
    pub safe_target: String,
}

impl ForkChoice {
    /// Slot of the head; 0 if the answer does not contain it.
    pub(crate) fn head_slot(&self) -> u64 {
        self.nodes.iter().find(|block| block.root == self.head).map_or(0, |block| block.slot)
    }

    /// Root of the newest block at or below `slot` on the head's chain.
    pub(crate) fn root_at(&self, slot: u64) -> Option<&str> {
        let by_root: HashMap<&str, &Block> =
            self.nodes.iter().map(|block| (block.root.as_str(), block)).collect();
        let mut block = *by_root.get(self.head.as_str())?;
        while block.slot > slot {
            block = *by_root.get(block.parent_root.as_str())?;
        }
        Some(&block.root)
    }
}

/// One node at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    /// Its chain.
    pub chain: ForkChoice,
    /// Its figures.
    pub figures: Figures,
    /// The execution client beside it, if there is one that answers.
    pub execution: Option<Tip>,
    /// What it says of itself; nodes of other clients say nothing.
    pub overview: Option<Overview>,
    /// The same and its chain, as they came, for the page.
    pub raw_overview: Value,
    /// See above.
    pub raw_chain: Value,
}

impl Sample {
    /// Takes in what a node said; `None` if that is no fork choice.
    pub(crate) fn new(chain: Value, mut overview: Value, figures: Figures) -> Option<Self> {
        let read = ForkChoice::deserialize(&chain).ok()?;
        let understood = Overview::deserialize(&overview).ok();
        // The page of a network shows of each slot when blocks came, and nothing else.
        for slot in overview.get_mut("slots").and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(slot) = slot.as_object_mut() {
                slot.retain(|key, _| key == "slot" || key == "blocks");
            }
        }
        Some(Self {
            chain: read,
            figures,
            execution: None,
            overview: understood,
            raw_overview: overview,
            raw_chain: chain,
        })
    }
}

/// The figures of one scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Figures {
    /// Slot of the head.
    pub head_slot: u64,
    /// Justified slot of the head state.
    pub justified_slot: u64,
    /// Finalized slot of the head state.
    pub finalized_slot: u64,
    /// Slot of the safe target.
    pub safe_target_slot: u64,
    /// Connected peers.
    pub peers: u64,
    /// Blocks imported.
    pub blocks_seen: u64,
    /// Votes for the previous slot that those carried.
    pub previous_slot_votes: u64,
    /// Arrival of the last block after the start of its slot.
    pub last_arrival_ms: i64,
    /// Blocks by what shows their votes.
    pub block_proofs: BlockProofs,
    /// Missed duties by reason.
    pub missed_duties: BTreeMap<String, u64>,
    /// Highest resident memory.
    pub max_rss_bytes: f64,
    /// CPU time used.
    pub cpu_seconds: f64,
    /// Arrival of blocks.
    pub block_arrival_ms: Percentiles,
    /// Import of blocks.
    pub block_import_ms: Percentiles,
    /// Turns of the chain's loop.
    pub chain_turn_ms: Percentiles,
}

/// Numbers of blocks by what shows their votes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct BlockProofs {
    /// Signatures alone.
    pub raw: u64,
    /// Proofs alone.
    pub stark: u64,
    /// Proofs, and signatures beside them.
    pub mixed: u64,
    /// One proof of an external system over everything.
    pub external: u64,
}

/// Two percentiles in milliseconds; zero while there is nothing to count.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub(crate) struct Percentiles {
    /// Half are below.
    pub p50: f64,
    /// All but one in a hundred are below.
    pub p99: f64,
}

impl BlockProofs {
    /// Blocks in all.
    pub(crate) const fn total(self) -> u64 {
        self.raw + self.stark + self.mixed + self.external
    }
}

impl Figures {
    /// Reads what a scrape says.
    pub(crate) fn from_metrics(text: &str) -> Self {
        let scrape = Exposition::parse(text);
        let number = |name: &str| scrape.sum(name).unwrap_or_default();
        let count = |name: &str| number(name) as u64;
        let percentiles = |name: &str| {
            let ms = |quantile| round(scrape.quantile(name, quantile).unwrap_or_default() * 1000.0, 2);
            Percentiles { p50: ms(0.5), p99: ms(0.99) }
        };
        let kinds = scrape.by_label("lathe_block_proofs_total", "kind");
        let blocks_of = |kind: &str| kinds.get(kind).copied().unwrap_or_default();
        Self {
            head_slot: count("lean_head_slot"),
            justified_slot: count("lean_justified_slot"),
            finalized_slot: count("lean_finalized_slot"),
            safe_target_slot: count("lean_safe_target_slot"),
            peers: count("lean_connected_peers"),
            blocks_seen: count("lathe_blocks_imported_total"),
            previous_slot_votes: count("lathe_previous_slot_votes_total"),
            last_arrival_ms: number("lathe_last_block_arrival_ms") as i64,
            block_proofs: BlockProofs {
                raw: blocks_of("raw"),
                stark: blocks_of("stark"),
                mixed: blocks_of("mixed"),
                external: blocks_of("external"),
            },
            missed_duties: scrape.by_label("lathe_missed_duties_total", "reason"),
            max_rss_bytes: number("lathe_process_max_resident_memory_bytes"),
            cpu_seconds: number("process_cpu_seconds_total"),
            block_arrival_ms: percentiles("lathe_block_arrival_seconds"),
            block_import_ms: percentiles("lathe_block_import_seconds"),
            chain_turn_ms: percentiles("lathe_chain_turn_seconds"),
        }
    }

    /// All missed duties.
    pub(crate) fn missed(&self) -> u64 {
        self.missed_duties.values().sum()
    }
}

/// `value` with that many decimals.
pub(crate) fn round(value: f64, decimals: i32) -> f64 {
    let scale = 10f64.powi(decimals);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_walked_back_from_the_head() {
        let block =
            |root: &str, slot, parent: &str| Block { root: root.into(), slot, parent_root: parent.into() };
        let chain = ForkChoice {
            nodes: vec![block("a", 1, "g"), block("b", 2, "a"), block("x", 2, "a"), block("c", 4, "b")],
            head: "c".into(),
            ..ForkChoice::default()
        };
        assert_eq!(chain.head_slot(), 4);
        assert_eq!(chain.root_at(9), Some("c"));
        assert_eq!(chain.root_at(3), Some("b"));
        assert_eq!(chain.root_at(1), Some("a"));
        assert_eq!(chain.root_at(0), None);
    }

    #[test]
    fn figures_come_from_the_metrics_by_name() {
        let figures = Figures::from_metrics(
            "lean_head_slot 9\nlean_connected_peers{client=\"lathe_1\"} 1\nlean_connected_peers{client=\"lathe_2\"} 1\n\
             lathe_missed_duties_total{duty=\"proposal\",reason=\"late_tick\"} 2\n\
             lathe_block_proofs_total{kind=\"raw\"} 5\nlathe_block_proofs_total{kind=\"mixed\"} 3\n",
        );
        assert_eq!(figures.block_proofs, BlockProofs { raw: 5, mixed: 3, ..BlockProofs::default() });
        assert_eq!((figures.head_slot, figures.peers, figures.missed()), (9, 2, 2));
        assert_eq!(figures.block_arrival_ms, Percentiles::default());
    }
}
