//! A signer in a process of its own, and the node's side of it.
//!
//! The server holds keys and ledger, and is the very [`Signer`](crate::Signer) that a node has in its own process; the
//! client holds none. Several nodes may use one signer: for each key and slot the first message wins, and the others
//! are told. A signer that is away, slow or of another version costs duties and nothing else.

mod client;
mod protocol;
mod server;
mod socket;

pub use client::RemoteSigner;
pub use server::{Server, Shared};
pub use socket::SignerAddress;
