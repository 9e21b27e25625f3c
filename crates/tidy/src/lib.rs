//! The house rules that neither compiler nor clippy knows, held as an ordinary test (`tests/tidy.rs`).
//!
//! Each rule is a function from text to [`Violation`]s, so that its own tests can show it a sample that breaks it. The
//! measures are deliberately simple: they see tokens, not types. A rule that is in the way is changed here, with its
//! reason, not worked around there.

mod house;
mod rules;
mod source;
mod workspace;

pub use house::{Group, House, PAGE, Row};
pub use rules::{arrows, lengths, purity, width, words};
pub use source::{Source, TestModule};
pub use workspace::{Crate, Workspace};

use std::fmt;

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// The file, relative to the workspace.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.detail)
    }
}
