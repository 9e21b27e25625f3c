//! Folding votes into proofs: what to prove, and what becomes of the results.
//!
//! Proving takes long and happens elsewhere, so a plan and its results are apart. The specification's form does both
//! at once and replaces the pending pool; a node's form leaves alone whatever a result does not cover.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use lathe_types::{
    AttestationData, Root, Signature, SignedAggregatedAttestation, SingleMessageAggregate, Slot, State,
    TreeHash, ValidatorIndex,
};

use crate::coverage::{Selection, ValidatorSet, select_proofs_for_coverage};
use crate::store::Store;

/// A proof to be made: over one data, from proofs and signatures that are all verified.
#[derive(Clone, Debug)]
pub struct AggregationJob {
    /// The vote; its slot is the slot of the signatures.
    pub data: AttestationData,
    /// The root of `data`: what was signed.
    pub data_root: Root,
    /// State that holds the voters' keys.
    pub state: Arc<State>,
    /// Proofs to fold in.
    pub children: Vec<Arc<SingleMessageAggregate>>,
    /// Signatures to fold in, ascending by validator, none of them covered by a child.
    pub signatures: Vec<(ValidatorIndex, Signature)>,
}

impl AggregationJob {
    /// Everybody whom the proof will cover.
    pub fn participants(&self) -> ValidatorSet {
        let mut participants = ValidatorSet::covered_by(&self.children);
        participants.extend(&self.signatures.iter().map(|(validator, _)| *validator).collect());
        participants
    }

    /// Whether there is anything to prove: one signature, or two proofs to merge. A lone proof already is one.
    fn has_fresh_material(&self) -> bool {
        !self.signatures.is_empty() || self.children.len() >= 2
    }
}

/// Makes the proof that a job asks for, or `None` if it cannot.
pub type Prove<'a> = dyn FnMut(&AggregationJob) -> Option<SingleMessageAggregate> + 'a;

impl Store {
    /// The specification's aggregation. Pending proofs take precedence as children, counted ones fill the gaps. The
    /// results replace the pending pool, and the signatures over their data are dropped.
    pub fn aggregate(&mut self, prove: &mut Prove<'_>) -> Vec<SignedAggregatedAttestation> {
        let mut new_aggregates = Vec::new();
        for (data_root, data) in self.data_with_fresh_evidence() {
            // Select, then fill: what the proofs do not cover comes from single signatures.
            let selection = select_proofs_for_coverage(
                self.latest_new_aggregated_payloads.proofs(&data_root),
                self.latest_known_aggregated_payloads.proofs(&data_root),
            );
            let signatures = self.signatures_beyond(&data_root, &selection.covered);
            let state = self.head_state().clone();
            let job = AggregationJob { data, data_root, state, children: selection.proofs, signatures };
            if job.has_fresh_material()
                && let Some(proof) = prove(&job)
            {
                new_aggregates.push(SignedAggregatedAttestation { data, proof });
            }
        }
        self.latest_new_aggregated_payloads.retain(|_| false);
        for SignedAggregatedAttestation { data, proof } in &new_aggregates {
            self.latest_new_aggregated_payloads.insert(*data, Arc::new(proof.clone()));
        }
        let proven = self.latest_new_aggregated_payloads.entries();
        self.attestation_signatures.retain(|data_root, _| !proven.contains_key(data_root));
        new_aggregates
    }

    /// What a node's aggregator should prove now, the current slot first.
    ///
    /// `capacity` is how many participants one proof can hold: what does not fit goes into further proofs that do not
    /// overlap, and pending proofs that do not fit stay as they are. Voters that a counted proof covers are not proven
    /// again. Nothing leaves the pools before [`Self::apply_aggregate`], so a job that fails costs nothing.
    pub fn plan_aggregation(&self, capacity: usize) -> Vec<AggregationJob> {
        let mut by_slot = self.data_with_fresh_evidence();
        by_slot.sort_by_key(|(data_root, data)| (Reverse(data.slot), *data_root));
        by_slot
            .into_iter()
            .flat_map(|(data_root, data)| self.plan_data(data_root, data, capacity.max(1)))
            .collect()
    }

    fn plan_data(&self, data_root: Root, data: AttestationData, capacity: usize) -> Vec<AggregationJob> {
        let pending = self.latest_new_aggregated_payloads.proofs(&data_root);
        let known = self.latest_known_aggregated_payloads.proofs(&data_root);
        let Selection { proofs, mut covered } = select_proofs_for_coverage(pending, &[]);
        covered.extend(&ValidatorSet::covered_by(known));
        let mut signatures = self.signatures_beyond(&data_root, &covered).into_iter();

        let state = self.head_state();
        let new_job = || AggregationJob {
            data,
            data_root,
            state: state.clone(),
            children: Vec::new(),
            signatures: Vec::new(),
        };
        let mut first = new_job();
        let mut folded = ValidatorSet::default();
        for proof in proofs {
            let participants = ValidatorSet::of(&proof.participants);
            if folded.len() + participants.count_beyond(&folded) <= capacity {
                folded.extend(&participants);
                first.children.push(proof);
            }
        }
        first.signatures.extend(signatures.by_ref().take(capacity - folded.len()));
        let mut jobs = vec![first];
        while signatures.len() > 0 {
            let mut job = new_job();
            job.signatures.extend(signatures.by_ref().take(capacity));
            jobs.push(job);
        }
        jobs.retain(AggregationJob::has_fresh_material);
        jobs
    }

    /// Takes a finished job's proof into the pending pool, in place of the pending proofs and signatures that it
    /// covers.
    pub fn apply_aggregate(&mut self, data: &AttestationData, proof: Arc<SingleMessageAggregate>) {
        let covered = ValidatorSet::of(&proof.participants);
        self.attestation_signatures.remove(&data.tree_hash_root(), |validator| covered.contains(validator));
        self.latest_new_aggregated_payloads
            .absorb(*data, proof, |held| ValidatorSet::of(&held.participants).is_subset_of(&covered));
    }

    /// Proofs of latest votes that are older than `slot`, the newest first: what still counts here of voters who have
    /// not been heard since.
    pub fn standing_votes(&self, slot: Slot) -> Vec<(AttestationData, Arc<SingleMessageAggregate>)> {
        let known = &self.latest_known_aggregated_payloads;
        let mut voters: BTreeMap<Root, ValidatorSet> = BTreeMap::new();
        for (validator, vote) in known.latest_votes(self.latest_finalized.slot).iter() {
            if vote.slot < slot {
                voters.entry(vote.data_root).or_default().insert(validator);
            }
        }
        let mut standing = Vec::new();
        for (data_root, voters) in voters {
            let Some(entry) = known.entries().get(&data_root) else { continue };
            let mut missing = voters;
            for proof in select_proofs_for_coverage(&entry.proofs, &[]).proofs {
                let before = missing.len();
                missing.subtract(&ValidatorSet::of(&proof.participants));
                if missing.len() < before {
                    standing.push((entry.data, proof));
                }
            }
        }
        standing.sort_by_key(|(data, _)| Reverse(data.slot));
        standing
    }

    /// Validators whose single votes for `slot` are held.
    pub fn signers_at(&self, slot: Slot) -> ValidatorSet {
        let entries = self.attestation_signatures.entries().values().filter(|entry| entry.data.slot == slot);
        entries.flat_map(|entry| entry.signatures.keys().copied()).collect()
    }

    /// Data with a pending proof or a single signature, by root. Counted proofs alone start nothing.
    fn data_with_fresh_evidence(&self) -> Vec<(Root, AttestationData)> {
        let pending =
            self.latest_new_aggregated_payloads.entries().iter().map(|(root, entry)| (*root, entry.data));
        let single = self.attestation_signatures.entries().iter().map(|(root, entry)| (*root, entry.data));
        pending.chain(single).collect::<BTreeMap<_, _>>().into_iter().collect()
    }

    /// Signatures of registered validators outside `covered`, ascending.
    fn signatures_beyond(
        &self,
        data_root: &Root,
        covered: &ValidatorSet,
    ) -> Vec<(ValidatorIndex, Signature)> {
        let num_validators = self.head_state().validators.len() as u64;
        let Some(entry) = self.attestation_signatures.entries().get(data_root) else { return Vec::new() };
        entry
            .signatures
            .iter()
            .filter(|(validator, _)| {
                validator.is_within_registry(num_validators) && !covered.contains(**validator)
            })
            .map(|(validator, signature)| (*validator, signature.clone()))
            .collect()
    }
}
