//! The secret identity of a node on the network: `<node>.key`.

use std::fmt;
use std::path::Path;

use rand::TryRng as _;
use zeroize::Zeroizing;

use crate::error::ConfigError;
use crate::files::{MAX_NODE_KEY_BYTES, read_text};
use crate::scalar::Field;

/// A secp256k1 secret: 32 bytes, never printed. Whether it is a valid scalar is for the network to say.
#[derive(Clone)]
pub struct NodeKey(Zeroizing<[u8; 32]>);

impl NodeKey {
    /// Reads a key file: 64 hex digits, with or without `0x`, with or without a line end.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let advice = "pass the <node>.key file of the network, or its path with --node-key";
        let text = Zeroizing::new(read_text(path, MAX_NODE_KEY_BYTES, advice)?);
        Self::parse(&Field::new(path, "node key"), &text)
    }

    pub(crate) fn parse(field: &Field<'_>, text: &str) -> Result<Self, ConfigError> {
        field.hex(text.trim().trim_matches('"')).map(|bytes| Self(Zeroizing::new(bytes)))
    }

    /// A new key from the operating system's randomness.
    pub fn generate() -> Result<Self, ConfigError> {
        let mut bytes = Zeroizing::new([0; 32]);
        let filled = rand::rngs::SysRng.try_fill_bytes(bytes.as_mut());
        filled.map_err(|error| ConfigError::Entropy(error.to_string()))?;
        Ok(Self(bytes))
    }

    /// The secret.
    pub fn secret(&self) -> &[u8; 32] {
        &self.0
    }

    /// The secret as the file holds it.
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(self.0.as_ref()))
    }
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NodeKey(secret)")
    }
}
