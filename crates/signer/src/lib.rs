//! Key files and the append-only signing ledger that keeps every one-time key used once.
