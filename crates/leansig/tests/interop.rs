//! Signatures that another client put on the wire verify, and nothing near them does.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking, and may print")]

mod common;

use lathe_leansig::{Claim, Prod, PublicKey, Signature, verify, verify_batch, verify_bytes};

/// A signed vote as it was sent: the index of the validator, what it voted for, its signature.
struct Vote {
    validator: usize,
    slot: u64,
    message: [u8; 32],
    signature: Vec<u8>,
}

impl Vote {
    /// The container is fixed in size: index, then slot and three checkpoints, then the signature.
    fn decode(bytes: &[u8]) -> Self {
        let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let checkpoint = |at: usize| (&bytes[at..at + 32], number(at + 32));
        let message = common::vote_root(number(8), [checkpoint(16), checkpoint(56), checkpoint(96)]);
        Self { validator: number(0) as usize, slot: number(8), message, signature: bytes[136..].to_vec() }
    }
}

/// The votes of the recording with the attestation keys of its validators.
fn recording() -> Option<(Vec<[u8; 52]>, Vec<Vote>)> {
    let dir = common::shared("interop-vectors/wire-net")?;
    let config: serde_yaml_ng::Value =
        serde_yaml_ng::from_str(&std::fs::read_to_string(dir.join("config.yaml")).unwrap()).unwrap();
    let keys = config["GENESIS_VALIDATORS"]
        .as_sequence()
        .unwrap()
        .iter()
        .map(|validator| common::bytes(validator["attestation_pubkey"].as_str().unwrap()).try_into().unwrap())
        .collect();
    let mut files: Vec<_> =
        std::fs::read_dir(dir.join("ssz")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let votes = files
        .iter()
        .filter(|path| path.to_str().unwrap().ends_with("_attestation.ssz"))
        .map(|path| Vote::decode(&std::fs::read(path).unwrap()))
        .collect();
    Some((keys, votes))
}

#[test]
fn recorded_votes_verify_one_by_one_and_in_a_batch() {
    let Some((keys, votes)) = recording() else { return };
    assert!(votes.len() > 20, "{} votes", votes.len());
    let decoded: Vec<(PublicKey, Signature<Prod>)> = votes
        .iter()
        .map(|vote| {
            let signature = Signature::decode(&vote.signature).unwrap();
            assert_eq!(signature.encode(), vote.signature);
            let key = PublicKey::decode(&keys[vote.validator]).unwrap();
            assert_eq!(key.encode(), keys[vote.validator]);
            (key, signature)
        })
        .collect();
    for (vote, (key, signature)) in votes.iter().zip(&decoded) {
        assert!(verify(key, vote.slot, &vote.message, signature));
        assert!(verify_bytes(&keys[vote.validator], vote.slot, &vote.message, &vote.signature));
        assert!(!verify(key, vote.slot + 1, &vote.message, signature));
        assert!(!verify(key, vote.slot + (1 << 32), &vote.message, signature), "slots do not wrap");
    }
    let mut claims: Vec<Claim<'_, Prod>> = votes
        .iter()
        .zip(&decoded)
        .map(|(vote, (key, signature))| Claim {
            public_key: key,
            slot: vote.slot,
            message: &vote.message,
            signature,
        })
        .collect();
    assert_eq!(verify_batch(&claims), vec![true; claims.len()]);
    // One bad claim is found and takes no other with it.
    let other = [0; 32];
    claims[3].message = &other;
    claims[12].slot += 1 << 32;
    let expected: Vec<bool> = (0..claims.len()).map(|i| i != 3 && i != 12).collect();
    assert_eq!(verify_batch(&claims), expected);
}
