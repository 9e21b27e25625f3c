//! The conformance suite: runs the specification's fixtures against this client.
//!
//! A fixture is a JSON file under `<fixtures>/<set>/consensus/<kind>/`; each kind has one module in [`runners`]. A case
//! that disagrees says at which step, what was expected and what was found. Cases that this build cannot judge are
//! counted apart and never as passed.

pub mod fixtures;
pub mod json;
mod outcome;
mod report;
pub mod runners;

pub use fixtures::{Case, Fixtures, ProofSetting, Scheme};
pub use outcome::{Failure, Outcome, Verdict, expect_eq};
pub use report::{Report, no_fixtures, run_family};
