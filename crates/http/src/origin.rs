//! Which web pages may read the answers.
//!
//! Browsers keep a page from reading what another origin serves unless that says so. We say so to the origins that the
//! operator names, and to no others.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use crate::routes::Options;

/// Seconds that a browser may remember what is allowed.
const REMEMBER_S: &str = "600";

/// Answers with leave to read, where the operator gave it.
pub(crate) async fn allow(State(options): State<Arc<Options>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let origin = headers.get(header::ORIGIN).filter(|origin| is_named(&options, origin)).cloned();
    let Some(origin) = origin else { return next.run(request).await };
    let asks_first =
        request.method() == Method::OPTIONS && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match asks_first {
        true => {
            let leave = [
                (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
                (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type"),
                (header::ACCESS_CONTROL_MAX_AGE, REMEMBER_S),
            ];
            (StatusCode::NO_CONTENT, leave).into_response()
        }
        false => next.run(request).await,
    };
    response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    response.headers_mut().append(header::VARY, HeaderValue::from_static("origin"));
    response
}

fn is_named(options: &Options, origin: &HeaderValue) -> bool {
    options.origins.iter().any(|named| named.as_bytes() == origin.as_bytes())
}
