//! What the node and a worker say to each other: frames of a length and an SSZ body, one request and one answer in
//! turn.

use std::io::{self, Read, Write};

use lathe_types::{Decode, Encode, MAX_PROOF_BYTES, PublicKey, SignatureShape, VALIDATOR_REGISTRY_LIMIT};
use ssz_derive::{Decode, Encode};

use crate::abi::NAME_LENGTH;
use crate::error::ExternalError;

/// Keys of one statement at most.
const MAX_KEYS_BYTES: usize = VALIDATOR_REGISTRY_LIMIT as usize * PublicKey::LEN;
/// Children that are folded in one call at most, whatever the library takes.
pub(crate) const MAX_CHILDREN: usize = 16;
/// A request holds at most a signature of every validator and the children, each a proof with its keys.
pub(crate) const MAX_REQUEST_BYTES: usize = VALIDATOR_REGISTRY_LIMIT as usize
    * SignatureShape::PROD.encoded_len()
    + (MAX_CHILDREN + 1) * (MAX_PROOF_BYTES + MAX_KEYS_BYTES + STATEMENT_BYTES);
/// What SSZ adds to a proof and its keys.
const STATEMENT_BYTES: usize = 128;
/// An answer holds at most one proof.
pub(crate) const MAX_ANSWER_BYTES: usize = MAX_PROOF_BYTES + STATEMENT_BYTES;
/// Error text that is listened to.
pub(crate) const MAX_TEXT_BYTES: usize = 1024;

/// What a worker is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Checking proofs.
    Verify,
    /// Making them.
    Prove,
    /// Saying what the library is: nothing is set up.
    Describe,
}

impl Purpose {
    /// `LATHE_PURPOSE_*` of the interface.
    pub(crate) const fn code(self) -> u32 {
        match self {
            Self::Verify => 1,
            Self::Prove => 2,
            Self::Describe => 0,
        }
    }

    /// As it is written on the command line of a worker, and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Prove => "prove",
            Self::Describe => "describe",
        }
    }
}

impl std::str::FromStr for Purpose {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known =
            [Self::Verify, Self::Prove, Self::Describe].into_iter().find(|purpose| purpose.name() == text);
        known.ok_or_else(|| "a worker is for verify, prove or describe".into())
    }
}

/// `lathe_statement`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Statement {
    pub(crate) message: [u8; 32],
    pub(crate) slot: u64,
    pub(crate) public_keys: Vec<u8>,
}

/// `lathe_evidence`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Evidence {
    pub(crate) statement: Statement,
    pub(crate) bytes: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Aggregate {
    pub(crate) raw: Evidence,
    pub(crate) children: Vec<Evidence>,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Multi {
    pub(crate) statements: Vec<Statement>,
    pub(crate) proof: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Split {
    pub(crate) multi: Multi,
    pub(crate) index: u64,
}

/// One call of the library.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[ssz(enum_behaviour = "union")]
pub(crate) enum Request {
    Aggregate(Aggregate),
    Merge(Vec<Evidence>),
    VerifySingle(Evidence),
    VerifyMulti(Multi),
    Split(Split),
}

/// What the library says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub(crate) struct Hello {
    pub(crate) name: Vec<u8>,
    pub(crate) version: Vec<u8>,
    pub(crate) max_signers: u32,
    pub(crate) max_children: u32,
    pub(crate) max_components: u32,
    /// Proofs at a time, each in a process of its own.
    pub(crate) provers: u32,
    pub(crate) memory_bytes: u64,
    /// Whether the files of the node are out of the library's reach; said by the worker, not by the library.
    pub(crate) is_confined: bool,
}

impl Hello {
    /// Checks that names are short words and that the library can do anything at all.
    pub(crate) fn check(&self) -> Result<(), ExternalError> {
        for name in [&self.name, &self.version] {
            let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
            if name.is_empty() || name.len() >= NAME_LENGTH || !name.iter().all(is_plain) {
                return Err(ExternalError::Capabilities(
                    "name or version is empty, not terminated, or not of letters, digits, '.', '_' and '-'",
                ));
            }
        }
        if self.max_signers == 0 || self.max_components == 0 {
            return Err(ExternalError::Capabilities("proofs have room for nobody"));
        }
        Ok(())
    }
}

/// What came of a request, or of the start.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[ssz(enum_behaviour = "union")]
pub(crate) enum Answer {
    /// The library is loaded and set up.
    Ready(Hello),
    /// The result; empty for a verification.
    Done(Vec<u8>),
    /// The proof, or what it was to be made from, is bad.
    Invalid(Vec<u8>),
    /// The library cannot do that.
    Unsupported(Vec<u8>),
    /// The library failed.
    Failed(Vec<u8>),
    /// What the library returned is out of bounds.
    Garbage(Vec<u8>),
}

/// Text of the other process, for logs.
pub(crate) fn text(bytes: &[u8]) -> String {
    let bytes = &bytes[..bytes.len().min(MAX_TEXT_BYTES)];
    String::from_utf8_lossy(bytes)
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

/// A message with its length in front.
pub(crate) fn frame(message: &impl Encode) -> Vec<u8> {
    let body = message.as_ssz_bytes();
    let mut frame = Vec::with_capacity(4 + body.len());
    frame.extend_from_slice(&(body.len() as u32).to_le_bytes());
    frame.extend_from_slice(&body);
    frame
}

/// Sends one message.
pub(crate) fn write(stream: &mut impl Write, message: &impl Encode) -> io::Result<()> {
    stream.write_all(&frame(message))
}

/// Reads one message of at most `limit` bytes.
pub(crate) fn read<M: Decode>(stream: &mut impl Read, limit: usize) -> Result<M, ExternalError> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).map_err(read_error)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > limit {
        return Err(ExternalError::Message(format!("{length} bytes, at most {limit} are allowed")));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).map_err(read_error)?;
    M::from_ssz_bytes(&body).map_err(|error| ExternalError::Message(format!("{error:?}")))
}

fn read_error(source: io::Error) -> ExternalError {
    match source.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => ExternalError::Closed,
        io::ErrorKind::TimedOut => ExternalError::TimedOut,
        io::ErrorKind::ConnectionAborted => ExternalError::Cancelled,
        _ => ExternalError::Io { what: "reading from the other process", source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Hello {
        let (name, version) = (b"test".to_vec(), b"1.0".to_vec());
        Hello {
            name,
            version,
            max_signers: 1,
            max_children: 0,
            max_components: 1,
            provers: 1,
            memory_bytes: 0,
            is_confined: true,
        }
    }

    #[test]
    fn messages_keep_their_bytes() {
        let statement = Statement { message: [7; 32], slot: u64::MAX, public_keys: vec![1; 52] };
        let evidence = Evidence { statement: statement.clone(), bytes: vec![2; 9] };
        let multi = Multi { statements: vec![statement; 2], proof: vec![3] };
        let requests = [
            Request::Aggregate(Aggregate { raw: evidence.clone(), children: vec![evidence.clone()] }),
            Request::Merge(vec![evidence.clone(); 2]),
            Request::VerifySingle(evidence),
            Request::VerifyMulti(multi.clone()),
            Request::Split(Split { multi, index: 1 }),
        ];
        for request in requests {
            let frame = frame(&request);
            assert_eq!(read::<Request>(&mut &frame[..], frame.len()).unwrap(), request);
            let short = read::<Request>(&mut &frame[..frame.len() - 1], frame.len());
            assert!(matches!(short, Err(ExternalError::Closed)), "{short:?}");
        }
    }

    #[test]
    fn a_message_beyond_the_limit_is_not_read() {
        // Nothing follows the length, so reading on would end in `Closed`.
        let error = read::<Answer>(&mut &[11, 0, 0, 0][..], 10).unwrap_err();
        assert_eq!(error.to_string(), "not a message: 11 bytes, at most 10 are allowed");
        let error = read::<Answer>(&mut &[u8::MAX; 4][..], MAX_ANSWER_BYTES).unwrap_err();
        assert!(matches!(error, ExternalError::Message(_)), "{error}");
    }

    #[test]
    fn what_does_not_decode_is_an_error() {
        for body in [&[9, 1][..], &[], &[0], &[0, 255, 255, 255, 255]] {
            let mut bytes = (body.len() as u32).to_le_bytes().to_vec();
            bytes.extend_from_slice(body);
            let answer = read::<Answer>(&mut &bytes[..], MAX_ANSWER_BYTES);
            assert!(matches!(answer, Err(ExternalError::Message(_))), "{body:?}: {answer:?}");
        }
    }

    #[test]
    fn names_are_short_plain_words() {
        assert!(hello().check().is_ok());
        for name in ["", "a b", "a/b", "\u{e4}", "0123456789012345678901234567890+"] {
            assert!(Hello { name: name.into(), ..hello() }.check().is_err(), "{name}");
            assert!(Hello { version: name.into(), ..hello() }.check().is_err(), "{name}");
        }
        assert!(Hello { name: vec![b'a'; NAME_LENGTH - 1], ..hello() }.check().is_ok());
        assert!(Hello { name: vec![b'a'; NAME_LENGTH], ..hello() }.check().is_err());
        assert!(Hello { max_signers: 0, ..hello() }.check().is_err());
        assert!(Hello { max_components: 0, ..hello() }.check().is_err());
    }

    #[test]
    fn text_is_one_short_line() {
        assert_eq!(text(b"a\nb\x1b[1m\xff"), "a b [1m\u{fffd}");
        assert_eq!(text(&[b'a'; 5_000]).len(), MAX_TEXT_BYTES);
    }
}
