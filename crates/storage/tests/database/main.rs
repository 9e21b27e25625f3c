//! The rules of the chain database on every backend, its bytes on disk, and what survives a failing disk.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "helpers fail as tests do, by panicking"
)]

mod chain;
mod disk;
mod faults;
mod golden;
mod growth;
mod rules;
mod upkeep;
