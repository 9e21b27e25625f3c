//! What a network agrees on before its first slot.

use ssz_derive::{Decode, Encode};
use tree_hash_derive::TreeHash;

use crate::execution::ChainVariant;
use crate::primitives::Root;
use crate::scheme::SignatureScheme;
use crate::state::Validators;

/// The configuration that is part of the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, TreeHash)]
pub struct GenesisConfig {
    /// Unix time of slot 0, in seconds.
    pub genesis_time: u64,
}

/// Genesis time, registry and execution layer: with the fork's rules, all that a genesis state is made of. And how its
/// validators sign.
#[derive(Clone, Debug, PartialEq)]
pub struct Genesis {
    /// Unix time of slot 0, in seconds.
    pub genesis_time: u64,
    /// The registry; a validator's index is its position.
    pub validators: Validators,
    /// Hash of the execution layer's genesis block, if the network is paired with one.
    pub execution_genesis: Option<Root>,
    /// How its validators sign; all keys of the registry are of its length.
    pub signature_scheme: SignatureScheme,
}

impl Genesis {
    /// The variant of the network's containers.
    pub fn variant(&self) -> ChainVariant {
        match self.execution_genesis {
            None => ChainVariant::Plain,
            Some(_) => ChainVariant::ExecutionPaired,
        }
    }
}
