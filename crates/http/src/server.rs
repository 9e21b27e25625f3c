//! Listening, accepting, and stopping.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};
use tracing::{debug, warn};

use crate::api::Api;
use crate::connection::{Limits, serve};
use crate::driver::{self, TestDriver};
use crate::error::HttpError;
use crate::page::{self, NetworkPage};
use crate::places::Client;
use crate::routes::{self, Admin, Options};

/// How long requests in flight may take once the server is to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(2);
/// Pause after an accept failed, as it does while file descriptors are used up.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Pause between looks for clients that read too slowly.
const SLOW_READER_PERIOD: Duration = Duration::from_secs(5);
/// What a client hears that finds all places taken.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 36\r\n\r\n{\"error\":\"all connections are taken\"}";

/// Where to listen. Port 0 lets the system choose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// The API and the metrics.
    pub api: Option<SocketAddr>,
    /// The metrics and health; served by the API's listener if that takes connections to this address too.
    pub metrics: Option<SocketAddr>,
    /// What changes the node; with the API if there is none.
    pub admin: Option<SocketAddr>,
}

/// A server that listens and does not answer yet.
pub struct Server {
    listeners: Vec<(TcpListener, Router)>,
    api_address: Option<SocketAddr>,
    metrics_address: Option<SocketAddr>,
    admin_address: Option<SocketAddr>,
    limits: Limits,
}

impl Server {
    fn empty(limits: Limits) -> Self {
        let (api_address, metrics_address, admin_address) = (None, None, None);
        Self { listeners: Vec::new(), api_address, metrics_address, admin_address, limits }
    }

    /// Takes the ports.
    pub async fn bind(
        addresses: Addresses,
        api: Arc<dyn Api>,
        limits: Limits,
        options: Options,
    ) -> Result<Self, HttpError> {
        let mut server = Self::empty(limits);
        if let Some(address) = addresses.api {
            let admin = if addresses.admin.is_some() { Admin::Elsewhere } else { Admin::Here };
            let router = routes::api(api.clone(), &options, admin);
            server.api_address = Some(server.listen(address, "API", "api-port", router).await?);
        }
        if let Some(address) = addresses.admin {
            let router = routes::admin_only(api.clone(), &options);
            server.admin_address =
                Some(server.listen(address, "admin routes", "admin-address", router).await?);
        }
        if let Some(address) = addresses.metrics {
            server.metrics_address = match addresses.api.filter(|api| covers(*api, address)) {
                Some(api) => Some(SocketAddr::new(address.ip(), api.port())),
                None => {
                    let router = routes::metrics_only(api, &options);
                    Some(server.listen(address, "metrics", "metrics-port", router).await?)
                }
            };
        }
        Ok(server)
    }

    /// Takes the port for a test driver, which there is in place of a node.
    pub async fn bind_test_driver(
        address: SocketAddr,
        driver: Arc<dyn TestDriver>,
        limits: Limits,
    ) -> Result<Self, HttpError> {
        let mut server = Self::empty(limits);
        let router = driver::routes(driver);
        server.api_address = Some(server.listen(address, "test driver", "api-port", router).await?);
        Ok(server)
    }

    /// Takes the port for the page of a network, which is served in place of a node.
    pub async fn bind_network_page(
        address: SocketAddr,
        page: NetworkPage,
        limits: Limits,
    ) -> Result<Self, HttpError> {
        let mut server = Self::empty(limits);
        let router = page::of_a_network(page);
        server.api_address = Some(server.listen(address, "page", "page-port", router).await?);
        Ok(server)
    }

    async fn listen(
        &mut self,
        address: SocketAddr,
        what: &'static str,
        option: &'static str,
        router: Router,
    ) -> Result<SocketAddr, HttpError> {
        let failed = |source| HttpError::Bind { what, address, option, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        self.listeners.push((listener, router));
        Ok(bound)
    }

    /// Where the API is.
    pub fn api_address(&self) -> Option<SocketAddr> {
        self.api_address
    }

    /// Where the metrics are.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// Where the admin routes are, if they have an address of their own.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Serves until `stop` ends, and then until requests in flight are answered or two seconds have passed. Returns
    /// before `stop` only if something broke.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let (sender, stopping) = watch::channel(false);
        let mut acceptors = JoinSet::new();
        for (listener, router) in self.listeners {
            acceptors.spawn(accept_loop(listener, router, self.limits, stopping.clone()));
        }
        tokio::select! {
            () = stop => {}
            // A loop never ends by itself; if it died, serving on with the other one would hide it.
            _ = acceptors.join_next(), if !acceptors.is_empty() => {}
        }
        let _ = sender.send(true);
        while acceptors.join_next().await.is_some() {}
    }
}

async fn accept_loop(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    mut stopping: watch::Receiver<bool>,
) {
    let places = limits.places();
    let mut slow_readers = interval(SLOW_READER_PERIOD);
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = slow_readers.tick() => {
                places.cut_slow_readers(limits.answer_timeout, Instant::now());
                continue;
            }
            _ = stopping.wait_for(|stopping| *stopping) => break,
        };
        // Ended connections leave their result behind until somebody takes it.
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, client)) => match places.admit(Client::of(client.ip()), Instant::now()) {
                Some(place) => {
                    connections.spawn(serve(stream, router.clone(), limits, place, stopping.clone()));
                    // It reads what has come already before the next one could take its place.
                    tokio::task::yield_now().await;
                }
                None => {
                    debug!(%client, "all connections are taken");
                    turn_away(&stream);
                }
            },
            Err(error) => {
                warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let drained = timeout(STOP_PATIENCE, async { while connections.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        debug!(connections = connections.len(), "connections did not end in time");
        connections.shutdown().await;
    }
}

/// Whether a listener on `api` takes the connections to `address` too.
fn covers(api: SocketAddr, address: SocketAddr) -> bool {
    let is_any = api.ip().is_unspecified() && (api.is_ipv6() || address.is_ipv4());
    address.port() != 0 && api.port() == address.port() && (api.ip() == address.ip() || is_any)
}

/// Says why, as far as the socket takes it at once; nothing is worth waiting for here.
fn turn_away(stream: &TcpStream) {
    let _ = stream.try_write(FULL);
}
