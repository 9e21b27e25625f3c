//! A seeded simulator of many engines.
