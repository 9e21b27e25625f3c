//! The page that shows a node, or a whole network: one file, with nothing fetched from elsewhere.

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

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

pub(crate) async fn page() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, PAGE).into_response()
}
