//! Fork choice: what votes and blocks leave behind, and the blocks that are built from it.

use crate::{File, Flip};

pub(super) const FILES: &[File] = &[
    File {
        path: "crates/forkchoice/src/votes.rs",
        flips: &[
            Flip {
                rule: "a validator's later vote counts",
                old: "(self.slot, self.data_root) > (other.slot, other.data_root)",
                new: "(other.slot, self.data_root) > (self.slot, other.data_root)",
            },
            Flip {
                rule: "of two votes for one slot that with the larger root counts",
                old: "(self.slot, self.data_root) > (other.slot, other.data_root)",
                new: "(self.slot, other.data_root) > (other.slot, self.data_root)",
            },
            Flip {
                rule: "of two votes for one slot the order of arrival decides nothing",
                old: "(self.slot, self.data_root) > (other.slot, other.data_root)",
                new: "self.slot >= other.slot",
            },
        ],
    },
    File {
        path: "crates/forkchoice/src/pool.rs",
        flips: &[
            Flip {
                rule: "votes for heads up to the finalized slot do not count",
                old: "if entry.data.head.slot > finalized_slot {",
                new: "if true {",
            },
            Flip {
                rule: "votes for heads up to the finalized slot do not count, nor when they arrive late",
                old: "&& data.head.slot > *cutoff\n        {",
                new: "{",
            },
            Flip {
                rule: "a proof that is held is not held twice",
                old: "if entry.proofs.contains(&proof) {",
                new: "if false {",
            },
            Flip {
                rule: "a proof that is let go leaves its votes behind",
                old: "self.outlived.count(vote, &proof.participants);",
                new: "",
            },
        ],
    },
    File {
        path: "crates/forkchoice/src/import.rs",
        flips: &[
            Flip {
                rule: "only an aggregator keeps single votes",
                old: "if is_aggregator {",
                new: "if true {",
            },
            Flip {
                rule: "a single vote is judged again when its signature is verified",
                old: "self.validate_attestation(data)?;",
                new: "",
            },
            Flip {
                rule: "an aggregate is judged again when its proof is verified",
                old: "self.check_aggregated_attestation(aggregate)?;",
                new: "",
            },
            Flip {
                rule: "a block's parent is known",
                old: "if self.state(&block.parent_root).is_none() {",
                new: "if false {",
            },
            Flip {
                rule: "of two justified checkpoints at one slot the first stays",
                old: "if candidate.slot > self.latest_justified.slot &&",
                new: "if candidate.slot >= self.latest_justified.slot &&",
            },
            Flip {
                rule: "justification of an unknown block is not taken over",
                old: " && self.contains(&candidate.root) {",
                new: " {",
            },
            Flip {
                rule: "a block's votes are known as data",
                old: "self.latest_known_aggregated_payloads.seed(attestation.data);",
                new: "",
            },
            Flip {
                rule: "finality prunes votes",
                old: "if self.latest_finalized.slot > previous_finalized_slot {",
                new: "if false {",
            },
            Flip {
                rule: "votes for the finalized block itself are pruned",
                old: "head.slot > finalized.slot && tree",
                new: "head.slot >= finalized.slot && tree",
            },
            Flip {
                rule: "votes for other chains than the finalized one are pruned",
                old: "head.slot > finalized.slot && tree.checkpoint_is_ancestor(finalized, head)",
                new: "{ let _ = tree; head.slot > finalized.slot }",
            },
            Flip {
                rule: "votes whose target is justified are not worth taking out of a block",
                old: "attestation.data.target.slot > justified_slot)",
                new: "attestation.data.target.slot >= justified_slot)",
            },
        ],
    },
    File {
        path: "crates/forkchoice/src/pruning.rs",
        flips: &[
            Flip {
                rule: "blocks beside the finalized chain are forgotten",
                old: "descends[id] = id == finalized_id || node.parent",
                new: "descends[id] = id == finalized_id || true || node.parent",
            },
            Flip {
                rule: "recent ancestors of the finalized block stay known",
                old: "descends[id] || (ancestors.contains(&id) && slots[id] >= oldest)",
                new: "descends[id]",
            },
            Flip {
                rule: "old ancestors of the finalized block are forgotten",
                old: "(ancestors.contains(&id) && slots[id] >= oldest)",
                new: "ancestors.contains(&id)",
            },
        ],
    },
    File {
        path: "crates/forkchoice/src/tree.rs",
        flips: &[
            Flip {
                rule: "another block at an ancestor's slot is no ancestor",
                old: "self.node(self.ancestor_at_or_before(id, ancestor.slot)).checkpoint() == ancestor",
                new: "self.node(self.ancestor_at_or_before(id, ancestor.slot)).slot == ancestor.slot",
            },
            Flip {
                rule: "an ancestor is not jumped over",
                old: "compare(&self.nodes[*skip]).is_ge());",
                new: "true || compare(&self.nodes[*skip]).is_ge());",
            },
        ],
    },
    File {
        path: "crates/forkchoice/src/coverage.rs",
        flips: &[
            Flip {
                rule: "the proof that adds most voters is taken first",
                old: "added.cmp(other_added)",
                new: "other_added.cmp(added)",
            },
            Flip {
                rule: "proofs that add nobody are left out",
                old: "if added == 0 {",
                new: "if added == usize::MAX {",
            },
            Flip {
                rule: "of two proofs that add as many the larger encoding is taken",
                old: "a.as_ssz_bytes().cmp(&b.as_ssz_bytes())",
                new: "b.as_ssz_bytes().cmp(&a.as_ssz_bytes())",
            },
        ],
    },
    File {
        path: "crates/forkchoice/src/block_production.rs",
        flips: &[
            Flip {
                rule: "a block carries votes with the source that the chain has justified last",
                old: "if data.source.slot != state.latest_justified.slot\n        || ",
                new: "if ",
            },
            Flip {
                rule: "a block carries votes for its own chain",
                old: "|| !lies_on_chain(data, &state.historical_block_hashes)",
                new: "",
            },
            Flip {
                rule: "a block carries no votes for what is justified",
                old: "is_genesis_self_vote || justified(data.target.slot) == Ok(false)",
                new: "is_genesis_self_vote || justified(data.target.slot).is_ok()",
            },
            Flip {
                rule: "a block carries votes for genesis",
                old: "is_genesis_self_vote || justified(data.target.slot) == Ok(false)",
                new: "{ let _ = is_genesis_self_vote; justified(data.target.slot) == Ok(false) }",
            },
            Flip {
                rule: "a block carries votes for known heads",
                old: "inputs.known_block_roots.contains(&data.head.root);",
                new: "inputs.known_block_roots.contains(&data.head.root) || true;",
            },
            Flip {
                rule: "a block that is built carries at most eight data",
                old: "MAX_ATTESTATIONS_DATA - chosen.len())",
                new: "usize::MAX)",
            },
            Flip {
                rule: "what a block's votes justify admits more votes",
                old: "state = trial;",
                new: "let _ = trial;",
            },
            Flip {
                rule: "everybody selects votes in the same order",
                old: "|(target_slot, data_root, ..)| (*target_slot, *data_root));",
                new: "|(target_slot, data_root, ..)| std::cmp::Reverse((*target_slot, *data_root)));",
            },
        ],
    },
];
