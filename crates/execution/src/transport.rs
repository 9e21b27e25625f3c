//! JSON-RPC over HTTP/1.1 with a token for each request, a time limit for each call, and a limit for each answer.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::answer::shorten;
use crate::error::ExecutionError;
use crate::jwt::JwtSecret;

/// JSON-RPC's "method not found".
pub(crate) const METHOD_NOT_FOUND: i64 = -32601;
/// JSON-RPC's "server error", by which some clients refuse a token.
const SERVER_ERROR: i64 = -32000;
/// The Engine API's "unsupported fork".
pub(crate) const UNSUPPORTED_FORK: i64 = -38005;
/// Idle connections kept: calls go out one after the other.
const IDLE_CONNECTIONS: usize = 1;

/// Where an execution client serves the Engine API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Uri);

impl FromStr for Endpoint {
    type Err = ExecutionError;

    fn from_str(text: &str) -> Result<Self, ExecutionError> {
        let refused = |detail| ExecutionError::Endpoint { endpoint: text.to_owned(), detail };
        let uri: Uri = text.parse().map_err(|_| refused("not a URL"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(refused("TLS is not spoken here, use a proxy or a tunnel")),
            _ => return Err(refused("not an http:// URL")),
        }
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(refused("a user name has no place in it"));
        }
        Ok(Self(uri))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A method with what its answer may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub method: &'static str,
    pub timeout: Duration,
    /// Bytes of the answer.
    pub limit: usize,
}

/// Carries calls. One connection is kept open; a broken one is opened again by the next call.
pub(crate) struct Transport {
    client: Client<HttpConnector, Full<Bytes>>,
    endpoint: Endpoint,
    secret: JwtSecret,
    next_id: AtomicU64,
}

#[derive(Serialize)]
struct Question<'a, P> {
    jsonrpc: &'static str,
    id: u64,
    method: &'a str,
    params: P,
}

/// An answer with `result` or `error`. Some clients write the other one as null.
#[derive(Deserialize)]
struct Answer<R> {
    id: Option<serde_json::Value>,
    #[serde(default = "Option::default")]
    result: Option<R>,
    #[serde(default)]
    error: Option<RpcError>,
}

#[derive(Deserialize)]
struct RpcError {
    code: i64,
    #[serde(default)]
    message: String,
}

impl Transport {
    pub(crate) fn new(endpoint: Endpoint, secret: JwtSecret) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client =
            Client::builder(TokioExecutor::new()).pool_max_idle_per_host(IDLE_CONNECTIONS).build(connector);
        Self { client, endpoint, secret, next_id: AtomicU64::new(1) }
    }

    pub(crate) async fn call<P: Serialize, R: DeserializeOwned>(
        &self,
        call: Call,
        params: P,
    ) -> Result<R, ExecutionError> {
        let Call { method, timeout, limit } = call;
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let request = self.request(method, id, params)?;
        let exchange = async {
            let response = self.client.request(request).await.map_err(|error| unreachable(method, &error))?;
            read(method, limit, response).await
        };
        let body = tokio::time::timeout(timeout, exchange)
            .await
            .map_err(|_| ExecutionError::Timeout { method, limit: timeout })??;
        decode(method, id, &body)
    }

    fn request<P: Serialize>(
        &self,
        method: &'static str,
        id: u64,
        params: P,
    ) -> Result<Request<Full<Bytes>>, ExecutionError> {
        let malformed = |detail: String| ExecutionError::Malformed { method, detail };
        let question = serde_json::to_vec(&Question { jsonrpc: "2.0", id, method, params })
            .map_err(|error| malformed(error.to_string()))?;
        let issued_at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Request::builder()
            .method(Method::POST)
            .uri(self.endpoint.0.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, format!("Bearer {}", self.secret.token(issued_at)))
            .body(Full::new(question.into()))
            .map_err(|error| malformed(error.to_string()))
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

fn unreachable(method: &'static str, error: &dyn std::error::Error) -> ExecutionError {
    // The innermost cause says what the system said; those around it say that there is a client.
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    ExecutionError::Unreachable { method, detail: shorten(&cause.to_string()) }
}

/// Reads the body up to `limit` bytes. A longer one is refused by its announced length, or once it is exceeded.
async fn read(
    method: &'static str,
    limit: usize,
    response: Response<Incoming>,
) -> Result<Bytes, ExecutionError> {
    match response.status() {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Err(ExecutionError::Unauthorised { method });
        }
        status if !status.is_success() => {
            return Err(ExecutionError::Http { method, status: status.as_u16() });
        }
        _ => {}
    }
    if response.body().size_hint().lower() > limit as u64 {
        return Err(ExecutionError::TooLarge { method, limit });
    }
    match Limited::new(response.into_body(), limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(ExecutionError::TooLarge { method, limit }),
        Err(error) => Err(unreachable(method, &*error)),
    }
}

pub(crate) fn decode<R: DeserializeOwned>(
    method: &'static str,
    id: u64,
    body: &[u8],
) -> Result<R, ExecutionError> {
    let malformed = |detail: String| ExecutionError::Malformed { method, detail };
    let answer: Answer<R> = serde_json::from_slice(body).map_err(|error| malformed(error.to_string()))?;
    if let Some(RpcError { code, message }) = answer.error {
        let lower = message.to_lowercase();
        if code == SERVER_ERROR && (lower.contains("auth") || lower.contains("jwt")) {
            return Err(ExecutionError::Unauthorised { method });
        }
        return Err(ExecutionError::Rpc { method, code, message: shorten(&message) });
    }
    if answer.id != Some(id.into()) {
        return Err(malformed("it answers another request".into()));
    }
    match answer.result {
        Some(result) => Ok(result),
        // Null is an answer where the method has one.
        None => serde_json::from_str("null").map_err(|_| malformed("it has neither result nor error".into())),
    }
}
