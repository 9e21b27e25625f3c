//! The options of a node's API: who may read it from where, and who may change the node.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use eyre::{WrapErr as _, eyre};
use lathe_node::{HttpOptions, MIN_TOKEN_LEN, Token};

/// Longest token file that is read; a token has some dozens of characters.
const MAX_TOKEN_FILE_BYTES: u64 = 4096;

/// Who may do what over HTTP.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "API")]
pub(crate) struct ApiArgs {
    /// File with a secret that a request to change the node must show, as `Authorization: Bearer ...`; needed where the
    /// API is open to others. Make one with: openssl rand -hex 32
    #[arg(long, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
    /// Where requests to change the node are taken, in place of the API's address; such as 127.0.0.1:5059
    #[arg(long, value_name = "IP:PORT")]
    admin_address: Option<SocketAddr>,
    /// Let everybody who reaches the API change the node: for test networks that switch aggregators
    #[arg(long, conflicts_with = "admin_token_file")]
    admin_unprotected: bool,
    /// Origin whose web pages may use the API, such as https://board.example; may be given several times
    #[arg(long, value_name = "ORIGIN", value_delimiter = ',', value_parser = origin)]
    http_allow_origin: Vec<String>,
}

impl ApiArgs {
    /// Reads the token.
    pub(crate) fn options(&self) -> eyre::Result<HttpOptions> {
        Ok(HttpOptions {
            admin_token: self.admin_token_file.as_deref().map(read_token).transpose()?,
            admin_address: self.admin_address,
            admin_unprotected: self.admin_unprotected,
            origins: self.http_allow_origin.clone(),
        })
    }
}

fn read_token(path: &Path) -> eyre::Result<Token> {
    let named = || format!("--admin-token-file {}", path.display());
    let missing = || format!("{}: make one with: openssl rand -hex 32", named());
    let length = std::fs::metadata(path).wrap_err_with(missing)?.len();
    if length > MAX_TOKEN_FILE_BYTES {
        return Err(eyre!("{}: {length} bytes are no token", named()));
    }
    let text = std::fs::read_to_string(path).wrap_err_with(named)?;
    Token::new(text.trim()).ok_or_else(|| {
        eyre!(
            "{}: a token has {MIN_TOKEN_LEN} or more letters, digits or signs and no spaces; make one with: openssl rand -hex 32",
            named()
        )
    })
}

/// `https://board.example:8080`: a scheme and a host, and nothing after it, as browsers send it.
fn origin(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['/', ' ', '*']) => Ok(text.to_ascii_lowercase()),
        _ => {
            Err("write an origin such as https://board.example or http://localhost:8080, without a path"
                .into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        assert_eq!(origin("https://Board.example"), Ok("https://board.example".into()));
        assert_eq!(origin("http://localhost:8080"), Ok("http://localhost:8080".into()));
        for text in ["*", "board.example", "https://", "https://a/", "ftp://a"] {
            assert!(origin(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_token_file_is_judged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read_token(&path).map_err(|error| format!("{error:#}"))
        };
        assert!(read("0123456789abcdef0123\n").is_ok());
        assert!(read("short\n").unwrap_err().contains("16 or more"));
        assert!(read(&"x".repeat(5000)).unwrap_err().contains("5000 bytes"));
        let missing = read_token(&dir.path().join("none")).map_err(|error| format!("{error:#}"));
        assert!(missing.unwrap_err().starts_with("--admin-token-file "));
    }
}
