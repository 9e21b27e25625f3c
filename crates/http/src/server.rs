//! Listening, accepting, and stopping.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::api::Api;
use crate::connection::{Limits, serve};
use crate::driver::{self, TestDriver};
use crate::error::HttpError;
use crate::routes;

/// How long requests in flight may take once the server is to stop.
const STOP_PATIENCE: Duration = Duration::from_secs(2);
/// Pause after an accept failed, as it does while file descriptors are used up.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What a client hears that finds all places taken.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// Where to listen. Port 0 lets the system choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The API and the metrics.
    pub api: Option<SocketAddr>,
    /// The metrics alone; served by the API's listener if the ports are the same.
    pub metrics: Option<SocketAddr>,
}

/// A server that listens and does not answer yet.
pub struct Server {
    listeners: Vec<(TcpListener, Router)>,
    api_address: Option<SocketAddr>,
    metrics_address: Option<SocketAddr>,
    limits: Limits,
}

impl Server {
    /// Takes the ports.
    pub async fn bind(addresses: Addresses, api: Arc<dyn Api>, limits: Limits) -> Result<Self, HttpError> {
        let mut server = Self { listeners: Vec::new(), api_address: None, metrics_address: None, limits };
        if let Some(address) = addresses.api {
            server.api_address =
                Some(server.listen(address, "API", "api-port", routes::api(api.clone())).await?);
        }
        if let Some(address) = addresses.metrics {
            let is_merged =
                addresses.api.is_some_and(|api| api.port() == address.port() && address.port() != 0);
            server.metrics_address = if is_merged {
                server.api_address
            } else {
                let router = routes::metrics_only(api);
                Some(server.listen(address, "metrics", "metrics-port", router).await?)
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
        let mut server = Self { listeners: Vec::new(), api_address: None, metrics_address: None, limits };
        let router = driver::routes(driver);
        server.api_address = Some(server.listen(address, "test driver", "api-port", router).await?);
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
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stopping.wait_for(|stopping| *stopping) => break,
        };
        // Ended connections leave their result behind until somebody takes it.
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, client)) => match places.clone().try_acquire_owned() {
                Ok(place) => {
                    let (router, stopping) = (router.clone(), stopping.clone());
                    connections.spawn(async move {
                        serve(stream, router, limits, stopping).await;
                        drop(place);
                    });
                }
                Err(_) => {
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

/// Says why, as far as the socket takes it at once; nothing is worth waiting for here.
fn turn_away(stream: &TcpStream) {
    let _ = stream.try_write(FULL);
}
