//! The sans-IO consensus engine: inputs in, effects out.

mod io;

pub use io::*;
