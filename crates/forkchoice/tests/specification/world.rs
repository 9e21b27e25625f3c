//! The store and the specification's side by side: everything that happens, happens to both, and afterwards they look
//! the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lathe_forkchoice::{AggregationJob, BlockCheck, PayloadView, Store};
use lathe_transition::{generate_genesis, genesis_block, state_transition};
use lathe_types::{
    AttestationData, Block, Decode, Encode, Genesis, Interval, MultiMessageAggregate, RejectionReason, Root,
    Signature, SignatureShape, SignedAggregatedAttestation, SignedAttestation, SignedBlock,
    SingleMessageAggregate, State, Validator, ValidatorIndex, Validators,
};

use crate::state::SpecState;
use crate::store::{Pool, Proof, SpecStore, mock_proof};

/// Both stores.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) spec: SpecStore,
    /// Whether the store's pools have been filled beyond their bounds: then it may hold fewer proofs, but not fewer
    /// votes.
    pub(crate) is_flooded: bool,
}

type Outcome = Result<(), RejectionReason>;

impl World {
    pub(crate) fn genesis(validators: u64) -> Self {
        let registry =
            (0..validators).map(|index| Validator { index: ValidatorIndex(index), ..Validator::default() });
        let validators = Validators::try_from_iter(registry).unwrap();
        let state = generate_genesis(&Genesis {
            genesis_time: 0,
            validators,
            execution_genesis: None,
            signature_scheme: Default::default(),
        });
        let block = genesis_block(&state);
        Self::anchored(state, &block)
    }

    /// Both start from a block and its post-state.
    pub(crate) fn anchored(state: State, block: &Block) -> Self {
        let spec = SpecStore::create_store(SpecState::of(&state), block.clone()).unwrap();
        let store = Store::create_store(Arc::new(state), block).unwrap();
        Self { store, spec, is_flooded: false }
    }

    pub(crate) fn tick(&mut self, target: u64, has_proposal: bool, is_aggregator: bool) {
        self.spec.on_tick(target, has_proposal, is_aggregator);
        let mut prove = |job: &AggregationJob| {
            let voters = job.participants().iter().map(|voter| voter.0).collect();
            Some(mock_proof(&job.data_root, &voters))
        };
        let prove: Option<&mut lathe_forkchoice::Prove<'_>> =
            if is_aggregator { Some(&mut prove) } else { None };
        self.store.on_tick(Interval(target), has_proposal, prove);
    }

    pub(crate) fn block(&mut self, block: &Block) -> Outcome {
        let expected = self.spec.on_block(block);
        let found = self.import(block);
        assert_eq!(found, expected, "outcome of {block:?}");
        found
    }

    fn import(&mut self, block: &Block) -> Outcome {
        let signed = SignedBlock { block: block.clone(), proof: MultiMessageAggregate::default() };
        let reason = |rejection: lathe_types::Rejection| rejection.reason;
        let BlockCheck::New { root, parent_state } = self.store.check_block(&signed).map_err(reason)? else {
            return Ok(());
        };
        let post_state = state_transition(&parent_state, block).map_err(reason)?;
        if let Some(expected) = self.spec.states.get(&root) {
            assert_eq!(SpecState::of(&post_state), *expected, "state after {block:?}");
        }
        self.store.on_block(block, Arc::new(post_state)).map(|_| ()).map_err(reason)
    }

    pub(crate) fn vote(&mut self, validator: u64, data: AttestationData, is_aggregator: bool) -> Outcome {
        let expected = self.spec.on_gossip_attestation(validator, &data, is_aggregator);
        let (validator_index, signature) = (ValidatorIndex(validator), signature());
        let signed = SignedAttestation { validator_index, data, signature: signature.clone() };
        let checked = self.store.check_attestation(&signed);
        let found = checked
            .and_then(|_| self.store.on_gossip_attestation(validator_index, &data, signature, is_aggregator))
            .map_err(|rejection| rejection.reason);
        assert_eq!(found, expected, "outcome of a vote of {validator} for {data:?}");
        found
    }

    pub(crate) fn aggregate(&mut self, data: AttestationData, proof: SingleMessageAggregate) -> Outcome {
        let expected = self.spec.on_gossip_aggregated_attestation(&data, &proof);
        let aggregate = SignedAggregatedAttestation { data, proof };
        let checked = self.store.check_aggregated_attestation(&aggregate);
        let found = checked
            .and_then(|_| self.store.on_gossip_aggregated_attestation(&aggregate))
            .map_err(|rejection| rejection.reason);
        assert_eq!(found, expected, "outcome of an aggregate {aggregate:?}");
        found
    }

    /// Whether both look the same.
    pub(crate) fn compare(&self) {
        let (store, spec) = (&self.store, &self.spec);
        assert_eq!(store.time().0, spec.time, "time");
        assert_eq!(store.latest_justified(), spec.latest_justified, "justified");
        assert_eq!(store.head().root, spec.head, "head");
        assert_eq!(store.latest_finalized(), spec.latest_finalized, "finalized");
        assert_eq!(store.safe_target().root, spec.safe_target, "safe target");
        let blocks: BTreeMap<_, _> = store.blocks().map(|block| (block.root, block.parent_root)).collect();
        let expected = spec.blocks.iter().map(|(root, block)| (*root, block.parent_root)).collect();
        assert_eq!(blocks, expected, "blocks");
        assert_eq!(store.compute_block_weights(), spec.compute_block_weights(), "weights");

        let signers = store.attestation_signatures().into_iter().map(|(root, (_, signers))| {
            (root, signers.into_iter().map(|signer| signer.0).collect::<BTreeSet<_>>())
        });
        let expected = spec.attestation_signatures.iter();
        let expected = expected.map(|(root, (_, signers))| (*root, signers.clone()));
        assert_eq!(signers.collect::<BTreeMap<_, _>>(), expected.collect(), "signatures");
        let pending = store.latest_new_aggregated_payloads();
        self.compare_pools(pending, &spec.latest_new_aggregated_payloads, "pending proofs");
        let counted = store.latest_known_aggregated_payloads();
        self.compare_pools(counted, &spec.latest_known_aggregated_payloads, "counted proofs");
        self.compare_duties();
    }

    fn compare_pools(&self, found: PayloadView<'_>, expected: &Pool, what: &str) {
        let encoded = |proofs: &[Arc<SingleMessageAggregate>]| -> BTreeSet<Proof> {
            proofs.iter().map(|proof| proof.as_ssz_bytes()).collect()
        };
        let found: BTreeMap<Root, BTreeSet<Proof>> =
            found.iter().map(|(root, _, proofs)| (root, encoded(proofs))).collect();
        let keys = |(root, (_, proofs)): (&Root, &(_, BTreeMap<Proof, _>))| {
            (*root, proofs.keys().cloned().collect::<BTreeSet<_>>())
        };
        let expected: BTreeMap<Root, BTreeSet<Proof>> = expected.iter().map(keys).collect();
        if self.is_flooded {
            for (root, proofs) in found {
                let known = expected.get(&root).is_some_and(|known| proofs.is_subset(known));
                assert!(known, "{what} of {root}");
            }
        } else {
            assert_eq!(found, expected, "{what}");
        }
    }

    /// What a validator votes for. The store goes by the finality of the head's own chain, the specification by the
    /// store's, so they can only be compared where the two agree.
    fn compare_duties(&self) {
        let (store, spec) = (&self.store, &self.spec);
        if store.head_state().latest_finalized.slot != spec.latest_finalized.slot {
            return;
        }
        if let Some(target) = spec.get_attestation_target() {
            assert_eq!(store.get_attestation_target(), target, "attestation target");
        }
        let slot = store.current_slot();
        // Where the head is early, the specification's vote is one that everybody refuses.
        if let Some(data) = spec.produce_attestation_data(slot).filter(|data| data.head.slot <= slot) {
            assert_eq!(store.produce_attestation_data(slot), Some(data), "attestation data");
        }
    }
}

/// A signature that decodes; nobody verifies it here.
fn signature() -> Signature {
    let shape = SignatureShape::TEST;
    let mut bytes = vec![0; shape.encoded_len()];
    let hashes_offset = 40 + 32 * shape.siblings() as u32;
    for (at, offset) in [(0, 36_u32), (32, hashes_offset), (36, 4)] {
        bytes[at..at + 4].copy_from_slice(&offset.to_le_bytes());
    }
    Signature::from_ssz_bytes(&bytes).unwrap()
}
