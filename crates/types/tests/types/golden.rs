//! Golden bytes and roots, made with the specification's own implementation. Changing one is a deliberate act.

use lathe_types::*;
use ssz_types::VariableList;

fn golden<T: Encode + Decode + TreeHash + PartialEq + std::fmt::Debug>(value: &T, bytes: &str, root: &str) {
    let hex = |bytes: &[u8]| alloy_primitives::hex::encode(bytes);
    assert_eq!(hex(&value.as_ssz_bytes()), bytes);
    assert_eq!(hex(value.tree_hash_root().as_ref()), root);
    let bytes = alloy_primitives::hex::decode(bytes).unwrap();
    assert_eq!(T::from_ssz_bytes(&bytes).as_ref(), Ok(value));
}

fn checkpoint(byte: u8, slot: u64) -> Checkpoint {
    Checkpoint { root: Root::repeat_byte(byte), slot: Slot(slot) }
}

fn data() -> AttestationData {
    AttestationData {
        slot: Slot(100),
        head: checkpoint(1, 100),
        target: checkpoint(2, 99),
        source: checkpoint(3, 50),
    }
}

fn participants(indices: &[u64]) -> AggregationBits {
    AggregationBits::from_indices(indices.iter().copied().map(ValidatorIndex)).unwrap()
}

#[test]
fn block() {
    let attestation = AggregatedAttestation { aggregation_bits: participants(&[0]), data: data() };
    let block = Block {
        slot: Slot(100),
        proposer_index: ValidatorIndex(3),
        parent_root: Root::repeat_byte(1),
        state_root: Root::repeat_byte(2),
        body: BlockBody { attestations: VariableList::new(vec![attestation]).unwrap(), execution: None },
    };
    golden(
        &block,
        "640000000000000003000000000000000101010101010101010101010101010101010101010101010101010101010101\
         020202020202020202020202020202020202020202020202020202020202020254000000040000000400000084000000\
         640000000000000001010101010101010101010101010101010101010101010101010101010101016400000000000000\
         020202020202020202020202020202020202020202020202020202020202020263000000000000000303030303030303\
         030303030303030303030303030303030303030303030303320000000000000003",
        "7f74ef839e818248b0219c0eeafaf777bc847147449cd7e87edb90994e599ab9",
    );
}

#[test]
fn signed_block() {
    let block = Block {
        slot: Slot(2),
        proposer_index: ValidatorIndex(1),
        parent_root: Root::repeat_byte(1),
        state_root: Root::repeat_byte(2),
        body: BlockBody::default(),
    };
    let proof = MultiMessageAggregate { proof: VariableList::new(vec![0xde, 0xad, 0xbe, 0xef]).unwrap() };
    golden(
        &SignedBlock { block, proof },
        "080000006000000002000000000000000100000000000000010101010101010101010101010101010101010101010101\
         010101010101010102020202020202020202020202020202020202020202020202020202020202025400000004000000\
         04000000deadbeef",
        "ad16e0fd1814f9ffcb99d9da22f63140dd7db707aeb1b513de557ca6f54477b3",
    );
}

#[test]
fn signed_aggregated_attestation() {
    let proof = SingleMessageAggregate {
        participants: participants(&[0, 2, 3]),
        proof: VariableList::new(vec![0xca, 0xfe, 0xba, 0xbe, 0xde, 0xad]).unwrap(),
    };
    golden(
        &SignedAggregatedAttestation { data: data(), proof },
        "640000000000000001010101010101010101010101010101010101010101010101010101010101016400000000000000\
         020202020202020202020202020202020202020202020202020202020202020263000000000000000303030303030303\
         03030303030303030303030303030303030303030303030332000000000000008400000008000000090000001dcafeba\
         bedead",
        "8f685f6ebe596e74efd21e5ead133a3788fa3e2c71daee9733a94cc8d8499f7c",
    );
}

#[test]
fn status() {
    golden(
        &Status { finalized: checkpoint(1, 100), head: checkpoint(2, 150) },
        "010101010101010101010101010101010101010101010101010101010101010164000000000000000202020202020202\
         0202020202020202020202020202020202020202020202029600000000000000",
        "a5615ef7cb0df35181bf5094289657fe4e8df2a2175f2c93cca2bf12fc5f8b88",
    );
}

fn bits<N: typenum::Unsigned + Clone>(bits: &[u8]) -> ssz_types::BitList<N> {
    let mut list = ssz_types::BitList::with_capacity(bits.len()).unwrap();
    for (index, bit) in bits.iter().enumerate() {
        list.set(index, *bit == 1).unwrap();
    }
    list
}

#[test]
fn state() {
    let validator = |index: u64| Validator {
        attestation_public_key: PublicKey::from([index as u8 + 1; 52]),
        proposal_public_key: PublicKey::from([index as u8 + 1; 52]),
        index: ValidatorIndex(index),
    };
    let roots = |bytes: std::ops::Range<u8>| bytes.map(Root::repeat_byte).collect::<Vec<_>>();
    let state = State {
        config: GenesisConfig { genesis_time: 1_700_000_000 },
        slot: Slot(500),
        latest_block_header: BlockHeader {
            slot: Slot(499),
            proposer_index: ValidatorIndex(7),
            parent_root: Root::repeat_byte(0xaa),
            state_root: Root::repeat_byte(0xbb),
            body_root: Root::repeat_byte(0xcc),
        },
        latest_justified: checkpoint(0xdd, 480),
        latest_finalized: checkpoint(0xee, 450),
        historical_block_hashes: HistoricalBlockHashes::new(roots(0x10..0x15)).unwrap(),
        justified_slots: bits(&[1, 1, 0, 1, 0, 1, 1, 1]),
        validators: Validators::new(vec![validator(0), validator(1)]).unwrap(),
        justifications_roots: JustificationRoots::new(roots(0x20..0x23)).unwrap(),
        justifications_validators: bits(&[1, 1, 0, 1, 1, 0, 1, 0]),
        latest_execution_payload_header: None,
    };
    golden(
        &state,
        "00f1536500000000f401000000000000f3010000000000000700000000000000aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\
         aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\
         ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccdddddddddddddddddddddddddddddddd\
         dddddddddddddddddddddddddddddddde001000000000000eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee\
         eeeeeeeeeeeeeeeec201000000000000e4000000840100008601000066020000c6020000101010101010101010101010\
         101010101010101010101010101010101010101011111111111111111111111111111111111111111111111111111111\
         111111111212121212121212121212121212121212121212121212121212121212121212131313131313131313131313\
         131313131313131313131313131313131313131314141414141414141414141414141414141414141414141414141414\
         14141414eb01010101010101010101010101010101010101010101010101010101010101010101010101010101010101\
         010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101\
         010101010101010101010101010100000000000000000202020202020202020202020202020202020202020202020202\
         020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202020202\
         020202020202020202020202020202020202020202020202020202020202010000000000000020202020202020202020\
         202020202020202020202020202020202020202020202121212121212121212121212121212121212121212121212121\
         21212121212122222222222222222222222222222222222222222222222222222222222222225b01",
        "46d581e860e51c10eea40c37bae584c81e30767ddce7e3d0269fd9b03c44b2af",
    );
}
