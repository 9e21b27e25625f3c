//! Fork choice: judging votes and blocks, and the head.

use crate::{File, Flip};

pub(super) const FILES: &[File] = &[
    File {
        path: "crates/forkchoice/src/validation.rs",
        flips: &[
            Flip {
                rule: "a vote's source is not after its target",
                old: "require(source.slot <= target.slot,",
                new: "require(true,",
            },
            Flip {
                rule: "a vote's head is not before its target",
                old: "require(head.slot >= target.slot,",
                new: "require(true,",
            },
            Flip {
                rule: "a vote's source is at its block's slot",
                old: "require(source_slot == source.slot,",
                new: "require(true,",
            },
            Flip {
                rule: "a vote's target is at its block's slot",
                old: "require(target_slot == target.slot,",
                new: "require(true,",
            },
            Flip {
                rule: "a vote's head is at its block's slot",
                old: "require(head_slot == head.slot,",
                new: "require(true,",
            },
            Flip {
                rule: "a vote's target descends from its source",
                old: "ancestry(source, target, RejectionReason::SourceNotAncestorOfTarget)?;",
                new: "",
            },
            Flip {
                rule: "a vote's head descends from its target",
                old: "ancestry(target, head, RejectionReason::TargetNotAncestorOfHead)?;",
                new: "",
            },
            Flip {
                rule: "a vote's head descends from the finalized block",
                old: "ancestry(self.latest_finalized, head, RejectionReason::HeadNotDescendantOfFinalized)?;",
                new: "",
            },
            Flip {
                rule: "a vote is not older than its head",
                old: "require(data.slot >= head.slot,",
                new: "require(true,",
            },
            Flip {
                rule: "a vote's slot has begun",
                old: "require(data.slot <= horizon,",
                new: "require(true,",
            },
            Flip {
                rule: "a single voter is in the registry",
                old: "entry.map(|entry| entry.attestation_public_key).ok_or_else(|| not_in_state(validator, data))",
                new: "Ok(entry.map(|entry| entry.attestation_public_key).unwrap_or_default())",
            },
            Flip {
                rule: "an aggregate's voters are in the registry",
                old: "highest.is_within_registry(state.validators.len() as u64),",
                new: "true,",
            },
            Flip { rule: "a block is taken in once", old: "if self.contains(&root) {", new: "if false {" },
            Flip {
                rule: "a block may be one slot ahead of the clock",
                old: "MAX_BLOCK_SLOTS_AHEAD: u64 = 1;",
                new: "MAX_BLOCK_SLOTS_AHEAD: u64 = 0;",
            },
            Flip {
                rule: "a block is at most one slot ahead of the clock",
                old: "MAX_BLOCK_SLOTS_AHEAD: u64 = 1;",
                new: "MAX_BLOCK_SLOTS_AHEAD: u64 = 2;",
            },
            Flip {
                rule: "a block is no further from its parent than a state remembers",
                old: "require(gap <= HISTORICAL_ROOTS_LIMIT,",
                new: "require(gap < HISTORICAL_ROOTS_LIMIT,",
            },
            Flip {
                rule: "a block's data stand in it once each",
                old: "require(distinct.len() == attestations.len(),",
                new: "require(true,",
            },
            Flip {
                rule: "a block's voters are in the registry",
                old: "highest.is_within_registry(validator_count),",
                new: "true,",
            },
            Flip {
                rule: "a block's proposer is in the registry",
                old: "require(proposer.is_within_registry(validator_count),",
                new: "require(true,",
            },
            Flip {
                rule: "a block is after its parent, before anybody pays for its proof",
                old: "require(block.slot > parent.slot,",
                new: "require(true,",
            },
            Flip {
                rule: "a block's proposer has its turn, before anybody pays for the proof",
                old: "require(proposer == Some(block.proposer_index),",
                new: "require(true,",
            },
            Flip {
                rule: "a block's data are few, before anybody pays for the proof",
                old: "block.body.attestations.len() <= MAX_ATTESTATIONS_DATA,",
                new: "true,",
            },
        ],
    },
    File {
        path: "crates/forkchoice/src/head.rs",
        flips: &[
            Flip {
                rule: "the child with more votes wins",
                old: "max_by_key(|child| (weight(child), self",
                new: "max_by_key(|child| (std::cmp::Reverse(weight(child)), self",
            },
            Flip {
                rule: "of two children with equal votes the larger root wins",
                old: "self.tree.node(**child).root))",
                new: "std::cmp::Reverse(self.tree.node(**child).root)))",
            },
            Flip {
                rule: "a vote counts for the head's ancestors too",
                old: "tally.credit(self.tree.node(id).parent, tally.weights[id]);",
                new: "tally.credit(None, tally.weights[id]);",
            },
            Flip {
                rule: "the finalized block itself is outside the weights",
                old: "self.tree.node(*id).slot > self.start_slot)",
                new: "self.tree.node(*id).slot >= self.start_slot)",
            },
            Flip {
                rule: "the walk to the head starts at the justified block",
                old: "self.compute_lmd_ghost_head(self.latest_justified, &latest_votes, None)",
                new: "self.compute_lmd_ghost_head(self.latest_finalized, &latest_votes, None)",
            },
            Flip {
                rule: "finality is looked up on the head's chain",
                old: "self.latest_finalized = lowest.unwrap_or(finalized).checkpoint();",
                new: "let _ = lowest.unwrap_or(finalized).checkpoint();",
            },
            Flip {
                rule: "what was pruned stays final",
                old: "lowest.unwrap_or(finalized).checkpoint()",
                new: "lowest.and(None).unwrap_or(finalized).checkpoint()",
            },
            Flip {
                rule: "an anchor stays final while its chain calls an unknown block so",
                old: "if finalized.slot == finalized_slot {",
                new: "if true {",
            },
            Flip {
                rule: "two thirds of the voters are enough for the safe target",
                old: "min_score.is_none_or(|min_score| weight(id) >= min_score)",
                new: "min_score.is_none_or(|min_score| weight(id) > min_score)",
            },
            Flip {
                rule: "two thirds are rounded up for the safe target",
                old: "(2 * num_validators).div_ceil(3)",
                new: "2 * num_validators / 3",
            },
            Flip {
                rule: "the safe target takes pending votes",
                old: "self.latest_new_aggregated_payloads.latest_votes(self.latest_finalized.slot)",
                new: "self.latest_known_aggregated_payloads.latest_votes(self.latest_finalized.slot)",
            },
            Flip {
                rule: "pending votes count once they are promoted",
                old: "self.latest_known_aggregated_payloads.take_from(&mut self.latest_new_aggregated_payloads);",
                new: "",
            },
        ],
    },
    File {
        path: "crates/forkchoice/src/duties.rs",
        flips: &[
            Flip {
                rule: "a target is not before the safe target",
                old: "self.safe_target.slot.max(finalized_slot)",
                new: "finalized_slot",
            },
            Flip {
                rule: "a target is one that can be justified",
                old: "while slot(target) > finalized_slot && !slot(target)",
                new: "while false && !slot(target)",
            },
            Flip {
                rule: "targets are judged by the finality of the head's chain",
                old: "let finalized_slot = state.latest_finalized.slot;",
                new: "let finalized_slot = self.latest_finalized.slot;",
            },
            Flip {
                rule: "a vote's source is what the head's chain has justified",
                old: "let mut source = state.latest_justified;",
                new: "let mut source = self.latest_justified;",
            },
            Flip {
                rule: "no vote is older than its head",
                old: "let id = self.tree.ancestor_at_or_before(self.tree.id(&self.head.root)?, slot);",
                new: "let id = self.tree.id(&self.head.root)?;",
            },
            Flip {
                rule: "genesis is named by the root of its block",
                old: "if source.root == Root::ZERO {",
                new: "if false {",
            },
            Flip {
                rule: "a vote's own target is not before its source",
                old: "if target.slot < source.slot {",
                new: "if false {",
            },
        ],
    },
    File {
        path: "crates/forkchoice/src/timeline.rs",
        flips: &[
            Flip {
                rule: "votes are taken in early only for a proposal",
                old: "(Phase::Propose, _) if has_proposal =>",
                new: "(Phase::Propose, _) if has_proposal || true =>",
            },
            Flip {
                rule: "a proposal takes in pending votes",
                old: "(Phase::Propose, _) if has_proposal =>",
                new: "(Phase::Propose, _) if has_proposal && false =>",
            },
            Flip {
                rule: "the safe target moves in interval 3",
                old: "(Phase::UpdateSafeTarget, _) => self.update_safe_target(),",
                new: "(Phase::UpdateSafeTarget, _) => {}",
            },
            Flip {
                rule: "votes count from interval 4 on",
                old: "(Phase::AcceptVotes, _) => self.accept_new_attestations(),",
                new: "(Phase::AcceptVotes, _) => {}",
            },
            Flip {
                rule: "a proposal is due in the last interval only",
                old: "has_proposal && self.time.0 + 1 == target_interval.0",
                new: "has_proposal",
            },
        ],
    },
    File {
        path: "crates/forkchoice/src/store.rs",
        flips: &[
            Flip {
                rule: "an anchor's state is that of its block",
                old: "if anchor.state_root != computed_state_root {",
                new: "if false {",
            },
            Flip {
                rule: "a store starts at its anchor's slot",
                old: "time: Interval::from_slot(anchor.slot),",
                new: "time: Interval(0),",
            },
        ],
    },
];
