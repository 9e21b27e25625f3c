//! One module per kind of fixture, each with `fn run(&Case) -> Outcome`.

use crate::fixtures::Case;
use crate::outcome::{Outcome, Verdict};
mod api_endpoint;
mod chain;
pub(crate) mod fork_choice;
mod gossipsub_handler;
mod justifiability;
mod networking_codec;
mod poseidon_permutation;
mod reaggregation;
mod slot_clock;
mod ssz;
pub(crate) mod state_transition;
mod sync;
mod validator_duty_gate;
mod verify_multi_message_proofs;
pub(crate) mod verify_signatures;
mod verify_single_message_proofs;

/// Judges one case.
pub type Runner = fn(&Case) -> Outcome;

/// The runner of a kind, by the name of its directory. A kind that nobody runs is reported as such.
pub fn of(kind: &str) -> Runner {
    match kind {
        "api_endpoint" => api_endpoint::run,
        "fork_choice" => fork_choice::run,
        "gossipsub_handler" => gossipsub_handler::run,
        "justifiability" => justifiability::run,
        "networking_codec" => networking_codec::run,
        "poseidon_permutation" => poseidon_permutation::run,
        "reaggregation" => reaggregation::run,
        "slot_clock" => slot_clock::run,
        "ssz" => ssz::run,
        "state_transition" => state_transition::run,
        "sync" => sync::run,
        "validator_duty_gate" => validator_duty_gate::run,
        "verify_multi_message_proofs" => verify_multi_message_proofs::run,
        "verify_signatures" => verify_signatures::run,
        "verify_single_message_proofs" => verify_single_message_proofs::run,
        _ => |_| Ok(Verdict::NotRun),
    }
}
