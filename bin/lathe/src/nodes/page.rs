//! The page of a whole network, served for as long as somebody watches it.

use std::net::{Ipv4Addr, SocketAddr};

use lathe_http::{Limits, NetworkPage, Server};
use serde_json::{Value, json};

use super::poll::Endpoint;
use super::sample::Sample;
use crate::output::say;

/// Where the page is unless something else is there already.
const DEFAULT_PORT: u16 = 5050;

/// Where the page is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PagePort {
    /// On the usual port, or a free one.
    Usual,
    /// On this port and no other.
    Exactly(u16),
}

/// Serves the page until it is dropped.
pub(crate) struct NetworkServer {
    page: NetworkPage,
    address: SocketAddr,
    serving: tokio::task::JoinHandle<()>,
}

impl NetworkServer {
    /// Serves on loopback, as a task of the current runtime.
    pub(crate) async fn start(port: PagePort) -> eyre::Result<Self> {
        let page = NetworkPage::default();
        let bind = |port: u16| {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            Server::bind_network_page(address, page.clone(), Limits::default())
        };
        let server = match port {
            PagePort::Exactly(port) => bind(port).await?,
            PagePort::Usual => match bind(DEFAULT_PORT).await {
                Ok(server) => server,
                Err(_) => bind(0).await?,
            },
        };
        let address = server.api_address().unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT)));
        let serving = tokio::spawn(server.run(std::future::pending()));
        Ok(Self { page, address, serving })
    }

    /// The page's address.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Shows a new picture.
    pub(crate) fn show<'a>(&self, nodes: impl Iterator<Item = (&'a Endpoint, Option<&'a Sample>)>) {
        self.page.show(picture(nodes).to_string());
    }

    /// Says where the page is.
    pub(crate) fn announce(&self) {
        say(&format!("watch the network at {}", self.url()));
    }
}

impl Drop for NetworkServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// What the page shows: per node what it says of itself.
fn picture<'a>(nodes: impl Iterator<Item = (&'a Endpoint, Option<&'a Sample>)>) -> Value {
    let nodes = nodes.map(|(endpoint, sample)| {
        let (overview, fork_choice) = sample
            .map_or((Value::Null, Value::Null), |sample| (sample.raw_overview.clone(), sample.raw_chain.clone()));
        json!({ "name": endpoint.name, "url": endpoint.api, "overview": overview, "fork_choice": fork_choice })
    });
    Value::Array(nodes.collect())
}
