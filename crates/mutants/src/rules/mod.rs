//! The rules, by the crate and file that hold them.

mod engine;
mod forkchoice;
mod pools;
mod transition;
mod types;

use crate::File;

/// Every file with rules, in the order of the crates.
pub const RULES: &[&[File]] =
    &[types::FILES, transition::FILES, forkchoice::FILES, pools::FILES, engine::FILES];
