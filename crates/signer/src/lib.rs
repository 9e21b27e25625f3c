//! Key files, and the files that keep every one-time key used once.
//!
//! An XMSS key that signs two messages at one slot gives itself away, so a signature leaves the [`Signer`] only after
//! the ledger holds its slot and message on disk, and the mark beside the key says how far the key has signed. The
//! rules are those of `lathe-ledger`; here are the files, their locks, and the keys. Nothing here ever logs or prints a
//! secret.

mod error;
mod key_store;
mod ledger_file;
mod lock;
mod mark_files;
mod remote;
mod signer;

pub use error::{Error, SignError};
pub use key_store::{KeyAssignment, KeyStore, directory_of, inspect_key};
pub use lathe_keys::{KeyError, OutsideKey, OutsideSigner, SigningKey, encode_outside_key};
pub use ledger_file::{DiskFile, FILE_NAME as LEDGER_FILE, Snapshot, inspect_ledger};
pub use lock::Holder;
pub use mark_files::{MARK_FILE, carry_mark, read_marks};
pub use remote::{RemoteSigner, Server, Shared, SignerAddress};
pub use signer::{Exhaustion, HeldKey, Locked, PreparationJob, Prepared, SignRequest, Signer};
