//! No validator signs two roots at one slot with one key.
//!
//! *What.* Over all nodes and all restarts, a (validator, role, slot) has one root. XMSS keys are one-time: a second
//! root gives the key away.
//!
//! *Why a single look misses it.* The two signatures lie a crash apart, and nothing in memory connects them.
//!
//! *Boundary.* The same root again is allowed, because signing is deterministic. The two keys of a
//! validator are apart.

use std::collections::BTreeMap;

use lathe_engine::KeyRole;
use lathe_types::{Root, Slot, ValidatorIndex};

use super::{BlockTree, Fact, Invariant};

#[derive(Default)]
pub(super) struct SignOnce {
    signed: BTreeMap<(ValidatorIndex, KeyRole, Slot), Root>,
}

impl Invariant for SignOnce {
    fn name(&self) -> &'static str {
        "one root per key and slot"
    }

    fn observe(&mut self, _: &BlockTree, fact: &Fact) -> Result<(), String> {
        let Fact::Signed { validator, role, slot, root } = fact else {
            return Ok(());
        };
        let first = *self.signed.entry((*validator, *role, *slot)).or_insert(*root);
        if first == *root {
            return Ok(());
        }
        Err(format!("validator {validator} signed {first} and {root} at slot {slot} as {role:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_root_again_is_allowed_and_the_keys_are_apart() {
        let mut invariant = SignOnce::default();
        let mut sign = |role, slot, name| {
            let root = Root::repeat_byte(name);
            let fact = Fact::Signed { validator: ValidatorIndex(0), role, slot: Slot(slot), root };
            invariant.observe(&BlockTree::default(), &fact)
        };
        assert!(sign(KeyRole::Attestation, 1, 1).is_ok());
        assert!(sign(KeyRole::Attestation, 1, 1).is_ok());
        assert!(sign(KeyRole::Proposal, 1, 2).is_ok());
        assert!(sign(KeyRole::Attestation, 2, 2).is_ok());
        assert!(sign(KeyRole::Attestation, 1, 2).is_err());
    }
}
