//! A worker program for tests. Its proofs prove nothing: they are a hash of what they claim, which anybody can make.
//! Its first argument says how its second merge goes wrong.

#![allow(clippy::panic, reason = "one of the ways to go wrong")]

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use lathe_aggregation_abi::{
    Answer, Capabilities, Component, Evidence, Failure, MAX_FRAME_BYTES, ProofSystem, Purpose, Request,
    SignatureClaim, Statement, read_frame, serve, write_frame,
};

struct Toy {
    how: String,
    merges: usize,
}

fn how() -> String {
    std::env::args().nth(1).unwrap_or_default()
}

fn proof_of(statements: &[Statement]) -> Vec<u8> {
    let mut hasher = DefaultHasher::new();
    for Statement { message, slot, public_keys } in statements {
        // A key counts once, and where it stands does not matter.
        let mut keys: Vec<&[u8]> = public_keys.chunks(52).collect();
        keys.sort_unstable();
        keys.dedup();
        (message, slot, keys).hash(&mut hasher);
    }
    [&b"toy"[..], &hasher.finish().to_le_bytes()].concat()
}

fn shows(statements: &[Statement], proof: &[u8]) -> Result<(), Failure> {
    if proof == proof_of(statements) { Ok(()) } else { Err(Failure::Invalid("something else".into())) }
}

/// Answers with a long message, one byte at a time, for as long as anybody reads.
fn trickle() -> ! {
    let mut out = std::io::stdout().lock();
    let mut bytes = vec![0, 0, 4, 0];
    loop {
        if out.write_all(&bytes).and_then(|()| out.flush()).is_err() {
            std::process::exit(1);
        }
        bytes = vec![0];
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl ProofSystem for Toy {
    fn capabilities() -> Capabilities {
        Capabilities {
            name: "toy".into(),
            version: "1".into(),
            scheme: "leansig".into(),
            max_signers: 4_096,
            max_children: 4,
            max_components: 9,
            merges_signatures: how() != "folds",
            signs: true,
            verifies_signatures: true,
            ..Capabilities::default()
        }
    }

    fn set_up(_: Purpose) -> Result<Self, Failure> {
        if how() == "unfit" {
            return Err(Failure::Failed("there is no accelerator".into()));
        }
        Ok(Self { how: how(), merges: 0 })
    }

    fn aggregate(&mut self, raw: &Evidence, children: &[Evidence]) -> Result<Vec<u8>, Failure> {
        let mut whole = raw.statement.clone();
        for child in children {
            whole.public_keys.extend(&child.statement.public_keys);
        }
        Ok(proof_of(&[whole]))
    }

    fn merge(&mut self, components: &[Component]) -> Result<Vec<u8>, Failure> {
        self.merges += 1;
        match self.how.as_str() {
            "folds" if components.iter().any(|component| component.is_signatures) => {
                return Err(Failure::Failed("signatures were not folded".into()));
            }
            "lies" if self.merges == 2 => return Ok(vec![1; 99]),
            "hangs" if self.merges == 2 => loop {
                std::thread::sleep(Duration::from_secs(1));
            },
            "trickles" if self.merges == 2 => trickle(),
            "dies" if self.merges == 2 => std::process::exit(3),
            "fails" if self.merges == 2 => return Err(Failure::Failed("out of\norder".into())),
            "panics" if self.merges == 2 => panic!("as asked"),
            // Later than it has time for, and before its grace is over.
            "dawdles" if self.merges == 2 => std::thread::sleep(Duration::from_secs(6)),
            _ => {}
        }
        let statements: Vec<_> = components.iter().map(|it| it.evidence.statement.clone()).collect();
        Ok(proof_of(&statements))
    }

    fn verify_single(&mut self, claim: &Evidence) -> Result<(), Failure> {
        shows(std::slice::from_ref(&claim.statement), &claim.bytes)
    }

    fn verify_multi(&mut self, statements: &[Statement], proof: &[u8]) -> Result<(), Failure> {
        shows(statements, proof)
    }

    fn generate_key(&mut self, seed: &[u8]) -> Result<(Vec<u8>, Vec<u8>), Failure> {
        Ok((vec![seed[0]; 52], seed.to_vec()))
    }

    fn sign(&mut self, secret: &[u8], leaf: u64, message: &[u8; 32]) -> Result<Vec<u8>, Failure> {
        Ok([secret, &leaf.to_le_bytes(), message, &[0; 2_536 - 32 - 8 - 32]].concat())
    }

    fn verify_signatures(&mut self, claims: &[SignatureClaim]) -> Result<Vec<bool>, Failure> {
        Ok(claims.iter().map(|claim| claim.slot.is_multiple_of(2)).collect())
    }
}

fn main() -> ExitCode {
    let (mut requests, mut answers) = (std::io::stdin(), std::io::stdout());
    match how().as_str() {
        "leaves" => return ExitCode::from(7),
        "old" => {
            let Ok((id, _)) = read_frame::<Request>(&mut requests, MAX_FRAME_BYTES) else {
                return ExitCode::FAILURE;
            };
            let hello = Answer::Hello { version: 1, capabilities: Capabilities::default() };
            if write_frame(&mut answers, id, &hello).is_err() {
                return ExitCode::FAILURE;
            }
            // Until the node has gone.
            let _ = read_frame::<Request>(&mut requests, MAX_FRAME_BYTES);
        }
        _ => {
            if serve::<Toy>(requests, answers).is_err() {
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
