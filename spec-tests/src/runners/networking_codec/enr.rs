//! Node records.
//!
//! The client refuses a record whose signature does not verify. Some fixtures describe such records field by field,
//! so the fields are read here without the client; its parser decides about the signature, and must agree with every
//! field of the records that it accepts.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use alloy_rlp::{Decodable as _, Header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use lathe_network::NodeRecord;

use super::{Encoded, parse, refused};
use crate::outcome::{Failure, expect_eq};

/// Bytes of the longest record.
const MAX_SIZE: usize = 300;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Output {
    rlp: Encoded,
    seq: u64,
    identity_scheme: String,
    node_id: Option<Encoded>,
    public_key: Option<Encoded>,
    ip4: Option<Ipv4Addr>,
    udp_port: Option<u16>,
    quic_port: Option<u16>,
    multiaddr: Option<String>,
    eth2_data: Option<Eth2Data>,
    attestation_subnets: Option<Vec<usize>>,
    is_aggregator: bool,
    signature_valid: bool,
    is_valid: bool,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Eth2Data {
    fork_digest: Encoded,
    next_fork_version: Encoded,
    next_fork_epoch: u64,
}

/// The parts of a record, unverified.
pub(super) struct Fields {
    signature: Vec<u8>,
    seq: u64,
    pairs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// Reads `text` and compares every property.
pub(super) fn check(enr: &str, output: Value) -> Result<(), Failure> {
    let rlp = URL_SAFE_NO_PAD
        .decode(enr.strip_prefix("enr:").ok_or_else(|| Failure::new("the prefix enr:", enr))?)
        .map_err(refused)?;
    expect_eq("text", &enr, &text(&rlp).as_str())?;
    let fields = fields(&rlp)?;
    let record = enr.parse::<NodeRecord>().ok();
    if let Some(record) = &record {
        expect_eq("record text", &enr, &record.to_string().as_str())?;
        expect_eq("record sequence", &fields.seq, &record.sequence())?;
        expect_eq("record node id", &fields.node_id(), &Some(Encoded::new(record.node_id())))?;
        let address = record.quic_address().map(|address| address.to_string());
        expect_eq("record address", &fields.multiaddr(), &address)?;
    }
    expect_eq("output", &parse(output)?, &fields.describe(rlp, record.is_some()))
}

/// The text form of any bytes.
pub(super) fn text(rlp: &[u8]) -> String {
    format!("enr:{}", URL_SAFE_NO_PAD.encode(rlp))
}

/// Takes a record apart: a list of the signature, the sequence number and sorted pairs.
pub(super) fn fields(rlp: &[u8]) -> Result<Fields, Failure> {
    if rlp.len() > MAX_SIZE {
        return Err(Failure::new("at most 300 bytes", rlp.len()));
    }
    let mut rest = rlp;
    let mut payload = Header::decode_bytes(&mut rest, true).map_err(refused)?;
    let signature = Header::decode_bytes(&mut payload, false).map_err(refused)?.to_vec();
    let seq = u64::decode(&mut payload).map_err(refused)?;
    let mut pairs: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    while !payload.is_empty() {
        let key = Header::decode_bytes(&mut payload, false).map_err(refused)?;
        let value = Header::decode_bytes(&mut payload, false).map_err(refused)?;
        if pairs.last_key_value().is_some_and(|(last, _)| last.as_slice() >= key) {
            return Err(Failure::new("sorted keys", hex::encode(key)));
        }
        pairs.insert(key.to_vec(), value.to_vec());
    }
    if !rest.is_empty() {
        return Err(Failure::new("nothing after the record", rest.len()));
    }
    if signature.len() != 64 {
        return Err(Failure::new("a signature of 64 bytes", signature.len()));
    }
    Ok(Fields { signature, seq, pairs })
}

impl Fields {
    fn get(&self, key: &str) -> Option<&[u8]> {
        self.pairs.get(key.as_bytes()).map(Vec::as_slice)
    }

    fn sized<const N: usize>(&self, key: &str) -> Option<[u8; N]> {
        self.get(key)?.try_into().ok()
    }

    fn port(&self, key: &str) -> Option<u16> {
        let bytes = self.get(key)?;
        (bytes.len() <= 2).then(|| bytes.iter().fold(0, |port, byte| port << 8 | u16::from(*byte)))
    }

    fn ip4(&self) -> Option<Ipv4Addr> {
        self.sized::<4>("ip").map(Ipv4Addr::from)
    }

    fn node_id(&self) -> Option<Encoded> {
        let key = enr::k256::ecdsa::VerifyingKey::from_sec1_bytes(self.get("secp256k1")?).ok()?;
        Some(Encoded::new(enr::NodeId::from(key).raw()))
    }

    fn multiaddr(&self) -> Option<String> {
        let port = self.port("quic").or_else(|| self.port("udp"))?;
        Some(format!("/ip4/{}/udp/{port}/quic-v1", self.ip4()?))
    }

    fn describe(&self, rlp: Vec<u8>, signature_valid: bool) -> Output {
        let scheme = String::from_utf8_lossy(self.get("id").unwrap_or_default()).into_owned();
        let public_key = self.sized::<33>("secp256k1");
        let eth2_data = self.sized::<16>("eth2").map(|bytes| Eth2Data {
            fork_digest: Encoded::new(&bytes[..4]),
            next_fork_version: Encoded::new(&bytes[4..8]),
            next_fork_epoch: bytes[8..].iter().rev().fold(0, |epoch, byte| epoch << 8 | u64::from(*byte)),
        });
        let subnets = self.sized::<8>("attnets").map(u64::from_le_bytes);
        Output {
            rlp: Encoded::new(rlp),
            seq: self.seq,
            node_id: self.node_id(),
            ip4: self.ip4(),
            udp_port: self.port("udp"),
            quic_port: self.port("quic"),
            multiaddr: self.multiaddr(),
            eth2_data,
            attestation_subnets: subnets.map(|bits| (0..64).filter(|bit| bits >> bit & 1 == 1).collect()),
            is_aggregator: self.sized("is_aggregator") == Some([1]),
            signature_valid,
            is_valid: scheme == "v4" && public_key.is_some() && self.signature.len() == 64,
            public_key: public_key.map(Encoded::new),
            identity_scheme: scheme,
        }
    }
}
