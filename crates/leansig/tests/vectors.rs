//! The votes in the specification's fixtures: they verify, and signing them again gives the same bytes.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking, and may print")]

mod common;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use lathe_leansig::{Prod, PublicKey, Scheme, SecretKey, Signature, Test, verify};
use serde_json::Value;

struct Vote {
    validator: u64,
    slot: u64,
    message: [u8; 32],
    signature: Vec<u8>,
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn hex(value: &Value) -> Vec<u8> {
    common::bytes(value.as_str().unwrap())
}

/// The signed votes in all steps of the fork choice fixtures of one set.
fn votes(set: &str) -> Option<Vec<Vote>> {
    let mut waiting: Vec<PathBuf> = vec![common::fixtures(&format!("{set}/consensus/fork_choice"))?];
    let mut votes = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        for case in read(&path).as_object().unwrap().values() {
            let steps = case["steps"].as_array().unwrap().iter();
            votes.extend(
                steps
                    .filter(|step| step["attestation"]["signature"].is_string())
                    .map(|step| vote(&step["attestation"])),
            );
        }
    }
    Some(votes)
}

fn vote(vote: &Value) -> Vote {
    let data = &vote["data"];
    let parts = ["head", "target", "source"]
        .map(|name| (hex(&data[name]["root"]), data[name]["slot"].as_u64().unwrap()));
    let slot = data["slot"].as_u64().unwrap();
    let message = common::vote_root(slot, parts.each_ref().map(|(root, slot)| (root.as_slice(), *slot)));
    Vote {
        validator: vote["validatorIndex"].as_u64().unwrap(),
        slot,
        message,
        signature: hex(&vote["signature"]),
    }
}

impl Vote {
    /// Fixtures that are refused for another reason carry a signature of zeros.
    fn is_placeholder(&self) -> bool {
        self.signature[4..32] == [0; 28]
    }
}

fn is_valid<S: Scheme>(key: &PublicKey, vote: &Vote) -> bool {
    verify(key, vote.slot, &vote.message, &Signature::<S>::decode(&vote.signature).unwrap())
}

#[test]
fn votes_of_the_test_set_are_signed_to_the_same_bytes() {
    let (Some(votes), Some(dir)) = (votes("test"), common::fixtures("keys/test_scheme")) else { return };
    let mut keys = HashMap::new();
    let mut count = 0;
    for vote in votes.iter().filter(|vote| dir.join(format!("{}.json", vote.validator)).exists()) {
        let key = keys.entry(vote.validator).or_insert_with(|| {
            let pairs = read(&dir.join(format!("{}.json", vote.validator)));
            SecretKey::<Test>::decode(&hex(&pairs["attestation_keypair"]["secret_key"])).unwrap()
        });
        assert_eq!(is_valid::<Test>(&key.public_key(), vote), !vote.is_placeholder());
        if !vote.is_placeholder() {
            assert_eq!(key.sign_with_build(vote.slot, &vote.message).unwrap().encode(), vote.signature);
            count += 1;
        }
    }
    assert!(count >= 20, "{count} of {} votes", votes.len());
}

#[test]
fn votes_of_the_production_set_verify() {
    let (Some(votes), Some(file)) = (votes("prod"), common::fixtures("keys/prod_public_keys.json")) else {
        return;
    };
    let keys = read(&file);
    let mut count = 0;
    for vote in &votes {
        let key = &keys[vote.validator.to_string()]["attestation"];
        if key.is_string() {
            let key = PublicKey::from_slice(&hex(key)).unwrap();
            assert_eq!(is_valid::<Prod>(&key, vote), !vote.is_placeholder());
            count += usize::from(!vote.is_placeholder());
        }
    }
    assert!(count >= 20, "{count} of {} votes", votes.len());
}
