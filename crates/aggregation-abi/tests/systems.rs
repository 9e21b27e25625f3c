//! A proof system of forty lines, through the worker protocol and through the C ABI.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]
#![allow(unsafe_code, reason = "the C ABI is called as the node calls it")]

use std::os::unix::net::UnixStream;

use lathe_aggregation_abi::{
    Answer, Capabilities, CodecError, Component, Evidence, Failure, MAX_FRAME_BYTES, MAX_PROOF_BYTES,
    PROTOCOL_VERSION, ProofSystem, Purpose, Request, SignatureClaim, Statement, Work, abi, read_frame, serve,
    write_frame,
};

/// Its proofs are the statement's message and the number of keys.
struct Toy;

impl ProofSystem for Toy {
    fn capabilities() -> Capabilities {
        Capabilities {
            name: "toy".into(),
            version: "1".into(),
            public_key_bytes: 2,
            signature_bytes: 3,
            max_signers: 9,
            max_components: 2,
            ..Capabilities::default()
        }
    }

    fn set_up(purpose: Purpose) -> Result<Self, Failure> {
        if purpose == Purpose::Sign { Err(Failure::Unsupported("signing".into())) } else { Ok(Self) }
    }

    fn aggregate(&mut self, raw: &Evidence, children: &[Evidence]) -> Result<Vec<u8>, Failure> {
        match raw.statement.slot {
            7 => panic!("as asked"),
            8 => Ok(vec![0; MAX_PROOF_BYTES + 1]),
            9 => Ok(Vec::new()),
            _ => Ok([&raw.statement.message[..1], &[raw.bytes.len() as u8, children.len() as u8]].concat()),
        }
    }

    fn verify_single(&mut self, claim: &Evidence) -> Result<(), Failure> {
        assert_ne!(claim.statement.slot, 7, "as asked");
        if claim.bytes.first() == claim.statement.message.first() {
            Ok(())
        } else {
            Err(Failure::Invalid("another message".into()))
        }
    }

    fn verify_multi(&mut self, statements: &[Statement], proof: &[u8]) -> Result<(), Failure> {
        if statements.len() == proof.len() { Ok(()) } else { Err(Failure::Invalid("another number".into())) }
    }
}

lathe_aggregation_abi::export_proof_system!(Toy);

fn evidence(slot: u64, keys: usize, bytes: usize) -> Evidence {
    let statement = Statement { message: [5; 32], slot, public_keys: vec![1; keys] };
    Evidence { statement, bytes: vec![5; bytes] }
}

/// A worker on a thread, and the node's end.
fn worker() -> UnixStream {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let answers = theirs.try_clone().unwrap();
    std::thread::spawn(move || serve::<Toy>(theirs, answers));
    ours
}

fn ask(stream: &mut UnixStream, id: u32, request: &Request) -> Answer {
    write_frame(stream, id, request).unwrap();
    let (of, answer) = read_frame(stream, MAX_FRAME_BYTES).unwrap();
    assert_eq!(of, id);
    answer
}

fn aggregate(slot: u64, keys: usize, bytes: usize) -> Request {
    Request::Aggregate { raw: evidence(slot, keys, bytes), children: vec![evidence(slot, 2, 4)] }
}

#[test]
fn a_worker_answers_each_request_and_survives_what_goes_wrong() {
    let mut node = worker();
    let hello = ask(&mut node, 1, &Request::Hello { version: PROTOCOL_VERSION });
    assert_eq!(hello, Answer::Hello { version: 2, capabilities: Toy::capabilities() });
    let early = ask(&mut node, 2, &aggregate(1, 4, 6));
    assert_eq!(early, Answer::Failed("it is not set up".into()));
    let refused = ask(&mut node, 3, &Request::SetUp(Purpose::Sign));
    assert_eq!(refused, Answer::Unsupported("signing".into()));
    assert_eq!(ask(&mut node, 4, &Request::SetUp(Purpose::Prove)), Answer::Done(Vec::new()));
    let answers = [
        (aggregate(1, 4, 6), Answer::Done(vec![5, 6, 1])),
        (aggregate(1, 5, 6), Answer::Invalid("5 bytes are no keys of 2".into())),
        (aggregate(1, 4, 7), Answer::Invalid("keys and signatures differ in number".into())),
        (aggregate(7, 4, 6), Answer::Failed("panicked".into())),
        (aggregate(8, 4, 6), Answer::Broken("524289 bytes, at most 524288 are allowed".into())),
        (aggregate(9, 4, 6), Answer::Broken("an empty proof".into())),
        (Request::VerifySingle(evidence(1, 2, 1)), Answer::Done(Vec::new())),
        (Request::VerifySingle(evidence(1, 2, 0)), Answer::Invalid("another message".into())),
        (Request::VerifySingle(evidence(7, 2, 1)), Answer::Invalid("panicked".into())),
        (Request::Merge(Vec::new()), Answer::Unsupported("merging".into())),
        (Request::Estimate(Work::Merge { proofs: 1, signatures: 0 }), Answer::Done(Vec::new())),
        (
            Request::Split { statements: Vec::new(), proof: vec![1], index: 0 },
            Answer::Invalid("there is no such component".into()),
        ),
        (aggregate(1, 4, 6), Answer::Done(vec![5, 6, 1])),
    ];
    for (id, (request, expected)) in (10..).zip(answers) {
        assert_eq!(ask(&mut node, id, &request), expected, "{request:?}");
    }
}

#[test]
fn a_cancellation_is_not_answered() {
    let mut node = worker();
    assert_eq!(ask(&mut node, 1, &Request::SetUp(Purpose::Prove)), Answer::Done(Vec::new()));
    write_frame(&mut node, 0, &Request::Cancel { request: 1 }).unwrap();
    assert_eq!(ask(&mut node, 2, &aggregate(1, 4, 6)), Answer::Done(vec![5, 6, 1]));
}

#[test]
fn messages_keep_their_bytes_and_nothing_else_is_one() {
    let (statement, shown) = (evidence(u64::MAX, 4, 0).statement, evidence(3, 4, 6));
    let component = Component { evidence: shown.clone(), is_signatures: true };
    let claim = SignatureClaim { public_key: vec![1], slot: 2, message: [3; 32], signature: vec![4] };
    let requests = [
        Request::Hello { version: 9 },
        Request::SetUp(Purpose::Verify),
        Request::Cancel { request: 4 },
        Request::GenerateKey { seed: vec![1; 32] },
        Request::PrepareKey { secret: vec![2], leaf: 1 << 40 },
        Request::Sign { secret: vec![2], leaf: 3, message: [4; 32] },
        Request::VerifySignatures(vec![claim; 2]),
        Request::Aggregate { raw: shown.clone(), children: vec![shown.clone(); 2] },
        Request::Merge(vec![component; 2]),
        Request::VerifySingle(shown),
        Request::VerifyMulti { statements: vec![statement.clone(); 2], proof: vec![8] },
        Request::Split { statements: vec![statement], proof: vec![8], index: 1 },
        Request::Estimate(Work::Aggregate { raw: 1, children: 2 }),
        Request::Estimate(Work::Merge { proofs: 1, signatures: 2 }),
    ];
    for request in requests {
        let mut frame = Vec::new();
        write_frame(&mut frame, 77, &request).unwrap();
        assert_eq!(read_frame::<Request>(&mut &frame[..], frame.len()).unwrap(), (77, request.clone()));
        for length in 4..frame.len() {
            let mut short = ((length - 4) as u32).to_le_bytes().to_vec();
            short.extend_from_slice(&frame[4..length]);
            let read = read_frame::<Request>(&mut &short[..], frame.len());
            assert!(matches!(read, Err(CodecError::Malformed(_))), "{request:?} cut to {length}: {read:?}");
        }
        let limited = read_frame::<Request>(&mut &frame[..], frame.len() - 5);
        assert!(matches!(limited, Err(CodecError::TooLong { .. })), "{limited:?}");
    }
    // The bytes of one, as the description gives them.
    let mut frame = Vec::new();
    write_frame(&mut frame, 1, &Request::Sign { secret: vec![9, 8], leaf: 3, message: [4; 32] }).unwrap();
    let expected =
        [&[51, 0, 0, 0, 1, 0, 0, 0, 0x12, 2, 0, 0, 0, 9, 8, 3, 0, 0, 0, 0, 0, 0, 0][..], &[4; 32]].concat();
    assert_eq!(frame, expected);
}

#[test]
fn another_version_is_told_whatever_follows_it() {
    let bytes = [9, 0, 0, 0, 1, 0, 0, 0, 0x81, 3, 0, 0, 0];
    let (_, answer) = read_frame::<Answer>(&mut &bytes[..], 100).unwrap();
    assert_eq!(answer, Answer::Hello { version: 3, capabilities: Capabilities::default() });
}

#[test]
fn the_c_abi_says_the_same_and_frees_what_it_gives() {
    assert_eq!(lathe_aggregation_abi_version(), 1);
    let view = |evidence: &Evidence| abi::Evidence {
        statement: abi::Statement {
            message: evidence.statement.message,
            slot: evidence.statement.slot,
            public_keys: abi::Bytes::of(&evidence.statement.public_keys),
        },
        bytes: abi::Bytes::of(&evidence.bytes),
    };
    let call = |slot: u64, keys: usize, bytes: usize| {
        let shown = evidence(slot, keys, bytes);
        let raw = view(&shown);
        let mut out = abi::Buffer { data: std::ptr::null_mut(), length: 0 };
        // SAFETY: everything lives until the end of this closure, and the buffer is freed once.
        unsafe {
            let status = lathe_aggregation_aggregate(&raw const raw, std::ptr::null(), 0, &raw mut out);
            let given = match out.length {
                0 => Vec::new(),
                length => std::slice::from_raw_parts(out.data, length).to_vec(),
            };
            lathe_aggregation_free(&raw mut out);
            assert!(out.data.is_null());
            (status, given)
        }
    };
    assert_eq!(call(1, 4, 6), (abi::FAILED, b"it is not set up".to_vec()));
    let mut out = abi::Buffer { data: std::ptr::null_mut(), length: 0 };
    // SAFETY: the buffer lives across the call.
    assert_eq!(unsafe { lathe_aggregation_init(Purpose::Prove.code(), &raw mut out) }, abi::OK);
    assert_eq!(call(1, 4, 6), (abi::OK, vec![5, 6, 0]));
    assert_eq!(call(1, 4, 5), (abi::INVALID, b"keys and signatures differ in number".to_vec()));
    assert_eq!(call(7, 4, 6), (abi::FAILED, b"panicked".to_vec()));
    assert_eq!(call(9, 4, 6).0, abi::FAILED);
}
