//! Decoders are total, and strict: what they accept is the one encoding of what they return.

use lathe_types::*;

use crate::random::Random;

/// Hostile inputs per container.
const INPUTS: u64 = 2_000;

/// Feeds noise, and valid encodings with bytes changed, cut off, inserted and appended.
fn survives<T: Encode + Decode>(draw: impl Fn(&mut Random) -> T) {
    for seed in 0..INPUTS {
        let mut random = Random::new(seed);
        let len = random.below(400);
        strict::<T>(&random.bytes(len));

        let mut bytes = draw(&mut random).as_ssz_bytes();
        for _ in 0..4 {
            // Most of what can go wrong is in the offsets at the front.
            let end = if random.below(2) == 0 { bytes.len().min(300) } else { bytes.len() };
            match random.below(4) {
                _ if end == 0 => {}
                0 => bytes.truncate(random.below(end)),
                1 => bytes.extend([0, 0, 0, 1]),
                2 => bytes.insert(random.below(end), 0),
                _ => bytes[random.below(end)] ^= 1 << random.below(8),
            }
            strict::<T>(&bytes);
        }
    }
}

fn strict<T: Encode + Decode>(bytes: &[u8]) {
    if let Ok(value) = T::from_ssz_bytes(bytes) {
        assert_eq!(value.as_ssz_bytes(), bytes, "a second encoding of one value was accepted");
    }
}

#[test]
fn aggregates() {
    survives(Random::single_message_aggregate);
    survives(Random::multi_message_aggregate);
    survives(Random::signed_aggregated_attestation);
}

#[test]
fn attestations() {
    survives(Random::attestation);
    survives(Random::aggregated_attestation);
    survives(|random| random.signed_attestation(SignatureShape::TEST));
    survives(|random| random.signed_attestation(SignatureShape::PROD));
}

#[test]
fn blocks() {
    survives(Random::block);
    survives(Random::block_header);
    survives(Random::signed_block);
    survives(Random::paired_block);
}

#[test]
fn states() {
    survives(Random::validator);
    survives(Random::state);
    survives(Random::paired_state);
}

#[test]
fn payloads() {
    survives(Random::execution_payload);
    survives(|random| random.execution_payload().header());
    survives(Random::execution_requests);
}

#[test]
fn requests() {
    survives(Random::status);
    survives(Random::blocks_by_root_request);
    survives(Random::blocks_by_range_request);
}

/// The encoding of a block with `count` empty-vote entries, by its offsets alone.
fn body_with(count: u32) -> Vec<u8> {
    let entry = AggregatedAttestation::from_ssz_bytes(&[&[132, 0, 0, 0], [0; 128].as_slice(), &[1]].concat());
    let entry = entry.unwrap().as_ssz_bytes();
    let offsets = (0..count).flat_map(|index| (4 * count + index * entry.len() as u32).to_le_bytes());
    let head = [4, 0, 0, 0].into_iter();
    head.chain(offsets).chain(entry.repeat(count as usize)).collect()
}

#[test]
fn lists_end_at_their_limits() {
    assert_eq!(BlockBody::from_ssz_bytes(&body_with(4096)).unwrap().attestations.len(), 4096);
    assert!(BlockBody::from_ssz_bytes(&body_with(4097)).is_err());

    let roots = |count: usize| [vec![4, 0, 0, 0], vec![7; 32 * count]].concat();
    assert_eq!(BlocksByRootRequest::from_ssz_bytes(&roots(1024)).unwrap().roots.len(), 1024);
    assert!(BlocksByRootRequest::from_ssz_bytes(&roots(1025)).is_err());
    assert!(BlocksByRootRequest::from_ssz_bytes(&roots(2)[..67]).is_err());

    let proof = |len: usize| [vec![4, 0, 0, 0], vec![7; len]].concat();
    assert_eq!(
        MultiMessageAggregate::from_ssz_bytes(&proof(MAX_PROOF_BYTES)).unwrap().proof.len(),
        MAX_PROOF_BYTES
    );
    assert!(MultiMessageAggregate::from_ssz_bytes(&proof(MAX_PROOF_BYTES + 1)).is_err());

    assert_eq!(HistoricalBlockHashes::from_ssz_bytes(&vec![7; 32 << 18]).unwrap().len(), 1 << 18);
    assert!(HistoricalBlockHashes::from_ssz_bytes(&vec![7; 32 + (32 << 18)]).is_err());
}

#[test]
fn bitlists_have_one_encoding() {
    let decode = |bytes: &[u8]| AggregationBits::from_ssz_bytes(bytes).map(|bits| bits.len());
    assert!(decode(&[]).is_err(), "not even the length bit");
    assert!(decode(&[0]).is_err(), "no length bit");
    assert!(decode(&[0xff, 0]).is_err(), "a zero byte after the length bit");
    assert_eq!(decode(&[1]), Ok(0));
    assert_eq!(decode(&[0xff]), Ok(7));
    assert_eq!(decode(&[0xff, 1]), Ok(8));

    let with_length = |len: usize| {
        let mut bytes = vec![0; len / 8 + 1];
        bytes[len / 8] = 1 << (len % 8);
        decode(&bytes)
    };
    assert_eq!(with_length(4096), Ok(4096));
    assert!(with_length(4097).is_err());
}

#[test]
fn offsets_leave_no_gap_and_no_overlap() {
    let aggregate = |first: u32, second: u32, rest: &[u8]| {
        SingleMessageAggregate::from_ssz_bytes(&[&first.to_le_bytes(), &second.to_le_bytes(), rest].concat())
    };
    assert!(aggregate(8, 9, &[1, 2, 3]).is_ok());
    assert!(aggregate(9, 10, &[0, 1, 2, 3]).is_err(), "a gap before the first list");
    assert!(aggregate(7, 9, &[1, 2, 3]).is_err(), "an offset into the offsets");
    assert!(aggregate(8, 7, &[1, 2, 3]).is_err(), "offsets that go back");
    assert!(aggregate(8, 12, &[1, 2, 3]).is_err(), "an offset past the end");
}
