//! The routes and their exact answers.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Extension, Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use lathe_types::{
    Encode, HISTORICAL_ROOTS_LIMIT, INTERVALS_PER_SLOT, MILLISECONDS_PER_INTERVAL, MILLISECONDS_PER_SLOT,
    Root,
};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::admin::{Guard, Refusal};
use crate::api::{Api, ApiError, BlockId};
use crate::negotiate::{Format, format};
use crate::places::Place;
use crate::{compress, encode, events, origin, page};

/// The only body that a request may have is a switch.
const MAX_BODY_BYTES: usize = 4 << 10;
/// States and blocks that are encoded at the same time. A state takes up to tens of megabytes and some milliseconds;
/// more requests wait for their turn.
const MAX_ENCODINGS: usize = 2;

/// Where the aggregator role is read and switched.
const AGGREGATOR: &str = "/lean/v0/admin/aggregator";
/// Where it is read and changed how much the node logs.
const LOG_LEVEL: &str = "/lean/v0/admin/log_level";
const HEALTH: &str = r#"{"status":"healthy","service":"lean-rpc-api"}"#;
pub(crate) const JSON: &str = "application/json";
/// The description of everything that is served here.
const OPENAPI: &str = include_str!("openapi.json");
const SSZ: &str = "application/octet-stream";
const METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What an operator decides about the answers.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Who may change what the node does.
    pub admin: Guard,
    /// Origins, such as `https://board.example`, whose pages may read the API and change what the node does.
    pub origins: Vec<String>,
}

/// Where the admin routes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admin {
    /// With the API.
    Here,
    /// On an address of their own.
    Elsewhere,
}

#[derive(Clone)]
struct Shared {
    api: Arc<dyn Api>,
    options: Arc<Options>,
    encodings: Arc<Semaphore>,
}

/// Whether a path is a health check's.
pub(crate) fn is_health(path: &str) -> bool {
    matches!(path, "/health" | "/v0/health" | "/lean/v0/health")
}

/// Everything: the API and the metrics.
pub(crate) fn api(api: Arc<dyn Api>, options: &Options, admin: Admin) -> Router {
    let v0 = Router::new()
        .route("/states/{id}", get(state))
        .route("/blocks/{id}", get(block))
        .route("/blocks/{id}/header", get(block_header))
        .route("/headers/{id}", get(block_header))
        .route("/head", get(head))
        .route("/events", get(events))
        .route("/node/overview", get(overview))
        .route("/checkpoints/justified", get(justified_checkpoint))
        .route("/fork_choice", get(fork_choice))
        .route("/node/syncing", get(syncing))
        .route("/node/identity", get(identity))
        .route("/node/version", get(version))
        .route("/node/peers", get(peers))
        .route("/node/peer_count", get(peer_count))
        .route("/genesis", get(genesis))
        .route("/config/spec", get(spec));
    let router = Router::new()
        .nest("/lean/v0", v0)
        .route("/metrics", get(metrics))
        .route("/events", get(events))
        .route("/openapi.json", get(openapi))
        .merge(page::of_a_node())
        .merge(health_checks());
    let router = match admin {
        Admin::Here => router.merge(admin_routes()),
        Admin::Elsewhere => router.route(AGGREGATOR, any(elsewhere)).route(LOG_LEVEL, any(elsewhere)),
    };
    finish(router, api, options)
}

/// The metrics, and health.
pub(crate) fn metrics_only(api: Arc<dyn Api>, options: &Options) -> Router {
    finish(health_checks().route("/metrics", get(metrics)), api, options)
}

/// What changes the node.
pub(crate) fn admin_only(api: Arc<dyn Api>, options: &Options) -> Router {
    finish(admin_routes(), api, options)
}

fn admin_routes() -> Router<Shared> {
    Router::new()
        .route(AGGREGATOR, get(aggregator).post(set_aggregator))
        .route(LOG_LEVEL, get(log_level).post(set_log_level))
}

/// Health, under the paths that tools were written for.
fn health_checks() -> Router<Shared> {
    Router::new()
        .route("/lean/v0/health", get(health))
        .route("/v0/health", get(health))
        .route("/health", get(health))
}

fn finish(router: Router<Shared>, api: Arc<dyn Api>, options: &Options) -> Router {
    let encodings = Arc::new(Semaphore::new(MAX_ENCODINGS));
    let options = Arc::new(options.clone());
    let router = router.with_state(Shared { api, options: options.clone(), encodings });
    bounded(router, MAX_BODY_BYTES)
        .layer(from_fn_with_state(options, origin::allow))
        .layer(from_fn(compress::gzip))
}

/// Answers what no route takes, and refuses bodies that are too long.
pub(crate) fn bounded(router: Router, max_body_bytes: usize) -> Router {
    router
        .fallback(|| async { failure(StatusCode::NOT_FOUND, "no such route") })
        .method_not_allowed_fallback(|| async {
            failure(StatusCode::METHOD_NOT_ALLOWED, "method not allowed")
        })
        .layer(DefaultBodyLimit::max(max_body_bytes))
}

/// Whether the node runs.
async fn health(State(shared): State<Shared>) -> Response {
    match shared.api.health() {
        Ok(()) => healthy().await,
        Err(reason) => {
            let body =
                json!({ "status": "unhealthy", "service": "lean-rpc-api", "reason": reason }).to_string();
            (StatusCode::SERVICE_UNAVAILABLE, [(header::CONTENT_TYPE, JSON)], body).into_response()
        }
    }
}

pub(crate) async fn healthy() -> Response {
    ([(header::CONTENT_TYPE, JSON)], HEALTH).into_response()
}

async fn state(shared: State<Shared>, id: Path<String>, headers: HeaderMap) -> Response {
    encoded(&shared, &id, &headers, Format::Ssz, |api, id| api.state(id), encode::state).await
}

async fn block(shared: State<Shared>, id: Path<String>, headers: HeaderMap) -> Response {
    encoded(&shared, &id, &headers, Format::Ssz, |api, id| api.block(id), encode::signed_block).await
}

async fn block_header(shared: State<Shared>, id: Path<String>, headers: HeaderMap) -> Response {
    let fetch = |api: &dyn Api, id| {
        let (root, block) = api.block(id)?;
        Ok((root, Arc::new(block.block.header())))
    };
    encoded(&shared, &id, &headers, Format::Json, fetch, encode::header).await
}

async fn head(State(shared): State<Shared>) -> Response {
    // The root once more under the name that ream has for it.
    answer(shared.api.head().map(|head| json!({ "head": head.root, "root": head.root, "slot": head.slot })))
}

async fn overview(State(shared): State<Shared>) -> Response {
    answer(shared.api.overview())
}

async fn events(
    State(shared): State<Shared>,
    Extension(place): Extension<Arc<Place>>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Response {
    match query {
        Ok(Query(query)) => events::stream(&shared.api.feed(), &place, &query),
        Err(error) => failure(StatusCode::BAD_REQUEST, &error.body_text()),
    }
}

async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, JSON)], OPENAPI).into_response()
}

async fn justified_checkpoint(State(shared): State<Shared>) -> Response {
    let checkpoint = shared.api.justified_checkpoint();
    answer(checkpoint.map(|checkpoint| json!({ "slot": checkpoint.slot, "root": checkpoint.root })))
}

async fn fork_choice(State(shared): State<Shared>) -> Response {
    answer(shared.api.fork_choice())
}

async fn syncing(State(shared): State<Shared>) -> Response {
    answer(shared.api.syncing())
}

async fn identity(State(shared): State<Shared>) -> Response {
    answer(shared.api.identity())
}

async fn version(State(shared): State<Shared>) -> Response {
    answer(shared.api.identity().map(|identity| json!({ "version": identity.version })))
}

async fn peers(State(shared): State<Shared>) -> Response {
    answer(shared.api.peers())
}

async fn peer_count(State(shared): State<Shared>) -> Response {
    answer(shared.api.peers().map(|peers| json!({ "connected": peers.len() })))
}

async fn genesis(State(shared): State<Shared>) -> Response {
    let network = shared.api.network();
    answer(network.map(
        |network| json!({ "genesis_time": network.genesis_time, "validator_count": network.validator_count }),
    ))
}

async fn spec(State(shared): State<Shared>) -> Response {
    let network = shared.api.network();
    answer(network.map(|network| {
        json!({
            "MILLISECONDS_PER_SLOT": MILLISECONDS_PER_SLOT,
            "INTERVALS_PER_SLOT": INTERVALS_PER_SLOT,
            "MILLISECONDS_PER_INTERVAL": MILLISECONDS_PER_INTERVAL,
            "HISTORICAL_ROOTS_LIMIT": HISTORICAL_ROOTS_LIMIT,
            "FORK_DIGEST": network.fork_digest,
        })
    }))
}

async fn aggregator(State(shared): State<Shared>) -> Response {
    answer(shared.api.is_aggregator().map(|is_aggregator| json!({ "is_aggregator": is_aggregator })))
}

async fn set_aggregator(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(Refusal(status, why)) = shared.options.admin.check(&headers, &shared.options.origins) {
        return failure(status, why);
    }
    let Some(enabled) = switch(&body) else {
        return failure(
            StatusCode::BAD_REQUEST,
            "the body must be {\"enabled\": true} or {\"enabled\": false}",
        );
    };
    if !is_json(&headers) {
        return failure(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the content type must be application/json");
    }
    let previous = shared.api.set_aggregator(enabled);
    answer(previous.map(|previous| json!({ "is_aggregator": enabled, "previous": previous })))
}

/// The switch in a JSON object.
fn switch(body: &[u8]) -> Option<bool> {
    let body: serde_json::Map<String, Value> = serde_json::from_slice(body).ok()?;
    body.get("enabled")?.as_bool()
}

/// Whether the body is said to be JSON. A web page cannot say so without asking first.
fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = content_type.and_then(|value| value.split(';').next()).unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case(JSON)
}

async fn log_level(State(shared): State<Shared>) -> Response {
    let log = shared.api.log().ok_or(ApiError::Unavailable);
    answer(log.map(|log| json!({ "level": log.level() })))
}

async fn set_log_level(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    if let Err(Refusal(status, why)) = shared.options.admin.check(&headers, &shared.options.origins) {
        return failure(status, why);
    }
    let body: Option<serde_json::Map<String, Value>> = serde_json::from_slice(&body).ok();
    let Some(level) = body.as_ref().and_then(|body| body.get("level")?.as_str()) else {
        return failure(StatusCode::BAD_REQUEST, "the body must be {\"level\": \"debug\"} or another level");
    };
    if !is_json(&headers) {
        return failure(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the content type must be application/json");
    }
    let Some(log) = shared.api.log() else { return refuse(ApiError::Unavailable) };
    let previous = log.level();
    match log.set(level) {
        Ok(()) => answer(Ok::<_, ApiError>(json!({ "level": log.level(), "previous": previous }))),
        Err(why) => failure(StatusCode::BAD_REQUEST, &why),
    }
}

async fn elsewhere() -> Response {
    failure(StatusCode::NOT_FOUND, "admin routes have an address of their own: see --admin-address")
}

async fn metrics(State(shared): State<Shared>) -> Response {
    match shared.api.metrics() {
        Ok(text) => ([(header::CONTENT_TYPE, METRICS)], text).into_response(),
        Err(error) => refuse(error),
    }
}

/// How the node is asked for an object of a block.
type Fetch<T> = fn(&dyn Api, BlockId) -> Result<(Root, Arc<T>), ApiError>;

/// Fetches an object and encodes it, both away from the threads that serve requests. Objects of a block never change,
/// so its root is their tag.
async fn encoded<T: Encode + Send + Sync + 'static>(
    shared: &Shared,
    id: &str,
    headers: &HeaderMap,
    default: Format,
    fetch: Fetch<T>,
    to_json: fn(&T) -> Value,
) -> Response {
    let Ok(id) = id.parse() else {
        return failure(
            StatusCode::BAD_REQUEST,
            "a block is named by head, justified, finalized, a slot, or a root: 0x and 64 hex digits",
        );
    };
    let format = format(headers, default);
    let known = headers.get(header::IF_NONE_MATCH).cloned();
    let Ok(permit) = shared.encodings.clone().acquire_owned().await else {
        return refuse(ApiError::Internal);
    };
    let api = shared.api.clone();
    let work = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let (root, object) = fetch(&*api, id)?;
        let (content_type, suffix) = match format {
            Format::Ssz => (SSZ, "ssz"),
            Format::Json => (JSON, "json"),
        };
        let tag = format!("\"{root}-{suffix}\"");
        if known.is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
            return Ok((tag, content_type, None));
        }
        let body = match format {
            Format::Ssz => object.as_ssz_bytes(),
            Format::Json => serde_json::to_vec(&to_json(&object)).map_err(|_| ApiError::Internal)?,
        };
        Ok((tag, content_type, Some(body)))
    });
    match work.await {
        Ok(Ok((tag, content_type, body))) => {
            let headers = [(header::ETAG, tag.as_str()), (header::VARY, "accept")];
            match body {
                Some(body) => (headers, [(header::CONTENT_TYPE, content_type)], body).into_response(),
                None => (StatusCode::NOT_MODIFIED, headers).into_response(),
            }
        }
        Ok(Err(error)) => refuse(error),
        Err(_) => refuse(ApiError::Internal),
    }
}

fn answer<T: Serialize>(result: Result<T, ApiError>) -> Response {
    match result.and_then(|value| serde_json::to_vec(&value).map_err(|_| ApiError::Internal)) {
        Ok(body) => ([(header::CONTENT_TYPE, JSON)], body).into_response(),
        Err(error) => refuse(error),
    }
}

fn refuse(error: ApiError) -> Response {
    let status = match error {
        ApiError::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ApiError::NotFound => StatusCode::NOT_FOUND,
        ApiError::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    };
    failure(status, &error.to_string())
}

/// A failure, told in JSON.
pub(crate) fn failure(status: StatusCode, message: &str) -> Response {
    (status, [(header::CONTENT_TYPE, JSON)], json!({ "error": message }).to_string()).into_response()
}
