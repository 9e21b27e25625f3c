//! The parts of the scheme that a proof system about signatures has to agree with: tweaks, limbs, codewords.

pub use crate::encoding::codeword;
pub use crate::field::{Element, P, from_limb, limb, split};
pub use crate::hash::{
    CAPACITY, Digest, HASH, MESSAGE, PARAMETER, Parameter, RANDOMNESS, Randomness, TWEAK, Tweak, chain_tweak,
    message_limbs, message_tweak, tree_tweak,
};
pub use crate::scheme::BASE;
