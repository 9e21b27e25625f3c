//! What running one case can end in.

use std::fmt;

/// How a case that did not fail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every expectation held.
    Passed,
    /// Judging the case takes a real leanVM verifier, which is not at hand.
    NeedsLeanVm,
    /// No runner judges this kind of case.
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

/// A line for each part, indented, to stand below the case's id.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.step.is_empty() {
            writeln!(f, "  at        {}", self.step)?;
        }
        let (expected, found) = focus(&self.expected, &self.found);
        write!(f, "  expected  {expected}\n  found     {found}")
    }
}

/// Characters of a long value that are shown before the place where it differs, and from there on.
const SHOWN_BEFORE: usize = 60;
const SHOWN_AFTER: usize = 240;
/// Stands where a long value begins to differ.
const MARK: &str = " >> ";

/// Two values cut to the place where they part, if they are long: states and blocks are.
fn focus(expected: &str, found: &str) -> (String, String) {
    let common = expected.chars().zip(found.chars()).take_while(|(a, b)| a == b).count();
    let is_long = |value: &str| value.chars().count() > SHOWN_BEFORE + SHOWN_AFTER;
    if !is_long(expected) && !is_long(found) {
        return (expected.to_owned(), found.to_owned());
    }
    let cut = |value: &str| {
        let skipped = common.saturating_sub(SHOWN_BEFORE);
        let alike: String = value.chars().take(common).skip(skipped).collect();
        let differs: String = value.chars().skip(common).take(SHOWN_AFTER).collect();
        let before = if skipped > 0 { format!("[{skipped} alike] ...") } else { String::new() };
        let mark = if common > 0 { MARK } else { "" };
        let rest = value.chars().count().saturating_sub(common + SHOWN_AFTER);
        let after = if rest > 0 { format!("... [{rest} more]") } else { String::new() };
        format!("{before}{alike}{mark}{differs}{after}")
    };
    (cut(expected), cut(found))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_cut_to_where_they_differ() {
        let (same, tail) = ("a".repeat(1000), "c".repeat(1000));
        let text = Failure::new(format!("{same}b{tail}"), format!("{same}d")).at("body").to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "  at        body");
        let sixty = "a".repeat(60);
        let seen = format!("  expected  [940 alike] ...{sixty} >> b{}... [761 more]", "c".repeat(239));
        assert_eq!(lines[1], seen);
        assert_eq!(lines[2], format!("  found     [940 alike] ...{sixty} >> d"));
        assert_eq!(Failure::new("x", "y").to_string(), "  expected  x\n  found     y");
    }
}
