//! Mailboxes, supervision and shutdown.
