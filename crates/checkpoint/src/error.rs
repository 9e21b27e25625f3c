//! Why there is no checkpoint to start from.

use lathe_types::{Checkpoint, Root, Slot, WrongVariant};

use crate::server::Server;

/// Why a URL is not one of a server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It cannot be read.
    #[error("write it as http://host:port or https://host, or with /lean/v0/states/finalized at its end")]
    Malformed,
    /// It would end up in logs.
    #[error("a name and a password in the URL are not supported")]
    Credentials,
}

/// No server could be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What was wrong with each server, in the order in which they were asked.
    #[error("no server gave a checkpoint to start from: {}", listed(.0))]
    NoCheckpoint(Vec<(Server, Refusal)>),
    /// Two servers call blocks final that exclude each other. One of them is wrong, and nobody here can tell which.
    #[error(
        "the servers disagree: {} calls block {} of slot {} final, {} calls block {} of slot {} final, and these exclude each \
         other; find out which is right and name that one alone",
        .0.server, .0.checkpoint.root, .0.checkpoint.slot, .1.server, .1.checkpoint.root, .1.checkpoint.slot
    )]
    Disagreement(Box<Claim>, Box<Claim>),
}

/// What a server calls final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The server.
    pub server: Server,
    /// The block.
    pub checkpoint: Checkpoint,
}

fn listed(refusals: &[(Server, Refusal)]) -> String {
    let each = refusals.iter().map(|(server, refusal)| format!("{server} {refusal}"));
    each.collect::<Vec<_>>().join("; ")
}

/// Why the answer of one server is not used. Completes a sentence that begins with the server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No answer, or not all of it, in time.
    #[error("does not answer: {0}")]
    Transport(String),
    /// The time for all servers together was over.
    #[error("was not asked, because the others took all the time there is")]
    NoTime,
    /// An answer that is no success.
    #[error("answers {path} with status {status}")]
    Status {
        /// What was asked for.
        path: &'static str,
        /// The status.
        status: u16,
    },
    /// The answer is somewhere else.
    #[error("redirects to {0}: name that server instead")]
    Redirect(String),
    /// More bytes than any valid answer has.
    #[error("sends more than {limit} bytes for {path}")]
    TooLarge {
        /// What was asked for.
        path: &'static str,
        /// The bound.
        limit: u64,
    },
    /// The bytes are not what was asked for.
    #[error("sends bytes for {path} that do not decode")]
    Undecodable {
        /// What was asked for.
        path: &'static str,
    },
    /// A state that nothing can be built on.
    #[error("sends a state without validators")]
    NoValidators,
    /// Another network.
    #[error("sends {0}")]
    Variant(#[from] WrongVariant),
    /// Another network.
    #[error("is of a network with genesis at {found}, ours is at {expected}")]
    GenesisTime {
        /// Unix time of its genesis.
        found: u64,
        /// Unix time of ours.
        expected: u64,
    },
    /// Another network.
    #[error("has other validators than this network")]
    Validators,
    /// Another network.
    #[error("is of a network with genesis block {found}, ours is {expected}")]
    Genesis {
        /// Root of its genesis block.
        found: Root,
        /// Root of ours.
        expected: Root,
    },
    /// A state of the future cannot be final.
    #[error("calls slot {slot} final, but by our clock it is slot {current}: check both clocks")]
    Ahead {
        /// Slot of the state.
        slot: Slot,
        /// Slot by our clock.
        current: Slot,
    },
    /// The state contradicts itself.
    #[error("sends a state that does not hang together: {0}")]
    State(&'static str),
    /// The block is of the state's slot but not of the state.
    #[error("sends a block that is not the one of its state")]
    Block,
    /// The block is nobody's.
    #[error("sends a block whose proof is not valid")]
    Proof,
    /// Block and state were never of one slot.
    #[error("sends a block and a state of different slots, {attempts} times")]
    Unpaired {
        /// Times that both were asked for.
        attempts: u32,
    },
}
