//! Driving an engine by hand: inputs in, a readable list of effects out.
//!
//! Signatures and proofs are arbitrary bytes, because verdicts are inputs too.
#![allow(dead_code, reason = "every test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking, and so do their helpers")]

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use lathe_engine::{
    Anchor, Batch, Effect, Engine, EngineConfig, Event, FetchWhat, GossipVerdict, Input, JobId, MessageId,
    Millis, Origin, Peer, PrepareRequest, PreparedBlock, ProveRequest, Publication, RefusedBlock, RequestId,
    Sequence, VerifyAnswer, VerifyRequest, VoteEvidence,
};
use lathe_forkchoice::{BlockInputs, ProofWork, attach_payload, build_block};
use lathe_types::{
    AggregationBits, AttestationData, Checkpoint, Decode, ExecutionBody, ExecutionPayloadV3,
    ExecutionRequests, Genesis, MultiMessageAggregate, Participation, ProofBytes, PublicKey, Root, Signature,
    SignatureShape, SignedAggregatedAttestation, SignedAttestation, SignedBlock, SingleMessageAggregate,
    Slot, State, Status, SubnetId, TreeHash, Validator, ValidatorIndex, Validators,
};

/// A genesis with so many validators.
pub(crate) fn anchor(validators: u64) -> Anchor {
    anchor_of(validators, None)
}

/// The same on a chain that is paired with the execution layer of that genesis.
pub(crate) fn anchor_of(validators: u64, execution_genesis: Option<Root>) -> Anchor {
    let validator = |index: u64| Validator {
        attestation_public_key: PublicKey::from([1; PublicKey::LEN]),
        proposal_public_key: PublicKey::from([2; PublicKey::LEN]),
        index: ValidatorIndex(index),
    };
    let validators = Validators::try_from_iter((0..validators).map(validator)).unwrap();
    let state = lathe_transition::generate_genesis(&Genesis {
        genesis_time: 0,
        validators,
        execution_genesis,
        signature_scheme: Default::default(),
    });
    Anchor::new(lathe_transition::genesis_block(&state).header(), Arc::new(state))
}

/// Any signature.
pub(crate) fn signature() -> Signature {
    let shape = SignatureShape::TEST;
    let mut bytes = vec![0; shape.encoded_len()];
    bytes[0..4].copy_from_slice(&36_u32.to_le_bytes());
    let hashes_offset = (bytes.len() - 32 * shape.chains()) as u32;
    bytes[32..36].copy_from_slice(&hashes_offset.to_le_bytes());
    bytes[36..40].copy_from_slice(&4_u32.to_le_bytes());
    Signature::from_ssz_bytes(&bytes).unwrap()
}

/// A proof of these participants.
pub(crate) fn proof(participants: &[u64]) -> SingleMessageAggregate {
    let participants =
        AggregationBits::from_indices(participants.iter().copied().map(ValidatorIndex)).unwrap();
    SingleMessageAggregate { participants, proof: ProofBytes::new(vec![7; 8]).unwrap() }
}

/// A block with its post-state, as a test makes it.
#[derive(Clone)]
pub(crate) struct Made {
    pub root: Root,
    pub block: Arc<SignedBlock>,
    pub state: Arc<State>,
}

impl Made {
    pub(crate) fn genesis(anchor: &Anchor) -> Self {
        let block = lathe_transition::genesis_block(&anchor.state);
        Self {
            root: block.tree_hash_root(),
            block: Arc::new(SignedBlock { block, proof: MultiMessageAggregate::default() }),
            state: anchor.state.clone(),
        }
    }

    pub(crate) fn checkpoint(&self) -> Checkpoint {
        Checkpoint { root: self.root, slot: self.block.block.slot }
    }

    /// A child of this block with the given votes.
    pub(crate) fn child(&self, slot: u64, votes: &[(AttestationData, &[u64])]) -> Self {
        let request = PrepareRequest {
            slot: Slot(slot),
            proposer_index: ValidatorIndex(slot % self.state.validators.len() as u64),
            parent_root: self.root,
            parent_state: self.state.clone(),
            known_block_roots: votes.iter().map(|(data, _)| data.head.root).collect::<HashSet<_>>(),
            candidates: votes.iter().map(|(data, voters)| (*data, vec![Arc::new(proof(voters))])).collect(),
            singles: Vec::new(),
            merge_within_ms: u64::MAX,
        };
        let prepared = prepare(&request);
        let proof = MultiMessageAggregate { proof: ProofBytes::new(vec![9; 8]).unwrap() };
        Self {
            root: prepared.root,
            block: Arc::new(SignedBlock { block: prepared.block, proof }),
            state: prepared.post_state,
        }
    }

    /// A child on an execution-paired chain, with a payload whose hash repeats `name`.
    pub(crate) fn paired_child(&self, slot: u64, name: u8) -> Self {
        let plain = self.child(slot, &[]);
        let execution = payload(&self.state, slot, name);
        let (block, state) = attach_payload(&self.state, plain.block.block.clone(), execution).unwrap();
        Self {
            root: block.tree_hash_root(),
            block: Arc::new(SignedBlock { block, proof: plain.block.proof.clone() }),
            state: Arc::new(state),
        }
    }

    /// The same block with another proof.
    pub(crate) fn with_proof(&self, byte: u8) -> Arc<SignedBlock> {
        let proof = MultiMessageAggregate { proof: ProofBytes::new(vec![byte; 8]).unwrap() };
        Arc::new(SignedBlock { block: self.block.block.clone(), proof })
    }
}

/// A payload that fits a block on `parent`.
pub(crate) fn payload(parent: &State, slot: u64, name: u8) -> Arc<ExecutionBody> {
    let payload = ExecutionPayloadV3 {
        parent_hash: parent.latest_execution_payload_header.as_ref().unwrap().block_hash,
        block_hash: Root::repeat_byte(name),
        timestamp: 4 * slot,
        ..ExecutionPayloadV3::default()
    };
    Arc::new(ExecutionBody::new(payload, ExecutionRequests::default()))
}

/// What a worker does with a request to prepare.
pub(crate) fn prepare(request: &PrepareRequest) -> PreparedBlock {
    let inputs = BlockInputs {
        slot: request.slot,
        proposer_index: request.proposer_index,
        parent_root: request.parent_root,
        parent_state: &request.parent_state,
        known_block_roots: &request.known_block_roots,
        candidates: &request.candidates,
    };
    let built = build_block(inputs, &mut Union).unwrap();
    PreparedBlock {
        block: built.block,
        root: built.root,
        parent_state: request.parent_state.clone(),
        post_state: Arc::new(built.post_state),
        components: built.components.into_iter().map(VoteEvidence::Proof).collect(),
        merge_ms: 0,
    }
}

struct Union;

impl ProofWork for Union {
    fn merge(
        &mut self,
        _: &AttestationData,
        proofs: &[Arc<SingleMessageAggregate>],
    ) -> Option<SingleMessageAggregate> {
        let all: Vec<u64> =
            proofs.iter().flat_map(|proof| proof.participants.indices()).map(|index| index.0).collect();
        Some(proof(&all))
    }

    fn trim(
        &mut self,
        _: &AttestationData,
        _: &SingleMessageAggregate,
        _: &AggregationBits,
    ) -> Option<SingleMessageAggregate> {
        None
    }
}

/// An engine and its clock.
pub(crate) struct Hand {
    pub engine: Engine,
    pub now: i64,
    /// The effects of the last turn, as they were.
    pub effects: Vec<Effect>,
    /// The last request to prepare a block.
    last_prepare: Option<(JobId, Arc<PrepareRequest>)>,
    /// What workers were asked to check.
    checks: HashMap<JobId, VerifyRequest>,
}

impl Hand {
    /// An engine that starts at `now` with these validators of its own.
    pub(crate) fn new(now: i64, local: &[u64], is_aggregator: bool, anchor: Anchor) -> Self {
        Self::with(now, anchor, EngineConfig { is_aggregator, ..Self::config(local) })
    }

    /// The settings of a node with these validators that does nothing else.
    pub(crate) fn config(local: &[u64]) -> EngineConfig {
        EngineConfig {
            local_validators: local.iter().copied().map(ValidatorIndex).collect(),
            subnets: vec![SubnetId(0)],
            ..EngineConfig::default()
        }
    }

    /// An engine that starts at `now` with these settings.
    pub(crate) fn with(now: i64, anchor: Anchor, config: EngineConfig) -> Self {
        let mut hand = Self {
            engine: Engine::new(config, anchor).unwrap(),
            now,
            effects: Vec::new(),
            last_prepare: None,
            checks: HashMap::new(),
        };
        hand.tick(now);
        hand
    }

    /// One turn at the current time; says what came of it, without the events.
    pub(crate) fn input(&mut self, input: Input) -> Vec<String> {
        self.engine.handle(Millis(self.now), input);
        self.effects.clear();
        while let Some(effect) = self.engine.poll_effect() {
            if let Effect::Prepare { job, request, .. } = &effect {
                self.last_prepare = Some((*job, request.clone()));
            }
            if let Effect::Verify { job, request } = &effect {
                self.checks.insert(*job, request.clone());
            }
            self.effects.push(effect);
        }
        self.effects.iter().filter(|effect| !matches!(effect, Effect::Announce(_))).map(describe).collect()
    }

    /// The events of the last turn.
    pub(crate) fn events(&self) -> Vec<String> {
        let event = |effect: &Effect| match effect {
            Effect::Announce(Event::Rejected { kind, reason, .. }) => {
                Some(format!("Rejected {{ kind: {kind:?}, reason: {reason:?} }}"))
            }
            Effect::Announce(event) => Some(format!("{event:?}")),
            _ => None,
        };
        self.effects.iter().filter_map(event).collect()
    }

    /// Blocks that the last input had refused, each with what is known of it.
    pub(crate) fn refused_blocks(&self) -> Vec<RefusedBlock> {
        let refused = |effect: &Effect| match effect {
            Effect::Announce(Event::Rejected { block, .. }) => *block,
            _ => None,
        };
        self.effects.iter().filter_map(refused).collect()
    }

    /// Time jumps to `now`.
    pub(crate) fn tick(&mut self, now: i64) -> Vec<String> {
        self.now = now;
        self.input(Input::Tick)
    }

    /// Time runs to `now`, stopping wherever the engine asks for it. All that came of it.
    pub(crate) fn run_to(&mut self, now: i64) -> Vec<String> {
        let mut all = Vec::new();
        let mut effects = Vec::new();
        while let Some(Millis(timeout)) = self.engine.next_timeout().filter(|Millis(timeout)| *timeout <= now)
        {
            assert!(timeout >= self.now, "a timeout in the past");
            all.extend(self.tick(timeout));
            effects.append(&mut self.effects);
        }
        all.extend(self.tick(now));
        effects.append(&mut self.effects);
        self.effects = effects;
        all
    }

    pub(crate) fn gossip_block(&mut self, id: u8, block: &Arc<SignedBlock>) -> Vec<String> {
        self.input(Input::Block { block: block.clone(), origin: gossip(id) })
    }

    pub(crate) fn gossip_vote(&mut self, id: u8, validator: u64, data: AttestationData) -> Vec<String> {
        let attestation =
            SignedAttestation { validator_index: ValidatorIndex(validator), data, signature: signature() };
        self.input(Input::Attestation { attestation, origin: gossip(id) })
    }

    pub(crate) fn gossip_aggregate(&mut self, id: u8, voters: &[u64], data: AttestationData) -> Vec<String> {
        let aggregate = Arc::new(SignedAggregatedAttestation { data, proof: proof(voters) });
        self.input(Input::Aggregate { aggregate, origin: gossip(id) })
    }

    pub(crate) fn verified(&mut self, job: u64, verdicts: &[bool]) -> Vec<String> {
        let answer = match self.checks.get(&JobId(job)).unwrap() {
            VerifyRequest::Attestations(_) => VerifyAnswer::Attestations(verdicts.to_vec()),
            VerifyRequest::Aggregate { .. } => VerifyAnswer::Aggregate(verdicts[0]),
            VerifyRequest::Block { .. } => VerifyAnswer::Block(verdicts[0]),
        };
        self.input(Input::Verified { job: JobId(job), answer })
    }

    /// A block that passes on the way from gossip to the store.
    pub(crate) fn import(&mut self, id: u8, made: &Made) {
        let effects = self.gossip_block(id, &made.block);
        let job = job_of(&effects);
        self.verified(job, &[true]);
        assert_eq!(self.engine.view().nodes.iter().filter(|node| node.root == made.root).count(), 1);
    }

    pub(crate) fn respond(&mut self, request: u64, peer: u64, block: &Arc<SignedBlock>) -> Vec<String> {
        let origin = Origin::Response { request: RequestId(request), peer: Peer(peer) };
        self.input(Input::Block { block: block.clone(), origin })
    }

    pub(crate) fn last_prepare(&self) -> (JobId, Arc<PrepareRequest>) {
        self.last_prepare.clone().unwrap()
    }

    pub(crate) fn status(&mut self, peer: u64, finalized: u64, head: Checkpoint) -> Vec<String> {
        let finalized = Checkpoint { root: Root::repeat_byte(0xf0), slot: Slot(finalized) };
        self.input(Input::PeerStatus { peer: Peer(peer), status: Status { finalized, head } })
    }
}

pub(crate) fn gossip(id: u8) -> Origin {
    Origin::Gossip { id: MessageId([id; 20]), peer: Peer(u64::from(id)) }
}

/// The job that stands last in a list of effects.
pub(crate) fn job_of(effects: &[String]) -> u64 {
    let number = |effect: &String| effect.split_once("job ")?.1.split([' ', ':']).next()?.parse().ok();
    effects.iter().rev().find_map(number).unwrap_or_else(|| panic!("no job in {effects:?}"))
}

/// The first byte of a hash, which is all that tests give them.
fn name(hash: Root) -> String {
    format!("{:x}", hash[0])
}

fn describe_proof(job: JobId, request: &ProveRequest, deadline: Millis) -> String {
    let voters = |proofs: &[Arc<SingleMessageAggregate>]| {
        proofs.iter().map(|proof| proof.participants.num_set_bits()).collect::<Vec<_>>()
    };
    let votes: Vec<String> = request
        .votes
        .iter()
        .map(|(data, proofs)| format!("slot {} {:?}", data.slot, voters(proofs)))
        .collect();
    let (votes, expected) = (votes.join(", "), request.expected);
    format!("prove job {}: {votes}, {expected} expected, until {}", job.0, deadline.0)
}

fn describe_batch(sequence: Sequence, batch: &Batch) -> String {
    let blocks: Vec<u64> = batch.blocks.iter().map(|imported| imported.block.block.slot.0).collect();
    let canonical: Vec<String> = batch
        .canonical
        .iter()
        .map(|(slot, root)| format!("{slot}{}", if root.is_some() { "+" } else { "-" }))
        .collect();
    let slot = |checkpoint: Option<Checkpoint>| checkpoint.map(|checkpoint| checkpoint.slot.0);
    format!(
        "persist {}: blocks {blocks:?} canonical {canonical:?} head {:?} justified {:?} finalized {:?} drop {}",
        sequence.0,
        slot(batch.head),
        slot(batch.justified),
        slot(batch.finalized),
        batch.drop_states.len()
    )
}

fn describe_publication(message: &Publication) -> String {
    match message {
        Publication::Block(block) => format!("publish block {}", block.block.slot),
        Publication::Attestation { attestation, subnet } => {
            format!(
                "publish vote of {} at {} on {subnet}",
                attestation.validator_index, attestation.data.slot
            )
        }
        Publication::Aggregate(aggregate) => {
            let count = aggregate.proof.participants.num_set_bits();
            format!("publish aggregate at {} of {count}", aggregate.data.slot)
        }
    }
}

/// An effect in a few words.
pub(crate) fn describe(effect: &Effect) -> String {
    match effect {
        Effect::Verify { job, request: VerifyRequest::Attestations(checks) } => {
            format!("verify job {}: {} votes", job.0, checks.len())
        }
        Effect::Verify { job, request: VerifyRequest::Aggregate { .. } } => {
            format!("verify job {}: aggregate", job.0)
        }
        Effect::Verify { job, request: VerifyRequest::Block { block, .. } } => {
            format!("verify job {}: block {}", job.0, block.block.slot)
        }
        Effect::Aggregate { job, request, .. } => {
            let signers: Vec<u64> = request.signatures.iter().map(|(index, _)| index.0).collect();
            let slot = request.data.slot;
            format!("aggregate job {}: slot {slot}, {} children, {signers:?}", job.0, request.children.len())
        }
        Effect::Prove { job, request, deadline } => describe_proof(*job, request, *deadline),
        Effect::Prepare { job, request, .. } => {
            format!("prepare job {}: slot {}, {} data", job.0, request.slot, request.candidates.len())
        }
        Effect::Sign { job, requests } => {
            let who: Vec<String> =
                requests.iter().map(|request| format!("{:?} {}", request.role, request.validator)).collect();
            format!("sign job {}: {}", job.0, who.join(", "))
        }
        Effect::Seal { job, .. } => format!("seal job {}", job.0),
        Effect::Split { job, wanted, .. } => format!("split job {}: {} data", job.0, wanted.len()),
        Effect::Persist { sequence, batch } => describe_batch(*sequence, batch),
        Effect::Publish { message } => describe_publication(message),
        Effect::GossipVerdict { id, verdict, .. } => {
            let verdict = match verdict {
                GossipVerdict::Accept => "accept",
                GossipVerdict::Ignore => "ignore",
                GossipVerdict::Reject => "reject",
            };
            format!("{verdict} {}", id.0[0])
        }
        Effect::Fetch { request, peer, what } => match what {
            FetchWhat::ByRoot(roots) => {
                format!("fetch {} of peer {}: {} roots", request.0, peer.0, roots.len())
            }
            FetchWhat::ByRange { start, count } => {
                format!("fetch {} of peer {}: {count} from {start}", request.0, peer.0)
            }
        },
        Effect::RequestStatus { peer } => format!("status of peer {}", peer.0),
        Effect::Penalise { peer, offence } => format!("penalise peer {}: {offence:?}", peer.0),
        Effect::NewPayload(payload) => {
            format!("new payload {}", name(payload.execution.payload().block_hash))
        }
        Effect::ForkchoiceUpdated { state, build } => {
            let build = build.map_or(String::new(), |(job, _)| format!(", build job {}", job.0));
            let [head, safe, finalized] = [state.head, state.safe, state.finalized].map(name);
            format!("forkchoice {head} safe {safe} finalized {finalized}{build}")
        }
        Effect::GetPayload { job, .. } => format!("get payload job {}", job.0),
        Effect::ReplayPayloads { job, head } => format!("replay job {}: up to {}", job.0, head.slot),
        Effect::Announce(event) => format!("announce {event:?}"),
    }
}
