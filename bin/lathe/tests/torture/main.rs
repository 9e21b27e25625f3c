//! Networks of real processes under attack, cut apart, and killed at any moment.
//!
//! Tests whose names begin with `short_` are run by `make test`, all of them by `make torture`, which prints what it
//! measured. Every node has a loopback address of its own, and so have those who attack it. To cut nodes off from each
//! other takes a network namespace, in which the test starts itself again; where that is not allowed, it says so.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, helpers included, and prints what it measured"
)]

#[path = "../support/mod.rs"]
mod support;

mod attacks;
mod crashes;
mod disk;
mod lab;
mod load;
mod probe;
mod restarts;
mod soak;
mod solo;
