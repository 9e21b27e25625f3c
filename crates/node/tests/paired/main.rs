//! Nodes that are paired with execution clients, in one process: scripted clients that show every fault, and real ones
//! that are killed at random.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, its helpers too")]
#![allow(clippy::print_stderr, reason = "a test that is left out says so, and a long one how far it is")]

#[path = "../../../execution/tests/fake/mod.rs"]
mod fake;
mod real;
mod scripted;
mod support;
