//! Bytes that another client put on the wire: they decode, mean what they should, and encode back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lathe_network::reqresp::Protocol;
use lathe_network::reqresp::codec::{decode_request, encode_request};
use lathe_network::snappy::{compress_block, decompress_block};
use lathe_network::{GossipMessage, GossipTopic, NetworkSize, NodeRecord, Request, TopicKind, peer_id_of};
use lathe_types::{Decode as _, Encode as _, SignedBlock, Status, SubnetId};

/// The vectors beside the workspace, unless they are not there.
fn vectors() -> Option<PathBuf> {
    let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/interop-vectors"));
    if dir.is_dir() {
        return Some(dir.to_owned());
    }
    eprintln!("note: no interop vectors at {}; nothing was checked", dir.display());
    None
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap())
        })
        .collect()
}

/// The topic that a dumped message was handed to, from its file name.
fn topic_of(name: &str) -> Option<TopicKind> {
    match name.split_once("_gossip_leanconsensus_12345678_")?.1 {
        "block_ssz_snappy.bin" => Some(TopicKind::Block),
        "aggregation_ssz_snappy.bin" => Some(TopicKind::AggregatedAttestation),
        "attestation_0_ssz_snappy.bin" => Some(TopicKind::AttestationSubnet(SubnetId(0))),
        other => panic!("unknown topic {other}"),
    }
}

#[test]
fn gossip_of_a_peer_decodes_and_encodes_back() {
    let Some(vectors) = vectors() else { return };
    let decompressed = files(&vectors.join("wire-net/ssz"));
    let mut kinds = BTreeMap::new();
    for (name, wire) in files(&vectors.join("wire-net/dump0")) {
        let Some(kind) = topic_of(&name) else { continue };
        let ssz = decompress_block(&wire, NetworkSize::default().max_ssz_len(kind)).unwrap();
        let message = GossipMessage::from_ssz(kind, &ssz).unwrap();
        assert_eq!(message.to_ssz(), ssz, "{name}");
        assert_eq!(decompress_block(&compress_block(&ssz).unwrap(), ssz.len()).unwrap(), ssz, "{name}");
        let number = &name[..4];
        let (_, twin) = decompressed.iter().find(|(name, _)| name.starts_with(number)).unwrap();
        assert_eq!(&ssz, twin, "{name}");
        *kinds.entry(kind).or_insert(0) += 1;
    }
    let topics: Vec<String> =
        kinds.keys().map(|kind| GossipTopic::new("12345678", *kind).to_string()).collect();
    assert_eq!(topics.len(), 3, "{topics:?}");
    assert_eq!(kinds.values().sum::<usize>(), decompressed.len());
}

#[test]
fn requests_and_responses_of_a_peer_decode_and_encode_back() {
    let Some(vectors) = vectors() else { return };
    let mut statuses = 0;
    for dump in ["dump0", "dump1"] {
        for (name, wire) in files(&vectors.join("wire-net").join(dump)) {
            if !name.ends_with("reqresp_payload.bin") {
                continue;
            }
            let ssz = decode_request(&wire).unwrap();
            assert_eq!(decode_request(&encode_request(&ssz).unwrap()).unwrap(), ssz, "{dump}/{name}");
            if ssz.len() == 80 {
                let status = Status::from_ssz_bytes(&ssz).unwrap();
                assert_eq!(
                    Request::from_ssz(Protocol::Status, &ssz),
                    Ok(Request::Status(status)),
                    "{dump}/{name}"
                );
                assert_eq!(encode_request(&ssz).unwrap(), wire, "{dump}/{name}");
                statuses += 1;
            } else {
                assert_eq!(SignedBlock::from_ssz_bytes(&ssz).unwrap().as_ssz_bytes(), ssz, "{dump}/{name}");
            }
        }
    }
    assert!(statuses > 0);
}

#[test]
fn the_node_record_of_a_peer_names_its_key() {
    let Some(vectors) = vectors() else { return };
    let nodes = std::fs::read_to_string(vectors.join("nodes.yaml")).unwrap();
    let record: NodeRecord = nodes.trim().strip_prefix("- ").unwrap().parse().unwrap();
    let key = std::fs::read_to_string(vectors.join("ethlambda_0.key")).unwrap();
    assert_eq!(record.peer_id(), peer_id_of(&key));
    assert_eq!(record.quic_address().unwrap().to_string(), "/ip4/127.0.0.1/udp/19500/quic-v1");
    assert_eq!(record.to_string(), nodes.trim()[2..]);
}
