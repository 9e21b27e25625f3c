//! The node's secp256k1 key: who we are to our peers.

use std::fmt;

use libp2p::PeerId;
use libp2p::identity::{Keypair, secp256k1};

use crate::error::Error;

/// Digits of a node key in hexadecimal.
const HEX_LEN: usize = 64;

/// A node's secret key. `Debug` prints the peer id, never the secret.
#[derive(Clone)]
pub struct NodeKey(secp256k1::Keypair);

impl NodeKey {
    /// A fresh random key.
    pub fn generate() -> Self {
        Self(secp256k1::Keypair::generate())
    }

    /// Reads the content of a key file: 64 hexadecimal digits, with or without `0x` and surrounding white space.
    pub fn from_hex(text: &str) -> Result<Self, Error> {
        let digits = text.trim();
        let digits = digits.strip_prefix("0x").unwrap_or(digits);
        if digits.len() != HEX_LEN {
            return Err(Error::NodeKey("wrong length"));
        }
        let bytes = hex::decode(digits).map_err(|_| Error::NodeKey("not hexadecimal"))?;
        Self::from_bytes(&bytes)
    }

    /// The key with these 32 secret bytes.
    pub fn from_bytes(secret: &[u8]) -> Result<Self, Error> {
        let mut bytes: [u8; 32] = secret.try_into().map_err(|_| Error::NodeKey("wrong length"))?;
        let secret = secp256k1::SecretKey::try_from_bytes(&mut bytes)
            .map_err(|_| Error::NodeKey("not a valid secp256k1 scalar"))?;
        Ok(Self(secp256k1::Keypair::from(secret)))
    }

    /// The secret, as a key file holds it: 64 hexadecimal digits.
    pub fn to_hex(&self) -> String {
        hex::encode(self.secret_bytes())
    }

    /// The identity that peers know this key by (`16Uiu2HA...`).
    pub fn peer_id(&self) -> PeerId {
        self.keypair().public().to_peer_id()
    }

    /// The key in libp2p's wrapping.
    pub(crate) fn keypair(&self) -> Keypair {
        self.0.clone().into()
    }

    pub(crate) fn secret_bytes(&self) -> [u8; 32] {
        self.0.secret().to_bytes()
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeKey({})", self.peer_id())
    }
}

/// The peer id of the node that holds `secret` (hexadecimal), for labelling peers by their configured names.
pub fn peer_id_of(secret: &str) -> Result<PeerId, Error> {
    NodeKey::from_hex(secret).map(|key| key.peer_id())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "92632b19912f46b73a0e081ad42cc47e0c41be8c07f3e6d06cc431ede412bcf0";

    #[test]
    fn key_files_parse_in_every_spelling() {
        let id = peer_id_of(SECRET).unwrap();
        assert!(id.to_string().starts_with("16Uiu2HA"), "{id}");
        for spelling in
            [format!("0x{SECRET}"), format!("{SECRET}\n"), SECRET.to_uppercase(), format!(" {SECRET}\r\n")]
        {
            assert_eq!(peer_id_of(&spelling), Ok(id), "{spelling:?}");
        }
        assert_eq!(NodeKey::from_hex(SECRET).unwrap().to_hex(), SECRET);
    }

    #[test]
    fn malformed_keys_are_named() {
        let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
        for (text, why) in [
            ("", "wrong length"),
            ("0x12", "wrong length"),
            (&SECRET.replace('9', "g"), "not hexadecimal"),
            (&"0".repeat(64), "not a valid secp256k1 scalar"),
            (order, "not a valid secp256k1 scalar"),
        ] {
            assert_eq!(peer_id_of(text), Err(Error::NodeKey(why)), "{text}");
        }
    }

    #[test]
    fn the_secret_is_not_in_debug_output() {
        let key = NodeKey::from_hex(SECRET).unwrap();
        assert!(!format!("{key:?}").contains("9263"));
    }

    #[test]
    fn generated_keys_differ() {
        assert_ne!(NodeKey::generate().peer_id(), NodeKey::generate().peer_id());
    }
}
