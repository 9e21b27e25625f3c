//! XMSS signatures over KoalaBear and Poseidon1, byte-compatible with leanSig: keys, signing, verification, codecs.
//!
//! * [`verify`] and [`verify_batch`], or [`verify_bytes`] and [`verify_bytes_batch`] for encoded production keys and
//!   signatures. A batch is packed across signatures and says which of them are valid. Nothing given to them panics.
//! * [`SecretKey`]: [`SecretKey::generate`] makes a key for any range of slots, at the cost of its leaves;
//!   [`SecretKey::sign`] is deterministic and never stalls, because the rebuilding of the parts of the tree that come
//!   next is handed out as a [`Task`].
//! * [`SecretKey::encode`] and [`SecretKey::decode`] for our key files, which are small; leanSig's are read as well,
//!   and written by [`SecretKey::export_leansig`].
//!
//! Everything is generic over the parameter set: [`Prod`], or [`Test`] for fixtures. Vectors are those of the machine
//! the crate is compiled for; the bytes are the same on all of them.
//!
//! A signing key may sign one message per slot. This crate signs whatever it is asked to: keeping a ledger is the
//! caller's part.

mod chains;
#[doc(hidden)]
pub mod circuit;
mod codec;
mod encoding;
mod error;
mod field;
mod hash;
mod key_file;
mod keygen;
mod leansig_file;
mod leaves;
mod prf;
#[doc(hidden)]
pub mod primitives;
mod range;
mod scheme;
mod secret_key;
mod sign;
mod signature;
mod tree;
mod verify;
mod window;

pub use error::Error;
pub use field::poseidon;
pub use key_file::KeyFormat;
pub use scheme::{Prod, Scheme, Test};
pub use secret_key::{SecretKey, Subtree, Task};
pub use signature::{PUBLIC_KEY_BYTES, PublicKey, Signature};
pub use verify::{BATCH_LANES, BytesClaim, Claim, verify, verify_batch, verify_bytes, verify_bytes_batch};
