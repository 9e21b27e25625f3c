//! One connection, from the first byte to the last.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::api::Api;
use crate::routes::{self, failure};
use crate::stall::Stalling;

/// What a client may do to us.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time, on each port. A dashboard, a scraper and some syncing peers need few; every connection
    /// can hold an answer of tens of megabytes.
    pub max_connections: usize,
    /// From the start of waiting for a request to the end of its headers.
    pub header_timeout: Duration,
    /// From the end of the headers to the start of the answer; includes the body.
    pub request_timeout: Duration,
    /// How long an answer may make no progress because the client does not read.
    pub stall_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 64,
            header_timeout: Duration::from_secs(8),
            request_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(20),
        }
    }
}

/// Bytes buffered for the head of a request; longer heads are refused.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// Headers of a request; more are refused.
const MAX_HEADERS: usize = 64;

/// Serves one client on a stream that is open already, as [`crate::Server`] does on the connections that it accepts:
/// until the client leaves or breaks a limit.
pub async fn serve_stream(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    api: Arc<dyn Api>,
    limits: Limits,
) {
    let (_never_stops, stopping) = watch::channel(false);
    serve(stream, routes::api(api), limits, stopping).await;
}

/// Serves one client until it leaves, breaks a limit, or `stopping` turns true and its request is answered.
pub(crate) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    router: Router,
    limits: Limits,
    mut stopping: watch::Receiver<bool>,
) {
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |request: Request<Incoming>| {
        let answer = router.call(request);
        async move { Ok::<Response<Body>, Infallible>(within(limits.request_timeout, answer).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(MAX_HEAD_BYTES)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(Stalling::new(stream, limits.stall_timeout)), service);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // A client that breaks off is its own business.
        _ = connection.as_mut() => return,
        _ = stopping.wait_for(|stopping| *stopping) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

async fn within(
    limit: Duration,
    answer: impl Future<Output = Result<Response<Body>, Infallible>>,
) -> Response<Body> {
    match timeout(limit, answer).await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(_) => failure(StatusCode::REQUEST_TIMEOUT, "the request took too long"),
    }
}
