//! Servers that are right, and servers that are wrong in every way that is told apart.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers fail as tests do, by panicking")]

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use lathe_checkpoint::{
    CheckpointAnchor, Environment, Error, Limits, Network, Proxy, Refusal, Server, fetch,
};
use lathe_types::{
    Block, BlockBody, ChainVariant, Encode as _, Genesis, MultiMessageAggregate, ProofBytes, PublicKey, Root,
    Shaped as _, SignedBlock, Slot, State, TreeHash as _, Validator, ValidatorIndex, Validators,
    WrongVariant,
};

const STATE: &str = "/lean/v0/states/finalized";
const BLOCK: &str = "/lean/v0/blocks/finalized";
const NOW: Slot = Slot(9);

/// What the fake server sends for a path.
#[derive(Clone)]
enum Answer {
    Body(Vec<u8>),
    Status(u16),
    Redirect(String),
    /// Promises so many bytes, whatever it then sends.
    Promise(usize, Vec<u8>),
    /// Sends chunks until the client has enough.
    Endless,
    /// Never answers.
    Silence,
}

/// Answers every request by its path with the next of its answers, the last one over and over.
fn serve(answers: &[(&'static str, &[Answer])]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut answers: HashMap<_, Vec<_>> =
        answers.iter().map(|(path, answers)| (*path, answers.iter().rev().cloned().collect())).collect();
    // Ends with the process: the listener has no other way to be told.
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let request = lines.next().unwrap_or_default();
            let accepts = lines
                .take_while(|line| !line.is_empty())
                .any(|line| line.eq_ignore_ascii_case("accept: application/octet-stream"));
            let path = request.split(' ').nth(1).unwrap_or_default();
            let answer = match answers.get_mut(path) {
                Some(left) if left.len() > 1 => left.pop().unwrap(),
                Some(left) => left[0].clone(),
                None => Answer::Status(404),
            };
            assert!(accepts, "SSZ was not asked for: {request}");
            respond(&mut stream, &answer);
            if matches!(answer, Answer::Silence) {
                open.push(stream);
            }
        }
    });
    address
}

fn respond(stream: &mut TcpStream, answer: &Answer) {
    let head = |status: u16, more: &str| format!("HTTP/1.1 {status} X\r\nConnection: close\r\n{more}\r\n");
    // A client that has read enough hangs up.
    let _ = match answer {
        Answer::Body(bytes) => stream
            .write_all(head(200, &format!("Content-Length: {}\r\n", bytes.len())).as_bytes())
            .and_then(|()| stream.write_all(bytes)),
        Answer::Status(status) => stream.write_all(head(*status, "Content-Length: 0\r\n").as_bytes()),
        Answer::Redirect(to) => {
            stream.write_all(head(302, &format!("Location: {to}\r\nContent-Length: 0\r\n")).as_bytes())
        }
        Answer::Promise(length, bytes) => stream
            .write_all(head(200, &format!("Content-Length: {length}\r\n")).as_bytes())
            .and_then(|()| stream.write_all(bytes)),
        Answer::Endless => {
            let mut outcome = stream.write_all(head(200, "Transfer-Encoding: chunked\r\n").as_bytes());
            while outcome.is_ok() {
                outcome = stream.write_all(b"400\r\n").and_then(|()| stream.write_all(&[7; 0x400]));
                outcome = outcome.and_then(|()| stream.write_all(b"\r\n"));
            }
            outcome
        }
        Answer::Silence => Ok(()),
    };
}

fn genesis(validators: u64, genesis_time: u64) -> State {
    let validators = (0..validators).map(|index| Validator {
        attestation_public_key: PublicKey::from([1; PublicKey::LEN]),
        proposal_public_key: PublicKey::from([2; PublicKey::LEN]),
        index: ValidatorIndex(index),
    });
    let validators = Validators::try_from_iter(validators).unwrap();
    lathe_transition::generate_genesis(&Genesis {
        genesis_time,
        validators,
        execution_genesis: None,
        signature_scheme: Default::default(),
    })
}

/// An empty block at `slot` on `parent`, and the state after it.
fn child(parent: &State, slot: u64) -> (SignedBlock, State) {
    let mut state = parent.clone();
    lathe_transition::process_slots(&mut state, Slot(slot)).unwrap();
    let mut block = Block {
        slot: Slot(slot),
        proposer_index: ValidatorIndex(slot % state.validators.len() as u64),
        parent_root: state.latest_block_header.tree_hash_root(),
        state_root: Root::ZERO,
        body: BlockBody::default(),
    };
    lathe_transition::process_block(&mut state, &block).unwrap();
    block.state_root = lathe_transition::state_root(&state);
    let state = lathe_transition::state_transition(parent, &block).unwrap();
    let proof = MultiMessageAggregate { proof: ProofBytes::new(vec![9; 8]).unwrap() };
    (SignedBlock { block, proof }, state)
}

fn network() -> Network {
    let state = genesis(3, 1_000);
    let genesis_root = lathe_transition::genesis_block(&state).tree_hash_root();
    Network { genesis_time: 1_000, genesis_root, variant: state.variant(), validators: state.validators }
}

fn limits() -> Limits {
    Limits { request: Duration::from_secs(20), ..Limits::default() }
}

fn server(address: SocketAddr) -> Server {
    format!("http://{address}").parse().unwrap()
}

/// Proofs are valid unless they are this one byte.
const INVALID: u8 = 0xbb;

fn ask_all(servers: &[Server], limits: &Limits, proxy: Option<&Proxy>) -> Result<CheckpointAnchor, Error> {
    let environment = Environment {
        clock: &|| NOW,
        proof_is_valid: &|block, _| block.proof.proof.first() != Some(&INVALID),
        limits: *limits,
        proxy: proxy.cloned(),
    };
    fetch(servers, &network(), &environment)
}

fn ask(address: SocketAddr, limits: &Limits) -> Result<CheckpointAnchor, Refusal> {
    ask_all(&[server(address)], limits, None).map_err(|error| {
        let Error::NoCheckpoint(mut refusals) = error else { panic!("{error}") };
        assert_eq!(refusals.len(), 1);
        refusals.remove(0).1
    })
}

/// What is wrong with a server that sends these objects.
fn refusal(block: &SignedBlock, state: &State) -> Refusal {
    let address = serve(&[
        (BLOCK, &[Answer::Body(block.as_ssz_bytes())]),
        (STATE, &[Answer::Body(state.as_ssz_bytes())]),
    ]);
    ask(address, &limits()).unwrap_err()
}

fn body<T: lathe_types::Encode>(object: &T) -> Answer {
    Answer::Body(object.as_ssz_bytes())
}

#[test]
fn a_finalized_block_and_its_state_are_an_anchor() {
    let (first, state) = child(&genesis(3, 1_000), 1);
    let (later, later_state) = child(&state, 4);
    for (block, state) in [(first, state), (later, later_state)] {
        let address = serve(&[(BLOCK, &[body(&block)]), (STATE, &[body(&state)])]);
        let anchor = ask(address, &limits()).unwrap();
        let header = block.block.header();
        assert_eq!(anchor, CheckpointAnchor { header, block: Some(Arc::new(block)), state: Arc::new(state) });
    }
}

#[test]
fn genesis_itself_is_an_anchor() {
    let state = genesis(3, 1_000);
    let block = lathe_transition::genesis_block(&state);
    let block = SignedBlock { block, proof: MultiMessageAggregate::default() };
    let address = serve(&[(BLOCK, &[body(&block)]), (STATE, &[body(&state)])]);
    assert_eq!(ask(address, &limits()).unwrap().header.slot, Slot(0));
}

#[test]
fn a_server_that_has_states_only_will_do() {
    let (block, state) = child(&genesis(3, 1_000), 3);
    let address = serve(&[(STATE, &[body(&state)])]);
    let anchor = ask(address, &limits()).unwrap();
    assert_eq!(anchor.header.tree_hash_root(), block.block.tree_hash_root());
    assert_eq!((anchor.header, anchor.block), (block.block.header(), None));
}

#[test]
fn finality_may_move_between_the_two_answers() {
    let (old, old_state) = child(&genesis(3, 1_000), 1);
    let (new, new_state) = child(&old_state, 2);
    let blocks = [body(&old), body(&new)];
    let address = serve(&[(BLOCK, &blocks), (STATE, &[body(&new_state)])]);
    assert_eq!(ask(address, &limits()).unwrap().header, new.block.header());
    let address = serve(&[(BLOCK, &blocks[..1]), (STATE, &[body(&new_state)])]);
    assert_eq!(ask(address, &limits()), Err(Refusal::Unpaired { attempts: 3 }));
}

#[test]
fn a_state_of_the_future_is_refused_and_one_of_this_slot_is_not() {
    let (_, state) = child(&genesis(3, 1_000), NOW.0);
    let (ahead, ahead_state) = child(&state, NOW.0 + 1);
    let address = serve(&[(STATE, &[body(&state)])]);
    assert_eq!(ask(address, &limits()).unwrap().header.slot, NOW);
    assert_eq!(refusal(&ahead, &ahead_state), Refusal::Ahead { slot: Slot(10), current: NOW });
}

#[test]
fn other_networks_are_refused() {
    let (block, state) = child(&genesis(3, 999), 1);
    assert_eq!(refusal(&block, &state), Refusal::GenesisTime { found: 999, expected: 1_000 });
    let (block, state) = child(&genesis(4, 1_000), 1);
    assert_eq!(refusal(&block, &state), Refusal::Validators);
    let (block, mut state) = child(&genesis(3, 1_000), 1);
    state.latest_execution_payload_header = Some(Arc::default());
    let (expected, found) = (ChainVariant::Plain, ChainVariant::ExecutionPaired);
    assert_eq!(refusal(&block, &state), Refusal::Variant(WrongVariant { expected, found }));
    let mut other = genesis(3, 1_000);
    other.latest_block_header.body_root = Root::repeat_byte(5);
    let found = {
        let state_root = other.tree_hash_root();
        let mut header = other.latest_block_header.clone();
        header.state_root = state_root;
        header.tree_hash_root()
    };
    let (block, state) = child(&other, 2);
    let expected = network().genesis_root;
    assert_eq!(refusal(&block, &state), Refusal::Genesis { found, expected });
}

#[test]
fn a_state_without_validators_is_refused() {
    let (block, mut state) = child(&genesis(3, 1_000), 1);
    state.validators = Validators::empty();
    assert_eq!(refusal(&block, &state), Refusal::NoValidators);
}

#[test]
fn a_block_that_is_not_the_states_is_refused() {
    let (block, state) = child(&genesis(3, 1_000), 1);
    for change in [
        |block: &mut Block| block.state_root = Root::repeat_byte(1),
        |block: &mut Block| block.parent_root = Root::repeat_byte(1),
        |block: &mut Block| block.proposer_index = ValidatorIndex(2),
    ] {
        let mut wrong = block.clone();
        change(&mut wrong.block);
        assert_eq!(refusal(&wrong, &state), Refusal::Block);
    }
    let mut changed = state.clone();
    changed.latest_block_header.proposer_index = ValidatorIndex(2);
    assert_eq!(refusal(&block, &changed), Refusal::Block, "the header is part of the state's root");
}

#[test]
fn a_state_that_contradicts_itself_is_refused() {
    let (block, state) = child(&genesis(3, 1_000), 2);
    type Change = fn(&mut State);
    let changes: [(Change, &str); 6] = [
        (|state| state.slot = Slot(3), "it is not the state right after its newest block"),
        (
            |state| state.latest_block_header.state_root = Root::repeat_byte(1),
            "it is not the state right after its newest block",
        ),
        (
            |state| {
                state.slot = Slot(3);
                state.latest_block_header.slot = Slot(3);
            },
            "it does not remember one block root per slot",
        ),
        (|state| state.latest_justified.slot = Slot(3), "its checkpoints are out of order"),
        (|state| state.latest_finalized.slot = Slot(1), "its checkpoints are out of order"),
        (
            |state| state.justifications_roots.push(Root::ZERO).unwrap(),
            "its pending votes do not match its registry",
        ),
    ];
    for (change, why) in changes {
        let mut changed = state.clone();
        change(&mut changed);
        changed.justifications_roots.apply_updates().unwrap();
        assert_eq!(refusal(&block, &changed), Refusal::State(why));
    }
}

#[test]
fn bytes_that_do_not_decode_are_refused() {
    let (block, state) = child(&genesis(3, 1_000), 1);
    let cut = |bytes: Vec<u8>| Answer::Body(bytes[..bytes.len() - 1].to_vec());
    let address = serve(&[(BLOCK, &[body(&block)]), (STATE, &[cut(state.as_ssz_bytes())])]);
    assert_eq!(ask(address, &limits()), Err(Refusal::Undecodable { path: STATE }));
    let address = serve(&[(BLOCK, &[Answer::Body(b"{}".to_vec())]), (STATE, &[body(&state)])]);
    assert_eq!(ask(address, &limits()), Err(Refusal::Undecodable { path: BLOCK }));
}

#[test]
fn an_answer_that_breaks_off_is_no_answer() {
    let (_, state) = child(&genesis(3, 1_000), 1);
    let bytes = state.as_ssz_bytes();
    let address = serve(&[(STATE, &[Answer::Promise(bytes.len(), bytes[..100].to_vec())])]);
    assert!(matches!(ask(address, &limits()), Err(Refusal::Transport(_))));
}

#[test]
fn long_answers_are_cut_off() {
    let (_, state) = child(&genesis(3, 1_000), 1);
    let bytes = state.as_ssz_bytes();
    let length = bytes.len() as u64;
    let limits = |state_bytes| Limits { state_bytes, block_bytes: 5_000, ..limits() };
    let too_large = |path, limit| Err(Refusal::TooLarge { path, limit });
    let promised = [Answer::Promise(1 << 40, bytes.clone())];
    assert_eq!(ask(serve(&[(STATE, &promised)]), &limits(length)), too_large(STATE, length));
    assert_eq!(ask(serve(&[(STATE, &[Answer::Endless])]), &limits(length)), too_large(STATE, length));
    assert_eq!(ask(serve(&[(BLOCK, &[Answer::Endless])]), &limits(length)), too_large(BLOCK, 5_000));
    assert!(
        ask(serve(&[(STATE, &[Answer::Body(bytes)])]), &limits(length)).is_ok(),
        "the bound itself is allowed"
    );
}

#[test]
fn other_statuses_are_named() {
    let (block, state) = child(&genesis(3, 1_000), 1);
    let address = serve(&[(BLOCK, &[Answer::Status(503)]), (STATE, &[body(&state)])]);
    assert_eq!(ask(address, &limits()), Err(Refusal::Status { path: BLOCK, status: 503 }));
    let address = serve(&[(BLOCK, &[body(&block)])]);
    assert_eq!(ask(address, &limits()), Err(Refusal::Status { path: STATE, status: 404 }));
    // A server without a route for blocks has states all the same, whatever it says of the route.
    for status in [404, 405, 501] {
        let address = serve(&[(BLOCK, &[Answer::Status(status)]), (STATE, &[body(&state)])]);
        assert_eq!(ask(address, &limits()).unwrap().block, None, "{status}");
    }
    let address = serve(&[(BLOCK, &[Answer::Redirect("http://elsewhere/".into())])]);
    assert_eq!(ask(address, &limits()), Err(Refusal::Redirect("http://elsewhere/".into())));
}

#[test]
fn a_server_that_keeps_silent_is_given_up() {
    let limits = Limits { request: Duration::from_millis(300), ..limits() };
    let address = serve(&[(BLOCK, &[Answer::Silence])]);
    assert!(matches!(ask(address, &limits), Err(Refusal::Transport(_))));
    let (_, state) = child(&genesis(3, 1_000), 1);
    let address = serve(&[(STATE, &[Answer::Silence, body(&state)])]);
    assert!(matches!(ask(address, &limits), Err(Refusal::Transport(_))));
}

#[test]
fn servers_are_tried_in_turn_and_each_failure_is_told() {
    let (block, state) = child(&genesis(3, 1_000), 1);
    let (_, foreign) = child(&genesis(3, 999), 1);
    let wrong = serve(&[(STATE, &[body(&foreign)])]);
    let broken = serve(&[(BLOCK, &[Answer::Status(500)])]);
    let right = serve(&[(BLOCK, &[body(&block)]), (STATE, &[body(&state)])]);
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let found = ask_all(&[wrong, broken, unused, right].map(server), &limits(), None);
    assert_eq!(found.unwrap().header, block.block.header());
    let error = ask_all(&[wrong, broken].map(server), &limits(), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "no server gave a checkpoint to start from: http://{wrong} is of a network with genesis at 999, ours is at \
             1000; http://{broken} answers /lean/v0/blocks/finalized with status 500"
        )
    );
}

#[test]
fn the_newest_is_taken_if_all_lie_on_one_chain() {
    let (first, first_state) = child(&genesis(3, 1_000), 1);
    let (second, second_state) = child(&first_state, 4);
    let old = serve(&[(BLOCK, &[body(&first)]), (STATE, &[body(&first_state)])]);
    let new = serve(&[(BLOCK, &[body(&second)]), (STATE, &[body(&second_state)])]);
    let bare = serve(&[(STATE, &[body(&second_state)])]);
    let ask = |order: &[SocketAddr]| {
        let servers: Vec<Server> = order.iter().copied().map(server).collect();
        ask_all(&servers, &limits(), None)
    };
    for order in [[old, new], [new, old]] {
        assert_eq!(ask(&order).unwrap().header, second.block.header());
    }
    for order in [[bare, new], [new, bare]] {
        assert!(ask(&order).unwrap().block.is_some(), "the one with its block");
    }
}

#[test]
fn servers_that_exclude_each_other_are_named() {
    let (first, first_state) = child(&genesis(3, 1_000), 1);
    let (other, other_state) = child(&genesis(3, 1_000), 2);
    let (later, later_state) = child(&other_state, 4);
    let here = serve(&[(BLOCK, &[body(&first)]), (STATE, &[body(&first_state)])]);
    let there = serve(&[(BLOCK, &[body(&later)]), (STATE, &[body(&later_state)])]);
    let error = ask_all(&[here, there].map(server), &limits(), None).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the servers disagree: http://{here} calls block {} of slot 1 final, http://{there} calls block {} of slot 4 \
             final, and these exclude each other; find out which is right and name that one alone",
            first.block.tree_hash_root(),
            later.block.tree_hash_root()
        )
    );
    // Two blocks of one slot exclude each other, too.
    let same_slot = serve(&[(BLOCK, &[body(&other)]), (STATE, &[body(&other_state)])]);
    let (twin, twin_state) = child(&first_state, 2);
    let twin = serve(&[(BLOCK, &[body(&twin)]), (STATE, &[body(&twin_state)])]);
    let error = ask_all(&[same_slot, twin].map(server), &limits(), None).unwrap_err();
    assert!(matches!(error, Error::Disagreement(..)), "{error}");
}

#[test]
fn the_time_for_all_servers_is_limited() {
    let silent = || serve(&[(BLOCK, &[Answer::Silence])]);
    let limits = Limits { total: Duration::from_millis(300), ..limits() };
    let error = ask_all(&[silent(), silent()].map(server), &limits, None).unwrap_err();
    let Error::NoCheckpoint(refusals) = error else { panic!("{error}") };
    assert!(matches!(refusals[0].1, Refusal::Transport(_)));
    assert_eq!(refusals[1].1, Refusal::NoTime);
}

#[test]
fn a_proxy_stands_before_far_servers_only_and_is_named() {
    let (block, state) = child(&genesis(3, 1_000), 1);
    let near = serve(&[(BLOCK, &[body(&block)]), (STATE, &[body(&state)])]);
    // Nobody listens there.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy: Proxy = format!("http://{nobody}").parse().unwrap();
    let ask = |servers: &[Server]| ask_all(servers, &limits(), Some(&proxy));
    assert_eq!(ask(&[server(near)]).unwrap().header, block.block.header());
    let error = ask(&["http://192.0.2.1:5052".parse().unwrap()]).unwrap_err().to_string();
    assert!(error.ends_with(&format!("asked through the proxy {nobody}")), "{error}");
    for wrong in ["socks5://host:1", "host:1", "http://me:secret@host:1"] {
        assert!(wrong.parse::<Proxy>().is_err(), "{wrong}");
    }
}

#[test]
fn a_block_whose_proof_is_not_valid_is_refused() {
    let (mut block, state) = child(&genesis(3, 1_000), 1);
    block.proof = MultiMessageAggregate { proof: ProofBytes::new(vec![INVALID]).unwrap() };
    assert_eq!(refusal(&block, &state), Refusal::Proof);
}

#[test]
fn https_is_spoken() {
    const TLS_HANDSHAKE: u8 = 22;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let secure: Server = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
    let first_byte = std::thread::spawn(move || {
        let mut byte = [0];
        listener.accept().unwrap().0.read_exact(&mut byte).unwrap();
        byte[0]
    });
    let error = ask_all(&[secure], &limits(), None).unwrap_err();
    let Error::NoCheckpoint(refusals) = error else { panic!("{error}") };
    assert!(matches!(refusals[0].1, Refusal::Transport(_)), "{refusals:?}");
    assert_eq!(first_byte.join().unwrap(), TLS_HANDSHAKE);
}
