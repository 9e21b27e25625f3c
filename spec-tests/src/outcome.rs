//! What running one case can end in.

use std::fmt;

/// How a case that did not fail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every expectation held.
    Passed,
    /// Judging the case takes a real leanVM verifier, which is not at hand.
    NeedsLeanVm,
    /// No runner judges this kind of case yet.
    NotRun,
    /// The fixture states a rule that the specification changed after the fixtures were made; the text says which.
    KnownDifference(&'static str),
}

/// What the runner of a kind returns for a case.
pub type Outcome = Result<Verdict, Failure>;

/// A disagreement between a fixture and this client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Failure {
    /// Where in the case: a step number, a field, an operation. Empty when the case is a single check.
    pub step: String,
    /// What the fixture asks for.
    pub expected: String,
    /// What this client does.
    pub found: String,
}

impl Failure {
    /// A disagreement in a case that is a single check.
    pub fn new(expected: impl fmt::Display, found: impl fmt::Display) -> Self {
        Self { step: String::new(), expected: expected.to_string(), found: found.to_string() }
    }

    /// The same disagreement, placed at `step`. Outer places go in front of inner ones.
    #[must_use]
    pub fn at(mut self, step: impl fmt::Display) -> Self {
        self.step = if self.step.is_empty() { step.to_string() } else { format!("{step}, {}", self.step) };
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.step.is_empty() {
            write!(f, "at {}: ", self.step)?;
        }
        write!(f, "expected {}, found {}", self.expected, self.found)
    }
}

/// `Ok` when `expected` and `found` are equal; otherwise a failure that shows both, placed at `what`.
pub fn expect_eq<T: PartialEq + fmt::Debug>(
    what: impl fmt::Display,
    expected: &T,
    found: &T,
) -> Result<(), Failure> {
    if expected == found {
        return Ok(());
    }
    Err(Failure::new(format!("{expected:?}"), format!("{found:?}")).at(what))
}
