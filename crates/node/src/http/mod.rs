//! The HTTP interface: answers from the newest view and from the store, never through the chain.
//!
//! The server is a driver of its own; here is what it asks. Turning the aggregator role on or off is the only thing
//! that reaches the chain, as a letter.

mod api;

use std::convert::Infallible;
use std::sync::Arc;

use lathe_actor::{Shutdown, Supervisor};
use lathe_http::{Addresses, HttpError, Limits, Server};

pub(crate) use api::NodeApi;

use crate::options::NodeOptions;

/// Takes the ports.
pub(crate) async fn bind(options: &NodeOptions, api: NodeApi) -> Result<Server, HttpError> {
    let addresses = Addresses { api: options.api, metrics: options.metrics };
    Server::bind(addresses, Arc::new(api), Limits::default()).await
}

/// Serves until `shutdown`.
pub(crate) fn spawn(supervisor: &mut Supervisor, server: Server, shutdown: &Shutdown) {
    let shutdown = shutdown.clone();
    supervisor.spawn("http", async move {
        server.run(shutdown.wait()).await;
        Ok::<_, Infallible>(())
    });
}
