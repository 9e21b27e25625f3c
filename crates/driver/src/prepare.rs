//! Building a block with the backend in force.
//!
//! Where proofs are costly there are two ways to a block: from the proofs at hand, which are merged, or from the single
//! votes at hand, which are proved together with the proposer's signature. Both are built, which takes milliseconds,
//! and the backend's estimates say which one is finished in time.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lathe_aggregation::{AggregationError, ComponentSize, Message};
use lathe_engine::{PrepareRequest, PreparedBlock, VoteEvidence};
use lathe_forkchoice::{BlockInputs, BuiltBlock, DataLimit, ProofWork, Room, Worth, build_block};
use lathe_types::{
    AggregationBits, AttestationData, MAX_ATTESTATIONS_DATA, Participation, Rejection, Root, Signature,
    SingleMessageAggregate, TreeHash, ValidatorIndex, Validators,
};

use crate::kit::Kit;
use crate::perform::Remark;

/// Proofs of one data are folded into one for a block if that takes no longer: preparing has a tenth of a second.
const LONGEST_FOLD: Duration = Duration::from_millis(100);

/// Votes with what shows them, as blocks are built from.
type Candidates = Vec<(AttestationData, Vec<Arc<SingleMessageAggregate>>)>;

pub(crate) fn prepare(
    kit: &Kit,
    request: &PrepareRequest,
    remarks: &mut Vec<Remark>,
) -> Result<PreparedBlock, Rejection> {
    let mut best = from_proofs(kit, request, remarks)?;
    if !request.singles.is_empty() {
        let other = from_singles(kit, request)?;
        if other.rank(request) > best.rank(request) {
            best = other;
        }
    }
    let Way { built, components, merge_ms } = best;
    Ok(PreparedBlock {
        block: built.block,
        root: built.root,
        parent_state: request.parent_state.clone(),
        post_state: built.post_state.into(),
        components,
        merge_ms,
    })
}

/// A block that could be proposed.
struct Way {
    built: BuiltBlock,
    components: Vec<VoteEvidence>,
    merge_ms: u64,
}

impl Way {
    /// What justifies the newest target comes first, then what is in time, then what has the most votes, then what is
    /// finished first.
    fn rank(&self, request: &PrepareRequest) -> (u64, bool, usize, Reverse<u64>) {
        let attestations = &self.built.block.body.attestations;
        let votes = attestations.iter().map(|it| it.aggregation_bits.num_set_bits()).sum();
        let justified = self.built.post_state.latest_justified.slot.0;
        (justified, self.merge_ms <= request.merge_within_ms, votes, Reverse(self.merge_ms))
    }
}

fn from_proofs(kit: &Kit, request: &PrepareRequest, remarks: &mut Vec<Remark>) -> Result<Way, Rejection> {
    let limit = data_limit(kit, request, &[ComponentSize::Proof; MAX_ATTESTATIONS_DATA]);
    let registry = &request.parent_state.validators;
    let mut work = BackendWork { kit, registry, limit, last_failure: None };
    let mut built = build_block(inputs(request, &request.candidates), &mut work)?;
    if let Some(last) = work.last_failure {
        remarks.push(Remark::VotesLeftOut { slot: request.slot, failures: built.failures, last });
    }
    let components: Vec<_> = built.components.drain(..).map(VoteEvidence::Proof).collect();
    Ok(timed(kit, built, components))
}

fn from_singles(kit: &Kit, request: &PrepareRequest) -> Result<Way, Rejection> {
    let held: BTreeMap<Root, BTreeMap<ValidatorIndex, &Signature>> = request
        .singles
        .iter()
        .map(|(data, votes)| (data.tree_hash_root(), votes.iter().map(|(index, it)| (*index, it)).collect()))
        .collect();
    // What is built from only says who voted; the signatures are put in afterwards.
    let candidates: Candidates = request
        .singles
        .iter()
        .filter_map(|(data, votes)| {
            let participants = AggregationBits::from_indices(votes.iter().map(|(index, _)| *index))?;
            let votes = SingleMessageAggregate { participants, proof: Default::default() };
            Some((*data, vec![Arc::new(votes)]))
        })
        .collect();
    let mut sizes: Vec<usize> = request.singles.iter().map(|(_, votes)| votes.len()).collect();
    sizes.sort_unstable_by_key(|size| Reverse(*size));
    let sizes: Vec<_> =
        sizes.into_iter().take(MAX_ATTESTATIONS_DATA).map(ComponentSize::Signatures).collect();
    let mut work = Unproved { limit: data_limit(kit, request, &sizes) };
    let mut built = build_block(inputs(request, &candidates), &mut work)?;
    let shown = built.components.drain(..).zip(&built.block.body.attestations);
    let components = shown.map(|(votes, attestation)| {
        let signatures = held.get(&attestation.data.tree_hash_root());
        let of = |index| Some((index, (*signatures?.get(&index)?).clone()));
        VoteEvidence::Signatures(votes.participants.indices().filter_map(of).collect())
    });
    let components = components.collect();
    Ok(timed(kit, built, components))
}

fn inputs<'a>(request: &'a PrepareRequest, candidates: &'a Candidates) -> BlockInputs<'a> {
    BlockInputs {
        slot: request.slot,
        proposer_index: request.proposer_index,
        parent_root: request.parent_root,
        parent_state: &request.parent_state,
        known_block_roots: &request.known_block_roots,
        candidates,
    }
}

fn timed(kit: &Kit, built: BuiltBlock, components: Vec<VoteEvidence>) -> Way {
    let sizes: Vec<_> = components
        .iter()
        .map(|component| match component {
            VoteEvidence::Proof(_) => ComponentSize::Proof,
            VoteEvidence::Signatures(held) => ComponentSize::Signatures(held.len()),
        })
        .collect();
    Way { merge_ms: kit.chain_ms(merge_time(kit, &sizes)), built, components }
}

/// What merging these and the proposer's signature takes.
fn merge_time(kit: &Kit, votes: &[ComponentSize]) -> Duration {
    let components: Vec<_> = votes.iter().copied().chain([ComponentSize::Signatures(1)]).collect();
    kit.backend.estimate_merge(&components)
}

/// How many of the data, the largest first, can be merged in time.
fn data_limit(kit: &Kit, request: &PrepareRequest, data: &[ComponentSize]) -> DataLimit {
    let fits = |count: &usize| kit.chain_ms(merge_time(kit, &data[..*count])) <= request.merge_within_ms;
    match (0..=data.len()).rev().find(fits) {
        Some(in_time) => DataLimit { in_time, worth_being_late: Worth::Justifying },
        None => DataLimit { in_time: 0, worth_being_late: Worth::Any },
    }
}

/// Blocks of votes that nothing shows yet.
struct Unproved {
    limit: DataLimit,
}

impl ProofWork for Unproved {
    fn data_limit(&self) -> DataLimit {
        self.limit
    }

    fn merge(
        &mut self,
        _: &AttestationData,
        proofs: &[Arc<SingleMessageAggregate>],
    ) -> Option<SingleMessageAggregate> {
        proofs.first().map(|proof| (**proof).clone())
    }

    fn trim(
        &mut self,
        _: &AttestationData,
        _: &SingleMessageAggregate,
        keep: &AggregationBits,
    ) -> Option<SingleMessageAggregate> {
        Some(SingleMessageAggregate { participants: keep.clone(), proof: Default::default() })
    }
}

struct BackendWork<'a> {
    kit: &'a Kit,
    registry: &'a Validators,
    limit: DataLimit,
    last_failure: Option<AggregationError>,
}

impl BackendWork<'_> {
    fn note<T>(&mut self, outcome: Result<T, AggregationError>) -> Option<T> {
        outcome.map_err(|error| self.last_failure = Some(error)).ok()
    }
}

impl ProofWork for BackendWork<'_> {
    fn vote_budget(&self) -> usize {
        self.kit.backend.capabilities().max_block_votes
    }

    fn data_limit(&self) -> DataLimit {
        self.limit
    }

    fn whole_beyond(&self) -> usize {
        self.kit.backend.capabilities().prove_beyond.unwrap_or(usize::MAX)
    }

    fn room(&self, proof: &SingleMessageAggregate) -> Room {
        match self.kit.backend.room(proof) {
            lathe_aggregation::Room::PerSigner => Room::PerVoter,
            lathe_aggregation::Room::Whole { content, votes } => Room::Whole { content, votes },
        }
    }

    fn merge(
        &mut self,
        data: &AttestationData,
        proofs: &[Arc<SingleMessageAggregate>],
    ) -> Option<SingleMessageAggregate> {
        let kit = self.kit;
        // The block waits for this. Where it takes long, the largest proof has to do.
        if kit.backend.estimate(0, proofs.len()) > LONGEST_FOLD {
            return None;
        }
        let children: Vec<_> = proofs.iter().map(|proof| &**proof).collect();
        let message = Message { root: data.tree_hash_root(), slot: data.slot };
        self.note(kit.backend.aggregate(self.registry, &children, &[], message, &kit.cancellation))
    }

    fn trim(
        &mut self,
        _: &AttestationData,
        proof: &SingleMessageAggregate,
        keep: &AggregationBits,
    ) -> Option<SingleMessageAggregate> {
        let kit = self.kit;
        self.note(kit.backend.trim(self.registry, proof, keep))
    }
}
