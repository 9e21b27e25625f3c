//! The server over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking, helpers included")]

mod common;
mod driver;
mod events;
mod page;
mod reference;
mod routes;
mod server;
