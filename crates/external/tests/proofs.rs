//! The interface end to end, with a library that behaves: what goes in, what comes out, and what is refused.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use lathe_aggregation::{
    AggregationError as Error, Backend as _, Cancellation, Capabilities, Component, ComponentSize, Evidence,
    KeyRole, Message,
};
use lathe_aggregation_abi::{Purpose, Request, write_frame};
use lathe_external::{ExternalBackend, ExternalError, Options, Target};
use lathe_types::{MultiMessageAggregate, ProofBytes, Root, SingleMessageAggregate, Slot, ValidatorIndex};
use support::{BLOCK, PROPOSER, VOTE, World, bits, eventually, signature, statements};

fn world() -> World {
    support::start(&[]).unwrap()
}

#[test]
fn the_library_names_itself_and_says_what_it_can_do() {
    let world = world();
    assert_eq!(world.backend.id(), "external:test/1");
    assert_eq!(
        world.backend.capabilities(),
        Capabilities {
            max_single_signers: 4_096,
            max_block_votes: 8 * 4_096,
            prove_beyond: None,
            trims: false,
            merges_signatures: true,
            provers: 1,
            splits: true,
            merges_freely: false
        }
    );
    let options = Options { program: support::worker(), target: Target::Library(world.library.clone()) };
    assert_eq!(ExternalBackend::identify(&options).unwrap(), "external:test/1");
    let trimmed = world.backend.trim(&world.registry, &world.fold(&[], &[1]).unwrap(), &bits(&[1]));
    assert_eq!(trimmed, Err(Error::Unsupported("take signers out of a proof")));
}

#[test]
fn signatures_and_children_become_one_proof_of_exactly_one_statement() {
    let world = world();
    let first = world.fold(&[], &[1, 4]).unwrap();
    assert_eq!(first.participants, bits(&[1, 4]));
    assert_eq!(world.verify(&first), Ok(()));
    // Signer 1 is covered, and signer 6 is in both children.
    let second = world.fold(&[], &[4, 6]).unwrap();
    let all = world.fold(&[&first, &second], &[0, 1]).unwrap();
    assert_eq!(all.participants, bits(&[0, 1, 4, 6]));
    assert_eq!(world.verify(&all), Ok(()));

    let with =
        |participants: &[u64]| SingleMessageAggregate { participants: bits(participants), ..all.clone() };
    assert_eq!(world.verify(&with(&[0, 1, 4])), Err(Error::InvalidProof));
    assert_eq!(world.verify(&with(&[0, 1, 4, 6, 7])), Err(Error::InvalidProof));
    for message in [Message { root: Root::repeat_byte(9), ..VOTE }, Message { slot: Slot(2), ..VOTE }] {
        let other = world.backend.verify_single(&world.registry, &all, message);
        assert_eq!(other, Err(Error::InvalidProof));
    }
    for at in [0, 1, 40, all.proof.len() - 1] {
        let mut bytes = all.proof.to_vec();
        bytes[at] ^= 1;
        let proof = ProofBytes::new(bytes).unwrap();
        assert_eq!(world.verify(&SingleMessageAggregate { proof, ..all.clone() }), Err(Error::InvalidProof));
    }
    assert!(world.incidents.all().is_empty(), "a bad proof is no fault of the worker");
}

#[test]
fn what_needs_no_proof_gets_none() {
    let world = world();
    let (wide, narrow) = (world.fold(&[], &[1, 2, 3]).unwrap(), world.fold(&[], &[2, 3]).unwrap());
    // From here on every proof would take the worker down.
    world.behave("aggregate crash");
    assert_eq!(world.fold(&[&narrow, &wide, &narrow, &wide], &[1, 3]).unwrap(), wide);
    assert!(world.fold(&[&wide], &[4]).is_err());
}

#[test]
fn components_merge_verify_and_split() {
    let world = world();
    let vote = world.fold(&[], &[1, 4]).unwrap();
    let block = world.seal(&vote, &Cancellation::default()).unwrap();
    assert_eq!(world.verify_block(&[1, 4], &block), Ok(()));
    assert_eq!(world.verify_block(&[1], &block), Err(Error::InvalidProof));
    let mut reversed = statements(&[1, 4]);
    reversed.reverse();
    let verify = |statements: &[_]| world.backend.verify_multi(&world.registry, statements, &block);
    assert_eq!(verify(&reversed), Err(Error::InvalidProof));
    assert_eq!(verify(&statements(&[1, 4])[..1]), Err(Error::InvalidProof));
    // The proposer signs with another key than a voter.
    let mut as_vote = statements(&[1, 4]);
    as_vote[1].role = KeyRole::Attestation;
    assert_eq!(verify(&as_vote), Err(Error::InvalidProof));

    let split = |message| world.backend.split(&world.registry, &statements(&[1, 4]), &block, message);
    assert_eq!(split(VOTE).unwrap(), vote);
    assert_eq!(split(BLOCK), Err(Error::UnknownMessage), "a proposal is no vote");
    assert_eq!(split(Message { slot: Slot(9), ..VOTE }), Err(Error::UnknownMessage));
}

#[test]
fn nothing_is_asked_that_cannot_be() {
    let world = world();
    world.behave("verify_single crash");
    let participants = bits(&[1]);
    let empty = SingleMessageAggregate { participants, proof: ProofBytes::empty() };
    assert_eq!(world.verify(&empty), Err(Error::Truncated));
    assert_eq!(world.verify_block(&[1], &MultiMessageAggregate::default()), Err(Error::Truncated));
    let outside = SingleMessageAggregate { participants: bits(&[8]), ..empty };
    assert_eq!(world.verify(&outside), Err(Error::SignerOutsideRegistry { index: 8, registry: 8 }));
    assert_eq!(world.fold(&[], &[]), Err(Error::NoParticipants));
    assert_eq!(world.fold(&[], &[2, 1]), Err(Error::UnorderedSignatures));
    assert_eq!(world.fold(&[], &[8]), Err(Error::SignerOutsideRegistry { index: 8, registry: 8 }));
    let multi = MultiMessageAggregate { proof: ProofBytes::new(vec![1]).unwrap() };
    let none = world.backend.verify_multi(&world.registry, &[], &multi);
    assert_eq!(none, Err(Error::WrongComponentCount { expected: 9, found: 0 }));
    let merged = world.backend.merge(&world.registry, &[], &Cancellation::default());
    assert_eq!(merged, Err(Error::WrongComponentCount { expected: 9, found: 0 }));
    let held = [(PROPOSER, signature())];
    let component =
        Component { message: BLOCK, role: KeyRole::Proposal, evidence: Evidence::Signatures(&held) };
    let merged = world.backend.merge(&world.registry, &[component; 10], &Cancellation::default());
    assert_eq!(merged, Err(Error::WrongComponentCount { expected: 9, found: 10 }));
    assert!(world.incidents.all().is_empty());
}

#[test]
fn no_more_children_than_the_library_takes() {
    let world = world();
    let children: Vec<_> = (0..5).map(|index| world.fold(&[], &[index]).unwrap()).collect();
    let children: Vec<_> = children.iter().collect();
    assert_eq!(world.fold(&children[..4], &[]).unwrap().participants, bits(&[0, 1, 2, 3]));
    assert_eq!(world.fold(&children, &[]), Err(Error::Unsupported("fold that many proofs at once")));
}

#[test]
fn estimates_are_learned_from_what_was_done() {
    let world = world();
    assert_eq!(world.backend.estimate(1, 0), Duration::from_secs(1), "a guess");
    let block = [ComponentSize::Proof, ComponentSize::Signatures(1)];
    assert_eq!(world.backend.estimate_merge(&block), Duration::from_secs(2), "two guesses: fold, merge");
    world.behave("merge slow300");
    let vote = world.fold(&[], &[1, 4]).unwrap();
    world.seal(&vote, &Cancellation::default()).unwrap();
    assert!(world.backend.estimate_merge(&block) >= Duration::from_millis(300));
    let fold = world.backend.estimate(2, 0);
    assert!(fold < Duration::from_secs(1), "{fold:?} for a moment's work");
}

#[test]
fn the_workers_end_with_the_backend() {
    let world = world();
    assert_eq!(world.processes().len(), 2);
    let World { backend, library, dir: _dir, .. } = world;
    drop(backend);
    let name = library.canonicalize().unwrap();
    assert_eq!(support::processes_with(&name.to_string_lossy()), [""; 0]);
}

#[test]
fn a_library_that_cannot_be_used_is_refused_with_the_reason() {
    let refused = |macros: &[&str], behaviour: &str| match support::start_with(macros, behaviour) {
        Ok(_) => panic!("{macros:?} was started"),
        Err(error) => error.to_string(),
    };
    let start = "the aggregation worker does not start: ";
    assert_eq!(
        refused(&["TEST_ABI_VERSION=2"], ""),
        format!(
            "{start}the library has version 2 of the interface, this program version 1; build it with this \
             program's lathe_aggregation.h"
        )
    );
    let missing = refused(&["TEST_WITHOUT_SPLIT"], "");
    assert!(missing.contains("lathe_aggregation_split"), "{missing}");
    let unnamed = refused(&["TEST_NAME=\"\""], "");
    assert!(unnamed.contains("name or version is empty"), "{unnamed}");
    let spaced = refused(&["TEST_NAME=\"a b\""], "");
    assert!(spaced.contains("name or version is empty"), "{spaced}");
    let failed = refused(&[], "init_prove fail");
    assert_eq!(failed, format!("{start}out of order"), "one line");
    assert_eq!(refused(&[], "init_verify crash"), "the other process has gone");
}

#[test]
fn what_is_not_a_library_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let library = dir.path().join("nothing.so");
    let start = |library: &std::path::Path| {
        let options = Options { program: support::worker(), target: Target::Library(library.to_owned()) };
        ExternalBackend::start(&options, |_| {}).err().unwrap()
    };
    assert!(matches!(start(&library), ExternalError::NoLibrary { .. }));
    std::fs::write(&library, "not a library").unwrap();
    let error = start(&library).to_string();
    assert!(error.contains("cannot be loaded"), "{error}");
}

#[test]
fn a_worker_ends_with_the_node_whatever_the_library_does() {
    let dir = tempfile::tempdir().unwrap();
    let library = support::compile::compile(dir.path(), &[]);
    support::compile::behave(&library, "init_prove hang once");
    let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut worker = std::process::Command::new(support::worker())
        .args(["aggregation-worker", &library.to_string_lossy(), "prove"])
        .stdin(std::os::fd::OwnedFd::from(theirs))
        .spawn()
        .unwrap();
    let set_up = Request::SetUp(Purpose::Prove);
    write_frame(&mut ours, 1, &set_up).unwrap();
    let behaviour = library.with_extension("so.behaviour");
    eventually("the library hangs", || !behaviour.exists());
    assert!(worker.try_wait().unwrap().is_none());
    drop(ours);
    eventually("the worker has ended", || worker.try_wait().unwrap().is_some());
}

#[test]
fn a_signer_is_asked_for_by_its_key_of_the_role() {
    let world = world();
    let held = [(ValidatorIndex(1), signature())];
    let component =
        Component { message: VOTE, role: KeyRole::Proposal, evidence: Evidence::Signatures(&held) };
    let proof = world.backend.merge(&world.registry, &[component], &Cancellation::default()).unwrap();
    let mut statement = statements(&[1])[0].clone();
    statement.role = KeyRole::Proposal;
    let verify = |statement| world.backend.verify_multi(&world.registry, &[statement], &proof);
    assert_eq!(verify(statement.clone()), Ok(()));
    assert_eq!(
        verify(lathe_aggregation::Statement { role: KeyRole::Attestation, ..statement }),
        Err(Error::InvalidProof)
    );
}
