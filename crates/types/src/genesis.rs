//! What a network agrees on before its first slot.

use ssz_derive::{Decode, Encode};
use tree_hash_derive::TreeHash;

use crate::state::Validators;

/// The configuration that is part of the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, TreeHash)]
pub struct GenesisConfig {
    /// Unix time of slot 0, in seconds.
    pub genesis_time: u64,
}

/// Genesis time and registry: with the fork's rules, all that a genesis state is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Genesis {
    /// Unix time of slot 0, in seconds.
    pub genesis_time: u64,
    /// The registry; a validator's index is its position.
    pub validators: Validators,
}
