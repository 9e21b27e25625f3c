//! Secret keys of every signature scheme: one type over them, and the formats of their files.
//!
//! Which scheme a key must be of is the network's to say ([`SigningKey::decode`]); who only looks at a file is told by
//! its content ([`StoredKey::decode`]). Files come from outside: what they hold is checked before it is believed, and a
//! file of another scheme or layout is refused when it is read, not when its first duty is due.

mod format;
mod outside;
mod signing_key;
mod stored;

pub use format::KeyFormat;
pub use lathe_leansig::{Prod, Scheme};
pub use outside::{OutsideKey, OutsideSigner, OutsideTask, encode_outside_key};
pub use signing_key::{KeyError, SigningKey, Subtree, Task, is_built_in};
pub use stored::StoredKey;
