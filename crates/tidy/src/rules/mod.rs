//! One module per rule.

pub mod arrows;
pub mod lengths;
pub mod panics;
pub mod purity;
pub mod words;
