//! A signer in another process, and those who sign with it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers fail as tests do, by panicking")]

use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
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

/// Ledgers that failed under a signer.
static FAILURES: AtomicUsize = AtomicUsize::new(0);

fn serve(address: &SignerAddress, ledger: &Path, token: &str) -> String {
    let mut keys = KeyStore::<Prod>::default();
    for (seed, role) in [(1, KeyRole::Attestation), (2, KeyRole::Proposal)] {
        let key = SecretKey::generate(&mut ChaCha20Rng::seed_from_u64(seed), 0..8, |_, _| ()).unwrap();
        keys.insert(ValidatorIndex(3), role, key).unwrap();
    }
    let signer = Locked::take(keys, ledger, GENESIS_TIME).unwrap().open(None, None, false).unwrap();
    signer.prepare_now(Slot(0)).unwrap();
    let token = token.to_owned().into();
    let on_failure = |_: &SignError| {
        FAILURES.fetch_add(1, Ordering::SeqCst);
    };
    let shared = Shared { signer, genesis_time: GENESIS_TIME, token, on_failure };
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

fn hello(token: &str) -> String {
    format!("{{\"lathe_signer\":1,\"token\":\"{token}\",\"genesis_time\":{GENESIS_TIME}}}\n")
}

/// All that a signer answers to some lines until it ends the connection.
fn answers(path: &Path, lines: &str) -> Vec<String> {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // It may end the connection before it has read them all.
    let _ = (&stream).write_all(lines.as_bytes());
    let _ = stream.shutdown(Shutdown::Write);
    BufReader::new(stream).lines().map_while(Result::ok).collect()
}

/// A signer that accepts one connection after the other, says hello, answers each first request with the next of
/// `answers` or with silence, and ends the connection.
fn pretend(path: &Path, answers: Vec<Option<&'static str>>) -> Arc<AtomicUsize> {
    let (listener, accepted) = (UnixListener::bind(path).unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = accepted.clone();
    thread::spawn(move || {
        let mut silent = Vec::new();
        for answer in answers {
            let mut stream = BufReader::new(listener.accept().unwrap().0);
            count.fetch_add(1, Ordering::SeqCst);
            let mut line = String::new();
            stream.read_line(&mut line).unwrap();
            stream.get_mut().write_all(b"{\"hello\":{\"lathe_signer\":1}}\n").unwrap();
            stream.read_line(&mut line).unwrap();
            match answer {
                Some(answer) => stream.get_mut().write_all(answer.as_bytes()).unwrap(),
                None => silent.push(stream),
            }
        }
        thread::sleep(Duration::from_secs(10));
    });
    accepted
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
    let hello = hello("");
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

#[test]
fn what_is_too_long_too_much_or_unknown_ends_the_connection() {
    let (_dir, path, _) = home();
    let said = r#"{"hello":{"lathe_signer":1}}"#;
    // A hello of more than 4 KiB is not read to its end.
    assert_eq!(answers(&path, &hello(&"x".repeat(4096))), [""; 0]);
    assert_eq!(answers(&path, &hello("x")), [r#"{"error":"the token is wrong"}"#]);
    // Nor is any line of more than 32 MiB: whoever goes on is cut off.
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(hello("").as_bytes()).unwrap();
    let error = (0..40).find_map(|_| stream.write_all(&vec![b'x'; 1 << 20]).err());
    assert_eq!(error.unwrap().kind(), ErrorKind::BrokenPipe);
    let wanted = r#"{"validator":9,"role":"attestation","slot":1,"message":"0x0000000000000000000000000000000000000000000000000000000000000000"}"#;
    let sign = |count: usize| format!("{}{{\"sign\":[{}]}}\n", hello(""), vec![wanted; count].join(","));
    assert_eq!(
        answers(&path, &sign(4097)),
        [said, r#"{"error":"4097 messages in one request, at most 4096"}"#]
    );
    assert_eq!(answers(&path, &sign(1)), [said, r#"{"signed":["unknown_key"]}"#]);
    // A field that a signer does not know may be one that matters.
    let unknown = sign(1).replace("\"slot\":1", "\"slot\":1,\"fork\":2");
    assert_eq!(answers(&path, &unknown), [said]);
    assert_eq!(answers(&path, &hello("").replace("\"token\"", "\"fork\":2,\"token\"")), [""; 0]);
    assert_eq!(answers(&path, &format!("{}{{\"health\":{{\"fork\":2}}}}\n", hello(""))), [said]);
}

#[test]
fn no_more_than_sixteen_are_served_at_a_time() {
    let (_dir, path, _) = home();
    let enter = || {
        let mut stream = BufReader::new(UnixStream::connect(&path).unwrap());
        // Whoever is turned away may be so before this.
        let _ = stream.get_mut().write_all(hello("").as_bytes());
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        (stream, line)
    };
    let served: Vec<_> = (0..16).map(|_| enter()).collect();
    assert!(served.iter().all(|(_, line)| line.starts_with("{\"hello\"")));
    assert_eq!(enter().1, "{\"error\":\"too many connections\"}\n");
    drop(served);
    let started = Instant::now();
    while !enter().1.starts_with("{\"hello\"") {
        assert!(started.elapsed() < Duration::from_secs(20), "their places are not given back");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_ledger_that_fails_ends_the_signer() {
    let (dir, _, address) = home();
    let signer = client(&address);
    assert!(signer.sign_all(&[vote(1, 1)])[0].is_ok());
    std::fs::remove_file(dir.path().join("ledger/signing.ledger")).unwrap();
    let outcome = signer.sign_all(&[vote(2, 1)]).remove(0);
    assert!(matches!(&outcome, Err(SignError::Away(why)) if why.contains("deleted")), "{outcome:?}");
    assert_eq!(FAILURES.load(Ordering::SeqCst), 1);
}

#[test]
fn a_lost_connection_is_made_anew_once_and_a_slow_signer_is_asked_once() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("signer.sock");
    let refusal = "{\"signed\":[\"not_prepared\"]}\n";
    let accepted = pretend(&path, vec![Some(refusal), Some(refusal), None, None]);
    let signer = client(&SignerAddress::Unix(path));
    let outcome = || signer.sign_all(&[vote(1, 1)]).remove(0);
    let expected = Err(SignError::NotPrepared { slot: 1 });
    assert_eq!((outcome(), outcome()), (expected.clone(), expected), "the first connection is gone by then");
    assert_eq!(accepted.load(Ordering::SeqCst), 2);
    assert_eq!(outcome(), Err(SignError::Slow));
    assert_eq!(accepted.load(Ordering::SeqCst), 3, "a second question would be as late");
}

#[test]
fn answers_that_do_not_fit_the_question_sign_nothing() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("signer.sock");
    let too_few = "{\"signed\":[\"not_prepared\"]}\n";
    let answers =
        [too_few, "{\"stopped\":[]}\n", "{\"signed\":[{\"signature\":\"00\"},{\"signature\":\"zz\"}]}\n"];
    pretend(&path, answers.map(Some).to_vec());
    let signer = client(&SignerAddress::Unix(path));
    let outcomes = || signer.sign_all(&[vote(1, 1), vote(2, 1)]);
    let nonsense = SignError::NotServed("an answer that makes no sense".into());
    for _ in 0..2 {
        assert_eq!(outcomes(), [Err(nonsense.clone()), Err(nonsense.clone())]);
    }
    let no_signature = SignError::Away("a signature that is none".into());
    assert_eq!(outcomes(), [Err(no_signature.clone()), Err(no_signature)]);
}
