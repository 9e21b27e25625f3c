//! A signer in another process, and those who sign with it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers fail as tests do, by panicking")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use lathe_leansig::{Prod, SecretKey};
use lathe_ledger::Refusal;
use lathe_signer::{KeyStore, Locked, RemoteSigner, Server, Shared, SignError, SignRequest, SignerAddress};
use lathe_types::{KeyRole, Root, Slot, ValidatorIndex};
use rand::SeedableRng as _;
use rand_chacha::ChaCha20Rng;
use tempfile::TempDir;

const GENESIS_TIME: u64 = 1_700_000_000;

fn vote(slot: u64, message: u8) -> SignRequest {
    let (validator, role) = (ValidatorIndex(3), KeyRole::Attestation);
    SignRequest { validator, role, slot: Slot(slot), message: Root::repeat_byte(message) }
}

fn serve(address: &SignerAddress, ledger: &Path, token: &str) -> String {
    let mut keys = KeyStore::<Prod>::default();
    for (seed, role) in [(1, KeyRole::Attestation), (2, KeyRole::Proposal)] {
        let key = SecretKey::generate(&mut ChaCha20Rng::seed_from_u64(seed), 0..8, |_, _| ()).unwrap();
        keys.insert(ValidatorIndex(3), role, key).unwrap();
    }
    let signer = Locked::take(keys, ledger, GENESIS_TIME).unwrap().open(None, None, false).unwrap();
    signer.prepare_now(Slot(0)).unwrap();
    let token = token.to_owned().into();
    let shared = Shared { signer, genesis_time: GENESIS_TIME, token, on_failure: |_| () };
    let server = Server::bind(address, shared).unwrap();
    let address = server.address().unwrap();
    thread::spawn(move || server.run());
    address
}

/// A signer on a socket file, as long as the directory lives.
fn home() -> (TempDir, PathBuf, SignerAddress) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("signer.sock");
    let address = SignerAddress::Unix(path.clone());
    serve(&address, &dir.path().join("ledger"), "");
    (dir, path, address)
}

fn client(address: &SignerAddress) -> RemoteSigner {
    RemoteSigner::new(address.clone(), String::new().into(), GENESIS_TIME)
}

#[test]
fn for_each_key_and_slot_the_first_message_wins() {
    let (_dir, _, address) = home();
    let (first, second) = (client(&address), client(&address));
    let signed = first.sign_all(&[vote(1, 1), vote(2, 1)]);
    assert!(signed.iter().all(Result::is_ok), "{signed:?}");
    assert_eq!(second.sign_all(&[vote(1, 1)])[0], signed[0], "the same message has the same signature");
    let refused = Err(Refusal::AlreadySigned { slot: 2 }.into());
    assert_eq!(second.sign_all(&[vote(2, 2)]), [refused]);
    assert!(second.sign_all(&[vote(3, 2)])[0].is_ok());
    assert_eq!(first.sign_all(&[vote(8, 1)]), [Err(SignError::KeyExhausted { slot: 8 })]);
    let stranger = SignRequest { validator: ValidatorIndex(4), ..vote(4, 1) };
    assert_eq!(first.sign_all(&[stranger]), [Err(SignError::UnknownKey)]);
}

#[test]
fn a_node_hears_which_keys_there_are_and_which_rest() {
    let (_dir, _, address) = home();
    let signer = client(&address);
    let keys = signer.keys().unwrap();
    let ours: Vec<_> = keys.iter().map(|key| (key.validator, key.role, key.slots.clone())).collect();
    let expected = [KeyRole::Attestation, KeyRole::Proposal].map(|role| (ValidatorIndex(3), role, 0..8));
    assert_eq!(ours, expected);
    signer.prepare(Slot(1)).unwrap();
    assert_eq!(signer.seen(&[]).unwrap(), []);
    let stopped = signer.seen(&[vote(5, 9)]).unwrap();
    assert_eq!(stopped, [(ValidatorIndex(3), KeyRole::Attestation, Slot(5))]);
    assert_eq!(client(&address).sign_all(&[vote(6, 1)]), [Err(Refusal::Stopped { slot: 5 }.into())]);
}

#[test]
fn a_socket_file_is_for_its_owner_alone_and_taken_once() {
    let (dir, path, address) = home();
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut keys = KeyStore::<Prod>::default();
    let key = SecretKey::generate(&mut ChaCha20Rng::seed_from_u64(5), 0..8, |_, _| ()).unwrap();
    keys.insert(ValidatorIndex(3), KeyRole::Attestation, key).unwrap();
    let signer =
        Locked::take(keys, &dir.path().join("other"), GENESIS_TIME).unwrap().open(None, None, false).unwrap();
    let token = String::new().into();
    let shared = Shared { signer, genesis_time: GENESIS_TIME, token, on_failure: |_| () };
    let error = Server::bind(&address, shared).err().unwrap();
    assert_eq!(error.to_string(), "another signer listens there");
}

#[test]
fn a_port_wants_the_token() {
    let dir = TempDir::new().unwrap();
    let port = serve(&SignerAddress::Tcp("127.0.0.1:0".into()), dir.path(), "open sesame");
    let address = SignerAddress::Tcp(port);
    let ask = |token: &str, genesis_time| {
        RemoteSigner::new(address.clone(), token.to_owned().into(), genesis_time)
            .sign_all(&[vote(1, 1)])
            .remove(0)
    };
    for token in ["", "open", "open sesamf"] {
        assert_eq!(ask(token, GENESIS_TIME), Err(SignError::NotServed("the token is wrong".into())));
    }
    let Err(SignError::NotServed(why)) = ask("open sesame", 5) else { panic!("served another network") };
    assert_eq!(why, "this signer serves the network with genesis time 1700000000, not 5");
    assert!(ask("open sesame", GENESIS_TIME).is_ok());
}

#[test]
fn a_signer_that_is_away_or_slow_or_of_another_version_says_which() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("signer.sock");
    let address = SignerAddress::Unix(path.clone());
    let signer = client(&address);
    let outcome = || signer.sign_all(&[vote(1, 1)]).remove(0);
    assert!(matches!(outcome(), Err(SignError::Away(_))));
    // Somebody who accepts and says nothing.
    let silent = UnixListener::bind(&path).unwrap();
    assert_eq!(outcome(), Err(SignError::Slow));
    drop(silent);
    std::fs::remove_file(&path).unwrap();
    // Somebody who speaks another version.
    let other = UnixListener::bind(&path).unwrap();
    thread::spawn(move || {
        let (mut stream, _) = other.accept().unwrap();
        stream.write_all(b"{\"hello\":{\"lathe_signer\":2}}\n").unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
    });
    assert!(matches!(outcome(), Err(SignError::NotServed(_))));
    std::fs::remove_file(&path).unwrap();
    // And when the right one is there, it is used, without a new start.
    serve(&address, &dir.path().join("ledger"), "");
    assert!(outcome().is_ok());
}

#[test]
fn whoever_speaks_nonsense_is_cut_off_and_nobody_else() {
    let (_dir, path, address) = home();
    let hello = format!("{{\"lathe_signer\":1,\"token\":\"\",\"genesis_time\":{GENESIS_TIME}}}\n");
    let long = "x".repeat(5000);
    let after_hello = [format!("{hello}nonsense\n"), format!("{hello}{{\"sign\":[{{\"slot\":1}}]}}\n")];
    for text in after_hello.into_iter().chain(["nonsense\n".into(), format!("{long}\n"), "{}\n".into()]) {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let answers: Vec<_> = BufReader::new(stream).lines().map_while(Result::ok).collect();
        assert!(answers.len() <= 1, "{answers:?}");
    }
    let old = "{\"lathe_signer\":9,\"token\":\"\",\"genesis_time\":1700000000}\n";
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(old.as_bytes()).unwrap();
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).unwrap();
    assert_eq!(answer, "{\"error\":\"this signer speaks version 1, the node 9\"}\n");
    assert!(client(&address).sign_all(&[vote(1, 1)])[0].is_ok());
}

#[test]
fn whoever_trickles_a_hello_is_cut_off_in_time() {
    let (_dir, path, address) = home();
    let started = Instant::now();
    // All places are taken by strangers who send a byte now and then.
    let mut strangers: Vec<_> = (0..16).map(|_| UnixStream::connect(&path).unwrap()).collect();
    while strangers.iter_mut().any(|stranger| stranger.write_all(b" ").is_ok()) {
        assert!(started.elapsed() < Duration::from_secs(60), "they keep their places");
        thread::sleep(Duration::from_millis(100));
    }
    assert!(client(&address).sign_all(&[vote(1, 1)])[0].is_ok());
}
