//! XMSS signatures over KoalaBear and Poseidon1, byte-compatible with leanSig.

mod chains;
mod codec;
mod encoding;
mod error;
mod field;
mod hash;
mod keygen;
mod leaves;
mod prf;
mod range;
mod scheme;
mod secret_key;
mod sign;
mod signature;
mod tree;
mod verify;
mod window;

pub use error::Error;
pub use scheme::{Prod, Scheme, Test};
pub use secret_key::{SecretKey, Subtree, Task};
pub use signature::{PUBLIC_KEY_BYTES, PublicKey, Signature};
pub use verify::{BATCH_LANES, Claim, verify, verify_batch, verify_bytes};
