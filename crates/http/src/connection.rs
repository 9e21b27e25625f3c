//! One connection, from the first byte to the last.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::api::Api;
use crate::places::{Answering, Client, Numbers, Place, Places};
use crate::routes::{self, failure};
use crate::stall::Stalling;

/// What a client may do to us. Programs on this machine count as one client without a share.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time, on each port, event streams apart. A dashboard, a scraper and some syncing peers need
    /// few; every connection can hold an answer of megabytes. One that waits for its client gives way to a newcomer.
    pub max_connections: usize,
    /// Of one address.
    pub connections_per_client: usize,
    /// Further connections that are answered health checks and nothing else, for when all others are busy.
    pub health_connections: usize,
    /// Event streams at a time, on each port.
    pub max_streams: usize,
    /// Of one address.
    pub streams_per_client: usize,
    /// From the start of waiting for a request to the end of its headers.
    pub header_timeout: Duration,
    /// From the end of the headers to the start of the answer; includes the body.
    pub request_timeout: Duration,
    /// How long an answer may make no progress because the client does not read.
    pub stall_timeout: Duration,
    /// How long an answer may take from start to end, event streams apart: a slow reader holds memory.
    pub answer_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 64,
            connections_per_client: 24,
            health_connections: 8,
            max_streams: 256,
            streams_per_client: 32,
            header_timeout: Duration::from_secs(8),
            request_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(20),
            answer_timeout: Duration::from_secs(120),
        }
    }
}

impl Limits {
    pub(crate) fn places(&self) -> Arc<Places> {
        Places::new(Numbers {
            ordinary: self.max_connections,
            per_client: self.connections_per_client,
            for_health: self.health_connections,
            streams: self.max_streams,
            streams_per_client: self.streams_per_client,
        })
    }
}

/// Bytes buffered for the head of a request; longer heads are refused.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// Headers of a request; more are refused.
const MAX_HEADERS: usize = 64;
/// Bytes of a long answer that are handed on at a time, so that a connection counts as busy until nearly all of it
/// has left.
const CHUNK_BYTES: usize = 64 << 10;

/// Serves one client on a stream that is open already, as [`crate::Server`] does on the connections that it accepts:
/// until the client leaves or breaks a limit.
pub async fn serve_stream(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    api: Arc<dyn Api>,
    limits: Limits,
) {
    let (_never_stops, stopping) = watch::channel(false);
    let router = routes::api(api, &routes::Options::default(), routes::Admin::Here);
    if let Some(place) = limits.places().admit(Client::Local, Instant::now()) {
        serve(stream, router, limits, place, stopping).await;
    }
}

/// Serves one client until it leaves, breaks a limit, has to give way, or `stopping` turns true and its request is
/// answered.
pub(crate) async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send,
    router: Router,
    limits: Limits,
    place: Place,
    mut stopping: watch::Receiver<bool>,
) {
    let router = TowerToHyperService::new(router);
    let place = Arc::new(place);
    let seat = place.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        let answering = seat.answering();
        let only_health = seat.is_for_health();
        trim(request.uri_mut());
        request.extensions_mut().insert(seat.clone());
        let answer = (!only_health || routes::is_health(request.uri().path())).then(|| router.call(request));
        async move {
            let mut response = match answer {
                Some(answer) => within(limits.request_timeout, answer).await,
                None => failure(StatusCode::SERVICE_UNAVAILABLE, "all connections are taken; try again"),
            };
            if only_health {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            let guarded = |body| Body::new(Guarded { body, rest: Bytes::new(), _answering: answering });
            Ok::<Response<Body>, Infallible>(response.map(guarded))
        }
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
        () = place.given_away() => return,
        _ = stopping.wait_for(|stopping| *stopping) => {}
    }
    if place.is_streaming() {
        return;
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

/// Tools differ in whether a path ends with a slash.
fn trim(uri: &mut Uri) {
    let path = uri.path();
    if path.len() < 2 || !path.ends_with('/') {
        return;
    }
    let trimmed = match path.trim_end_matches('/') {
        "" => "/",
        trimmed => trimmed,
    };
    let target = match uri.query() {
        Some(query) => format!("{trimmed}?{query}"),
        None => trimmed.to_owned(),
    };
    if let Ok(trimmed) = target.parse() {
        *uri = trimmed;
    }
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

/// An answer on its way; while it is, its connection is busy.
struct Guarded {
    body: Body,
    /// What is left of the frame that was read last.
    rest: Bytes,
    _answering: Answering,
}

impl HttpBody for Guarded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.rest.is_empty() {
            match std::task::ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                end => return Poll::Ready(end),
            }
        }
        let length = self.rest.len().min(CHUNK_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // Bodies of one frame, which are the only ones of a known length, are exact until their first chunk is read.
        match self.body.size_hint().exact() {
            Some(length) => SizeHint::with_exact(length + self.rest.len() as u64),
            None => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slashes_at_the_end_are_dropped_and_queries_kept() {
        let trimmed = |text: &str| {
            let mut uri = text.parse().unwrap();
            trim(&mut uri);
            uri.to_string()
        };
        for (path, expected) in [
            ("/", "/"),
            ("/lean/v0/health", "/lean/v0/health"),
            ("/lean/v0/health/", "/lean/v0/health"),
            ("/lean/v0/events/?topics=a/", "/lean/v0/events?topics=a/"),
            ("///", "/"),
        ] {
            assert_eq!(trimmed(path), expected);
        }
    }
}
