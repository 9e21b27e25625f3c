//! XMSS over BLAKE2s, the scheme of `ethereum/cryptography-specs`: keys, signing, verification, codecs.
//!
//! * [`verify`] and [`verify_batch`], or [`verify_bytes`] and [`verify_bytes_batch`] for encoded keys and signatures. A
//!   batch is packed across signatures and says which of them are valid. Nothing given to them panics.
//! * [`SecretKey`]: [`SecretKey::generate`] makes a key for any range of slots, at the cost of its leaves;
//!   [`SecretKey::sign`] never rebuilds a part of the tree, because that work is handed out ahead of need as a
//!   [`Task`].
//! * [`SecretKey::encode`] and [`SecretKey::decode`] for our key files; the postcard files of other clients are read as
//!   well, and written by [`SecretKey::export_postcard`].
//!
//! The bytes that name each call of the hash changed several times while the sizes stayed, so everything takes a
//! [`Layout`]: [`Layout::L5`] is the published specification's and the default. Vectors are those of the machine the
//! crate is compiled for; the bytes are the same on all of them.
//!
//! The specification calls the number of a one-time key an *epoch*; consensus uses the slot. A key may sign one message
//! per slot. This crate signs whatever it is asked to: keeping a ledger is the caller's part.

mod blake2s;
mod chains;
mod encoding;
mod error;
mod hash;
mod key_file;
mod keygen;
mod lanes;
mod layout;
mod leaves;
mod lockstep;
mod postcard_file;
#[doc(hidden)]
pub mod primitives;
mod range;
mod secret_key;
mod seed;
mod sign;
mod signature;
mod tree;
mod verify;
mod window;

pub use error::Error;
pub use key_file::KeyFormat;
pub use layout::{Layout, UnknownLayout};
pub use secret_key::{SecretKey, Subtree, Task};
pub use seed::SEED_BYTES;
pub use signature::{PUBLIC_KEY_BYTES, PublicKey, SIGNATURE_BYTES, Signature};
pub use verify::{BATCH_LANES, BytesClaim, Claim, verify, verify_batch, verify_bytes, verify_bytes_batch};

/// Slots that a key could cover.
pub const LIFETIME: u64 = 1 << 32;
/// Hash chains of a one-time key.
const CHAINS: usize = 42;
/// Values of a chain; the digits of an encoding are below this.
const BASE: u32 = 8;
/// What the digits of an encoding add up to.
const TARGET_SUM: u32 = 195;
/// Height of the tree.
const HEIGHT: u8 = 32;
