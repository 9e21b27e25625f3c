//! Libraries that crash, hang, lie and leak: one operation is lost, and the next one works.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod support;

use lathe_aggregation::{AggregationError as Error, Cancellation, verify_vote};
use lathe_external::{IncidentKind, Purpose};
use lathe_types::{AttestationData, SignedAggregatedAttestation, SingleMessageAggregate};
use support::{World, bits, compile, eventually, kill};

fn world() -> (World, SingleMessageAggregate) {
    let world = support::start(&[]).unwrap();
    let vote = world.fold(&[], &[1, 4]).unwrap();
    // From here on it is known how long a merge takes, and a hanging one is noticed sooner.
    world.seal(&vote, &Cancellation::default()).unwrap();
    (world, vote)
}

fn seal(world: &World, vote: &SingleMessageAggregate) -> Result<(), Error> {
    world.seal(vote, &Cancellation::default()).map(|_| ())
}

/// A merge goes wrong in this way; the worker is ended and started again, and the merge after that is as good as ever.
fn lose_a_merge(behaviour: &str, expected: IncidentKind, why: &str) -> Vec<String> {
    let (world, vote) = world();
    world.behave(&format!("merge {behaviour} once"));
    assert_eq!(seal(&world, &vote), Err(Error::Unavailable(why.into())));
    assert_eq!(world.verify(&vote), Ok(()), "the other worker has nothing to do with it");
    world.incidents.wait_for(IncidentKind::Restarted, 1);
    assert_eq!(seal(&world, &vote), Ok(()));
    let proving = |kind| (Purpose::Prove, kind);
    assert_eq!(world.incidents.all(), [proving(expected), proving(IncidentKind::Restarted)]);
    world.incidents.details()
}

#[test]
fn a_crash_costs_one_merge() {
    let details = lose_a_merge("crash", IncidentKind::Died, "the other process has gone");
    assert!(details[0].starts_with("signal: 6"), "{details:?}");
}

#[test]
fn an_exit_costs_one_merge() {
    let details = lose_a_merge("exit", IncidentKind::Died, "the other process has gone");
    assert_eq!(details[0], "exit status: 0");
}

#[test]
fn a_leak_ends_at_the_memory_that_the_library_asked_for() {
    let details = lose_a_merge("leak", IncidentKind::Died, "the other process has gone");
    assert!(details[0].starts_with("signal: 6"), "the library notices that there is no more: {details:?}");
}

#[test]
fn a_hang_costs_one_merge() {
    lose_a_merge("hang", IncidentKind::TimedOut, "the other process does not answer in time");
}

#[test]
fn an_answer_that_trickles_costs_one_merge() {
    lose_a_merge("trickle", IncidentKind::TimedOut, "the other process does not answer in time");
}

/// What of the node a library can see from its process.
#[test]
fn a_library_is_given_nothing_that_it_does_not_need() {
    let (world, vote) = world();
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    world.behave(&format!("merge look {manifest}"));
    let file = if world.backend.is_confined() { "out of reach" } else { "readable" };
    let seen = "stdin 0, descriptors 2, session own, privileges fixed, environment cleared";
    let expected = Error::Unavailable(format!("the library failed: {seen}, file {file}"));
    assert_eq!(seal(&world, &vote), Err(expected));
}

#[test]
fn garbage_costs_one_merge() {
    for (behaviour, why) in [
        ("long", "524289 bytes, at most 524288 are allowed"),
        ("lie", "18446744073709551615 bytes, at most 524288 are allowed"),
        ("null", "100 bytes at a null pointer"),
        ("empty", "an empty proof"),
        ("status", "the unknown status 77"),
        ("random", "a new proof does not verify"),
    ] {
        let why = format!("the library returned {why}");
        assert_eq!(
            lose_a_merge(behaviour, IncidentKind::Garbage, &why)[0],
            why.replace("the library returned a new", "a new")
        );
    }
}

#[test]
fn a_refusal_costs_nothing_but_the_merge() {
    let (world, vote) = world();
    for (behaviour, why) in [
        ("fail", "the library failed: out of order"),
        ("refuse", "the library cannot do that: not today"),
        ("deny", "the library refused what was verified: no"),
    ] {
        world.behave(&format!("merge {behaviour} once"));
        assert_eq!(seal(&world, &vote), Err(Error::Unavailable(why.into())));
        assert_eq!(seal(&world, &vote), Ok(()));
    }
    assert!(world.incidents.all().is_empty(), "{:?}", world.incidents.all());
}

/// Nobody is blamed for a proof that could not be checked.
#[test]
fn a_verification_that_fails_is_no_verdict() {
    let (world, vote) = world();
    for behaviour in ["crash", "status", "fail", "refuse", "hang", "trickle"] {
        world.behave(&format!("verify_single {behaviour} once"));
        let error = world.verify(&vote).unwrap_err();
        assert!(matches!(error, Error::Unavailable(_)) && !error.is_verdict(), "{behaviour}: {error}");
        assert_eq!(world.verify(&vote), Ok(()), "{behaviour}");
    }
    world.behave("verify_single deny once");
    assert_eq!(world.verify(&vote), Err(Error::InvalidProof), "this one is");

    let signed = SignedAggregatedAttestation { data: AttestationData::default(), proof: vote };
    let outcome = || verify_vote(&world.backend, &world.registry, &signed);
    assert!(outcome().unwrap().is_err(), "a vote for something else");
    world.behave("verify_single crash once");
    assert!(matches!(outcome(), Err(Error::Unavailable(_))));
}

#[test]
fn a_worker_that_is_killed_while_it_has_nothing_to_do_is_started_again() {
    let (world, vote) = world();
    let before = world.processes();
    assert_eq!(before.len(), 2);
    before.iter().for_each(|process| kill(process));
    world.incidents.wait_for(IncidentKind::Restarted, 2);
    assert_eq!(world.verify(&vote), Ok(()));
    assert_eq!(seal(&world, &vote), Ok(()));
    let after = world.processes();
    assert_eq!(after.len(), 2);
    assert!(after.iter().all(|process| !before.contains(process)));
    let died = world.incidents.all().iter().filter(|(_, kind)| *kind == IncidentKind::Died).count();
    assert_eq!(died, 2);
}

/// A merge of seconds must not hold up gossip.
#[test]
fn proofs_are_checked_while_one_is_made() {
    let (world, vote) = world();
    let cancellation = Cancellation::default();
    world.behave("merge hang once");
    std::thread::scope(|scope| {
        let merging = scope.spawn(|| world.seal(&vote, &cancellation));
        let behaviour = world.library.with_extension("so.behaviour");
        eventually("the merge hangs", || !behaviour.exists());
        assert_eq!(world.verify(&vote), Ok(()));
        assert!(!merging.is_finished());
        cancellation.cancel();
        assert_eq!(merging.join().unwrap(), Err(Error::Cancelled));
    });
}

#[test]
fn what_a_library_prints_is_no_answer() {
    let (world, vote) = world();
    world.behave("merge print");
    assert_eq!(seal(&world, &vote), Ok(()));
    assert!(world.incidents.all().is_empty());
}

#[test]
fn a_library_that_does_not_come_up_again_is_tried_until_it_does() {
    let (world, vote) = world();
    world.behave("init_prove fail");
    let prover = world.processes().into_iter().find(|process| {
        let line = std::fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap();
        line.contains("\0prove\0")
    });
    kill(&prover.unwrap());
    world.incidents.wait_for(IncidentKind::NotStarted, 2);
    assert_eq!(world.verify(&vote), Ok(()));
    world.behave("");
    world.incidents.wait_for(IncidentKind::Restarted, 1);
    assert_eq!(seal(&world, &vote), Ok(()));
    let why = &world.incidents.details()[1];
    assert_eq!(why, "the aggregation worker does not start: out of order");
}

#[test]
fn a_library_that_changes_under_a_running_node_is_not_taken() {
    let (world, vote) = world();
    let dir = world.library.parent().unwrap();
    let other = tempfile::tempdir_in(dir).unwrap();
    let replaced = compile::compile(other.path(), &["TEST_NAME=\"other\""]);
    std::fs::rename(replaced, &world.library).unwrap();
    world.processes().iter().for_each(|process| kill(process));
    world.incidents.wait_for(IncidentKind::NotStarted, 2);
    assert!(matches!(world.verify(&vote), Err(Error::Unavailable(_))));
    assert!(world.incidents.details().contains(&"the library is another one than before".to_owned()));
    assert_eq!(vote.participants, bits(&[1, 4]));
}
