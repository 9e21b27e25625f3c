//! Seeded random values of every container.

use std::sync::Arc;

use lathe_types::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use ssz_types::{BitList, VariableList};
use typenum::Unsigned;

const PRIME: u32 = (1 << 31) - (1 << 24) + 1;

/// Draws values; the same seed draws the same ones.
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0.random_range(0..end)
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.0.random()).collect()
    }

    fn many<T>(&mut self, end: usize, mut draw: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(end)).map(|_| draw(self)).collect()
    }

    /// Small, large and extreme numbers alike.
    fn number(&mut self) -> u64 {
        let bits: u32 = self.0.random_range(0..=64);
        self.0.random::<u64>().checked_shr(bits).unwrap_or(0)
    }

    fn slot(&mut self) -> Slot {
        Slot(self.number())
    }

    fn root(&mut self) -> Root {
        Root::new(self.0.random())
    }

    fn public_key(&mut self) -> PublicKey {
        PublicKey::from(self.0.random::<[u8; PublicKey::LEN]>())
    }

    fn bits<N: Unsigned + Clone>(&mut self, end: usize) -> BitList<N> {
        let len = self.below(end);
        let mut bits = BitList::with_capacity(len).unwrap();
        for index in 0..len {
            bits.set(index, self.0.random()).unwrap();
        }
        bits
    }

    pub(crate) fn field_elements(&mut self, count: usize) -> Vec<u32> {
        (0..count).map(|_| self.0.random_range(0..PRIME)).collect()
    }

    /// A signature of the shape, with random field elements.
    pub(crate) fn signature(&mut self, shape: SignatureShape) -> Signature {
        let elements = self.field_elements(7 + 8 * (shape.siblings() + shape.chains()));
        let (rho, digests) = elements.split_at(7);
        let words =
            |elements: &[u32]| elements.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
        let hashes_offset = 40 + 32 * shape.siblings() as u32;
        let bytes = [words(&[36]), words(rho), words(&[hashes_offset]), words(&[4]), words(digests)].concat();
        Signature::from_ssz_bytes(&bytes).unwrap()
    }

    pub(crate) fn checkpoint(&mut self) -> Checkpoint {
        Checkpoint { root: self.root(), slot: self.slot() }
    }

    pub(crate) fn attestation_data(&mut self) -> AttestationData {
        AttestationData {
            slot: self.slot(),
            head: self.checkpoint(),
            target: self.checkpoint(),
            source: self.checkpoint(),
        }
    }

    pub(crate) fn attestation(&mut self) -> Attestation {
        Attestation { validator_index: ValidatorIndex(self.number()), data: self.attestation_data() }
    }

    pub(crate) fn signed_attestation(&mut self, shape: SignatureShape) -> SignedAttestation {
        let Attestation { validator_index, data } = self.attestation();
        SignedAttestation { validator_index, data, signature: self.signature(shape) }
    }

    fn proof(&mut self) -> ProofBytes {
        let len = self.below(200);
        VariableList::new(self.bytes(len)).unwrap()
    }

    pub(crate) fn single_message_aggregate(&mut self) -> SingleMessageAggregate {
        SingleMessageAggregate { participants: self.bits(600), proof: self.proof() }
    }

    pub(crate) fn multi_message_aggregate(&mut self) -> MultiMessageAggregate {
        MultiMessageAggregate { proof: self.proof() }
    }

    pub(crate) fn aggregated_attestation(&mut self) -> AggregatedAttestation {
        AggregatedAttestation { aggregation_bits: self.bits(600), data: self.attestation_data() }
    }

    pub(crate) fn signed_aggregated_attestation(&mut self) -> SignedAggregatedAttestation {
        SignedAggregatedAttestation { data: self.attestation_data(), proof: self.single_message_aggregate() }
    }

    pub(crate) fn block(&mut self) -> Block {
        let attestations = self.many(10, Self::aggregated_attestation);
        Block {
            slot: self.slot(),
            proposer_index: ValidatorIndex(self.number()),
            parent_root: self.root(),
            state_root: self.root(),
            body: BlockBody { attestations: VariableList::new(attestations).unwrap(), execution: None },
        }
    }

    pub(crate) fn execution_requests(&mut self) -> ExecutionRequests {
        let requests = self.many(4, |random| {
            let len = random.below(100);
            VariableList::new(random.bytes(len)).unwrap()
        });
        VariableList::new(requests).unwrap()
    }

    pub(crate) fn execution_payload(&mut self) -> ExecutionPayloadV3 {
        let transactions = self.many(5, |random| {
            let len = random.below(300);
            VariableList::new(random.bytes(len)).unwrap()
        });
        let withdrawals = self.many(4, |random| Withdrawal {
            index: random.number(),
            validator_index: random.number(),
            address: random.0.random::<[u8; 20]>().into(),
            amount: random.number(),
        });
        let extra_len = self.below(33);
        ExecutionPayloadV3 {
            parent_hash: self.root(),
            fee_recipient: self.0.random::<[u8; 20]>().into(),
            state_root: self.root(),
            receipts_root: self.root(),
            logs_bloom: ssz_types::FixedVector::new(self.bytes(256)).unwrap(),
            prev_randao: self.root(),
            block_number: self.number(),
            gas_limit: self.number(),
            gas_used: self.number(),
            timestamp: self.number(),
            extra_data: VariableList::new(self.bytes(extra_len)).unwrap(),
            base_fee_per_gas: Uint256::from_le_bytes(self.0.random::<[u8; 32]>()),
            block_hash: self.root(),
            transactions: VariableList::new(transactions).unwrap(),
            withdrawals: VariableList::new(withdrawals).unwrap(),
            blob_gas_used: self.number(),
            excess_blob_gas: self.number(),
        }
    }

    pub(crate) fn paired_block(&mut self) -> Block {
        let execution = ExecutionBody::new(self.execution_payload(), self.execution_requests());
        let mut block = self.block();
        block.body.execution = Some(Arc::new(execution));
        block
    }

    pub(crate) fn paired_state(&mut self) -> State {
        let header = Arc::new(self.execution_payload().header());
        State { latest_execution_payload_header: Some(header), ..self.state() }
    }

    pub(crate) fn block_header(&mut self) -> BlockHeader {
        BlockHeader { body_root: self.root(), ..self.block().header() }
    }

    pub(crate) fn signed_block(&mut self) -> SignedBlock {
        SignedBlock { block: self.block(), proof: self.multi_message_aggregate() }
    }

    pub(crate) fn validator(&mut self) -> Validator {
        Validator {
            attestation_public_key: self.public_key(),
            proposal_public_key: self.public_key(),
            index: ValidatorIndex(self.number()),
        }
    }

    /// A registry that keeps its rule.
    fn validators(&mut self) -> Validators {
        let mut validators = self.many(20, Self::validator);
        for (position, validator) in validators.iter_mut().enumerate() {
            validator.index = ValidatorIndex(position as u64);
        }
        Validators::new(validators).unwrap()
    }

    pub(crate) fn state(&mut self) -> State {
        State {
            config: GenesisConfig { genesis_time: self.number() },
            slot: self.slot(),
            latest_block_header: self.block_header(),
            latest_justified: self.checkpoint(),
            latest_finalized: self.checkpoint(),
            historical_block_hashes: HistoricalBlockHashes::new(self.many(70, Self::root)).unwrap(),
            justified_slots: self.bits(600),
            validators: self.validators(),
            justifications_roots: JustificationRoots::new(self.many(10, Self::root)).unwrap(),
            justifications_validators: self.bits(600),
            latest_execution_payload_header: None,
        }
    }

    pub(crate) fn status(&mut self) -> Status {
        Status { finalized: self.checkpoint(), head: self.checkpoint() }
    }

    pub(crate) fn blocks_by_root_request(&mut self) -> BlocksByRootRequest {
        BlocksByRootRequest { roots: VariableList::new(self.many(1025, Self::root)).unwrap() }
    }

    pub(crate) fn blocks_by_range_request(&mut self) -> BlocksByRangeRequest {
        BlocksByRangeRequest { start_slot: self.slot(), count: self.number() }
    }
}
