//! The test driver that hive's simulator talks to in place of a node: it sends fixtures piece by piece, and compares
//! the answers itself. What judges a piece is what judges a fixture file.

use lathe_http::DriverCall;
use lathe_types::Rejection;
use serde::Serialize;
use std::sync::{Mutex, PoisonError};

use crate::fixtures::Case;
use crate::outcome::Failure;
use crate::runners::fork_choice::drive::Drive;
use crate::runners::{state_transition, verify_signatures};

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// The body is not what that request takes.
    #[error("the body cannot be used: {0}")]
    Body(#[from] serde_json::Error),
    /// A part of the body makes no sense.
    #[error("expected {}, found {} ({})", .0.expected, .0.found, .0.step)]
    Nonsense(Failure),
    /// The anchor does not fit its state.
    #[error("the anchor is refused: {0}")]
    Anchor(String),
    /// A step came before an anchor.
    #[error("no fork choice has been started")]
    NotStarted,
}
impl lathe_http::TestDriver for Driver {
    fn call(&self, call: DriverCall, body: &[u8]) -> Result<Option<Vec<u8>>, String> {
        let answer = match call {
            DriverCall::InitForkChoice => self.init_fork_choice(body).map(|()| None),
            DriverCall::StepForkChoice => self.step_fork_choice(body).map(Some),
            DriverCall::RunStateTransition => self.run_state_transition(body).map(Some),
            DriverCall::VerifySignatures => self.verify_signatures(body).map(Some),
            DriverCall::Reset => {
                self.reset();
                Ok(None)
            }
            DriverCall::Snapshot => self.snapshot().map(Some),
        };
        answer.map_err(|error| error.to_string())
    }
}

/// Answers JSON with JSON. It holds one fork choice at a time; the other requests stand alone.
#[derive(Default)]
pub struct Driver {
    fork_choice: Mutex<Option<Drive>>,
}

impl Driver {
    /// `fork_choice/init`: starts a fork choice at an anchor, in place of the one before.
    pub fn init_fork_choice(&self, body: &[u8]) -> Result<(), DriverError> {
        let anchor = serde_json::from_slice(body)?;
        let mut current = self.fork_choice.lock().unwrap_or_else(PoisonError::into_inner);
        *current = None;
        *current = Some(Drive::start(anchor).map_err(DriverError::Anchor)?);
        Ok(())
    }

    /// `fork_choice/step`: takes a fixture's step and tells how the store looks after it.
    pub fn step_fork_choice(&self, body: &[u8]) -> Result<Vec<u8>, DriverError> {
        let step = serde_json::from_slice(body)?;
        let mut current = self.fork_choice.lock().unwrap_or_else(PoisonError::into_inner);
        let drive = current.as_mut().ok_or(DriverError::NotStarted)?;
        answer(&drive.step(step).map_err(DriverError::Nonsense)?)
    }

    /// `fork_choice/reset`: forgets the fork choice.
    pub fn reset(&self) {
        *self.fork_choice.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// `fork_choice/snapshot`: tells how the store looks.
    pub fn snapshot(&self) -> Result<Vec<u8>, DriverError> {
        let current = self.fork_choice.lock().unwrap_or_else(PoisonError::into_inner);
        answer(&current.as_ref().ok_or(DriverError::NotStarted)?.snapshot())
    }

    /// `state_transition/run`: runs a whole case and tells what the state came to.
    pub fn run_state_transition(&self, body: &[u8]) -> Result<Vec<u8>, DriverError> {
        answer(&state_transition::drive(&case("state_transition", body)?).map_err(DriverError::Nonsense)?)
    }

    /// `verify_signatures/run`: judges a signed block against a state.
    pub fn verify_signatures(&self, body: &[u8]) -> Result<Vec<u8>, DriverError> {
        answer(&verify_signatures::drive(&case("verify_signatures", body)?).map_err(DriverError::Nonsense)?)
    }
}

fn case(kind: &str, body: &[u8]) -> Result<Case, DriverError> {
    Case::from_request(kind, serde_json::from_slice(body)?).map_err(DriverError::Nonsense)
}

fn answer(report: &impl Serialize) -> Result<Vec<u8>, DriverError> {
    Ok(serde_json::to_vec(report)?)
}

/// How a whole case ended; `post` is there for those that have a state to show.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CaseReport<Post> {
    succeeded: bool,
    error: Option<String>,
    /// The specification's name of the reason, if a rule refused it.
    rejection_reason: Option<&'static str>,
    #[serde(flatten)]
    post: Post,
}

impl<Post: Default> CaseReport<Post> {
    /// It went through.
    pub(crate) fn success(post: Post) -> Self {
        Self { succeeded: true, error: None, rejection_reason: None, post }
    }

    /// A rule refused it.
    pub(crate) fn rejection(rejection: &Rejection) -> Self {
        Self { rejection_reason: Some(rejection.reason.name()), ..Self::failure(rejection) }
    }

    /// It did not, or nobody here can say.
    pub(crate) fn failure(error: &impl ToString) -> Self {
        let error = Some(error.to_string());
        Self { succeeded: false, error, rejection_reason: None, post: Post::default() }
    }
}
