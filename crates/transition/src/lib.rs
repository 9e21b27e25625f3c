//! The state transition of Lean Ethereum as free functions.
