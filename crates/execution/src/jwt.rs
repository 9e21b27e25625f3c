//! Proving to the execution client who we are: HS256 tokens with the time of issue.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Length of the secret in bytes.
const SECRET_BYTES: usize = 32;
/// Block length of SHA-256 in bytes: HMAC pads shorter keys to it with zeros.
const BLOCK_BYTES: usize = 64;
/// Longest secret file read: the digits, a prefix and generous white space.
const MAX_FILE_BYTES: u64 = 256;
/// `{"alg":"HS256","typ":"JWT"}`
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// The secret that both clients share. It is wiped when dropped and never shown.
#[derive(Clone)]
pub struct JwtSecret(Zeroizing<[u8; BLOCK_BYTES]>);

/// Why there is no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("{path}: cannot be read: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The content is something else. It is not shown, because it may be most of a secret.
    #[error("a JWT secret is 32 bytes in hex (64 digits, 0x before them or not)")]
    Malformed,
}

impl JwtSecret {
    /// The secret of a file as all execution clients write and read it: 64 hex digits, `0x` optional.
    pub fn from_file(path: &Path) -> Result<Self, SecretError> {
        let failed = |source| SecretError::File { path: path.into(), source };
        let mut text = Zeroizing::new(String::with_capacity(MAX_FILE_BYTES as usize + 1));
        let file = File::open(path).map_err(failed)?;
        file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
        if text.len() as u64 > MAX_FILE_BYTES {
            return Err(SecretError::Malformed);
        }
        Self::from_hex(&text)
    }

    /// The secret from its digits.
    pub fn from_hex(text: &str) -> Result<Self, SecretError> {
        let digits = text.trim();
        let digits = digits.strip_prefix("0x").unwrap_or(digits);
        let mut key = Zeroizing::new([0; BLOCK_BYTES]);
        alloy_primitives::hex::decode_to_slice(digits, &mut key[..SECRET_BYTES])
            .map_err(|_| SecretError::Malformed)?;
        Ok(Self(key))
    }

    /// A token issued at `issued_at` (unix seconds). Execution clients accept it for a minute.
    pub fn token(&self, issued_at: u64) -> String {
        let claims = URL_SAFE_NO_PAD.encode(format!("{{\"iat\":{issued_at}}}"));
        let mut mac = Hmac::<Sha256>::new((&*self.0).into());
        let signed = format!("{HEADER}.{claims}");
        mac.update(signed.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        format!("{signed}.{signature}")
    }
}

impl fmt::Debug for JwtSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JwtSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGITS: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    /// Made with Python's `hmac`.
    const EXPECTED: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3MDAwMDAwMDB9.uAxdaUtr1_HpYPtNDLNlQ_sHMiP5eBV-ra8EjL3ScS8";

    #[test]
    fn a_token_is_what_other_implementations_make() {
        let secret = JwtSecret::from_hex(DIGITS).unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(HEADER).unwrap(), br#"{"alg":"HS256","typ":"JWT"}"#);
        assert_eq!(secret.token(1_700_000_000), EXPECTED);
    }

    #[test]
    fn the_prefix_and_white_space_are_optional() {
        let plain = JwtSecret::from_hex(DIGITS).unwrap().token(7);
        for text in
            [format!("0x{DIGITS}"), format!("{DIGITS}\n"), format!(" 0x{}\r\n", DIGITS.to_uppercase())]
        {
            assert_eq!(JwtSecret::from_hex(&text).unwrap().token(7), plain);
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jwt.hex");
        std::fs::write(&path, format!("0x{DIGITS}\n")).unwrap();
        assert_eq!(JwtSecret::from_file(&path).unwrap().token(7), plain);
    }

    #[test]
    fn other_contents_are_refused_without_showing_them() {
        for text in ["", "0x", &DIGITS[1..], &DIGITS[2..], &format!("{DIGITS}00"), &DIGITS.replace('f', "g")]
        {
            let error = JwtSecret::from_hex(text).unwrap_err();
            assert!(matches!(error, SecretError::Malformed), "{text}");
            assert!(!error.to_string().contains("0405"));
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jwt.hex");
        std::fs::write(&path, format!("{DIGITS}{}", " ".repeat(MAX_FILE_BYTES as usize))).unwrap();
        assert!(matches!(JwtSecret::from_file(&path), Err(SecretError::Malformed)));
        let missing = JwtSecret::from_file(&dir.path().join("none")).unwrap_err();
        assert!(missing.to_string().contains("none: cannot be read"));
    }

    #[test]
    fn a_secret_is_never_shown() {
        let secret = JwtSecret::from_hex(DIGITS).unwrap();
        assert_eq!(format!("{secret:?} {:?}", Some(&secret)), "JwtSecret(..) Some(JwtSecret(..))");
    }
}
