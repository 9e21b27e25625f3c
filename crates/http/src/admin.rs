//! Who may change what a node does.
//!
//! A web page that an operator opens can send requests to whatever its browser reaches. It cannot choose their
//! content type or hide its origin, and a name that it bends to our address shows in `Host`. So a change must be a
//! JSON object that says so, from our own origin, to an address rather than to a name; a token, which no page knows,
//! does instead of the address. Where strangers can connect, nothing but a token will do.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, header};

/// Fewest characters of a token: less can be guessed.
pub const MIN_TOKEN_LEN: usize = 16;

/// A secret that stands in for the operator.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Arc<str>);

impl Token {
    /// Takes a token, which must have [`MIN_TOKEN_LEN`] visible ASCII characters at least.
    pub fn new(text: &str) -> Option<Self> {
        let is_good = text.len() >= MIN_TOKEN_LEN && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_good.then(|| Self(text.into()))
    }

    /// Takes as long for every token of the right length, wherever it differs.
    fn equals(&self, other: &str) -> bool {
        self.0.len() == other.len()
            && self.0.bytes().zip(other.bytes()).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// What a change must show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Guard {
    /// That it comes from the operator's own machine or network, and not from a web page.
    #[default]
    Local,
    /// A token.
    Token(Token),
    /// Nothing helps: strangers can connect, and there is no token.
    Closed,
}

/// Why a change is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal(pub StatusCode, pub &'static str);

impl Guard {
    /// Judges the headers of a request to change something. `origins` are those whose pages may do so.
    pub(crate) fn check(&self, headers: &HeaderMap, origins: &[String]) -> Result<(), Refusal> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(origin) = headers.get(header::ORIGIN) {
            let origin = origin.to_str().unwrap_or_default();
            let own = text(header::HOST).and_then(|host| Some((origin.strip_prefix("http://")?, host)));
            let is_own = own.is_some_and(|(origin, host)| origin.eq_ignore_ascii_case(host));
            if !is_own && !origins.iter().any(|allowed| allowed == origin) {
                return Err(Refusal(StatusCode::FORBIDDEN, "pages of other origins cannot change this node"));
            }
        }
        match self {
            Self::Closed => Err(Refusal(
                StatusCode::FORBIDDEN,
                "the API is open to others and there is no token: start the node with --admin-token-file or --admin-address",
            )),
            Self::Token(token) => {
                let given = text(header::AUTHORIZATION).and_then(|value| {
                    let (scheme, given) = value.split_once(' ')?;
                    scheme.eq_ignore_ascii_case("bearer").then_some(given.trim())
                });
                match given.is_some_and(|given| token.equals(given)) {
                    true => Ok(()),
                    false => Err(Refusal(
                        StatusCode::UNAUTHORIZED,
                        "send the token as `Authorization: Bearer ...`",
                    )),
                }
            }
            Self::Local => match text(header::HOST).is_some_and(is_address) {
                true => Ok(()),
                false => Err(Refusal(
                    StatusCode::FORBIDDEN,
                    "address this node by its IP address or as localhost to change it, or set a token",
                )),
            },
        }
    }
}

/// Whether a `Host` is an address, which no page can bend, or this machine's own name.
fn is_address(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(guard: &Guard, headers: &[(&'static str, &str)]) -> Option<StatusCode> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        guard.check(&headers.collect(), &["https://board.example".to_owned()]).err().map(|refusal| refusal.0)
    }

    #[test]
    fn a_page_of_another_origin_changes_nothing() {
        let forbidden = Some(StatusCode::FORBIDDEN);
        for (host, origin, expected) in [
            ("127.0.0.1:5052", "http://127.0.0.1:5052", None),
            ("localhost:5052", "http://LOCALHOST:5052", None),
            ("127.0.0.1:5052", "https://board.example", None),
            ("127.0.0.1:5052", "http://127.0.0.1:8080", forbidden),
            ("127.0.0.1:5052", "https://127.0.0.1:5052", forbidden),
            ("127.0.0.1:5052", "http://evil.example", forbidden),
            ("127.0.0.1:5052", "null", forbidden),
            // A name bent to our address.
            ("evil.example:5052", "http://evil.example:5052", forbidden),
        ] {
            assert_eq!(
                check(&Guard::Local, &[("host", host), ("origin", origin)]),
                expected,
                "{host} {origin}"
            );
        }
    }

    #[test]
    fn the_node_is_addressed_by_address() {
        for host in ["127.0.0.1", "127.0.0.1:5052", "[::1]:5052", "10.0.0.7:5052", "localhost"] {
            assert_eq!(check(&Guard::Local, &[("host", host)]), None, "{host}");
        }
        for host in ["lathe:5052", "localhost.evil.example", "127.0.0.1.evil.example", "", "a b"] {
            assert_eq!(check(&Guard::Local, &[("host", host)]), Some(StatusCode::FORBIDDEN), "{host}");
        }
        assert_eq!(check(&Guard::Local, &[]), Some(StatusCode::FORBIDDEN));
    }

    #[test]
    fn a_token_is_asked_for_exactly() {
        let guard = Guard::Token(Token::new("0123456789abcdef").unwrap());
        let with = |value: &str| check(&guard, &[("host", "lathe:5052"), ("authorization", value)]);
        assert_eq!(with("Bearer 0123456789abcdef"), None);
        assert_eq!(with("bearer 0123456789abcdef"), None);
        for value in
            ["Bearer 0123456789abcdee", "Bearer 0123456789abcde", "Bearer ", "0123456789abcdef", "Basic x"]
        {
            assert_eq!(with(value), Some(StatusCode::UNAUTHORIZED), "{value}");
        }
        assert_eq!(check(&guard, &[("host", "127.0.0.1")]), Some(StatusCode::UNAUTHORIZED));
        let crossed = [("host", "a"), ("origin", "http://b"), ("authorization", "Bearer 0123456789abcdef")];
        assert_eq!(check(&guard, &crossed), Some(StatusCode::FORBIDDEN));
        assert_eq!(check(&Guard::Closed, &[("host", "127.0.0.1")]), Some(StatusCode::FORBIDDEN));
    }

    #[test]
    fn tokens_are_long_and_stay_out_of_logs() {
        assert_eq!(Token::new("0123456789abcde"), None);
        assert_eq!(Token::new("0123456789 abcdef"), None);
        assert_eq!(format!("{:?}", Token::new("0123456789abcdef").unwrap()), "Token(..)");
    }
}
