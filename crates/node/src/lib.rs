//! The wiring: one folder per actor.
