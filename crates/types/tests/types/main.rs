//! Tests of the containers against a second implementation of SSZ, against golden bytes and against hostile input.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod clock;
mod decode;
mod execution;
mod golden;
mod mirror;
mod random;
mod registry;
mod scalars;
mod scheme;
mod second_opinion;
mod signature;
