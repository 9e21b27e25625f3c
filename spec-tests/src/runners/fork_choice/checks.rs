//! The checks that a step's author wrote by hand.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use lathe_forkchoice::{PayloadView, Store};
use lathe_types::{AttestationData, Block, Participation, Root, Slot, ValidatorIndex};

use super::shapes::{AttestationCheck, BlockAttestationCheck, Checks, Location};
use crate::outcome::{Failure, expect_eq};

/// What checks look at.
pub(super) struct Context<'a> {
    pub store: &'a Store,
    /// Roots of labelled blocks.
    pub blocks: &'a BTreeMap<String, Root>,
    /// The block that the step delivered.
    pub delivered: Option<&'a Block>,
    /// The head before the step.
    pub old_head: Root,
}

/// Compares if there is anything to compare with.
fn check<T: PartialEq + Debug>(what: &str, expected: Option<T>, found: T) -> Result<(), Failure> {
    match (expected, found) {
        (None, _) => Ok(()),
        (Some(expected), found) => expect_eq(what, &expected, &found),
    }
}

impl Context<'_> {
    pub(super) fn validate(&self, checks: &Checks) -> Result<(), Failure> {
        self.validate_checkpoints(checks)?;
        self.validate_pools(checks)?;
        self.validate_block(checks)?;
        self.validate_tree(checks)
    }

    fn root_of(&self, label: Option<&String>) -> Result<Option<Root>, Failure> {
        let resolve = |label: &String| {
            let root = self.blocks.get(label).copied();
            root.ok_or_else(|| Failure::new("a label that an earlier step gave", label))
        };
        label.map(resolve).transpose()
    }

    fn validate_checkpoints(&self, checks: &Checks) -> Result<(), Failure> {
        let store = self.store;
        check("time", checks.time.as_ref().map(|time| time.0), store.time())?;
        let named = [
            ("head", store.head(), checks.head_slot, checks.head_root, &checks.head_root_label),
            (
                "justified",
                store.latest_justified(),
                checks.latest_justified_slot,
                checks.latest_justified_root,
                &checks.latest_justified_root_label,
            ),
            (
                "finalized",
                store.latest_finalized(),
                checks.latest_finalized_slot,
                checks.latest_finalized_root,
                &checks.latest_finalized_root_label,
            ),
            (
                "safe target",
                store.safe_target(),
                checks.safe_target_slot,
                checks.safe_target,
                &checks.safe_target_root_label,
            ),
            (
                "attestation target",
                store.get_attestation_target(),
                checks.attestation_target_slot,
                None,
                &checks.attestation_target_root_label,
            ),
        ];
        for (what, found, slot, root, label) in named {
            check(&format!("{what} slot"), slot, found.slot)?;
            check(&format!("{what} root"), root, found.root)?;
            check(&format!("{what} root by label"), self.root_of(label.as_ref())?, found.root)?;
            // A checkpoint names a block at its own slot.
            if slot.is_some() {
                expect_eq(format!("{what} block"), &slot, &store.block(&found.root).map(|block| block.slot))?;
            }
        }
        Ok(())
    }

    fn validate_pools(&self, checks: &Checks) -> Result<(), Failure> {
        let store = self.store;
        let (new, known) = (store.latest_new_aggregated_payloads(), store.latest_known_aggregated_payloads());
        let slots =
            |pool: PayloadView<'_>| pool.iter().map(|(_, data, _)| data.target.slot).collect::<BTreeSet<_>>();
        let expected =
            |slots: &Option<Vec<Slot>>| slots.as_ref().map(|slots| slots.iter().copied().collect());
        let signed: BTreeSet<Slot> =
            store.attestation_signatures().values().map(|(data, _)| data.target.slot).collect();
        check("signature target slots", expected(&checks.attestation_signature_target_slots), signed)?;
        check("new target slots", expected(&checks.latest_new_aggregated_target_slots), slots(new))?;
        check("known target slots", expected(&checks.latest_known_aggregated_target_slots), slots(known))?;

        for (slot, expected) in checks.new_pool_proof_participants.iter().flatten() {
            let expected: BTreeSet<ValidatorIndex> = expected.iter().copied().collect();
            let found = new
                .iter()
                .filter(|(_, data, _)| data.target.slot.to_string() == *slot)
                .flat_map(|(_, _, proofs)| proofs.iter().flat_map(|proof| proof.participants.indices()))
                .collect();
            expect_eq(format!("new participants for target slot {slot}"), &expected, &found)?;
        }
        checks.attestation_checks.iter().flatten().try_for_each(|check| self.validate_attestation(check))
    }

    fn validate_attestation(&self, expected: &AttestationCheck) -> Result<(), Failure> {
        let place = format!("vote of validator {} in {:?}", expected.validator, expected.location);
        let vote = self
            .latest_vote(expected.validator, expected.location)
            .ok_or_else(|| Failure::new(&place, "none"))?;
        let compare = || {
            check("slot", expected.attestation_slot, vote.slot)?;
            check("head slot", expected.head_slot, vote.head.slot)?;
            check("source slot", expected.source_slot, vote.source.slot)?;
            check("target slot", expected.target_slot, vote.target.slot)?;
            check("source root", self.root_of(expected.source_root_label.as_ref())?, vote.source.root)
        };
        compare().map_err(|failure: Failure| failure.at(&place))
    }

    fn latest_vote(&self, validator: ValidatorIndex, location: Location) -> Option<AttestationData> {
        let in_pool = |pool: PayloadView<'_>| {
            let votes = pool.iter().filter(|(_, _, proofs)| {
                proofs.iter().any(|proof| proof.participants.get(validator.0 as usize) == Ok(true))
            });
            votes.map(|(root, data, _)| (data.slot, root, data)).max_by_key(|(slot, root, _)| (*slot, *root))
        };
        let latest = match location {
            Location::New => in_pool(self.store.latest_new_aggregated_payloads()),
            Location::Known => in_pool(self.store.latest_known_aggregated_payloads()),
            Location::Signatures => self
                .store
                .attestation_signatures()
                .into_iter()
                .filter(|(_, (_, signers))| signers.contains(&validator))
                .map(|(root, (data, _))| (data.slot, root, data))
                .max_by_key(|(slot, root, _)| (*slot, *root)),
        };
        latest.map(|(_, _, data)| data)
    }

    fn validate_block(&self, checks: &Checks) -> Result<(), Failure> {
        if checks.block_attestation_count.is_none()
            && checks.block_attestations.is_none()
            && checks.filled_block_root_label.is_none()
        {
            return Ok(());
        }
        let block = self.delivered.ok_or_else(|| Failure::new("a block in this step", "none"))?;
        let attestations = &block.body.attestations;
        check("attestations of the block", checks.block_attestation_count, attestations.len())?;
        let root = lathe_types::TreeHash::tree_hash_root(block);
        check("root of the block", self.root_of(checks.filled_block_root_label.as_ref())?, root)?;
        for expected in checks.block_attestations.iter().flatten() {
            let participants: BTreeSet<ValidatorIndex> = expected.participants.iter().copied().collect();
            let BlockAttestationCheck { attestation_slot, target_slot, .. } = *expected;
            let found = attestations
                .iter()
                .find(|attestation| {
                    attestation.aggregation_bits.indices().collect::<BTreeSet<_>>() == participants
                })
                .ok_or_else(|| {
                    Failure::new(format!("an attestation by {participants:?}"), "none in the block")
                })?;
            check("slot of the block's attestation", attestation_slot, found.data.slot)?;
            check("target slot of the block's attestation", target_slot, found.data.target.slot)?;
        }
        Ok(())
    }

    fn validate_tree(&self, checks: &Checks) -> Result<(), Failure> {
        let store = self.store;
        if let Some(labels) = &checks.lexicographic_head_among {
            let weights = store.compute_block_weights();
            let mut forks = BTreeMap::new();
            for label in labels {
                let root = self.root_of(Some(label))?.unwrap_or_default();
                forks.insert(root, weights.get(&root).copied().unwrap_or_default());
            }
            let distinct: BTreeSet<u64> = forks.values().copied().collect();
            expect_eq("weights of tied forks", &1, &distinct.len())?;
            expect_eq("head among tied forks", &forks.keys().next_back(), &Some(&store.head().root))?;
        }
        let chain = |root: &Root| store.chain(root).map(|block| block.root).collect::<BTreeSet<_>>();
        let abandoned = || chain(&self.old_head).difference(&chain(&store.head().root)).count();
        if checks.reorg_depth.is_some() {
            check("reorg depth", checks.reorg_depth, abandoned())?;
        }
        for label in checks.labels_in_store.iter().flatten() {
            let known = self.root_of(Some(label))?.is_some_and(|root| store.contains(&root));
            expect_eq(format!("{label} in the store"), &true, &known)?;
        }
        Ok(())
    }
}
