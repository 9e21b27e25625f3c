//! The vectors of the specification: all of them, whatever they ask for.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "tests fail by panicking, and may print"
)]

mod common;

use std::collections::BTreeMap;

use lathe_xmss_blake2s::{Layout, PublicKey, SecretKey, Signature, primitives, verify};
use serde_yaml_ng::Value;

/// The cases of each kind, whose number is that of the specification.
const KINDS: [(&str, usize); 6] =
    [("blake2s", 5), ("key_gen", 6), ("sign", 5), ("tweak_hash", 12), ("verify", 8), ("wots_encode", 3)];

fn hex(value: &Value) -> Vec<u8> {
    common::bytes(value.as_str().unwrap())
}

fn fixed<const N: usize>(value: &Value) -> [u8; N] {
    hex(value).try_into().unwrap()
}

fn number(value: &Value) -> u32 {
    value.as_u64().unwrap().try_into().unwrap()
}

/// What this crate makes of an input, in the form of the expected output. Whatever is an error is null.
fn output(kind: &str, input: &Value) -> Value {
    let bytes = |bytes: &[u8]| Value::from(format!("0x{}", hex::encode(bytes)));
    let layout = Layout::L5;
    match kind {
        "blake2s" => bytes(&primitives::blake2s(&hex(input))),
        "tweak_hash" => {
            let kind = u8::try_from(number(&input["tweak_type"])).unwrap();
            let [sub, index] = ["sub_position", "index"].map(|name| number(&input[name]));
            let parameter = fixed(&input["public_param"]);
            let payload = hex(&input["payload"]);
            primitives::tweak_hash(layout, &parameter, kind, sub, index, &payload)
                .map_or(Value::Null, |hash| bytes(&hash))
        }
        "wots_encode" => {
            let epoch = number(&input["epoch"]);
            let [parameter, randomizer] = ["public_param", "randomness"].map(|name| hex(&input[name]));
            primitives::encode(
                layout,
                &parameter.try_into().unwrap(),
                &fixed(&input["message"]),
                &randomizer.try_into().unwrap(),
                epoch,
            )
            .map_or(Value::Null, |digits| digits.into_iter().map(Value::from).collect())
        }
        "key_gen" => key(input).map_or(Value::Null, |key| bytes(&key.public_key().encode())),
        "sign" => key(input)
            .and_then(|mut key| {
                key.sign_with_build(number(&input["epoch"]).into(), &fixed(&input["message"])).ok()
            })
            .map_or(Value::Null, |signature| bytes(&signature.encode())),
        "verify" => {
            let key = PublicKey::from_slice(&hex(&input["public_key"]));
            let signature = Signature::decode(&hex(&input["signature"]));
            let (Ok(key), Ok(signature)) = (key, signature) else { return Value::Null };
            let slot = number(&input["epoch"]).into();
            verify(layout, &key, slot, &fixed(&input["message"]), &signature).into()
        }
        other => panic!("{other} is no kind of vector"),
    }
}

fn key(input: &Value) -> Option<SecretKey> {
    let [first, last] = ["epoch_start", "epoch_end"].map(|name| u64::from(number(&input[name])));
    SecretKey::from_seed(Layout::L5, &fixed(&input["seed"]), first..last + 1, |_, _| ()).ok()
}

#[test]
fn every_vector_of_the_specification_comes_out_as_it_says() {
    let Some(dir) = common::shared("xmss-blake2s/vectors") else { return };
    let mut passed = BTreeMap::new();
    for (kind, _) in KINDS {
        for case in std::fs::read_dir(dir.join(kind)).unwrap() {
            let file = case.unwrap().path().join("data.yaml");
            let data: Value = serde_yaml_ng::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
            assert_eq!(output(kind, &data["input"]), data["output"], "{}", file.display());
            *passed.entry(kind).or_insert(0) += 1;
        }
    }
    assert_eq!(passed, BTreeMap::from(KINDS), "cases of each kind");
    println!("{} vectors passed", passed.values().sum::<usize>());
}
