//! What the integration tests share: the scheme once more, word for word as it is described and as slow as that is, on
//! another implementation of the hash.

#![allow(
    dead_code,
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail by panicking, and may print"
)]

use std::path::PathBuf;

use blake2::{Blake2s256, Digest as _};
use lathe_xmss_blake2s::Layout;

/// A directory of the shared material, or a note that it is not there.
pub(crate) fn shared(path: &str) -> Option<PathBuf> {
    let found = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared").join(path);
    if found.exists() {
        return Some(found);
    }
    println!("skipped: ../shared/{path} is not there");
    None
}

/// The bytes of a hex string, with or without 0x.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text.trim_start_matches("0x")).unwrap()
}

type Node = [u8; 16];

/// A key by the definitions.
pub(crate) struct Literal {
    pub layout: Layout,
    pub seed: [u8; 32],
    pub first: u32,
    pub last: u32,
}

fn first_bytes<const N: usize>(bytes: &[u8]) -> [u8; N] {
    *bytes.first_chunk().unwrap()
}

fn th(parameter: &Node, kind: u8, sub: u32, index: u32, payload: &[u8]) -> Vec<u8> {
    let mut input = vec![0, kind, 0, 0];
    input.extend(sub.to_le_bytes());
    input.extend([0; 4]);
    input.extend(index.to_le_bytes());
    input.extend(parameter);
    input.extend(payload);
    Blake2s256::digest(input).to_vec()
}

pub(crate) fn digits(digest: &Node) -> Option<[u8; 42]> {
    let half = |at: usize| u64::from_le_bytes(first_bytes(&digest[at..]));
    let (d0, d1) = (half(0), half(8));
    let digits: [u8; 42] =
        std::array::from_fn(|i| (if i < 21 { d0 >> (3 * i) } else { d1 >> (3 * (i - 21)) } & 7) as u8);
    let sum: u32 = digits.iter().map(|digit| u32::from(*digit)).sum();
    (d0 >> 63 == 0 && d1 >> 63 == 0 && sum == 195).then_some(digits)
}

pub(crate) fn encode(parameter: &Node, epoch: u32, message: &[u8; 32], randomizer: &[u8]) -> Node {
    first_bytes(&th(parameter, 4, 0, epoch, &[message, randomizer, &[0; 8]].concat()))
}

impl Literal {
    /// Types of the parameter, the fillers and the randomizers.
    fn types(&self) -> [u8; 3] {
        if self.layout == Layout::L4 { [10, 11, 12] } else { [5, 6, 7] }
    }

    pub(crate) fn parameter(&self) -> Node {
        first_bytes(&th(&[0; 16], self.types()[0], 0, 0, &self.seed))
    }

    pub(crate) fn chain(&self, epoch: u32, chain: u32, to: u32) -> Node {
        let parameter = self.parameter();
        let start = first_bytes(&th(&parameter, 0, chain, epoch, &self.seed));
        (0..to).fold(start, |value: Node, position| {
            let step = if self.layout == Layout::L3 {
                let payload = [&value[..], &u128::from(chain).to_le_bytes()].concat();
                th(&parameter, 1, position, epoch, &payload)
            } else {
                th(&parameter, 1, 8 * chain + position, epoch, &value)
            };
            first_bytes(&step)
        })
    }

    pub(crate) fn node(&self, level: u32, index: u64) -> Node {
        let parameter = self.parameter();
        let covers =
            |index: u64| u64::from(self.first) >> level <= index && index <= u64::from(self.last) >> level;
        let hash = if !covers(index) {
            th(&parameter, self.types()[1], level, index as u32, &self.seed)
        } else if level == 0 {
            let ends: Vec<Node> = (0..42).map(|chain| self.chain(index as u32, chain, 7)).collect();
            th(&parameter, 2, 0, index as u32, ends.as_flattened())
        } else {
            let children = [self.node(level - 1, 2 * index), self.node(level - 1, 2 * index + 1)];
            th(&parameter, 3, level, index as u32, children.as_flattened())
        };
        first_bytes(&hash)
    }

    pub(crate) fn public_key(&self) -> Vec<u8> {
        [self.node(32, 0), self.parameter()].concat()
    }

    pub(crate) fn sign(&self, epoch: u32, message: &[u8; 32]) -> Vec<u8> {
        let parameter = self.parameter();
        let (randomizer, digits) = (0..u32::MAX)
            .find_map(|trial| {
                let payload = [self.seed, *message].concat();
                let randomizer: [u8; 24] =
                    first_bytes(&th(&parameter, self.types()[2], trial, epoch, &payload));
                Some((randomizer, digits(&encode(&parameter, epoch, message, &randomizer))?))
            })
            .unwrap();
        let mut out = Vec::new();
        for (digit, chain) in digits.into_iter().zip(0..) {
            out.extend(self.chain(epoch, chain, u32::from(digit)));
        }
        out.extend(randomizer);
        for level in 0..32 {
            out.extend(self.node(level, u64::from(epoch) >> level ^ 1));
        }
        out
    }
}
