//! Why the server does not run.

use std::io;
use std::net::SocketAddr;

/// Failures of the server itself; requests fail with [`crate::ApiError`].
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// An address cannot be listened on.
    #[error("cannot listen for the {what} on {address} ({source}); choose another port with --{option}")]
    Bind {
        /// What is served there.
        what: &'static str,
        /// The address.
        address: SocketAddr,
        /// The option that sets the port.
        option: &'static str,
        /// What the system said.
        source: io::Error,
    },
}
