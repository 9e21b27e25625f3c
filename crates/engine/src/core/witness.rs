//! Signatures of our own keys that others show us.
//!
//! Those that were made here in this run are known; what else is valid was made before, or by somebody who has a copy
//! of the key. Only the signer's ledger can tell, so it is told of each once.

use std::collections::BTreeMap;

use lathe_forkchoice::ValidatorSet;
use lathe_types::{Block, KeyRole, Root, Slot, TreeHash, ValidatorIndex};

use super::state::Core;
use crate::io::Event;

/// Signatures that are remembered as told. One that is forgotten is told again, which does no harm.
const MAX_KNOWN: usize = 8_192;

/// Signatures of our keys that need not be told.
#[derive(Default)]
pub(super) struct Known(BTreeMap<(Slot, ValidatorIndex, KeyRole, Root), ()>);

impl Known {
    /// Whether it was new.
    fn insert(&mut self, signature: (Slot, ValidatorIndex, KeyRole, Root)) -> bool {
        let is_new = self.0.insert(signature, ()).is_none();
        if self.0.len() > MAX_KNOWN {
            self.0.pop_first();
        }
        is_new
    }
}

impl Core {
    /// A signature was made here.
    pub(crate) fn signed_here(&mut self, validator: ValidatorIndex, role: KeyRole, slot: Slot, root: Root) {
        self.known.insert((slot, validator, role, root));
    }

    /// Valid signatures of a message were seen, by whoever is a signer.
    pub(crate) fn witness(
        &mut self,
        is_signer: impl Fn(ValidatorIndex) -> bool,
        role: KeyRole,
        slot: Slot,
        message: Root,
    ) {
        let mut ours = Vec::new();
        for validator in self.config.local_validators.iter().copied().filter(|local| is_signer(*local)) {
            if self.known.insert((slot, validator, role, message)) {
                ours.push(validator);
            }
        }
        if !ours.is_empty() {
            self.announce(Event::OwnKeysSeen { validators: ours, role, slot, message });
        }
    }

    /// A block's proof verifies: its proposer signed it, and the voters in it their votes.
    pub(crate) fn witness_block(&mut self, block: &Block, root: Root) {
        if self.config.local_validators.is_empty() {
            return;
        }
        self.witness(|local| local == block.proposer_index, KeyRole::Proposal, block.slot, root);
        for attestation in &block.body.attestations {
            let voters = ValidatorSet::of(&attestation.aggregation_bits);
            let (slot, message) = (attestation.data.slot, attestation.data.tree_hash_root());
            self.witness(|local| voters.contains(local), KeyRole::Attestation, slot, message);
        }
    }
}
