//! The address of a server.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ureq::http::Uri;

use crate::error::UrlError;

/// Where a node serves its finalized state, and the block of it.
pub(crate) const STATE_PATH: &str = "/lean/v0/states/finalized";
pub(crate) const BLOCK_PATH: &str = "/lean/v0/blocks/finalized";

/// A node that is asked for its finalized state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// URL without a slash at its end.
    base: String,
}

impl Server {
    /// Whether it is this machine, or on a network of its owner's: never asked through a proxy.
    pub(crate) fn is_near(&self) -> bool {
        let uri: Uri = self.base.parse().unwrap_or_default();
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        match host.parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
            Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
            // A name without a dot is one of the local network.
            Err(_) => host == "localhost" || !host.contains('.') || host.ends_with(".local"),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

/// Reads the URL of a node, or that of its finalized state.
impl FromStr for Server {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let text = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\''));
        let base = text.trim_end_matches('/');
        let base = base.strip_suffix(STATE_PATH).unwrap_or(base).trim_end_matches('/');
        let uri: Uri = base.parse().map_err(|_| UrlError::Malformed)?;
        let (Some("http" | "https"), Some(authority), None) =
            (uri.scheme_str(), uri.authority(), uri.query())
        else {
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
        let secure: Server = "'https://example.org/lean/v0/states/finalized'".parse().unwrap();
        assert_eq!(secure.to_string(), "https://example.org");
    }

    #[test]
    fn near_and_far_are_told_apart() {
        let is_near = |host: &str| format!("http://{host}:5052").parse::<Server>().unwrap().is_near();
        for near in [
            "127.0.0.1",
            "[::1]",
            "10.1.2.3",
            "192.168.0.1",
            "172.16.0.1",
            "[fd00::1]",
            "localhost",
            "node-1",
        ] {
            assert!(is_near(near), "{near}");
        }
        for far in ["8.8.8.8", "[2001:db8::1]", "172.32.0.1", "example.org"] {
            assert!(!is_near(far), "{far}");
        }
    }

    #[test]
    fn what_is_no_server_is_refused() {
        let refused = |text: &str| text.parse::<Server>().unwrap_err();
        assert_eq!(refused("http://me:secret@10.0.0.7"), UrlError::Credentials);
        for text in ["", "10.0.0.7:5052", "host", "ftp://host", "http://", "http://host/?a=b", "http://a b"] {
            assert_eq!(refused(text), UrlError::Malformed, "{text}");
        }
    }
}
