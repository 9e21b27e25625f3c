//! The routes of a test driver: a simulator sends it consensus tests piece by piece, in place of running a node.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::Semaphore;

use crate::routes::{JSON, bounded, failure, healthy};

/// Bytes of a request. The largest cases, with the states of full registries, take little more than a megabyte.
const MAX_BODY_BYTES: usize = 16 << 20;
/// Requests that are read and judged at a time; others wait for their turn. A body in memory takes several times its
/// length once it is parsed.
const MAX_CALLS: usize = 1;

/// What can be asked of a test driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriverCall {
    /// Start a fork choice at an anchor; there is no answer but that it worked.
    InitForkChoice,
    /// Take one step.
    StepForkChoice,
    /// Run a whole state transition case.
    RunStateTransition,
    /// Judge a signed block.
    VerifySignatures,
    /// Forget the fork choice; there is no answer but that it worked.
    Reset,
    /// Tell how the fork choice looks.
    Snapshot,
}

/// What judges the pieces.
pub trait TestDriver: Send + Sync + 'static {
    /// Takes JSON and answers with JSON, or with nothing where there is nothing to say. The error is a reason that the
    /// request itself cannot be used, told with status 400. Called on a blocking thread.
    fn call(&self, call: DriverCall, body: &[u8]) -> Result<Option<Vec<u8>>, String>;
}

#[derive(Clone)]
struct Shared {
    driver: Arc<dyn TestDriver>,
    calls: Arc<Semaphore>,
}

/// Everything that a test driver serves.
pub(crate) fn routes(driver: Arc<dyn TestDriver>) -> Router {
    let handle = |call| post(move |shared: State<Shared>, request| run(shared.0, call, request));
    let asked = |call| get(move |shared: State<Shared>, request| run(shared.0, call, request));
    let calls = Router::new()
        .route("/fork_choice/init", handle(DriverCall::InitForkChoice))
        .route("/fork_choice/step", handle(DriverCall::StepForkChoice))
        .route("/state_transition/run", handle(DriverCall::RunStateTransition))
        .route("/verify_signatures/run", handle(DriverCall::VerifySignatures))
        .route("/fork_choice/reset", handle(DriverCall::Reset))
        .route("/fork_choice/snapshot", asked(DriverCall::Snapshot))
        .with_state(Shared { driver, calls: Arc::new(Semaphore::new(MAX_CALLS)) });
    let router = Router::new()
        .nest("/lean/v0/test_driver", calls)
        .route("/lean/v0/health", get(healthy))
        .route("/v0/health", get(healthy));
    bounded(router, MAX_BODY_BYTES)
}

async fn run(shared: Shared, call: DriverCall, request: Request) -> Response {
    let Ok(permit) = shared.calls.clone().acquire_owned().await else {
        return failure(StatusCode::INTERNAL_SERVER_ERROR, "shutting down");
    };
    // Read only now, so that no more than one body is held.
    let body = match Bytes::from_request(request, &()).await {
        Ok(body) => body,
        Err(rejection) => return failure(rejection.status(), &rejection.body_text()),
    };
    let work = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        shared.driver.call(call, &body)
    });
    match work.await {
        Ok(Ok(Some(json))) => ([(header::CONTENT_TYPE, JSON)], json).into_response(),
        Ok(Ok(None)) => StatusCode::NO_CONTENT.into_response(),
        Ok(Err(reason)) => failure(StatusCode::BAD_REQUEST, &reason),
        Err(_) => failure(StatusCode::INTERNAL_SERVER_ERROR, "the request could not be judged"),
    }
}
