//! XMSS signatures over KoalaBear and Poseidon1, byte-compatible with leanSig.

mod chains;
mod codec;
mod encoding;
mod error;
mod field;
mod hash;
mod prf;
mod scheme;
mod signature;
mod verify;

pub use error::Error;
pub use scheme::{Prod, Scheme, Test};
pub use signature::{PUBLIC_KEY_BYTES, PublicKey, Signature};
pub use verify::{BATCH_LANES, Claim, verify, verify_batch, verify_bytes};
