//! The ledger's rules, and what is left of them when files are damaged, disks fail and the power goes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers fail as tests do, by panicking"
)]

mod clock;
mod crash;
mod damage;
mod disk;
mod interchange;
mod rules;
