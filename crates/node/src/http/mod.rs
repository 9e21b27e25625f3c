//! The HTTP interface: answers from the newest view and from the store, never through the chain.
//!
//! The server is a driver of its own; here is what it asks. Turning the aggregator role on or off is the only thing
//! that reaches the chain, as a letter.

mod api;

use std::convert::Infallible;
use std::sync::Arc;

use lathe_actor::{Shutdown, Supervisor};
use lathe_http::{Addresses, Guard, HttpError, Limits, Options, Server};
use tracing::warn;

pub(crate) use api::NodeApi;

use crate::options::NodeOptions;

/// Takes the ports.
pub(crate) async fn bind(options: &NodeOptions, api: NodeApi) -> Result<Server, HttpError> {
    let addresses =
        Addresses { api: options.api, metrics: options.metrics, admin: options.http.admin_address };
    let answers = Options { admin: guard(options), origins: options.http.origins.clone() };
    Server::bind(addresses, Arc::new(api), Limits::default(), answers).await
}

/// Who may change the node: nobody without a token where strangers can connect, unless the operator says so.
fn guard(options: &NodeOptions) -> Guard {
    let http = &options.http;
    let address = http.admin_address.or(options.api);
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
