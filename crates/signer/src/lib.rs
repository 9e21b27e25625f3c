//! Key files, and the append-only ledger that keeps every one-time key used once.
//!
//! An XMSS key that signs two messages at one slot gives itself away, so a signature leaves the [`Signer`] only after
//! the [`Ledger`] holds its slot and message on disk. What the ledger cannot vouch for is refused: a missed duty costs
//! a vote, a reused leaf costs the key. Nothing here ever logs or prints a secret.

mod error;
mod history;
mod interchange;
mod key_store;
mod ledger;
mod ledger_file;
mod record;
mod signer;

pub use error::{Error, SignError};
pub use history::RETAINED_SLOTS;
pub use key_store::{KeyAssignment, KeyStore};
pub use ledger::{Entry, Ledger, SAFETY_SLOTS};
pub use ledger_file::{DiskFile, LedgerFile};
pub use record::KeyId;
pub use signer::{Exhaustion, PreparationJob, Prepared, SignRequest, Signer};
