//! Whose votes reach the network's blocks: leanMetrics' account of attestation coverage.

use lathe_forkchoice::ValidatorSet;
use prometheus::IntGaugeVec;

use super::registrar::Registrar;

/// Subnets with a series of their own; a network of thousands would drown the scrape in them.
const MAX_SUBNETS: u64 = 64;
/// The label of all subnets together.
const COMBINED: &str = "combined";

/// What a figure is about, as the label has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// In proofs that were promoted in the slot of the votes.
    Timely,
    /// In proofs that came later.
    Late,
    /// In blocks of the next slot.
    Block,
    /// In any of these.
    Combined,
    /// In proofs at hand as our aggregation begins.
    AggregateStartNew,
    /// In our block, from proofs of others.
    ProposalPayloads,
    /// In our block, from single votes that were folded here.
    ProposalGossip,
    /// In our block.
    ProposalCombined,
}

impl Section {
    /// All of them.
    const ALL: [Self; 8] = [
        Self::Timely,
        Self::Late,
        Self::Block,
        Self::Combined,
        Self::AggregateStartNew,
        Self::ProposalPayloads,
        Self::ProposalGossip,
        Self::ProposalCombined,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Timely => "timely",
            Self::Late => "late",
            Self::Block => "block",
            Self::Combined => COMBINED,
            Self::AggregateStartNew => "aggregate_start_new",
            Self::ProposalPayloads => "proposal_payloads",
            Self::ProposalGossip => "proposal_gossip",
            Self::ProposalCombined => "proposal_combined",
        }
    }
}

/// Coverage of the votes for a slot, of the last slot that there is an account of.
pub struct CoverageMetrics {
    validators: IntGaugeVec,
    subnets: IntGaugeVec,
    diff: IntGaugeVec,
}

impl CoverageMetrics {
    pub(super) fn new(r: &Registrar<'_>) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            validators: r.gauges(
                "lean_attestation_aggregate_coverage_validators",
                "Validators whose votes for a slot were heard of, by section and subnet",
                &["section", "subnet"],
            )?,
            subnets: r.gauges(
                "lean_attestation_aggregate_coverage_subnets",
                "Subnets with at least one such validator, by section",
                &["section"],
            )?,
            diff: r.gauges(
                "lean_attestation_aggregate_coverage_diff_validators",
                "Validators in blocks but not in timely proofs, and the other way round",
                &["direction"],
            )?,
        };
        let nobody = ValidatorSet::default();
        for section in Section::ALL {
            metrics.record(section, &nobody, 0);
        }
        metrics.record_diff(&nobody, &nobody);
        Ok(metrics)
    }

    /// Sets a section's figures in a network of `committee_count` subnets.
    pub fn record(&self, section: Section, voters: &ValidatorSet, committee_count: u64) {
        let section = section.name();
        self.validators.with_label_values(&[section, COMBINED]).set(voters.len() as i64);
        let mut by_subnet = vec![0_i64; usize::try_from(committee_count).unwrap_or_default()];
        if committee_count > 0 {
            for voter in voters.iter() {
                // A remainder is below the count, which is the length.
                by_subnet[voter.subnet(committee_count).0 as usize] += 1;
            }
        }
        let covered = by_subnet.iter().filter(|voters| **voters > 0).count();
        self.subnets.with_label_values(&[section]).set(covered as i64);
        for (subnet, voters) in (0..committee_count.min(MAX_SUBNETS)).zip(by_subnet) {
            self.validators.with_label_values(&[section, &format!("subnet_{subnet}")]).set(voters);
        }
    }

    /// Sets how the voters in blocks and those in timely proofs differ.
    pub fn record_diff(&self, block: &ValidatorSet, timely: &ValidatorSet) {
        let set = |direction, count| self.diff.with_label_values(&[direction]).set(count as i64);
        set("block_only", block.count_beyond(timely));
        set("timely_only", timely.count_beyond(block));
    }
}
