//! A proxy between us and far servers, used only where an operator asks for it.

use std::fmt;
use std::str::FromStr;

use crate::error::UrlError;

/// An HTTP proxy. What the environment says of proxies does not count: it is meant for browsers, and a node that asks
/// its own network through one asks in vain.
#[derive(Clone, Debug)]
pub struct Proxy(ureq::Proxy);

impl Proxy {
    pub(crate) fn to_library(&self) -> ureq::Proxy {
        self.0.clone()
    }
}

impl FromStr for Proxy {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let text = text.trim();
        if text.contains('@') {
            return Err(UrlError::Credentials);
        }
        if !text.starts_with("http://") {
            return Err(UrlError::Malformed);
        }
        ureq::Proxy::new(text).map(Self).map_err(|_| UrlError::Malformed)
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0.host(), self.0.port())
    }
}
