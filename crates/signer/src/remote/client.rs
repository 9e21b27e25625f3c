//! The node's side: asks, waits for a bounded time, and connects again when the signer was away.

use std::io::{self, BufReader};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lathe_types::{Decode as _, KeyRole, PublicKey, Signature, Slot, ValidatorIndex};
use parking_lot::Mutex;
use zeroize::Zeroizing;

use super::protocol::{Answer, Hello, MAX_LINE_BYTES, Request, VERSION, Wanted, receive, send};
use super::socket::{SignerAddress, Socket, Timed};
use crate::error::SignError;
use crate::signer::{HeldKey, SignRequest};

/// Longest wait for a connection and for an answer. Signing the votes of 64 validators takes 60 ms; a signature that
/// comes after this is of no use for its slot.
const CONNECT_WITHIN: Duration = Duration::from_millis(500);
const ANSWER_WITHIN: Duration = Duration::from_millis(1_500);

/// A signer in another process. Holds no key. All methods may be called from any thread; they take turns.
pub struct RemoteSigner {
    address: SignerAddress,
    token: Zeroizing<String>,
    genesis_time: u64,
    connection: Mutex<Option<BufReader<Timed>>>,
    /// Connections that were made so far.
    made: AtomicU64,
}

impl RemoteSigner {
    /// Connects when it is first asked for something.
    pub fn new(address: SignerAddress, token: Zeroizing<String>, genesis_time: u64) -> Self {
        Self { address, token, genesis_time, connection: Mutex::new(None), made: AtomicU64::new(0) }
    }

    /// Where the signer is.
    pub fn address(&self) -> &SignerAddress {
        &self.address
    }

    /// Number of the newest connection, from 1; 0 before the first.
    pub fn connection(&self) -> u64 {
        self.made.load(Ordering::Acquire)
    }

    /// The keys that the signer holds.
    pub fn keys(&self) -> Result<Vec<HeldKey>, SignError> {
        let Answer::Keys(keys) = self.ask(&Request::Keys {})? else { return Err(nonsense()) };
        keys.into_iter()
            .map(|key| {
                let bytes = hex::decode(&key.public_key).unwrap_or_default();
                Ok(HeldKey {
                    validator: ValidatorIndex(key.validator),
                    role: key.role.into(),
                    public_key: PublicKey::from_ssz_bytes(&bytes).map_err(|_| nonsense())?,
                    slots: key.first_slot..key.end_slot,
                })
            })
            .collect()
    }

    /// As [`Signer::sign_all`](crate::Signer::sign_all), over there.
    pub fn sign_all(&self, requests: &[SignRequest]) -> Vec<Result<Signature, SignError>> {
        let failed = |error: SignError| vec![Err(error); requests.len()];
        match self.ask(&Request::Sign(requests.iter().map(Wanted::from).collect())) {
            Ok(Answer::Signed(outcomes)) if outcomes.len() == requests.len() => {
                let outcomes = requests.iter().zip(outcomes);
                outcomes.map(|(request, outcome)| outcome.into_result(request.slot.0)).collect()
            }
            Ok(_) => failed(nonsense()),
            Err(error) => failed(error),
        }
    }

    /// Has the keys prepared for the slots after `slot`.
    pub fn prepare(&self, slot: Slot) -> Result<(), SignError> {
        self.ask(&Request::Prepare { slot: slot.0 }).map(|_| ())
    }

    /// Shows the signer signatures of its keys; answers with those that rest, whoever stopped them.
    pub fn seen(&self, seen: &[SignRequest]) -> Result<Vec<(ValidatorIndex, KeyRole, Slot)>, SignError> {
        match self.ask(&Request::Seen(seen.iter().map(Wanted::from).collect()))? {
            Answer::Stopped(stopped) => Ok(stopped
                .into_iter()
                .map(|key| (ValidatorIndex(key.validator), key.role.into(), Slot(key.slot)))
                .collect()),
            _ => Err(nonsense()),
        }
    }

    /// One question and its answer. A connection that the signer has closed meanwhile is made anew, once: every
    /// question may be asked twice.
    fn ask(&self, request: &Request) -> Result<Answer, SignError> {
        let mut connection = self.connection.lock();
        if let Some(open) = connection.as_mut() {
            match exchange(open, request) {
                Ok(answer) => return told(answer),
                Err(error) if is_timeout(&error) => {
                    *connection = None;
                    return Err(SignError::Slow);
                }
                Err(_) => *connection = None,
            }
        }
        let open = connection.insert(self.connect()?);
        let answer = exchange(open, request);
        if answer.is_err() {
            *connection = None;
        }
        match answer {
            Ok(answer) => told(answer),
            Err(error) if is_timeout(&error) => Err(SignError::Slow),
            Err(error) => Err(SignError::Away(error.to_string())),
        }
    }

    fn connect(&self) -> Result<BufReader<Timed>, SignError> {
        let away = |error: io::Error| match is_timeout(&error) {
            true => SignError::Slow,
            false => SignError::Away(format!("{}: {error}", self.address)),
        };
        let socket = Socket::connect(&self.address, CONNECT_WITHIN).map_err(away)?;
        let mut reader = BufReader::new(Timed::new(socket, ANSWER_WITHIN));
        let token = self.token.to_string();
        let hello = Hello { lathe_signer: VERSION, token, genesis_time: self.genesis_time };
        hello.send(reader.get_mut()).map_err(away)?;
        match receive(&mut reader, MAX_LINE_BYTES).map_err(away)? {
            Some(Answer::Hello { lathe_signer: VERSION }) => {
                self.made.fetch_add(1, Ordering::AcqRel);
                Ok(reader)
            }
            Some(Answer::Error(why)) => Err(SignError::NotServed(why)),
            _ => Err(nonsense()),
        }
    }
}

fn exchange(connection: &mut BufReader<Timed>, request: &Request) -> io::Result<Answer> {
    connection.get_mut().allow(ANSWER_WITHIN);
    send(connection.get_mut(), request)?;
    receive(connection, MAX_LINE_BYTES)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

fn told(answer: Answer) -> Result<Answer, SignError> {
    match answer {
        Answer::Error(why) => Err(SignError::NotServed(why)),
        answer => Ok(answer),
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

fn nonsense() -> SignError {
    SignError::NotServed("an answer that makes no sense".into())
}
