//! The page that shows a node, or a whole network: one file, with nothing fetched from elsewhere.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::events::{self, Feed, Topic};
use crate::places::Place;
use crate::routes::{JSON, bounded, failure};

/// Style, script and markup. It shows one node where it finds a node's API beside it, and a network otherwise.
const PAGE: &str = include_str!("page.html");
/// Nothing but what is in the file, and what this server says.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The paths of the page of a node; the second is where other clients have theirs.
pub(crate) fn of_a_node<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(page))
        .route("/fork_choice/ui", get(page))
        .route("/lean/v0/fork_choice/ui", get(page))
}

/// What the page of a network shows, told to all who watch it. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct NetworkPage {
    feed: Feed,
    latest: Arc<Mutex<Bytes>>,
}

impl NetworkPage {
    /// Shows a new picture: a JSON array of nodes, each with `name`, `url`, `overview` and `fork_choice`.
    pub fn show(&self, json: String) {
        let json = Bytes::from(json);
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = json.clone();
        self.feed.publish_json(Topic::Network, json);
    }
}

/// The page of a network, and what it shows.
pub(crate) fn of_a_network(page: NetworkPage) -> Router {
    let html = PAGE.replacen("data-mode=\"node\"", "data-mode=\"network\"", 1);
    let html = move || {
        let html = html.clone();
        async move { answer(html) }
    };
    let router = Router::new()
        .route("/", get(html))
        .route("/network.json", get(picture))
        .route("/events", get(pictures))
        .with_state(page);
    bounded(router, 0)
}

async fn picture(State(page): State<NetworkPage>) -> Response {
    let latest = page.latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if latest.is_empty() {
        return failure(StatusCode::SERVICE_UNAVAILABLE, "no node was asked yet");
    }
    ([(header::CONTENT_TYPE, JSON)], latest).into_response()
}

async fn pictures(State(page): State<NetworkPage>, Extension(place): Extension<Arc<Place>>) -> Response {
    let latest = page.latest.lock().unwrap_or_else(PoisonError::into_inner).clone();
    events::network(&page.feed, &place, &latest)
}

async fn page() -> Response {
    answer(PAGE)
}

fn answer(html: impl Into<Body>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, html.into()).into_response()
}
