//! Flips one consensus rule at a time and asks the tests to notice: `make mutants`.
//!
//! [`RULES`] is the list, one flip per rule, in the words of the source. A flip names the exact text that it replaces,
//! which has to stand in its file once; a test holds the list to the source. The binary works on a copy of the
//! workspace.
//!
//! [`PLANTED`] is a list of the same kind for the simulator: bugs in what is written to disks and into proofs, that
//! only a network in trouble shows (`make planted`).

mod planted;
mod rules;
mod tree;
mod trial;

pub use planted::{PLANTED, PLANTED_SLOTS, Planted};
pub use rules::RULES;
pub use tree::Tree;
pub use trial::{Outcome, Trial};

use std::fmt;

/// The flips in one file.
#[derive(Clone, Copy, Debug)]
pub struct File {
    /// The file, relative to the workspace.
    pub path: &'static str,
    /// Its flips.
    pub flips: &'static [Flip],
}

impl File {
    /// The crate that the file belongs to, by its directory's name.
    pub fn crate_name(&self) -> &'static str {
        self.path.split('/').nth(1).unwrap_or_default()
    }
}

/// A rule, and how to break it.
#[derive(Clone, Copy, Debug)]
pub struct Flip {
    /// What holds as long as the source is not flipped.
    pub rule: &'static str,
    /// The text that makes it hold.
    pub old: &'static str,
    /// The text that breaks it.
    pub new: &'static str,
}

/// A flip that does not fit the source any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale {
    /// How often the text to replace was found.
    pub found: usize,
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "its text stands in the file {} times instead of once", self.found)
    }
}

impl Flip {
    /// The source with the rule broken.
    pub fn apply(&self, source: &str) -> Result<String, Stale> {
        match source.matches(self.old).count() {
            1 => Ok(source.replacen(self.old, self.new, 1)),
            found => Err(Stale { found }),
        }
    }
}
