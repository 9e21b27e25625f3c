//! The state transition of Lean Ethereum, for judging blocks and for building them.
//!
//! Free functions under the specification's names (leanSpec `spec/forks/lstar/state_transition.py`), with its steps
//! labelled, so that a reader lays the specification beside them. Signatures are verified elsewhere, before a
//! transition is asked for. Everything is a function of its arguments: no clock, no I/O.
//!
//! A block that breaks a rule yields a [`Rejection`](lathe_types::Rejection) with the specification's reason. Work and
//! memory are bounded whatever the input says: empty slots are skipped in one step, and a slot beyond what a state can
//! remember is refused before anything is allocated for it. Functions that take `&mut State` leave it in an
//! unspecified, but hashable, condition when they fail; [`state_transition`] never touches its input.
//!
//! The state's lists share their trees between clones and cache their hashes, so a clone is cheap and a hash costs
//! what changed. Every function here leaves them without pending updates, which hashing requires.

mod attestations;
mod bits;
mod block;
mod execution;
mod genesis;
mod justification;

pub use attestations::process_attestations;
pub use block::{
    Edge, Part, Watch, process_block, process_block_header, process_slots, state_root, state_transition,
    state_transition_watched,
};
pub use execution::{check_execution_payload, payload_timestamp, process_execution_payload};
pub use genesis::{generate_genesis, genesis_block};
pub use justification::{extend_to_slot, is_slot_justified, lies_on_chain, pending_voters};

#[cfg(test)]
mod tests;
