//! The signer's side: keys, ledger, and whoever may use them.

use std::io::{self, BufReader};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use lathe_leansig::{Prod, Scheme};
use lathe_ledger::Refusal;
use lathe_types::{KeyRole, Slot, ValidatorIndex};
use zeroize::Zeroizing;

use super::protocol::{
    Answer, Hello, MAX_LINE_BYTES, MAX_REQUESTS, Outcome, RemoteKey, Request, StoppedKey, VERSION, receive,
    send,
};
use super::socket::{Listener, SignerAddress, Timed};
use crate::error::SignError;
use crate::signer::{SignRequest, Signer};

/// Connections at a time: the nodes that stand in for each other, and somebody who looks. One that has not said who it
/// is takes one of them for [`HELLO_WITHIN`] at most.
const MAX_CONNECTIONS: usize = 16;
const HELLO_WITHIN: Duration = Duration::from_secs(2);
/// A node asks at least once a slot; one that is silent for this long is gone.
const IDLE_WITHIN: Duration = Duration::from_secs(60);
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// Wait after a connection that could not be taken, such as when too many files are open: it is tried again, because a
/// signer that ends costs more than one that is late.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// What a server shares with its connections.
pub struct Shared<S: Scheme = Prod> {
    /// Keys and ledger.
    pub signer: Signer<S>,
    /// Unix time of the genesis that slots count from; a node of another network is refused.
    pub genesis_time: u64,
    /// What a node has to know; empty on a socket file, which has permissions instead.
    pub token: Zeroizing<String>,
    /// Called once the ledger has failed: nothing is signed any more, so the process has to end and say so.
    pub on_failure: fn(&SignError),
}

/// A signer that listens.
pub struct Server<S: Scheme = Prod> {
    listener: Listener,
    shared: Arc<Shared<S>>,
    connections: Arc<AtomicUsize>,
}

impl<S: Scheme + Send + Sync + 'static> Server<S> {
    /// Listens on `address`.
    pub fn bind(address: &SignerAddress, shared: Shared<S>) -> io::Result<Self> {
        let listener = Listener::bind(address)?;
        Ok(Self { listener, shared: Arc::new(shared), connections: Arc::default() })
    }

    /// What its connections use.
    pub fn shared(&self) -> Arc<Shared<S>> {
        self.shared.clone()
    }

    /// Where it listens.
    pub fn address(&self) -> io::Result<String> {
        self.listener.address()
    }

    /// Serves as long as the process lives.
    pub fn run(&self) {
        loop {
            let Ok(socket) = self.listener.accept() else {
                thread::sleep(RETRY_AFTER);
                continue;
            };
            let place = Place::take(&self.connections);
            let shared = self.shared.clone();
            let serve = move || {
                let connection = Timed::new(socket, HELLO_WITHIN);
                match place {
                    Some(_place) => serve(connection, &shared),
                    None => send(connection, &Answer::Error("too many connections".into())),
                }
            };
            // A connection that ends badly, or does not begin, concerns nobody but its node, which sees it.
            let _ = thread::Builder::new().name("signer connection".into()).spawn(move || drop(serve()));
        }
    }
}

/// One of the connections that there may be.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(count: &Arc<AtomicUsize>) -> Option<Self> {
        let place = Self(count.clone());
        (count.fetch_add(1, Ordering::AcqRel) < MAX_CONNECTIONS).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn serve<S: Scheme + Send + Sync + 'static>(
    mut connection: Timed,
    shared: &Arc<Shared<S>>,
) -> io::Result<()> {
    let Some(hello) = Hello::receive(&mut connection)? else { return Ok(()) };
    if let Some(problem) = refuse(&hello, shared) {
        return send(&mut connection, &Answer::Error(problem));
    }
    drop(hello);
    let mut connection = BufReader::new(connection);
    send(connection.get_mut(), &Answer::Hello { lathe_signer: VERSION })?;
    loop {
        connection.get_mut().allow(IDLE_WITHIN);
        let Some(request) = receive::<Request>(&mut connection, MAX_LINE_BYTES)? else { return Ok(()) };
        let answer = answer(request, shared);
        connection.get_mut().allow(ANSWER_WITHIN);
        send(connection.get_mut(), &answer)?;
    }
}

fn refuse<S: Scheme>(hello: &Hello, shared: &Shared<S>) -> Option<String> {
    if hello.lathe_signer != VERSION {
        return Some(format!("this signer speaks version {VERSION}, the node {}", hello.lathe_signer));
    }
    if !is_same(hello.token.as_bytes(), shared.token.as_bytes()) {
        return Some("the token is wrong".into());
    }
    let (ours, theirs) = (shared.genesis_time, hello.genesis_time);
    (ours != theirs).then(|| format!("this signer serves the network with genesis time {ours}, not {theirs}"))
}

/// Compares in a time that depends on the length alone.
fn is_same(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).fold(0, |sum, (left, right)| sum | (left ^ right)) == 0
}

fn answer<S: Scheme + Send + Sync + 'static>(request: Request, shared: &Arc<Shared<S>>) -> Answer {
    let signer = &shared.signer;
    match request {
        Request::Health {} => Answer::Health {
            watermark: signer.watermark().0,
            keys: signer.keys().len(),
            stopped: signer.stopped().len(),
        },
        Request::Keys {} => Answer::Keys(keys(signer)),
        Request::Prepare { slot } => {
            let jobs = signer.work_due(Slot(slot));
            let under_way = jobs.len();
            for job in jobs {
                let shared = shared.clone();
                // A key that cannot be prepared is refused when it is to sign.
                rayon::spawn(move || {
                    if let Ok(prepared) = job.run() {
                        shared.signer.install(prepared);
                    }
                });
            }
            Answer::Prepared { under_way }
        }
        Request::Sign(wanted) if wanted.len() > MAX_REQUESTS => {
            Answer::Error(format!("{} messages in one request, at most {MAX_REQUESTS}", wanted.len()))
        }
        Request::Sign(wanted) => {
            let requests: Vec<SignRequest> = wanted.into_iter().map(SignRequest::from).collect();
            let outcomes = signer.sign_all(&requests);
            let failed = |outcome: &&Result<_, SignError>| {
                matches!(outcome, Err(SignError::Refused(Refusal::Failed(_))))
            };
            if let Some(Err(failure)) = outcomes.iter().find(failed) {
                (shared.on_failure)(failure);
            }
            Answer::Signed(outcomes.into_iter().map(Outcome::of).collect())
        }
        Request::Seen(seen) => {
            for request in seen.into_iter().take(MAX_REQUESTS) {
                // What the ledger cannot keep it says at the next signature.
                let _ = signer.seen(&request.into());
            }
            let stopped = signer.stopped().into_iter();
            let of = |(ValidatorIndex(validator), role, Slot(slot)): (_, KeyRole, _)| StoppedKey {
                validator,
                role: role.into(),
                slot,
            };
            Answer::Stopped(stopped.map(of).collect())
        }
    }
}

fn keys<S: Scheme>(signer: &Signer<S>) -> Vec<RemoteKey> {
    signer
        .describe_keys()
        .into_iter()
        .map(|key| RemoteKey {
            validator: key.validator.0,
            role: key.role.into(),
            public_key: hex::encode(key.public_key.as_bytes()),
            first_slot: key.slots.start,
            end_slot: key.slots.end,
        })
        .collect()
}
