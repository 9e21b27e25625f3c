//! One module per rule.

pub mod arrows;
pub mod lengths;
pub mod purity;
pub mod width;
pub mod words;
