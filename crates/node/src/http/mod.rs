//! The HTTP interface: answers from the newest view and from the store, never through the chain.
//!
//! The server is a driver of its own; here is what it asks. Turning the aggregator role on or off is the only thing
//! that reaches the chain, as a letter.

mod api;
mod at_rest;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use lathe_actor::{Shutdown, Supervisor};
use lathe_http::{Addresses, Guard, HttpError, Limits, Options, Server};
use tracing::warn;

pub(crate) use api::NodeApi;
pub use at_rest::api_at_rest;

use crate::options::{HttpOptions, NodeOptions};

/// Takes the ports.
pub(crate) async fn bind(options: &NodeOptions, api: NodeApi) -> Result<Server, HttpError> {
    let addresses =
        Addresses { api: options.api, metrics: options.metrics, admin: options.http.admin_address };
    let answers = Options { admin: guard(&options.http, options.api), origins: options.http.origins.clone() };
    Server::bind(addresses, Arc::new(api), Limits::default(), answers).await
}

/// Who may change the node: nobody without a token where strangers can connect, unless the operator says so.
fn guard(http: &HttpOptions, api: Option<SocketAddr>) -> Guard {
    let address = http.admin_address.or(api);
    let is_public = address.is_some_and(|address| !address.ip().is_loopback());
    match &http.admin_token {
        Some(token) => Guard::Token(token.clone()),
        None if is_public && !http.admin_unprotected => {
            warn!(
                address = address.map(tracing::field::display),
                "the API is open to others, so POST /lean/v0/admin/aggregator is refused: set --admin-token-file, or \
                 --admin-address to a loopback address"
            );
            Guard::Closed
        }
        None => Guard::Local,
    }
}

/// Serves until `shutdown`.
pub(crate) fn spawn(supervisor: &mut Supervisor, server: Server, shutdown: &Shutdown) {
    let shutdown = shutdown.clone();
    supervisor.spawn("http", async move {
        server.run(shutdown.wait()).await;
        Ok::<_, Infallible>(())
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    use lathe_http::Token;

    #[test]
    fn a_public_api_without_a_token_is_closed_to_changes() {
        let public = Some("0.0.0.0:5052".parse().unwrap());
        let local: Option<SocketAddr> = Some("127.0.0.1:5052".parse().unwrap());
        let plain = HttpOptions::default();
        assert_eq!((guard(&plain, public), guard(&plain, local)), (Guard::Closed, Guard::Local));
        let elsewhere = HttpOptions { admin_address: local, ..plain.clone() };
        assert_eq!(guard(&elsewhere, public), Guard::Local);
        let moved_out = HttpOptions { admin_address: public, ..plain.clone() };
        assert_eq!(guard(&moved_out, local), Guard::Closed);
        let unprotected = HttpOptions { admin_unprotected: true, ..plain.clone() };
        assert_eq!(guard(&unprotected, public), Guard::Local);
        let token = Token::new("0123456789abcdef").unwrap();
        let with_token = HttpOptions { admin_token: Some(token.clone()), ..plain };
        assert_eq!(guard(&with_token, public), Guard::Token(token));
    }
}
