//! The address of a server.

use std::fmt;
use std::str::FromStr;

use ureq::http::Uri;

use crate::error::UrlError;
use crate::fetch::STATE_PATH;

/// A node that is asked for its finalized state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// URL without a slash at its end.
    base: String,
}

impl Server {
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

/// Reads the URL of a node, or that of its finalized state.
impl FromStr for Server {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        let base = text.trim_end_matches('/');
        let base = base.strip_suffix(STATE_PATH).unwrap_or(base).trim_end_matches('/');
        let uri: Uri = base.parse().map_err(|_| UrlError::Malformed)?;
        if uri.scheme_str() == Some("https") {
            return Err(UrlError::Https);
        }
        let (Some("http"), Some(authority), None) = (uri.scheme_str(), uri.authority(), uri.query()) else {
            return Err(UrlError::Malformed);
        };
        if authority.as_str().contains('@') {
            return Err(UrlError::Credentials);
        }
        if authority.host().is_empty() {
            return Err(UrlError::Malformed);
        }
        Ok(Self { base: base.to_owned() })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_and_the_url_of_the_state_mean_the_same_server() {
        for text in [
            "http://10.0.0.7:5052",
            "http://10.0.0.7:5052/",
            " http://10.0.0.7:5052/lean/v0/states/finalized",
            "http://10.0.0.7:5052/lean/v0/states/finalized/",
        ] {
            let server: Server = text.parse().unwrap();
            assert_eq!(server.to_string(), "http://10.0.0.7:5052", "{text}");
            assert_eq!(server.url(STATE_PATH), "http://10.0.0.7:5052/lean/v0/states/finalized");
        }
        let behind_a_proxy: Server = "http://host/one/lean/v0/states/finalized".parse().unwrap();
        assert_eq!(behind_a_proxy.to_string(), "http://host/one");
    }

    #[test]
    fn what_is_no_server_is_refused() {
        let refused = |text: &str| text.parse::<Server>().unwrap_err();
        assert_eq!(refused("https://10.0.0.7"), UrlError::Https);
        assert_eq!(refused("http://me:secret@10.0.0.7"), UrlError::Credentials);
        for text in ["", "10.0.0.7:5052", "host", "ftp://host", "http://", "http://host/?a=b", "http://a b"] {
            assert_eq!(refused(text), UrlError::Malformed, "{text}");
        }
    }
}
