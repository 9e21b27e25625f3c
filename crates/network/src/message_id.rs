//! Gossip message ids.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// Domain of messages whose payload is not valid snappy; the id covers the raw bytes.
pub const MESSAGE_DOMAIN_INVALID_SNAPPY: [u8; 4] = [0, 0, 0, 0];
/// Domain of messages whose payload decompresses; the id covers the decompressed bytes.
pub const MESSAGE_DOMAIN_VALID_SNAPPY: [u8; 4] = [1, 0, 0, 0];

/// Names a gossip message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub [u8; Self::LEN]);

impl MessageId {
    /// Length in bytes.
    pub const LEN: usize = 20;

    /// `SHA256(domain || u64_le(len(topic)) || topic || data)[:20]`.
    pub fn compute(domain: [u8; 4], topic: &[u8], data: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(domain);
        hasher.update((topic.len() as u64).to_le_bytes());
        hasher.update(topic);
        hasher.update(data);
        let digest: [u8; 32] = hasher.finalize().into();
        let mut id = [0; Self::LEN];
        id.copy_from_slice(&digest[..Self::LEN]);
        Self(id)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_ids() {
        for (domain, topic, data, id) in [
            (MESSAGE_DOMAIN_VALID_SNAPPY, "", "", "ca888f40c3caca805b37a5434c75de5550616e07"),
            (
                MESSAGE_DOMAIN_INVALID_SNAPPY,
                "test-topic",
                "hello world",
                "144f143f82dbaf88cf586116efe027443750b97c",
            ),
            (
                MESSAGE_DOMAIN_VALID_SNAPPY,
                "test-topic",
                "hello world",
                "2e09dafa813949f06738e85887b351aa6c7dc3ad",
            ),
        ] {
            assert_eq!(MessageId::compute(domain, topic.as_bytes(), data.as_bytes()).to_string(), id);
        }
    }
}
