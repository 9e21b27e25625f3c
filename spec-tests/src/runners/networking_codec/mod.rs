//! `networking_codec` fixtures: every encoding on the wire, byte for byte.
//!
//! Varints, snappy, framing, topics, message ids, node records and peer ids are checked through the functions that
//! the client itself uses. The gossip envelope is the exception: it belongs to libp2p, which keeps its codec to
//! itself, so [`rpc`] states the same protobuf schema once more.
//!
//! Snappy leaves its encoder free to choose among copies that decompress alike, and ours chooses otherwise than the
//! reference. Where a fixture holds compressed bytes, the bytes around them must be equal, and each side's must
//! decode to the fixture's data; where nothing is compressed, all bytes must be equal.

mod enr;
mod rpc;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use lathe_network::reqresp::codec::{
    decode_request, decode_response, decode_varint, encode_request, encode_response, encode_varint,
};
use lathe_network::snappy::{
    MAX_PAYLOAD_SIZE, compress_block, compress_frames, decompress_block, decompress_frames,
};
use lathe_network::{GossipTopic, MessageId, NodeRecord, PeerId, ResponseCode, TopicKind};
use lathe_types::{RejectionReason, SubnetId};

use crate::fixtures::Case;
use crate::json::{Bytes, Json};
use crate::outcome::{Failure, Outcome, expect_eq};

type Hex = Json<Bytes>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    codec: Codec,
    output: Value,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase", deny_unknown_fields)]
enum Codec {
    Varint {
        value: u64,
    },
    GossipTopic {
        topic_kind: String,
        network_name: String,
        subnet_id: Option<u64>,
        expected_network_name: Option<String>,
    },
    GossipMessageId {
        topic: Hex,
        data: Hex,
        domain: Hex,
    },
    GossipsubRpc(rpc::Spec),
    ReqrespRequest {
        ssz_data: Hex,
    },
    ReqrespResponse(Chunk),
    ReqrespResponseStream {
        chunks: Vec<Chunk>,
    },
    Enr {
        enr_string: String,
    },
    PeerId {
        key_type: KeyType,
        public_key: Hex,
    },
    SnappyBlock {
        data: Hex,
    },
    SnappyFrame {
        data: Hex,
    },
    DecodeFailure {
        decoder: Decoder,
        raw_bytes: Hex,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Chunk {
    response_code: u8,
    ssz_data: Hex,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KeyType {
    Rsa,
    Ed25519,
    Secp256k1,
    Ecdsa,
}

/// What a case says of bytes that must not decode.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DecodeFailure {
    decoder: Decoder,
}

#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Decoder {
    Varint,
    SnappyFrame,
    SnappyBlock,
    GossipsubRpc,
    ReqrespRequest,
    ReqrespResponse,
    Enr,
}

/// Bytes that print as hex.
#[derive(PartialEq, Deserialize)]
#[serde(transparent)]
struct Encoded(Hex);

impl std::fmt::Debug for Encoded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "0x{}", hex::encode(&self.0.0.0))
    }
}

impl Encoded {
    fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Json(Bytes(bytes.into())))
    }
}

pub(super) fn run(case: &Case) -> Outcome {
    let Body { codec, output } = case.body()?;
    match codec {
        Codec::Varint { value } => varint(value, output)?,
        Codec::GossipTopic { topic_kind, network_name, subnet_id, expected_network_name } => {
            let kind = kind_of(&topic_kind, subnet_id)?;
            gossip_topic(&GossipTopic::new(network_name, kind), expected_network_name.as_deref(), output)?;
        }
        Codec::GossipMessageId { topic, data, domain } => {
            message_id(&topic.0.0, &data.0.0, &domain.0.0, output)?
        }
        Codec::GossipsubRpc(spec) => rpc::check(&spec, output)?,
        Codec::ReqrespRequest { ssz_data } => {
            let wire = encode_request(&ssz_data.0.0).map_err(refused)?;
            expect_eq("decoded", &ssz_data.0.0, &decode_request(&wire).map_err(refused)?)?;
            let Output { encoded } = parse(output)?;
            let theirs = encoded.0.0.0;
            expect_eq("reference decoded", &ssz_data.0.0, &decode_request(&theirs).map_err(refused)?)?;
            expect_framing(&theirs, &wire)?;
        }
        Codec::ReqrespResponse(chunk) => {
            let wire = response(&chunk)?;
            let Output { encoded } = parse(output)?;
            let expected = (ResponseCode::from_byte(chunk.response_code), chunk.ssz_data.0.0);
            expect_eq("reference decoded", &expected, &decode_response(&encoded.0.0.0).map_err(refused)?)?;
            expect_framing(&encoded.0.0.0, &wire)?;
        }
        Codec::ReqrespResponseStream { chunks } => stream(&chunks, output)?,
        Codec::Enr { enr_string } => enr::check(&enr_string, output)?,
        Codec::PeerId { key_type, public_key } => peer_id(key_type, &public_key.0.0, output)?,
        Codec::SnappyBlock { data } => snappy_block(&data.0.0, output)?,
        Codec::SnappyFrame { data } => snappy_frame(&data.0.0, output)?,
        Codec::DecodeFailure { decoder, raw_bytes } => {
            let DecodeFailure { decoder: named } = parse(output)?;
            expect_eq("decoder", &named, &decoder)?;
            let rejected = !decodes(decoder, &raw_bytes.0.0);
            return case.expect_rejection(rejected.then_some(RejectionReason::DecodeError));
        }
    }
    case.expect_rejection(None)
}

fn varint(value: u64, output: Value) -> Result<(), Failure> {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Output {
        encoded: Encoded,
        byte_length: usize,
    }
    let wire = encode_varint(value);
    expect_eq("decoded", &(value, wire.len()), &decode_varint(&wire).map_err(refused)?)?;
    let byte_length = wire.len();
    expect_eq("output", &parse(output)?, &Output { encoded: Encoded::new(wire), byte_length })
}

fn kind_of(name: &str, subnet: Option<u64>) -> Result<TopicKind, Failure> {
    match (name, subnet) {
        ("block", None) => Ok(TopicKind::Block),
        ("aggregation", None) => Ok(TopicKind::AggregatedAttestation),
        ("attestation", Some(subnet)) => Ok(TopicKind::AttestationSubnet(SubnetId(subnet))),
        _ => Err(Failure::new("a known topic kind", name)),
    }
}

fn gossip_topic(topic: &GossipTopic, expected_network: Option<&str>, output: Value) -> Result<(), Failure> {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Output {
        topic_string: String,
        fork_valid: Option<bool>,
    }
    let topic_string = topic.to_string();
    expect_eq("parsed", topic, &topic_string.parse().map_err(refused)?)?;
    let fork_valid = expected_network.map(|expected| topic.validate_fork(expected).is_ok());
    expect_eq("output", &parse(output)?, &Output { topic_string, fork_valid })
}

fn message_id(topic: &[u8], data: &[u8], domain: &[u8], output: Value) -> Result<(), Failure> {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Output {
        message_id: Encoded,
    }
    let domain = domain.try_into().map_err(|_| Failure::new("a domain of 4 bytes", domain.len()))?;
    let message_id = Encoded::new(MessageId::compute(domain, topic, data).0);
    expect_eq("output", &parse(output)?, &Output { message_id })
}

fn response(chunk: &Chunk) -> Result<Vec<u8>, Failure> {
    let code = ResponseCode::from_byte(chunk.response_code);
    let ssz = &chunk.ssz_data.0.0;
    let wire = encode_response(code, ssz).map_err(refused)?;
    expect_eq("decoded", &(code, ssz.clone()), &decode_response(&wire).map_err(refused)?)?;
    Ok(wire)
}

fn stream(chunks: &[Chunk], output: Value) -> Result<(), Failure> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Output {
        encoded: Encoded,
        chunk_count: usize,
    }
    let Output { encoded, chunk_count } = parse(output)?;
    expect_eq("chunk count", &chunk_count, &chunks.len())?;
    let wire = chunks.iter().map(response).collect::<Result<Vec<_>, _>>()?.concat();
    expect_eq("encoded", &encoded, &Encoded::new(wire))
}

fn peer_id(key_type: KeyType, public_key: &[u8], output: Value) -> Result<(), Failure> {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Output {
        protobuf_encoded: Encoded,
        peer_id: String,
    }
    let kind = match key_type {
        KeyType::Rsa => 0,
        KeyType::Ed25519 => 1,
        KeyType::Secp256k1 => 2,
        KeyType::Ecdsa => 3,
    };
    let protobuf = [&[0x08, kind, 0x12][..], &encode_varint(public_key.len() as u64), public_key].concat();
    let id = match key_type {
        // The one kind of key that the client knows; its library does the derivation.
        KeyType::Secp256k1 => {
            libp2p::identity::PublicKey::try_decode_protobuf(&protobuf).map_err(refused)?.to_peer_id()
        }
        _ => PeerId::from_bytes(&multihash(&protobuf)).map_err(refused)?,
    };
    expect_eq("parsed", &id, &id.to_string().parse().map_err(refused)?)?;
    let output: Output = parse(output)?;
    expect_eq(
        "output",
        &output,
        &Output { protobuf_encoded: Encoded::new(protobuf), peer_id: id.to_string() },
    )
}

/// Short keys are their own hash; longer ones are hashed with SHA-256.
fn multihash(protobuf: &[u8]) -> Vec<u8> {
    use sha2::{Digest as _, Sha256};
    const LONGEST_IDENTITY: usize = 42;
    if protobuf.len() <= LONGEST_IDENTITY {
        return [&[0x00, protobuf.len() as u8], protobuf].concat();
    }
    [&[0x12, 0x20], &Sha256::digest(protobuf)[..]].concat()
}

fn snappy_block(data: &[u8], output: Value) -> Result<(), Failure> {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Output {
        compressed: Encoded,
        compressed_length: usize,
        uncompressed_length: usize,
    }
    let ours = compress_block(data).map_err(refused)?;
    expect_eq("decompressed", &data, &&decompress_block(&ours, MAX_PAYLOAD_SIZE).map_err(refused)?[..])?;
    let output: Output = parse(output)?;
    let theirs = &output.compressed.0.0.0;
    expect_eq(
        "reference decompressed",
        &data,
        &&decompress_block(theirs, MAX_PAYLOAD_SIZE).map_err(refused)?[..],
    )?;
    let lengths = (output.compressed_length, output.uncompressed_length);
    expect_eq("lengths", &lengths, &(theirs.len(), data.len()))?;
    // The length in front is not the encoder's choice.
    let prefix = encode_varint(data.len() as u64).len();
    expect_eq("length prefix", &Encoded::new(&theirs[..prefix]), &Encoded::new(&ours[..prefix]))
}

fn snappy_frame(data: &[u8], output: Value) -> Result<(), Failure> {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Output {
        framed: Encoded,
        framed_length: usize,
        uncompressed_length: usize,
    }
    let ours = compress_frames(data).map_err(refused)?;
    expect_eq("decompressed", &data, &&decompress_frames(&ours, MAX_PAYLOAD_SIZE).map_err(refused)?[..])?;
    let output: Output = parse(output)?;
    let theirs = &output.framed.0.0.0;
    expect_eq(
        "reference decompressed",
        &data,
        &&decompress_frames(theirs, MAX_PAYLOAD_SIZE).map_err(refused)?[..],
    )?;
    let lengths = (output.framed_length, output.uncompressed_length);
    expect_eq("lengths", &lengths, &(theirs.len(), data.len()))?;
    expect_framing(theirs, &ours)
}

/// Compares two framed streams, whatever stands in front of them, byte for byte except for compressed blocks: there
/// the chunk's type and the checksum of its content must be equal.
fn expect_framing(theirs: &[u8], ours: &[u8]) -> Result<(), Failure> {
    expect_eq("framing", &skeleton(theirs)?, &skeleton(ours)?)
}

/// A framed stream without what its encoder may choose.
fn skeleton(wire: &[u8]) -> Result<Vec<Encoded>, Failure> {
    const IDENTIFIER: &[u8] = b"\xff\x06\x00\x00sNaPpY";
    const COMPRESSED: u8 = 0;
    let cut = || Failure::new("a framed stream", hex::encode(wire));
    let start = wire.windows(IDENTIFIER.len()).position(|window| window == IDENTIFIER).ok_or_else(cut)?;
    let (head, mut rest) = wire.split_at(start + IDENTIFIER.len());
    let mut parts = vec![Encoded::new(head)];
    while let Some((&[kind, a, b, c], body)) = rest.split_first_chunk() {
        let (chunk, tail) =
            body.split_at_checked(u32::from_le_bytes([a, b, c, 0]) as usize).ok_or_else(cut)?;
        let fixed = if kind == COMPRESSED { chunk.get(..4).ok_or_else(cut)? } else { chunk };
        parts.push(Encoded::new([&[kind], fixed].concat()));
        rest = tail;
    }
    Ok(parts)
}

fn decodes(decoder: Decoder, bytes: &[u8]) -> bool {
    match decoder {
        Decoder::Varint => decode_varint(bytes).is_ok(),
        Decoder::SnappyFrame => decompress_frames(bytes, MAX_PAYLOAD_SIZE).is_ok(),
        Decoder::SnappyBlock => decompress_block(bytes, MAX_PAYLOAD_SIZE).is_ok(),
        Decoder::GossipsubRpc => rpc::decodes(bytes),
        Decoder::ReqrespRequest => decode_request(bytes).is_ok(),
        Decoder::ReqrespResponse => decode_response(bytes).is_ok(),
        Decoder::Enr => enr::text(bytes).parse::<NodeRecord>().is_ok() || enr::fields(bytes).is_ok(),
    }
}

/// An output that has nothing but an encoding.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Output {
    encoded: Encoded,
}

/// Compares with such an output.
fn encoded(wire: Vec<u8>, output: Value) -> Result<(), Failure> {
    expect_eq("output", &parse(output)?, &Output { encoded: Encoded::new(wire) })
}

fn parse<T: DeserializeOwned>(output: Value) -> Result<T, Failure> {
    T::deserialize(output).map_err(|error| Failure::new("an output in the known shape", error))
}

/// Our own code refuses what the fixture takes for good.
fn refused(error: impl std::fmt::Display) -> Failure {
    Failure::new("acceptance", error)
}
