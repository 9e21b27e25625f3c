//! The conformance suite: runs the specification's fixtures against this client.
//!
//! A fixture is a JSON file under `<fixtures>/<set>/consensus/<kind>/`; each kind has one module in [`runners`]. A case
//! that disagrees says at which step, what was expected and what was found. Cases that this build cannot judge are
//! counted apart and never as passed.

mod driver;
pub mod fixtures;
pub mod json;
mod outcome;
mod report;
pub mod runners;

pub use driver::{Driver, DriverError};
pub use fixtures::{Case, FixtureError, FixtureFile, Fixtures, NamedCase, ProofSetting, Scheme};
pub use outcome::{Failure, Outcome, Verdict, expect_eq};
pub use report::{Report, no_fixtures, run_family};
