//! Reading values out of YAML without its opinions about numbers.
//!
//! Documents are parsed into strings first: an unquoted `0x00ab` is a number to YAML and would lose its zeros, and a
//! public key such as `12e4...` would become a float. The strings are then read as what the field is known to be.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;

use lathe_types::{PublicKey, VALIDATOR_REGISTRY_LIMIT, ValidatorIndex};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use crate::error::ConfigError;

/// A field of a file, for reading and for blaming.
pub(crate) struct Field<'a> {
    path: &'a Path,
    name: String,
}

impl<'a> Field<'a> {
    pub(crate) fn new(path: &'a Path, name: impl Into<String>) -> Self {
        Self { path, name: name.into() }
    }

    pub(crate) fn error(&self, problem: impl Into<String>, advice: impl Into<String>) -> ConfigError {
        ConfigError::field(self.path, self.name.clone(), problem, advice)
    }

    /// The value, which must be there.
    pub(crate) fn required<'v>(
        &self,
        value: Option<&'v String>,
        advice: &str,
    ) -> Result<&'v str, ConfigError> {
        value
            .map(|value| value.trim())
            .filter(|value| !value.is_empty())
            .ok_or_else(|| self.error("missing", advice))
    }

    pub(crate) fn number(&self, value: &str) -> Result<u64, ConfigError> {
        let digits = value.trim();
        digits
            .parse()
            .map_err(|_| self.error(format!("{} is not a number", shorten(digits)), "write a whole number"))
    }

    pub(crate) fn optional_number(&self, value: Option<&String>) -> Result<Option<u64>, ConfigError> {
        value.filter(|value| !is_null(value)).map(|value| self.number(value)).transpose()
    }

    pub(crate) fn port(&self, value: Option<&String>) -> Result<Option<u16>, ConfigError> {
        let number = self.optional_number(value)?;
        let range = || self.error("not a port", "write a number between 1 and 65535");
        number.map(|number| u16::try_from(number).ok().filter(|port| *port > 0).ok_or_else(range)).transpose()
    }

    pub(crate) fn flag(&self, value: Option<&String>) -> Result<Option<bool>, ConfigError> {
        let Some(value) = value.filter(|value| !is_null(value)) else { return Ok(None) };
        match value.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" => Ok(Some(true)),
            "false" | "no" | "off" => Ok(Some(false)),
            _ => {
                Err(self
                    .error(format!("{} is neither true nor false", shorten(value)), "write true or false"))
            }
        }
    }

    pub(crate) fn validator_index(&self, value: &str) -> Result<ValidatorIndex, ConfigError> {
        let index = self.number(value)?;
        if index >= VALIDATOR_REGISTRY_LIMIT {
            let problem = format!("no validator can have index {index}");
            return Err(self.error(problem, format!("indices go up to {}", VALIDATOR_REGISTRY_LIMIT - 1)));
        }
        Ok(ValidatorIndex(index))
    }

    pub(crate) fn hex<const N: usize>(&self, value: &str) -> Result<[u8; N], ConfigError> {
        let digits = value.trim();
        let digits = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")).unwrap_or(digits);
        let advice = || format!("write {} hex digits, with or without 0x", 2 * N);
        if digits.len() != 2 * N {
            return Err(self.error(format!("has {} characters", digits.len()), advice()));
        }
        let mut bytes = [0; N];
        // The digits themselves are not repeated: they may be a secret.
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| self.error("is not hex", advice()))?;
        Ok(bytes)
    }

    /// A public key of any scheme, told by its length. What is of no length of a key is measured against leansig's.
    pub(crate) fn public_key(&self, value: &str) -> Result<PublicKey, ConfigError> {
        let digits = value.trim();
        let digits = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")).unwrap_or(digits);
        if digits.len() == 2 * PublicKey::SHORT_LEN {
            return Ok(PublicKey::from(self.hex::<{ PublicKey::SHORT_LEN }>(value)?));
        }
        let bytes = self.hex::<{ PublicKey::LEN }>(value)?;
        lathe_leansig::PublicKey::decode(&bytes).map_err(|error| {
            self.error(error.to_string(), "take the public key from the key generator again")
        })?;
        Ok(PublicKey::from(bytes))
    }
}

fn is_null(value: &str) -> bool {
    matches!(value.trim(), "" | "~" | "null" | "Null" | "NULL")
}

/// A value for an error message: what an operator needs to find it, not more.
pub(crate) fn shorten(value: &str) -> String {
    const SHOWN: usize = 40;
    match value.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("`{}...`", &value[..end]),
        None => format!("`{value}`"),
    }
}

/// A mapping in the order of the file. A key that stands twice is an error: one of the two would be lost.
#[derive(Clone, Debug)]
pub(crate) struct Entries<V>(pub(crate) Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Entries<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor<V>(PhantomData<V>);

        impl<'de, V: Deserialize<'de>> Visitor<'de> for EntriesVisitor<V> {
            type Value = Entries<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping from node names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries: Vec<(String, V)> = Vec::new();
                let mut seen = std::collections::HashSet::new();
                while let Some(key) = map.next_key::<String>()? {
                    if !seen.insert(key.clone()) {
                        return Err(serde::de::Error::custom(format!("{} stands twice", shorten(&key))));
                    }
                    entries.push((key, map.next_value()?));
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}
