//! The account of a finished run.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::execution::ExecutionSummary;
use crate::nodes::{BlockProofs, Percentiles, Sample, round};

/// Lags are judged from this slot on: before it the chain cannot have finalized three slots back.
const FIRST_JUDGED_SLOT: u64 = 5;
/// The smallest distance of the justified checkpoint from the head that the slot's timeline allows.
const BEST_JUSTIFIED_LAG: u64 = 2;
/// The same of the finalized checkpoint.
const BEST_FINALITY_LAG: u64 = 3;
const MIB: f64 = 1024.0 * 1024.0;

/// What a run came to. The keys are relied upon by tools.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Summary {
    /// Slots that the run lasted.
    pub slots: u64,
    /// Validators of the network.
    pub validators: u64,
    /// Whether all nodes answer and have the same block at the lowest of their head slots.
    pub agreed: bool,
    /// Slots from 1 on that have a block on the final chain.
    pub slots_with_block: u64,
    /// Share of the previous slot's votes that blocks carry.
    pub participation: f64,
    /// Largest distance from a head to the justified checkpoint of its state.
    pub justified_lag_slots: u64,
    /// Largest distance from a head to the finalized checkpoint of its state.
    pub finality_lag_slots: u64,
    /// Blocks by what shows their votes, as the node counts them that has seen the most.
    pub block_proofs: BlockProofs,
    /// From the start of the command to the first finalized block after genesis.
    pub seconds_to_first_finalized: Option<f64>,
    /// The execution layer, if the network has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution: Option<ExecutionSummary>,
    /// Each node.
    pub nodes: Vec<NodeSummary>,
}

/// One node at the end of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct NodeSummary {
    /// Its name.
    pub name: String,
    /// Slot of its head.
    pub head_slot: u64,
    /// Root of its head.
    pub head_root: String,
    /// Justified slot of its head's state.
    pub justified_slot: u64,
    /// Finalized slot of its head's state.
    pub finalized_slot: u64,
    /// The finalized root.
    pub finalized_root: String,
    /// Connected peers.
    pub peers: u64,
    /// Blocks imported.
    pub blocks_seen: u64,
    /// Missed duties by reason.
    pub missed_duties: BTreeMap<String, u64>,
    /// Highest resident memory.
    pub max_rss_mib: f64,
    /// Share of one core, from slot 1 on.
    pub cpu_percent: f64,
    /// When blocks arrived, after the start of their slots.
    pub block_arrival_ms: Percentiles,
    /// How long their import took.
    pub block_import_ms: Percentiles,
    /// How long the chain's loop took for one turn: whatever it had to wait for would show here.
    pub chain_turn_ms: Percentiles,
}

/// Gathers what a summary needs while the run goes on.
#[derive(Debug)]
pub(super) struct Record {
    names: Vec<String>,
    validators: u64,
    /// Every block seen: slot and parent by root.
    blocks: HashMap<String, (u64, String)>,
    /// Each node when it was first seen in slot 1 or later, with the seconds since the command began.
    baseline: Vec<Option<(f64, Sample)>>,
    latest: Vec<Option<(f64, Sample)>>,
    /// Nodes that did not answer in the last round.
    silent: Vec<bool>,
    justified_lag: u64,
    finality_lag: u64,
    first_finalized: Option<f64>,
}

impl Record {
    /// An empty record of a network of `names` with `validators`.
    pub(super) fn new(names: Vec<String>, validators: u64) -> Self {
        let none = vec![None; names.len()];
        Self {
            names,
            validators,
            blocks: HashMap::new(),
            baseline: none.clone(),
            silent: vec![true; none.len()],
            latest: none,
            justified_lag: 0,
            finality_lag: 0,
            first_finalized: None,
        }
    }

    /// Takes in one round of samples, one per node, made at interval 3 of `slot`.
    pub(super) fn note_slot(&mut self, slot: u64, elapsed_s: f64, samples: &[Option<Sample>]) {
        self.note(elapsed_s, samples);
        for (node, sample) in samples.iter().enumerate() {
            let Some(sample) = sample else { continue };
            if slot >= 1 && self.baseline[node].is_none() {
                self.baseline[node] = Some((elapsed_s, sample.clone()));
            }
            if slot >= FIRST_JUDGED_SLOT {
                let figures = &sample.figures;
                let lag = |checkpoint: u64| figures.head_slot.saturating_sub(checkpoint);
                self.justified_lag = self.justified_lag.max(lag(figures.justified_slot));
                self.finality_lag = self.finality_lag.max(lag(figures.finalized_slot));
            }
        }
    }

    /// Takes in samples made at any other time.
    pub(super) fn note(&mut self, elapsed_s: f64, samples: &[Option<Sample>]) {
        self.silent = samples.iter().map(Option::is_none).collect();
        for (node, sample) in samples.iter().enumerate() {
            let Some(sample) = sample else { continue };
            for block in &sample.chain.nodes {
                self.blocks
                    .entry(block.root.clone())
                    .or_insert_with(|| (block.slot, block.parent_root.clone()));
            }
            if sample.figures.finalized_slot > 0 {
                self.first_finalized.get_or_insert(elapsed_s);
            }
            self.latest[node] = Some((elapsed_s, sample.clone()));
        }
    }

    /// The account of a run of `slots`.
    pub(super) fn summary(&self, slots: u64) -> Summary {
        Summary {
            slots,
            validators: self.validators,
            agreed: self.agreed(),
            slots_with_block: self.slots_with_block(slots),
            participation: self.participation(),
            justified_lag_slots: self.justified_lag,
            finality_lag_slots: self.finality_lag,
            block_proofs: self.block_proofs(),
            seconds_to_first_finalized: self.first_finalized.map(|seconds| round(seconds, 2)),
            execution: None,
            nodes: (0..self.names.len()).filter_map(|node| self.node_summary(node)).collect(),
        }
    }

    fn agreed(&self) -> bool {
        if self.silent.contains(&true) {
            return false;
        }
        let chains: Option<Vec<_>> =
            self.latest.iter().map(|latest| latest.as_ref().map(|(_, sample)| &sample.chain)).collect();
        let Some(chains) = chains else { return false };
        let Some(slot) = chains.iter().map(|chain| chain.head_slot()).min() else { return false };
        let mut roots = chains.iter().map(|chain| chain.root_at(slot));
        let first = roots.next().flatten();
        first.is_some() && roots.all(|root| root == first)
    }

    fn slots_with_block(&self, slots: u64) -> u64 {
        let heads = self.latest.iter().flatten().map(|(_, sample)| &sample.chain);
        let Some(mut root) = heads.max_by_key(|chain| chain.head_slot()).map(|chain| &chain.head) else {
            return 0;
        };
        let mut count = 0;
        while let Some((slot, parent)) = self.blocks.get(root) {
            count += u64::from((1..=slots).contains(slot));
            root = parent;
        }
        count
    }

    fn block_proofs(&self) -> BlockProofs {
        let counts = self.latest.iter().flatten().map(|(_, sample)| sample.figures.block_proofs);
        counts.max_by_key(|counts| counts.total()).unwrap_or_default()
    }

    fn participation(&self) -> f64 {
        let (mut votes, mut blocks) = (0, 0);
        for (first, last) in self.baseline.iter().flatten().zip(self.latest.iter().flatten()) {
            let (first, last) = (&first.1.figures, &last.1.figures);
            votes += last.previous_slot_votes.saturating_sub(first.previous_slot_votes);
            blocks += last.blocks_seen.saturating_sub(first.blocks_seen);
        }
        let expected = blocks * self.validators;
        if expected == 0 { 0.0 } else { round(votes as f64 / expected as f64, 4) }
    }

    fn node_summary(&self, node: usize) -> Option<NodeSummary> {
        let (ended, sample) = self.latest[node].as_ref()?;
        let figures = &sample.figures;
        let cpu_percent = self.baseline[node].as_ref().map_or(0.0, |(began, first)| {
            let seconds = (ended - began).max(f64::MIN_POSITIVE);
            100.0 * (figures.cpu_seconds - first.figures.cpu_seconds) / seconds
        });
        Some(NodeSummary {
            name: self.names[node].clone(),
            head_slot: sample.chain.head_slot(),
            head_root: sample.chain.head.clone(),
            justified_slot: figures.justified_slot,
            finalized_slot: figures.finalized_slot,
            finalized_root: sample.chain.finalized.root.clone(),
            peers: figures.peers,
            blocks_seen: figures.blocks_seen,
            missed_duties: figures.missed_duties.clone(),
            max_rss_mib: round(figures.max_rss_bytes / MIB, 1),
            cpu_percent: round(cpu_percent, 2),
            block_arrival_ms: figures.block_arrival_ms,
            block_import_ms: figures.block_import_ms,
            chain_turn_ms: figures.chain_turn_ms,
        })
    }
}

impl Summary {
    /// What is wrong with the run, if anything.
    pub(super) fn complaint(&self) -> Option<String> {
        if !self.agreed {
            return Some("the nodes do not agree on one chain, or not all of them answer".into());
        }
        if self.slots >= FIRST_JUDGED_SLOT
            && (self.justified_lag_slots, self.finality_lag_slots) != (BEST_JUSTIFIED_LAG, BEST_FINALITY_LAG)
        {
            return Some(format!(
                "finality lags: justified {} and finalized {} slots behind the head, expected {BEST_JUSTIFIED_LAG} and \
                 {BEST_FINALITY_LAG}",
                self.justified_lag_slots, self.finality_lag_slots
            ));
        }
        let execution = self.execution.as_ref().filter(|_| self.slots >= FIRST_JUDGED_SLOT)?;
        execution.complaint(BEST_JUSTIFIED_LAG, BEST_FINALITY_LAG)
    }
}

#[cfg(test)]
#[path = "summary_tests.rs"]
mod tests;
