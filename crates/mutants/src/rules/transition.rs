//! The state transition.

use crate::{File, Flip};

pub(super) const FILES: &[File] = &[
    File {
        path: "crates/transition/src/block.rs",
        flips: &[
            Flip {
                rule: "a state only advances",
                old: "if state.slot >= target_slot {",
                new: "if state.slot > target_slot {",
            },
            Flip {
                rule: "the first slot after a block completes its header",
                old: "if state.latest_block_header.state_root == Root::ZERO {",
                new: "if false {",
            },
            Flip {
                rule: "a block sits at the slot that the state was advanced to",
                old: "if block.slot != state.slot {",
                new: "if false {",
            },
            Flip {
                rule: "a block is newer than the newest header",
                old: "if block.slot <= parent_slot {",
                new: "if block.slot < parent_slot {",
            },
            Flip {
                rule: "a block comes from the validator whose turn it is",
                old: "Some(proposer) if proposer != block.proposer_index => {",
                new: "Some(proposer) if proposer > block.proposer_index => {",
            },
            Flip {
                rule: "a block names the newest header as its parent",
                old: "if block.parent_root != parent_root {",
                new: "if false {",
            },
            Flip {
                rule: "the first block makes genesis justified and final",
                old: "if parent_slot == Slot(0) {",
                new: "if false {",
            },
            Flip {
                rule: "later blocks leave the checkpoints to the votes",
                old: "if parent_slot == Slot(0) {",
                new: "if parent_slot <= Slot(1) {",
            },
            Flip {
                rule: "history has one zero hash per skipped slot",
                old: "let num_empty_slots = block.slot.0 - parent_slot.0 - 1;",
                new: "let num_empty_slots = block.slot.0 - parent_slot.0;",
            },
            Flip {
                rule: "history names the parent",
                old: "history.push(parent_root)",
                new: "history.push(Root::ZERO)",
            },
            Flip {
                rule: "history has a limit",
                old: "if num_empty_slots >= room {",
                new: "if num_empty_slots > room {",
            },
            Flip {
                rule: "flags of justified slots end before the block's own",
                old: "let last_materialized_slot = Slot(block.slot.0 - 1);",
                new: "let last_materialized_slot = block.slot;",
            },
            Flip {
                rule: "the newest header has no state root yet",
                old: "state.latest_block_header = BlockHeader { state_root: Root::ZERO, ..block.header() };",
                new: "state.latest_block_header = block.header();",
            },
            Flip {
                rule: "a block carries out its votes",
                old: "process_attestations(state, &block.body.attestations)",
                new: "process_attestations(state, &[])",
            },
            Flip {
                rule: "a block commits to the state after it",
                old: "if block.state_root != computed_state_root {",
                new: "if false {",
            },
        ],
    },
    File {
        path: "crates/transition/src/attestations.rs",
        flips: &[
            Flip {
                rule: "data count once, however many attestations carry them",
                old: "if distinct.len() > MAX_ATTESTATIONS_DATA {",
                new: "if attestations.len() > MAX_ATTESTATIONS_DATA {",
            },
            Flip {
                rule: "too many data are refused",
                old: "if distinct.len() > MAX_ATTESTATIONS_DATA {",
                new: "if distinct.len() > MAX_ATTESTATIONS_DATA + 1 {",
            },
            Flip {
                rule: "a vote builds on a justified source",
                old: "Ok(is_slot_justified(&self.justified_slots, finalized_slot, source.slot)?",
                new: "Ok((is_slot_justified(&self.justified_slots, finalized_slot, source.slot)? || true)",
            },
            Flip {
                rule: "a target that is justified already gains nothing",
                old: "&& !is_slot_justified(&self.justified_slots, finalized_slot, target.slot)?",
                new: "&& (!is_slot_justified(&self.justified_slots, finalized_slot, target.slot)? || true)",
            },
            Flip {
                rule: "source, target and head lie on the chain",
                old: "&& lies_on_chain(&attestation.data, &state.historical_block_hashes)",
                new: "",
            },
            Flip { rule: "a target comes after its source", old: "&& target.slot > source.slot", new: "" },
            Flip {
                rule: "a target is at a justifiable distance",
                old: "&& target.slot.is_justifiable_after(finalized_slot))",
                new: ")",
            },
            Flip {
                rule: "an aggregate names a voter",
                old: "match voters.highest_set_bit() {",
                new: "match voters.highest_set_bit().or(Some(0)) {",
            },
            Flip {
                rule: "voters are in the registry",
                old: "Some(highest) if highest >= validator_count => {",
                new: "Some(highest) if highest > validator_count => {",
            },
            Flip {
                rule: "two thirds justify",
                old: "if 3 * count < 2 * validator_count {",
                new: "if 3 * count <= 2 * validator_count {",
            },
            Flip {
                rule: "less than two thirds do not justify",
                old: "if 3 * count < 2 * validator_count {",
                new: "if 2 * count < validator_count {",
            },
            Flip {
                rule: "the justified checkpoint does not move back",
                old: "if target.slot > self.latest_justified.slot {",
                new: "if true {",
            },
            Flip {
                rule: "a justified slot gets its flag",
                old: "self.justified_slots.set(index, true)",
                new: "self.justified_slots.set(index, false)",
            },
            Flip {
                rule: "the votes for a justified target are forgotten",
                old: "self.justifications.remove(&target.root);",
                new: "",
            },
            Flip {
                rule: "a source is final only if nothing between it and the target could be justified",
                old: "if source.slot > finalized_slot && !justifiable_between() {",
                new: "if source.slot > finalized_slot {",
            },
            Flip {
                rule: "the target itself is not between source and target",
                old: "(source.slot.0 + 1..target.slot.0)",
                new: "(source.slot.0 + 1..=target.slot.0)",
            },
            Flip {
                rule: "the gap is judged by the finalized slot before the vote",
                old: ".any(|slot| Slot(slot).is_justifiable_after(finalized_slot))",
                new: ".any(|slot| Slot(slot).is_justifiable_after(source.slot))",
            },
            Flip {
                rule: "finality only moves forward",
                old: "if source.slot > finalized_slot && !justifiable_between() {",
                new: "if !justifiable_between() {",
            },
            Flip {
                rule: "the flags move along with finality",
                old: "rebase(&self.justified_slots, usize::try_from(delta).unwrap_or(usize::MAX))?",
                new: "rebase(&self.justified_slots, usize::try_from(delta - delta).unwrap_or(usize::MAX))?",
            },
        ],
    },
    File {
        path: "crates/transition/src/justification.rs",
        flips: &[
            Flip {
                rule: "the finalized slot counts as justified",
                old: "return Ok(target_slot <= finalized_slot);",
                new: "return Ok(target_slot < finalized_slot);",
            },
            Flip {
                rule: "an empty slot's zero hash names no block",
                old: "checkpoint.root != Root::ZERO\n            && ",
                new: "",
            },
            Flip {
                rule: "a vote's head lies on the chain",
                old: "[data.source, data.target, data.head].iter()",
                new: "[data.source, data.target].iter()",
            },
            Flip {
                rule: "a vote that is repeated counts once",
                old: "*byte |= 1 << (voter.0 % 8);",
                new: "*byte ^= 1 << (voter.0 % 8);",
            },
            Flip {
                rule: "pending votes for what is final are forgotten",
                old: "*slot as u64 > finalized_slot.0)",
                new: "*slot as u64 >= finalized_slot.0)",
            },
            Flip {
                rule: "there are as many pending votes as targets times validators",
                old: "if roots.len().checked_mul(validator_count) != Some(flat.len()) {",
                new: "if false {",
            },
            Flip {
                rule: "the zero hash is no pending target",
                old: "if roots.iter().any(|root| *root == Root::ZERO) {",
                new: "if false {",
            },
            Flip {
                rule: "without validators nobody votes",
                old: "if validator_count == 0 {",
                new: "if false {",
            },
            Flip {
                rule: "a pending target that is not on the chain is forgotten",
                old: "root_to_slot.get(root).is_some_and(",
                new: "root_to_slot.get(root).is_none_or(",
            },
            Flip {
                rule: "flags reach no further than their limit",
                old: "if required_capacity > JustifiedSlots::max_len() {",
                new: "if required_capacity > JustifiedSlots::max_len() + 1 {",
            },
        ],
    },
];
