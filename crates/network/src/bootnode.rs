//! Bootnodes: the peers that an operator names.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

use crate::error::{Error, excerpt};
use crate::node_record::{NodeRecord, quic_multiaddr};

/// A peer to dial, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bootnode {
    /// Who must answer, if the entry says so.
    pub peer_id: Option<PeerId>,
    /// Where, without the peer id. A host name is looked up whenever the peer is dialled.
    pub address: Multiaddr,
}

impl FromStr for Bootnode {
    type Err = Error;

    /// Reads `enr:...` or `/ip4/A/udp/P/quic-v1[/p2p/ID]` (also `ip6`, `dns`, `dns4` and `dns6`). Quotes around it are
    /// what a launcher left there.
    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\''));
        let bad = |detail| Error::Bootnode { text: excerpt(text), detail };
        if text.starts_with("enr:") {
            let record: NodeRecord = text.parse()?;
            let address = record.quic_address().ok_or_else(|| bad("the record has no address or no port"))?;
            return Ok(Self { peer_id: Some(record.peer_id()?), address });
        }
        if !text.starts_with('/') {
            return Err(bad("neither a record nor a multiaddress"));
        }
        Self::try_from(&text.parse::<Multiaddr>().map_err(|_| bad("not a multiaddress"))?)
    }
}

impl TryFrom<&Multiaddr> for Bootnode {
    type Error = Error;

    fn try_from(address: &Multiaddr) -> Result<Self, Error> {
        let bad = |detail| Error::Bootnode { text: excerpt(&address.to_string()), detail };
        let mut parts = address.iter();
        let host = match parts.next() {
            Some(ip @ (Protocol::Ip4(_) | Protocol::Ip6(_))) => ip,
            Some(Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name)) if !is_name(&name) => {
                return Err(bad("not a host name"));
            }
            Some(name @ (Protocol::Dns(_) | Protocol::Dns4(_) | Protocol::Dns6(_))) => name,
            _ => return Err(bad("does not start with ip4, ip6 or dns")),
        };
        let udp = match parts.next() {
            Some(Protocol::Udp(0)) => return Err(bad("port 0")),
            Some(udp @ Protocol::Udp(_)) => udp,
            _ => return Err(bad("no udp port")),
        };
        if parts.next() != Some(Protocol::QuicV1) {
            return Err(bad("not quic-v1"));
        }
        let peer_id = match parts.next() {
            None => None,
            Some(Protocol::P2p(peer_id)) => Some(peer_id),
            Some(_) => return Err(bad("unexpected part after quic-v1")),
        };
        if parts.next().is_some() {
            return Err(bad("unexpected part after the peer id"));
        }
        Ok(Self { peer_id, address: Multiaddr::empty().with(host).with(udp).with(Protocol::QuicV1) })
    }
}

/// Whether a host may be called so (RFC 1035 lengths; underscores are common in practice).
fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    !name.is_empty() && name.len() <= 253 && name.chars().all(allowed)
}

/// A host name and port to look up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostName {
    name: String,
    port: u16,
    /// The family that its addresses must have, if any.
    is_ipv4: Option<bool>,
}

/// Longest wait for an answer about a name.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);

impl HostName {
    /// The name in an address that has one.
    pub(crate) fn in_address(address: &Multiaddr) -> Option<Self> {
        let mut parts = address.iter();
        let (name, is_ipv4) = match parts.next()? {
            Protocol::Dns(name) => (name, None),
            Protocol::Dns4(name) => (name, Some(true)),
            Protocol::Dns6(name) => (name, Some(false)),
            _ => return None,
        };
        let Some(Protocol::Udp(port)) = parts.next() else { return None };
        Some(Self { name: name.into_owned(), port, is_ipv4 })
    }

    /// Its addresses at present; none if it cannot be found out.
    pub(crate) async fn look_up(self) -> Vec<Multiaddr> {
        let asked = tokio::net::lookup_host((self.name.as_str(), self.port));
        let Ok(Ok(found)) = tokio::time::timeout(LOOKUP_TIMEOUT, asked).await else { return Vec::new() };
        let fits = |socket: &SocketAddr| self.is_ipv4.is_none_or(|is_ipv4| socket.is_ipv4() == is_ipv4);
        found.filter(fits).map(|socket| quic_multiaddr(socket.ip(), socket.port())).collect()
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Reads what an operator may write for bootnodes: entries separated by commas or white space, or the literal `none`.
/// Each entry is judged by itself, so that one that is no good costs no others.
pub fn parse_bootnodes(text: &str) -> Vec<Result<Bootnode, Error>> {
    let entries = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty());
    entries.filter(|entry| !entry.eq_ignore_ascii_case("none")).map(str::parse).collect()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::identity::NodeKey;

    #[test]
    fn records_multiaddresses_lists_and_none_parse() {
        let key = NodeKey::generate();
        let record = NodeRecord::new(&key, Ipv4Addr::LOCALHOST.into(), 9000).unwrap().to_string();
        let bare = "/ip4/127.0.0.1/udp/9000/quic-v1";
        let full = format!("{bare}/p2p/{}", key.peer_id());
        let known = Bootnode { peer_id: Some(key.peer_id()), address: bare.parse().unwrap() };
        let anonymous = Bootnode { peer_id: None, address: bare.parse().unwrap() };

        assert_eq!(record.parse(), Ok(known.clone()));
        assert_eq!(full.parse(), Ok(known.clone()));
        assert_eq!(bare.parse(), Ok(anonymous.clone()));
        let list = format!("{record}, {full},\n{bare}");
        assert_eq!(parse_bootnodes(&list), [Ok(known.clone()), Ok(known.clone()), Ok(anonymous.clone())]);
        assert_eq!(parse_bootnodes("none"), []);
        assert_eq!(parse_bootnodes(" ,\n"), []);
        for quoted in [format!("\"{record}\""), format!("'{full}'"), format!(" \"'{record}' \"")] {
            assert_eq!(quoted.parse(), Ok(known.clone()), "{quoted}");
        }
        let mixed = parse_bootnodes(&format!("/ip4/127.0.0.1/tcp/9000,{bare}"));
        assert!(matches!(&mixed[..], [Err(Error::Bootnode { .. }), Ok(good)] if *good == anonymous));
    }

    #[tokio::test]
    async fn host_names_are_kept_and_looked_up() {
        for (family, is_ipv4) in [("dns", None), ("dns4", Some(true)), ("dns6", Some(false))] {
            let address = format!("/{family}/localhost/udp/9000/quic-v1");
            let bootnode: Bootnode = address.parse().unwrap();
            assert_eq!(bootnode.address.to_string(), address);
            let name = HostName::in_address(&bootnode.address).unwrap();
            assert_eq!(name, HostName { name: "localhost".into(), port: 9000, is_ipv4 });
        }
        let name = HostName { name: "localhost".into(), port: 9000, is_ipv4: Some(true) };
        assert_eq!(name.look_up().await, ["/ip4/127.0.0.1/udp/9000/quic-v1".parse().unwrap()]);
        let nowhere = HostName { name: "does-not-exist.invalid".into(), port: 9000, is_ipv4: None };
        assert_eq!(nowhere.look_up().await, Vec::<Multiaddr>::new());
        assert_eq!(HostName::in_address(&"/ip4/127.0.0.1/udp/9000/quic-v1".parse().unwrap()), None);
    }

    #[test]
    fn malformed_entries_are_named() {
        for (text, why) in [
            ("127.0.0.1:9000", "neither a record nor a multiaddress"),
            ("/ip4/127.0.0.1/udp", "not a multiaddress"),
            ("/ip4/300.0.0.1/udp/1/quic-v1", "not a multiaddress"),
            ("/dnsaddr/example.org/udp/9000/quic-v1", "does not start with ip4, ip6 or dns"),
            ("/dns4/exa mple.org/udp/9000/quic-v1", "not a host name"),
            ("/dns4/example.org/tcp/9000", "no udp port"),
            ("/ip4/127.0.0.1/tcp/9000", "no udp port"),
            ("/ip4/127.0.0.1/udp/0/quic-v1", "port 0"),
            ("/ip4/127.0.0.1/udp/9000", "not quic-v1"),
            ("/ip4/127.0.0.1/udp/9000/quic", "not quic-v1"),
            ("/ip4/127.0.0.1/udp/9000/quic-v1/udp/1", "unexpected part after quic-v1"),
        ] {
            match text.parse::<Bootnode>() {
                Err(Error::Bootnode { detail, .. }) => assert_eq!(detail, why, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        assert!(matches!("enr:-IW4".parse::<Bootnode>(), Err(Error::NodeRecord { .. })));
        assert!(parse_bootnodes("junk")[0].is_err());
    }
}
