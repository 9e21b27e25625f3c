//! Keys and signatures are those of the definitions, in every layout: compared with the scheme written out once more.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking, and may print")]

mod common;

use common::Literal;
use lathe_xmss_blake2s::{Layout, SecretKey, primitives, verify_bytes};

const SEED: [u8; 32] = {
    let mut seed = [0; 32];
    let mut i = 0;
    while i < 32 {
        seed[i] = i as u8;
        i += 1;
    }
    seed
};

fn pair(layout: Layout, first: u32, last: u32) -> (Literal, SecretKey) {
    let range = u64::from(first)..u64::from(last) + 1;
    let key = SecretKey::from_seed(layout, &SEED, range, |_, _| ()).unwrap();
    (Literal { layout, seed: SEED, first, last }, key)
}

#[test]
fn keys_of_every_layout_are_those_of_the_definition() {
    // The last begins inside a subtree and is longer than one: 37 slots, subtrees of eight.
    for (first, last) in
        [(0, 0), (0, 3), (u32::MAX, u32::MAX), (u32::MAX - 4, u32::MAX), (0x7fff_fff3, 0x8000_0017)]
    {
        for layout in Layout::ALL {
            let (literal, key) = pair(layout, first, last);
            assert_eq!(key.public_key().encode()[..], literal.public_key(), "{layout} {first}..={last}");
        }
    }
}

#[test]
fn signatures_of_every_layout_are_those_of_the_definition() {
    let message = [0x11; 32];
    for layout in Layout::ALL {
        for (first, last, epoch) in [(0, 2, 0), (u32::MAX - 1, u32::MAX, u32::MAX), (1019, 1055, 1030)] {
            let (literal, mut key) = pair(layout, first, last);
            let signature = key.sign_with_build(epoch.into(), &message).unwrap().encode();
            assert_eq!(signature, literal.sign(epoch, &message), "{layout}, slot {epoch}");
            let public = key.public_key().encode();
            for other in Layout::ALL {
                // A verifier does not see what the seed was hashed with, so these two accept each other's.
                let same = (other == Layout::L3) == (layout == Layout::L3);
                assert_eq!(verify_bytes(other, &public, epoch.into(), &message, &signature), same);
            }
        }
    }
}

#[test]
fn intermediate_values_are_those_of_the_description() {
    let hex = |bytes: &[u8]| hex::encode(bytes);
    let (literal, key) = pair(Layout::L5, 0, 3);
    assert_eq!(hex(&literal.parameter()), "c487ed3aef7201c095bf4c74aad6b6e3");
    assert_eq!(hex(&literal.node(0, 2)), "09ba2c54eb8ac1df5df28f2d39621aaf");
    assert_eq!(hex(&literal.node(31, 1)), "f8010800925b6ef9e7a9171eebcd08d9");
    let public = "febc365e0b1f38bd16acba8d13d2915fc487ed3aef7201c095bf4c74aad6b6e3";
    assert_eq!(hex(&key.public_key().encode()), public);
    let signature = literal.sign(2, &[0x11; 32]);
    assert_eq!(hex(&signature[672..696]), "38f8386318c81cd22f26eda1c67bb6650592e094c6a0f9cd");
    for (epoch, trial) in [(2, 6157), (0x7fff_fffe, 117), (0x8000_0000, 15_489), (0x8000_0002, 11_660)] {
        let found = primitives::winning_trial(Layout::L5, &SEED, epoch, &[0x11; 32]);
        assert_eq!(found, Some(trial), "slot {epoch}");
    }
}
