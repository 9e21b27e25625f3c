//! Hostile peers for tests: real libp2p over QUIC, any number of identities, from any address of this machine.
//!
//! [`Raw`] sends any bytes on any protocol and judges nothing. [`Attack`] is what one stranger with a few addresses can
//! do to a network, and goes on until it is dropped; [`Heard`] is the opposite of an attack: it only listens, and so
//! knows what was really published. A part of the test kit that no shipped crate uses; it fails by panicking.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking, its tools included"
)]

mod attack;
mod forge;
mod heard;
mod raw;

pub use attack::{Attack, Kind, Target};
pub use forge::{Forger, SealBlock, SignVote, bomb, junk_vote, orphan};
pub use heard::{Heard, Signing};
pub use raw::{Answers, Behaviour, Bytes, Manners, Raw, Streams};
