//! Where the search starts, as far as our own encoders can say: what no fixture holds.

use std::net::Ipv4Addr;
use std::sync::Arc;

use lathe_leansig::{SecretKey, Test};
use lathe_ledger::{Entry, KeyId};
use lathe_network::reqresp::codec::{encode_error, encode_request, encode_response, encode_varint};
use lathe_network::snappy::{compress_block, compress_frames};
use lathe_network::{NodeKey, NodeRecord, Request, ResponseCode};
use lathe_types::{
    Encode, ExecutionBody, ExecutionPayloadV3, ExecutionRequests, Genesis, Root, SignatureScheme,
    SignedBlock, Slot, Status, Transaction, TreeHash, ValidatorIndex,
};
use lathe_xmss_blake2s::{Layout, SecretKey as XmssKey};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::json;

use crate::execution::ID;
use crate::key_files::{GENESIS_TIME, KEY_CHECKSUM_LEN, open};
use crate::proofs::WORLD;

/// An input of a target.
pub type Seed = (&'static str, Vec<u8>);

/// Seeds for every target that our own encoders can serve. What cannot be made is left out.
pub fn made() -> Vec<Seed> {
    [
        proofs(),
        crate::stark::seeds(),
        key_files(),
        xmss(),
        enr(),
        execution(),
        http(),
        paired(),
        reqresp(),
        snappy(),
        topics(),
        votes(),
        yaml_files(),
    ]
    .concat()
}

/// A container's encoding, by the name of its type; `None` for a type that is no container of ours.
pub fn container(type_name: &str, encoding: &[u8]) -> Option<Seed> {
    let choice = crate::ssz::CONTAINERS.iter().position(|(name, _)| *name == type_name)?;
    Some(("ssz", chosen(choice, encoding)))
}

/// A gossip payload as it travels, by the number of the topic's kind: blocks, aggregates, votes.
pub fn gossip(kind: usize, wire: &[u8]) -> Seed {
    ("gossip", chosen(kind.min(crate::gossip::KINDS.len() - 1), wire))
}

/// A file of a network directory; `None` for a name that is none of them.
pub fn yaml(file_name: &str, text: &[u8]) -> Option<Seed> {
    let choice = crate::yaml::FILES.iter().position(|name| *name == file_name)?;
    Some(("yaml", chosen(choice, text)))
}

/// A block on a state.
pub fn transition(state: &[u8], signed_block: &[u8]) -> Seed {
    ("transition", [&(state.len() as u32).to_le_bytes()[..], state, signed_block].concat())
}

/// Bytes for the decoder that a target's first byte chooses.
pub fn chosen(choice: usize, bytes: &[u8]) -> Vec<u8> {
    [&[choice as u8][..], bytes].concat()
}

fn proofs() -> Vec<Seed> {
    let Some(world) = &*WORLD else { return Vec::new() };
    let single = (1..=world.votes.len())
        .filter_map(|count| world.vote_proof(count))
        .map(|proof| chosen(0, &proof.as_ssz_bytes()));
    let multi = world.block_proof().map(|proof| chosen(1, &proof.as_ssz_bytes()));
    let signatures = world.votes.iter().filter_map(|(voter, vote)| {
        let validator = world.registry.get(voter.0 as usize)?;
        Some(chosen(2, &[validator.attestation_public_key.as_bytes(), vote.as_bytes()].concat()))
    });
    single.chain(multi).chain(signatures).map(|seed| ("proofs", seed)).collect()
}

fn key_files() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for slots in [0..8, 16..48, 0..256] {
        let mut rng = ChaCha20Rng::seed_from_u64(slots.end);
        let Ok(key) = SecretKey::<Test>::generate(&mut rng, slots, |_, _| ()) else { continue };
        let ours = key.encode();
        seeds.push(chosen(0, &ours));
        seeds.push(chosen(1, &ours[..ours.len() - KEY_CHECKSUM_LEN]));
        if let Ok(theirs) = key.export_leansig(|_, _| ()) {
            seeds.push(chosen(0, &theirs));
        }
    }
    if let Ok(mut ledger) = open(None, Some(1)) {
        let entry =
            |slot| Entry { key: KeyId([slot as u8 % 2; 32]), slot, root: Root::repeat_byte(slot as u8) };
        ledger.record_all(&(3..9).map(entry).collect::<Vec<_>>());
        let mut text = Vec::new();
        if ledger.export(&mut text).is_ok() {
            seeds.push(chosen(5, &text));
        }
    }
    // A file of a few records without the blank space of a real one; the target sees to the checks.
    let header =
        [&b"LATHELGR"[..], &1_u32.to_be_bytes(), &GENESIS_TIME.to_be_bytes(), &[0; 8], &[0; 8]].concat();
    let record = |kind: u8, slot: u64, root: u8| {
        [&[kind][..], &[1; 32], &slot.to_be_bytes(), &[root; 32], &[0; 8]].concat()
    };
    let records = [record(1, 5, 1), record(1, 6, 2), record(2, 6, 0), record(1, 5, 3)].concat();
    seeds.push(chosen(4, &[&header[..], &records[..162], &[0; 162]].concat()));
    seeds.push(chosen(4, &[&header[..], &records].concat()));
    seeds.into_iter().map(|seed| ("key_files", seed)).collect()
}

fn xmss() -> Vec<Seed> {
    let mut seeds = Vec::new();
    for (layout, number) in Layout::ALL.into_iter().zip(0..) {
        for slots in [0..8, 30..67] {
            let start = slots.start;
            let Ok(mut key) = XmssKey::from_seed(layout, &[start as u8; 32], slots, |_, _| ()) else {
                continue;
            };
            let ours = key.encode();
            seeds.push(chosen(3 * number, &ours));
            seeds.push(chosen(3 * number + 1, &ours[..ours.len() - KEY_CHECKSUM_LEN]));
            if let Ok(theirs) = key.export_postcard() {
                seeds.push(chosen(3 * number, &theirs));
            }
            if let Ok(signature) = key.sign_with_build(start + 3, &[0x11; 32]) {
                let pair = [&key.public_key().encode()[..], &signature.encode()].concat();
                seeds.push(chosen(3 * number + 2, &pair));
            }
        }
    }
    seeds.into_iter().map(|seed| ("xmss", seed)).collect()
}

fn enr() -> Vec<Seed> {
    let Ok(key) = NodeKey::from_bytes(&[7; 32]) else { return Vec::new() };
    let record = NodeRecord::new(&key, Ipv4Addr::LOCALHOST.into(), 9000).map(|record| record.to_string());
    let id = key.peer_id();
    let mut texts = vec![
        format!("/ip4/127.0.0.1/udp/9000/quic-v1/p2p/{id}"),
        "/ip6/::1/udp/9000/quic-v1".to_owned(),
        format!("none, /ip4/127.0.0.1/udp/9000/quic-v1\n/ip4/127.0.0.1/udp/9000/quic-v1/p2p/{id}"),
        format!("0x{}\n", key.to_hex()),
    ];
    texts.extend(record);
    let entry = |name: &str, value: &[u8]| {
        [&[name.len() as u8][..], name.as_bytes(), &[value.len() as u8], value].concat()
    };
    let ip4 = entry("ip", &[0x80, 0x84, 127, 0, 0, 1]);
    let quic = entry("quic", &[0x80, 0x82, 0x23, 0x28]);
    let udp = entry("udp", &[0x80, 0x82, 0x23, 0x28]);
    let ip6 = entry("ip6", &[&[0x80, 0x90][..], &[0; 15], &[1]].concat());
    let records =
        [[&ip4[..], &quic].concat(), [&ip6[..], &udp].concat(), [&ip4[..], &ip6, &quic, &udp].concat()];
    let texts = texts.iter().map(|text| chosen(0, text.as_bytes()));
    texts.chain(records.iter().map(|entries| chosen(1, entries))).map(|seed| ("enr", seed)).collect()
}

fn execution() -> Vec<Seed> {
    let hash = format!("0x{}", "ab".repeat(32));
    let status = json!({ "status": "VALID", "latestValidHash": hash, "validationError": null });
    let invalid = json!({ "status": "INVALID", "latestValidHash": null, "validationError": "bad\nblock" });
    let payload = json!({
        "parentHash": hash,
        "feeRecipient": format!("0x{}", "22".repeat(20)),
        "stateRoot": hash,
        "receiptsRoot": hash,
        "logsBloom": format!("0x{}", "00".repeat(256)),
        "prevRandao": hash,
        "blockNumber": "0x1",
        "gasLimit": "0x1c9c380",
        "gasUsed": "0x0",
        "timestamp": "0x6",
        "extraData": "0x",
        "baseFeePerGas": "0x7",
        "blockHash": hash,
        "transactions": ["0x02aa"],
        "withdrawals": [],
        "blobGasUsed": "0x0",
        "excessBlobGas": "0x0",
    });
    let built = json!({
        "executionPayload": payload,
        "blockValue": "0x1",
        "blobsBundle": { "commitments": [], "proofs": [], "blobs": [] },
        "shouldOverrideBuilder": false,
        "executionRequests": ["0x0102"],
    });
    let results = [
        (0, json!(["engine_newPayloadV4", "engine_forkchoiceUpdatedV3"])),
        (1, json!([{ "code": "EX", "name": "example", "version": "1.0", "commit": "0x00000000" }])),
        (2, json!({ "hash": hash, "number": "0x1f" })),
        (3, status.clone()),
        (3, invalid),
        (4, json!({ "payloadStatus": status, "payloadId": "0x0000000000000001" })),
        (5, built),
    ];
    let answers =
        results.map(|(choice, result)| (choice, json!({ "jsonrpc": "2.0", "id": ID, "result": result })));
    let error =
        json!({ "jsonrpc": "2.0", "id": ID, "error": { "code": -38005, "message": "Unsupported fork" } });
    let all = answers.into_iter().chain([(5, error), (2, json!({ "id": ID, "result": null }))]);
    all.map(|(choice, answer)| ("execution", chosen(choice, answer.to_string().as_bytes()))).collect()
}

/// Containers of an execution-paired chain, which no fixture holds: the state of its genesis, and a block on it.
fn paired() -> Vec<Seed> {
    let Some(world) = &*WORLD else { return Vec::new() };
    let validators = world.registry.clone();
    let hash = Root::repeat_byte(0xe1);
    let genesis = Genesis {
        genesis_time: 0,
        validators,
        execution_genesis: Some(hash),
        signature_scheme: Default::default(),
    };
    let state = lathe_transition::generate_genesis(&genesis);
    let payload = ExecutionPayloadV3 {
        parent_hash: hash,
        block_hash: Root::repeat_byte(1),
        timestamp: 4,
        transactions: vec![Transaction::new(vec![2, 3]).unwrap_or_default()].try_into().unwrap_or_default(),
        ..ExecutionPayloadV3::default()
    };
    let mut block = lathe_transition::genesis_block(&state);
    let root = block.tree_hash_root();
    (block.slot, block.proposer_index, block.parent_root) = (Slot(1), ValidatorIndex(1), root);
    block.body.execution = Some(Arc::new(ExecutionBody::new(payload, ExecutionRequests::default())));
    let signed = SignedBlock { block, ..SignedBlock::default() };
    let (state, block) = (state.as_ssz_bytes(), signed.as_ssz_bytes());
    let gossip = compress_block(&block).ok().map(|wire| gossip(0, &wire));
    let containers = [("State", &state), ("SignedBlock", &block)];
    let containers = containers.into_iter().filter_map(|(name, encoding)| container(name, encoding));
    containers.chain(gossip).chain([transition(&state, &block)]).collect()
}

fn http() -> Vec<Seed> {
    let gets =
        ["health", "states/finalized", "checkpoints/justified", "fork_choice", "node/syncing", "genesis"];
    let gets = gets.map(|path| format!("GET /lean/v0/{path} HTTP/1.1\r\nhost: a\r\n\r\n"));
    let body = r#"{"enabled": true}"#;
    let length = body.len();
    let post = format!("POST /lean/v0/admin/aggregator HTTP/1.1\r\ncontent-length: {length}\r\n\r\n{body}");
    let chunked = format!(
        "POST /lean/v0/admin/aggregator HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"
    );
    let json =
        "GET /lean/v0/blocks/finalized HTTP/1.1\r\naccept: application/json;q=0.5, */*\r\n\r\n".to_owned();
    let old = "GET /metrics HTTP/1.0\r\nconnection: close\r\n\r\n".to_owned();
    let pipelined = gets.concat();
    let all = gets.into_iter().chain([post, chunked, json, old, pipelined]);
    all.map(|text| ("http", text.into_bytes())).collect()
}

fn reqresp() -> Vec<Seed> {
    let status = Request::Status(Status::default());
    let by_root = Request::BlocksByRoot(vec![Root::repeat_byte(1), Root::repeat_byte(2)]);
    let by_range = Request::BlocksByRange { start_slot: Slot(3), count: 4 };
    let mut seeds: Vec<Vec<u8>> = [status, by_root, by_range]
        .iter()
        .enumerate()
        .filter_map(|(choice, request)| Some(chosen(choice, &encode_request(&request.to_ssz()).ok()?)))
        .collect();
    let answers = [
        encode_response(ResponseCode::Success, &[0; 80]),
        encode_error(ResponseCode::ResourceUnavailable, "gone"),
    ];
    seeds.extend(answers.iter().flatten().map(|answer| chosen(3, answer)));
    let payloads = [&[][..], &[1; 100], &[2; 70_000]].map(encode_request);
    seeds.push(chosen(4, &payloads.into_iter().flatten().collect::<Vec<_>>().concat()));
    seeds.extend([0, 127, 128, u64::MAX].map(|number| chosen(5, &encode_varint(number))));
    seeds.into_iter().map(|seed| ("reqresp", seed)).collect()
}

fn snappy() -> Vec<Seed> {
    let texts: [&[u8]; 4] = [b"", b"abcabcabcabcabcabc", &[0; 70_000], b"no two letters alike"];
    let blocks = texts.iter().filter_map(|text| Some(chosen(0, &compress_block(text).ok()?)));
    let frames = texts.iter().filter_map(|text| Some(chosen(1, &compress_frames(text).ok()?)));
    let plain = texts.iter().filter(|text| text.len() < 100).map(|text| chosen(2, text));
    blocks.chain(frames).chain(plain).map(|seed| ("snappy", seed)).collect()
}

fn topics() -> Vec<Seed> {
    let name = |kind: &str| format!("/leanconsensus/12345678/{kind}/ssz_snappy");
    ["block", "aggregation", "attestation_0", "attestation_63"]
        .map(|kind| ("gossip", chosen(crate::gossip::KINDS.len(), name(kind).as_bytes())))
        .to_vec()
}

/// A vote of each scheme, on a network of each.
fn votes() -> Vec<Seed> {
    let vote = |scheme: &SignatureScheme| compress_block(&vec![0; 8 + 128 + scheme.signature_bytes()]).ok();
    let votes: Vec<Vec<u8>> = crate::gossip::SCHEMES.iter().filter_map(vote).collect();
    let networks = 0..crate::gossip::SCHEMES.len();
    let on = |network: usize, wire: &Vec<u8>| ("gossip", chosen(network << 4 | 2, wire));
    networks.flat_map(|network| votes.iter().map(move |wire| on(network, wire))).collect()
}

fn yaml_files() -> Vec<Seed> {
    let key = "00000000".repeat(13);
    let texts = [
        format!(
            "GENESIS_TIME: 1700000000\nATTESTATION_COMMITTEE_COUNT: 1\nFORK_DIGEST: \"12345678\"\n\
             GENESIS_VALIDATORS:\n  - attestation_pubkey: 0x{key}\n    proposal_pubkey: \"{key}\"\n"
        ),
        format!(
            "shuffle: roundrobin\nconfig:\n  attestation_committee_count: 1\nvalidators:\n  - name: \"lathe_0\"\n    \
             privkey: \"{}\"\n    enrFields:\n      ip: \"127.0.0.1\"\n      quic: 9000\n    metricsPort: 1\n    \
             apiPort: 2\n    isAggregator: true\n    count: 1\n",
            "11".repeat(32)
        ),
        "- enr:-IW4QA\n- \"enr:-IW4QB\"\n".to_owned(),
        format!(
            "lathe_0:\n  - index: 0\n    pubkey_hex: {key}\n    privkey_file: validator_0_attester_key_sk.ssz\n  \
             - index: 0\n    privkey_file: validator_0_proposer_key_sk.ssz\nlathe_1: []\n"
        ),
        format!(
            "first_slot: 0\nnum_active_epochs: 256\nvalidators:\n  - index: 0\n    proposer_key_pubkey_hex: \"{key}\"\n    \
             attester_key_pubkey_hex: \"{key}\"\n    attester_key_privkey_file: \"a\"\n"
        ),
    ];
    let plain = chosen(3, b"validators:\n  lathe_0:\n    - 0\n    - 1\n");
    let anchors = chosen(2, b"- &a enr:x\n- *a\n- !!str enr:y\n- |\n  enr:z\n");
    let short = "00000000".repeat(8);
    let scheme = format!(
        "GENESIS_TIME: 1700000000\nSIGNATURE_SCHEME: \"xmss-blake2s-l3\"\nGENESIS_VALIDATORS:\n  - attestation_pubkey: \
         \"{short}\"\n    proposal_pubkey: \"{short}\"\n"
    );
    let files = texts.iter().enumerate().map(|(choice, text)| chosen(choice, text.as_bytes()));
    files.chain([plain, anchors, chosen(0, scheme.as_bytes())]).map(|seed| ("yaml", seed)).collect()
}
