//! The HTTP API and the metrics endpoint.
