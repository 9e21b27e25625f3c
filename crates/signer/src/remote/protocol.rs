//! What a node and a signer of its own say to each other: `docs/keys.md` has it in words.
//!
//! Each message is one JSON object on a line. The node speaks first, and each of its messages has one answer. Messages
//! are bounded in length and number before anything is allocated for them.

use std::io::{self, BufRead, Read, Write};

use lathe_ledger::Refusal;
use lathe_types::{Decode as _, KeyRole, Root, Signature, Slot, ValidatorIndex};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

use crate::error::SignError;
use crate::signer::SignRequest;

/// The version that both sides must have. It changes with every change that the other side could misread.
pub(crate) const VERSION: u32 = 1;
/// Messages in one request to sign: every validator that a node can have.
pub(crate) const MAX_REQUESTS: usize = 4_096;
/// A line at most: as many signatures of 2.5 KB in hex, and room around each.
pub(crate) const MAX_LINE_BYTES: u64 = 32 << 20;
/// A line at most before the other side has said who it is.
pub(crate) const MAX_HELLO_BYTES: u64 = 4 << 10;

/// The first line of a node. The token is wiped when it is dropped.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Hello {
    pub(crate) lathe_signer: u32,
    pub(crate) token: String,
    pub(crate) genesis_time: u64,
}

impl Drop for Hello {
    fn drop(&mut self) {
        self.token.zeroize();
    }
}

impl Hello {
    /// Writes it as one line, and leaves no copy of the token behind.
    pub(crate) fn send(&self, mut to: impl Write) -> io::Result<()> {
        // Of the right size from the start: a vector that grows leaves copies.
        let mut line = Zeroizing::new(Vec::with_capacity(MAX_HELLO_BYTES as usize));
        serde_json::to_writer(&mut *line, self)?;
        line.push(b'\n');
        to.write_all(&line)
    }

    /// Reads it byte by byte, so that no buffer keeps a copy of the token; `None` if the other side is done.
    pub(crate) fn receive(mut from: impl Read) -> io::Result<Option<Self>> {
        let mut line = Zeroizing::new(Vec::with_capacity(MAX_HELLO_BYTES as usize));
        let mut byte = [0];
        while line.last() != Some(&b'\n') {
            match from.read(&mut byte)? {
                0 if line.is_empty() => return Ok(None),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                _ if line.len() as u64 == MAX_HELLO_BYTES => return Err(too_long()),
                _ => line.push(byte[0]),
            }
        }
        Ok(Some(serde_json::from_slice(&line)?))
    }
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a line is too long")
}

/// What a node asks.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Request {
    Health {},
    Keys {},
    Prepare { slot: u64 },
    Sign(Vec<Wanted>),
    Seen(Vec<Wanted>),
}

/// What a signer answers.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    Hello {
        lathe_signer: u32,
    },
    Health {
        watermark: u64,
        keys: usize,
        stopped: usize,
    },
    Keys(Vec<RemoteKey>),
    Prepared {
        under_way: usize,
    },
    Signed(Vec<Outcome>),
    /// Keys that rest, whoever stopped them.
    Stopped(Vec<StoppedKey>),
    /// The connection ends.
    Error(String),
}

/// One signature wanted, or seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wanted {
    validator: u64,
    role: Role,
    slot: u64,
    message: Root,
}

impl From<&SignRequest> for Wanted {
    fn from(request: &SignRequest) -> Self {
        let SignRequest { validator, role, slot, message } = *request;
        Self { validator: validator.0, role: role.into(), slot: slot.0, message }
    }
}

impl From<Wanted> for SignRequest {
    fn from(wanted: Wanted) -> Self {
        Self {
            validator: ValidatorIndex(wanted.validator),
            role: wanted.role.into(),
            slot: Slot(wanted.slot),
            message: wanted.message,
        }
    }
}

/// A role as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    Attestation,
    Proposal,
}

impl From<KeyRole> for Role {
    fn from(role: KeyRole) -> Self {
        match role {
            KeyRole::Attestation => Self::Attestation,
            KeyRole::Proposal => Self::Proposal,
        }
    }
}

impl From<Role> for KeyRole {
    fn from(role: Role) -> Self {
        match role {
            Role::Attestation => Self::Attestation,
            Role::Proposal => Self::Proposal,
        }
    }
}

/// A key that a signer holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RemoteKey {
    pub(crate) validator: u64,
    pub(crate) role: Role,
    /// In hex.
    pub(crate) public_key: String,
    pub(crate) first_slot: u64,
    pub(crate) end_slot: u64,
}

/// A key that rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoppedKey {
    pub(crate) validator: u64,
    pub(crate) role: Role,
    pub(crate) slot: u64,
}

/// What came of one signature.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// In hex.
    Signature(String),
    AlreadySigned,
    BelowWatermark {
        watermark: u64,
    },
    Stopped {
        slot: u64,
    },
    KeyExhausted,
    NotPrepared,
    UnknownKey,
    Failed(String),
}

impl Outcome {
    pub(crate) fn of(outcome: Result<Signature, SignError>) -> Self {
        match outcome {
            Ok(signature) => Self::Signature(hex::encode(signature.as_bytes())),
            Err(SignError::Refused(Refusal::AlreadySigned { .. })) => Self::AlreadySigned,
            Err(SignError::Refused(Refusal::BelowWatermark { watermark, .. })) => {
                Self::BelowWatermark { watermark }
            }
            Err(SignError::Refused(Refusal::Stopped { slot })) => Self::Stopped { slot },
            Err(SignError::KeyExhausted { .. }) => Self::KeyExhausted,
            Err(SignError::NotPrepared { .. }) => Self::NotPrepared,
            Err(SignError::UnknownKey) => Self::UnknownKey,
            Err(other) => Self::Failed(other.to_string()),
        }
    }

    pub(crate) fn into_result(self, slot: u64) -> Result<Signature, SignError> {
        match self {
            Self::Signature(digits) => {
                let bytes = hex::decode(digits).unwrap_or_default();
                Signature::from_ssz_bytes(&bytes)
                    .map_err(|_| SignError::Away("a signature that is none".into()))
            }
            Self::AlreadySigned => Err(Refusal::AlreadySigned { slot }.into()),
            Self::BelowWatermark { watermark } => Err(Refusal::BelowWatermark { slot, watermark }.into()),
            Self::Stopped { slot } => Err(Refusal::Stopped { slot }.into()),
            Self::KeyExhausted => Err(SignError::KeyExhausted { slot }),
            Self::NotPrepared => Err(SignError::NotPrepared { slot }),
            Self::UnknownKey => Err(SignError::UnknownKey),
            Self::Failed(why) => Err(SignError::Away(why)),
        }
    }
}

/// Writes a message as one line.
pub(crate) fn send<T: Serialize>(mut to: impl Write, message: &T) -> io::Result<()> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    to.write_all(&line)
}

/// Reads a message of at most `limit` bytes; `None` if the other side is done.
pub(crate) fn receive<T: DeserializeOwned>(from: &mut impl BufRead, limit: u64) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    let read = from.by_ref().take(limit).read_until(b'\n', &mut line)?;
    match line.last() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(serde_json::from_slice(&line)?)),
        Some(_) if read as u64 == limit => Err(too_long()),
        Some(_) => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
