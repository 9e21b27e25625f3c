//! Building a block: which votes to carry, and the state that they lead to.
//!
//! A vote may only build on a source that is justified already, but carrying votes is what justifies sources. So votes
//! are selected in rounds, each on the state that the round before leads to, until a round adds nothing. Justification
//! and finalization only move forward and a block carries few data, so the rounds end.

use std::collections::HashSet;
use std::sync::Arc;

use lathe_transition::{
    is_slot_justified, lies_on_chain, pending_voters, process_attestations, process_block,
    process_block_header, process_slots, state_root,
};
use lathe_types::{
    AggregatedAttestation, AggregationBits, AttestationData, Block, BlockBody, ExecutionBody,
    MAX_ATTESTATIONS_DATA, Participation, Rejection, RejectionReason, Root, SingleMessageAggregate, Slot,
    State, TreeHash, ValidatorIndex,
};

use crate::block_budget::{Budget, Chosen, Share, WholeProof, allot};
use crate::coverage::{ValidatorSet, select_proofs_for_coverage};

/// What a block is built on and from.
#[derive(Clone, Copy, Debug)]
pub struct BlockInputs<'a> {
    /// Slot of the block.
    pub slot: Slot,
    /// Who proposes it.
    pub proposer_index: ValidatorIndex,
    /// The head that it extends.
    pub parent_root: Root,
    /// State after the parent.
    pub parent_state: &'a State,
    /// Blocks that votes may name as their head.
    pub known_block_roots: &'a HashSet<Root>,
    /// Votes at hand with their proofs, in any order.
    pub candidates: &'a [(AttestationData, Vec<Arc<SingleMessageAggregate>>)],
}

/// A finished block that lacks only the proposer's signature. On an execution-paired chain the payload comes last
/// ([`attach_payload`]): until then the block, its root and the state after it are without one.
#[derive(Clone, Debug)]
pub struct BuiltBlock {
    /// The block, with its state root.
    pub block: Block,
    /// Its root: the message that the proposer signs.
    pub root: Root,
    /// State after it.
    pub post_state: State,
    /// One proof per attestation, in body order.
    pub components: Vec<SingleMessageAggregate>,
    /// Operations on proofs that failed. The block does without what they were to add.
    pub failures: usize,
}

/// The proof system's part in building a block. A failure costs the votes concerned, never the block.
pub trait ProofWork {
    /// Votes that a block's proof can hold over all its data, beside the proposer's signature.
    fn vote_budget(&self) -> usize {
        usize::MAX
    }

    /// Data that a block's proof has time for.
    fn data_limit(&self) -> DataLimit {
        DataLimit { in_time: usize::MAX, worth_being_late: Worth::Justifying }
    }

    /// Votes beyond which a block is better off with [`Room::Whole`] proofs than with votes one by one.
    fn whole_beyond(&self) -> usize {
        usize::MAX
    }

    /// The room that a proof takes.
    fn room(&self, _proof: &SingleMessageAggregate) -> Room {
        Room::PerVoter
    }

    /// Folds proofs of one data into one over the union of their participants.
    fn merge(
        &mut self,
        data: &AttestationData,
        proofs: &[Arc<SingleMessageAggregate>],
    ) -> Option<SingleMessageAggregate>;

    /// Reduces a proof to the participants in `keep`, some but not all of its own.
    fn trim(
        &mut self,
        data: &AttestationData,
        proof: &SingleMessageAggregate,
        keep: &AggregationBits,
    ) -> Option<SingleMessageAggregate>;
}

/// How many data a block's proof has time for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataLimit {
    /// As many are proved in time.
    pub in_time: usize,
    /// What one data has to be for the block to be late for it, if none is proved in time.
    pub worth_being_late: Worth,
}

/// What a block may be late for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// Votes that justify their target: without them the chain would grow and never be final.
    Justifying,
    /// Any votes: the block is late anyway.
    Any,
}

/// The room that a proof takes in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// That of its voters, any of whom may be taken out.
    PerVoter,
    /// It stands and falls as a whole.
    Whole {
        /// Names what takes the room; proofs with the same name take it together.
        content: u64,
        /// The votes whose room it takes.
        votes: usize,
    },
}

/// Builds a valid block on the given state.
///
/// The body carries at most one attestation per data and at most eight data. Fails only if no block at all can be built
/// there: a wrong parent, proposer or slot.
pub fn build_block(inputs: BlockInputs<'_>, work: &mut impl ProofWork) -> Result<BuiltBlock, Rejection> {
    // Advance to the block's slot once.
    let mut advanced = inputs.parent_state.clone();
    process_slots(&mut advanced, inputs.slot)?;
    let builder = Builder { inputs, advanced, candidates: sort_out(inputs, work) };

    // Select in rounds, then bring each data down to one proof that the block has room for.
    let num_validators = inputs.parent_state.validators.len();
    let chosen = within(builder.select()?, work.data_limit(), num_validators);
    let budget = Budget { votes: work.vote_budget(), whole_beyond: work.whole_beyond() };
    let allotted = allot(&chosen, budget, num_validators);
    let mut failures = 0;
    let mut attestations = Vec::new();
    let mut components = Vec::new();
    for (chosen, share) in chosen.iter().zip(&allotted) {
        if let Some(component) = fold(chosen, share, work, &mut failures) {
            attestations.push(AggregatedAttestation {
                aggregation_bits: component.participants.clone(),
                data: chosen.data,
            });
            components.push(component);
        }
    }

    // The post-state gives the state root.
    let (mut block, post_state) = builder.apply(attestations)?;
    block.state_root = state_root(&post_state);
    let root = block.header().tree_hash_root();
    Ok(BuiltBlock { block, root, post_state, components, failures })
}

/// Gives a block that was built on `parent_state` its payload, and with it its state root; returns it with the state
/// after it. Fails if the payload does not fit the block.
pub fn attach_payload(
    parent_state: &State,
    mut block: Block,
    execution: Arc<ExecutionBody>,
) -> Result<(Block, State), Rejection> {
    block.body.execution = Some(execution);
    let mut state = parent_state.clone();
    process_slots(&mut state, block.slot)?;
    process_block(&mut state, &block)?;
    block.state_root = state_root(&state);
    Ok((block, state))
}

/// Candidates that the block may know of, by target slot, and of one slot by data root, so that everybody builds alike.
fn sort_out(inputs: BlockInputs<'_>, work: &impl ProofWork) -> Vec<Chosen> {
    let known = |data: &AttestationData| inputs.known_block_roots.contains(&data.head.root);
    let mut candidates: Vec<_> = inputs
        .candidates
        .iter()
        .filter(|(data, proofs)| !proofs.is_empty() && known(data))
        .map(|(data, proofs)| (data.target.slot, data.tree_hash_root(), data, proofs))
        .collect();
    candidates.sort_unstable_by_key(|(target_slot, data_root, ..)| (*target_slot, *data_root));
    candidates
        .into_iter()
        .map(|(_, _, data, proofs)| {
            let (mut divisible, mut whole) = (Vec::new(), Vec::new());
            for proof in proofs {
                match work.room(proof) {
                    Room::PerVoter => divisible.push(proof.clone()),
                    Room::Whole { content, votes } => {
                        let voters = ValidatorSet::of(&proof.participants);
                        whole.push(WholeProof { proof: proof.clone(), voters, content, votes });
                    }
                }
            }
            let selection = select_proofs_for_coverage(&divisible, &[]);
            let mut voters = selection.covered;
            whole.iter().for_each(|whole| voters.extend(&whole.voters));
            let counted = pending_voters(inputs.parent_state, &data.target.root).into_iter().collect();
            Chosen { data: *data, proofs: selection.proofs, whole, voters, counted }
        })
        .collect()
}

/// Those of the chosen data that there is time for, in their order: first those that justify their targets, as later
/// ones may build on them; then those that bring the most new votes.
fn within(chosen: Vec<Chosen>, limit: DataLimit, num_validators: usize) -> Vec<Chosen> {
    let justifies: Vec<bool> = chosen.iter().map(|chosen| chosen.justifies(num_validators)).collect();
    let worth_it = match limit.worth_being_late {
        Worth::Justifying => justifies.contains(&true),
        Worth::Any => true,
    };
    let room = limit.in_time.max(usize::from(worth_it));
    if chosen.len() <= room {
        return chosen;
    }
    let mut order: Vec<usize> = (0..chosen.len()).collect();
    order.sort_by_key(|index| {
        let chosen = &chosen[*index];
        let rank = if justifies[*index] { usize::MAX } else { chosen.voters.count_beyond(&chosen.counted) };
        std::cmp::Reverse(rank)
    });
    order.truncate(room);
    let kept = chosen.into_iter().enumerate().filter(|(index, _)| order.contains(index));
    kept.map(|(_, chosen)| chosen).collect()
}

/// One proof over exactly the voters of the share, or as many of them as the proof system manages.
fn fold(
    chosen: &Chosen,
    share: &Share,
    work: &mut impl ProofWork,
    failures: &mut usize,
) -> Option<SingleMessageAggregate> {
    let mut pieces: Vec<Arc<SingleMessageAggregate>> = Vec::new();
    if share.whole.is_empty() && share.voters == ValidatorSet::covered_by(&chosen.proofs) {
        pieces.clone_from(&chosen.proofs);
    } else {
        let mut missing = share.voters.clone();
        for index in &share.whole {
            missing.subtract(&chosen.whole[*index].voters);
            pieces.push(chosen.whole[*index].proof.clone());
        }
        for proof in &chosen.proofs {
            let participants = ValidatorSet::of(&proof.participants);
            let mut wanted = missing.clone();
            wanted.intersect(&participants);
            if wanted.is_empty() {
                continue;
            }
            missing.subtract(&wanted);
            if wanted.len() == participants.len() {
                pieces.push(proof.clone());
                continue;
            }
            let bits = AggregationBits::from_indices(wanted.iter());
            match bits.and_then(|bits| work.trim(&chosen.data, proof, &bits)) {
                Some(piece) => pieces.push(Arc::new(piece)),
                None => *failures += 1,
            }
        }
    }
    if let [_, _, ..] = pieces.as_slice() {
        match work.merge(&chosen.data, &pieces) {
            Some(merged) => return Some(merged),
            None => *failures += 1,
        }
    }
    let largest = pieces.into_iter().max_by_key(|proof| proof.participants.num_set_bits())?;
    Some(Arc::unwrap_or_clone(largest))
}

/// The block under construction.
struct Builder<'a> {
    inputs: BlockInputs<'a>,
    /// The parent's state at the block's slot.
    advanced: State,
    candidates: Vec<Chosen>,
}

impl Builder<'_> {
    /// The block with these attestations but no state root, and its post-state.
    fn apply(&self, attestations: Vec<AggregatedAttestation>) -> Result<(Block, State), Rejection> {
        let BlockInputs { slot, proposer_index, parent_root, .. } = self.inputs;
        let attestations = attestations
            .try_into()
            .map_err(|error| Rejection::new(RejectionReason::TooManyAttestationData, format!("{error:?}")))?;
        let body = BlockBody { attestations, execution: None };
        let block = Block { slot, proposer_index, parent_root, state_root: Root::ZERO, body };
        let mut state = self.advanced.clone();
        // Votes do not depend on the payload, which only exists shortly before the block is signed.
        process_block_header(&mut state, &block)?;
        process_attestations(&mut state, &block.body.attestations)?;
        Ok((block, state))
    }

    /// Selects votes until a round adds none.
    fn select(&self) -> Result<Vec<Chosen>, Rejection> {
        // The chain as this block will see it: history with the parent and the skipped slots, flags for every slot
        // before the block, and at the first block genesis as the justified checkpoint.
        let (empty, _) = self.apply(Vec::new())?;
        let mut state = self.advanced.clone();
        process_block_header(&mut state, &empty)?;

        let mut chosen: Vec<Chosen> = Vec::new();
        loop {
            let eligible = self
                .candidates
                .iter()
                .filter(|candidate| !chosen.iter().any(|chosen| chosen.data == candidate.data))
                .filter(|candidate| is_eligible(&state, &candidate.data))
                .cloned()
                .collect();
            let round = self.best_of(eligible, MAX_ATTESTATIONS_DATA - chosen.len());
            if round.is_empty() {
                return Ok(chosen);
            }
            chosen.extend(round);

            // A trial shows what these votes justify, which may admit others and make some superfluous.
            let (_, trial) = self.apply(chosen.iter().filter_map(whole_attestation).collect())?;
            state = trial;
        }
    }

    /// All of `round` if there is room. Otherwise those that justify their targets; if there are none, those that bring
    /// the most new votes, the newest first: old votes that lead nowhere must not fill every block.
    fn best_of(&self, mut round: Vec<Chosen>, room: usize) -> Vec<Chosen> {
        if round.len() <= room {
            return round;
        }
        let num_validators = self.inputs.parent_state.validators.len();
        if round.iter().any(|chosen| chosen.justifies(num_validators)) {
            round.retain(|chosen| chosen.justifies(num_validators));
            round.truncate(room);
            return round;
        }
        round.sort_by_key(|chosen| {
            std::cmp::Reverse((chosen.voters.count_beyond(&chosen.counted), chosen.data.target.slot))
        });
        round.truncate(room);
        round.sort_by_key(|chosen| chosen.data.target.slot);
        round
    }
}

/// Whether a vote can be carried on `state`, whose history reaches up to the block.
fn is_eligible(state: &State, data: &AttestationData) -> bool {
    let justified = |slot| is_slot_justified(&state.justified_slots, state.latest_finalized.slot, slot);
    // The source is what the chain has justified last, and every root is the chain's own.
    if data.source.slot != state.latest_justified.slot
        || !lies_on_chain(data, &state.historical_block_hashes)
        || justified(data.source.slot) != Ok(true)
    {
        return false;
    }
    // More votes for a justified target gain nothing; those for genesis are carried for their heads all the same.
    let is_genesis_self_vote = data.source.slot == Slot(0) && data.target.slot == Slot(0);
    is_genesis_self_vote || justified(data.target.slot) == Ok(false)
}

fn whole_attestation(chosen: &Chosen) -> Option<AggregatedAttestation> {
    let aggregation_bits = AggregationBits::from_indices(chosen.voters.iter())?;
    Some(AggregatedAttestation { aggregation_bits, data: chosen.data })
}
