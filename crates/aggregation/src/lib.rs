//! Proofs that many validators signed one message.
