//! What keeps a one-time key used once: the rules of the signing ledger, without the files.
//!
//! An XMSS key that signs two messages at one slot gives itself away. So the [`Ledger`] holds a message durably before
//! it is signed, refuses every other one for that slot, and refuses what it cannot vouch for: a missed duty costs a
//! vote, a reused leaf costs the key. A [`Mark`] beside the key tells whether a ledger is the key's own, so that one
//! that was wiped, restored or copied is found out. Both live on a [`Medium`]: files in a signer, memory that forgets
//! in tests.

mod error;
mod faulty;
mod history;
mod interchange;
mod ledger;
mod mark;
mod medium;
mod opening;
mod record;

pub use error::{Error, Refusal};
pub use faulty::FaultyMedium;
pub use history::RETAINED_SLOTS;
pub use interchange::Interchange;
pub use ledger::{Entry, KeySummary, Ledger};
pub use mark::{Mark, Marks};
pub use medium::Medium;
pub use opening::{Opened, SAFETY_SLOTS, Terms};
pub use record::KeyId;
