//! Peers: whom to dial and when, whom to refuse, and how much to trust.

mod book;
mod buckets;
mod group;
mod guard;
mod handshakes;
mod places;
mod score;

pub(crate) use book::{Dial, EntryId, PeerBook};
pub(crate) use buckets::Buckets;
pub(crate) use group::{Group, ip_of};
pub(crate) use guard::{Guard, is_timeout};
pub use score::Offence;
pub(crate) use score::{Consequence, Scores};
