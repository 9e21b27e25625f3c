//! Programs as workers: what goes right, and that each way of going wrong is one clear line and costs one operation.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use lathe_aggregation::{
    AggregationError, Backend as _, Cancellation, Component, ComponentSize, Evidence, KeyRole, Registry,
    SignatureCheck, Verifier as _,
};
use lathe_external::{ExternalBackend, ExternalError, IncidentKind, KeyWorker, Options, Purpose, Target};
use lathe_types::{MultiMessageAggregate, PublicKey, SignatureScheme, Slot, ValidatorIndex};
use support::{BLOCK, Incidents, PROPOSER, VOTE, registry, signature, statements, worker};

fn options(how: &str) -> Options {
    let command = vec![env!("CARGO_BIN_EXE_lathe-external-test-worker").to_owned(), how.to_owned()];
    Options { program: worker(), target: Target::Command(command) }
}

struct World {
    backend: ExternalBackend,
    registry: Registry,
    incidents: Incidents,
}

fn start(how: &str) -> Result<World, ExternalError> {
    let incidents = Incidents::default();
    let record = incidents.clone();
    let backend = ExternalBackend::start(&options(how), move |incident| record.note(incident))?;
    Ok(World { backend, registry: registry(), incidents })
}

impl World {
    /// A block with the votes of 1 and 4, as signatures.
    fn seal(&self) -> Result<MultiMessageAggregate, AggregationError> {
        let votes = [1, 4].map(|index| (ValidatorIndex(index), signature()));
        let proposer = [(PROPOSER, signature())];
        let component =
            |message, role, held| Component { message, role, evidence: Evidence::Signatures(held) };
        let components = [
            component(VOTE, KeyRole::Attestation, &votes[..]),
            component(BLOCK, KeyRole::Proposal, &proposer[..]),
        ];
        self.backend.merge(&self.registry, &components, &Cancellation::default())
    }

    fn verify(&self, proof: &MultiMessageAggregate, voters: &[u64]) -> Result<(), AggregationError> {
        self.backend.verify_multi(&self.registry, &statements(voters), proof)
    }
}

#[test]
fn a_program_merges_signatures_as_they_are_or_has_them_folded() {
    for how in ["", "folds"] {
        let world = start(how).unwrap();
        let proof = world.seal().unwrap();
        assert_eq!(world.verify(&proof, &[1, 4]), Ok(()));
        assert_eq!(world.verify(&proof, &[1]), Err(AggregationError::InvalidProof));
        assert_eq!(world.backend.id(), "external:toy/1");
        assert!(!world.backend.capabilities().splits);
        assert!(world.incidents.all().is_empty());
    }
    assert_eq!(ExternalBackend::identify(&options("")).unwrap(), "external:toy/1");
}

#[test]
fn single_signatures_are_checked_in_order() {
    let world = start("").unwrap();
    let (key, signature) = (PublicKey::from([1; PublicKey::LEN]), signature());
    let check = |slot| SignatureCheck {
        public_key: &key,
        slot: Slot(slot),
        message: VOTE.root,
        signature: &signature,
    };
    assert_eq!(world.backend.verify_batch(&[check(2), check(3), check(4)]), [true, false, true]);
    assert!(world.backend.check_scheme(SignatureScheme::Leansig).is_ok());
    let other = world.backend.check_scheme(SignatureScheme::LeanPq).unwrap_err().to_string();
    let expected =
        "its keys have 52 bytes and its signatures 2536, which is not the scheme lean-pq of this network";
    assert_eq!(other, expected);
}

#[test]
fn a_worker_makes_keys_and_signs_with_them() {
    let keys = KeyWorker::start(&options(""), |_| {}).unwrap();
    let (public, secret) = keys.generate(&[9; 32]).unwrap();
    assert_eq!((public, secret.as_slice()), (vec![9; 52], &[9; 32][..]));
    keys.prepare(&secret, 5).unwrap();
    let signed = keys.sign(&secret, 5, &[3; 32]).unwrap();
    assert_eq!((signed.len(), &signed[32..41]), (2_536, &[5, 0, 0, 0, 0, 0, 0, 0, 3][..]));
}

/// The second merge goes wrong, and the third is right.
fn lose_a_merge(how: &str, kind: Option<IncidentKind>, words: &str) {
    let world = start(how).unwrap();
    world.seal().unwrap();
    let AggregationError::Unavailable(why) = world.seal().unwrap_err() else { panic!("{how}: a verdict") };
    assert!(why.contains(words) && !why.contains('\n'), "{how}: {why}");
    support::eventually("the next merge", || world.seal().is_ok());
    let happened = world.incidents.all();
    match kind {
        Some(kind) => {
            let expected = [(Purpose::Prove, kind), (Purpose::Prove, IncidentKind::Restarted)];
            assert_eq!(happened, expected, "{how}");
        }
        None => assert_eq!(happened, [], "{how}"),
    }
}

#[test]
fn one_that_lies_costs_one_merge() {
    lose_a_merge("lies", Some(IncidentKind::Garbage), "a new proof does not verify");
}

#[test]
fn one_that_hangs_costs_one_merge() {
    lose_a_merge("hangs", Some(IncidentKind::TimedOut), "does not answer in time");
}

#[test]
fn one_that_trickles_costs_one_merge() {
    lose_a_merge("trickles", Some(IncidentKind::TimedOut), "does not answer in time");
}

#[test]
fn one_that_dies_costs_one_merge() {
    lose_a_merge("dies", Some(IncidentKind::Died), "the other process has gone");
}

#[test]
fn one_that_fails_or_panics_costs_one_merge_and_no_set_up() {
    lose_a_merge("fails", None, "the library failed: out of order");
    lose_a_merge("panics", None, "the library failed: panicked");
}

#[test]
fn one_that_is_late_is_told_to_give_up_and_its_answer_is_taken_all_the_same() {
    let world = start("dawdles").unwrap();
    world.seal().unwrap();
    let late = world.seal().unwrap();
    assert_eq!(world.verify(&late, &[1, 4]), Ok(()));
    assert!(world.incidents.all().is_empty());
    let block = [ComponentSize::Signatures(2), ComponentSize::Signatures(1)];
    assert!(world.backend.estimate_merge(&block) >= Duration::from_secs(6), "and it is learned from");
}

#[test]
fn one_of_another_version_or_that_does_not_start_is_one_clear_line() {
    let refused = |how: &str| start(how).map(|_| ()).unwrap_err().to_string();
    let lines = [
        (refused("old"), "speaks version 1 of the worker protocol, this program version 2"),
        (refused("leaves"), "it ended (exit status: 7) before it said what it is"),
        (refused("unfit"), "there is no accelerator"),
    ];
    for (line, words) in lines {
        assert!(line.contains(words) && !line.contains('\n'), "{line}");
    }
    let nowhere = Options { program: worker(), target: "exec:/nowhere/worker --fast".parse().unwrap() };
    let line = ExternalBackend::identify(&nowhere).unwrap_err().to_string();
    assert!(line.starts_with("/nowhere/worker: "), "{line}");
    let unknown = Options { program: worker(), target: "exec:no-such-program-anywhere".parse().unwrap() };
    let line = ExternalBackend::identify(&unknown).unwrap_err().to_string();
    assert!(line.contains("it ended"), "{line}");
}

#[test]
fn a_target_is_written_as_it_is_read() {
    for text in ["/lib/a b.so", "exec:/opt/worker --threads 2"] {
        assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
    }
    for text in ["", "exec:", "exec:  "] {
        assert!(text.parse::<Target>().is_err(), "{text:?}");
    }
}
