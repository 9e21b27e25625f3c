//! One module per kind of fixture, each with `fn run(&Case) -> Outcome`.

use crate::fixtures::Case;
use crate::outcome::{Outcome, Verdict};

#[cfg(feature = "network")]
mod api_endpoint;
mod chain;
pub(crate) mod fork_choice;
#[cfg(feature = "network")]
mod gossipsub_handler;
mod justifiability;
#[cfg(feature = "network")]
mod networking_codec;
mod poseidon_permutation;
mod reaggregation;
mod slot_clock;
mod ssz;
pub(crate) mod state_transition;
mod sync;
mod verify_multi_message_proofs;
pub(crate) mod verify_signatures;
mod verify_single_message_proofs;

/// Judges one case.
pub type Runner = fn(&Case) -> Outcome;

/// The runner of a kind, by the name of its directory. A kind that nobody runs is reported as such.
pub fn of(kind: &str) -> Runner {
    match kind {
        #[cfg(feature = "network")]
        "api_endpoint" => api_endpoint::run,
        "fork_choice" => fork_choice::run,
        #[cfg(feature = "network")]
        "gossipsub_handler" => gossipsub_handler::run,
        "justifiability" => justifiability::run,
        #[cfg(feature = "network")]
        "networking_codec" => networking_codec::run,
        "poseidon_permutation" => poseidon_permutation::run,
        "reaggregation" => reaggregation::run,
        "slot_clock" => slot_clock::run,
        "ssz" => ssz::run,
        "state_transition" => state_transition::run,
        "sync" => sync::run,
        "verify_multi_message_proofs" => verify_multi_message_proofs::run,
        "verify_signatures" => verify_signatures::run,
        "verify_single_message_proofs" => verify_single_message_proofs::run,
        _ => |_| Ok(Verdict::NotRun),
    }
}
