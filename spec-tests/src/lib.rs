//! The leanSpec conformance suite.
