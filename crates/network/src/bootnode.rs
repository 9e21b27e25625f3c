//! Bootnodes: the peers that an operator names.

use std::str::FromStr;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

use crate::error::{Error, excerpt};
use crate::node_record::NodeRecord;

/// A peer to dial, as configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bootnode {
    /// Who must answer, if the entry says so.
    pub peer_id: Option<PeerId>,
    /// Where, without the peer id.
    pub address: Multiaddr,
}

impl FromStr for Bootnode {
    type Err = Error;

    /// Reads `enr:...` or `/ip4/A/udp/P/quic-v1[/p2p/ID]` (also `ip6`).
    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
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
        let ip = match parts.next() {
            Some(ip @ (Protocol::Ip4(_) | Protocol::Ip6(_))) => ip,
            _ => return Err(bad("does not start with ip4 or ip6")),
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
        Ok(Self { peer_id, address: Multiaddr::empty().with(ip).with(udp).with(Protocol::QuicV1) })
    }
}

/// Reads what an operator may write for bootnodes: entries separated by commas or white space, or the literal `none`.
pub fn parse_bootnodes(text: &str) -> Result<Vec<Bootnode>, Error> {
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
        assert_eq!(parse_bootnodes(&list), Ok(vec![known.clone(), known, anonymous]));
        assert_eq!(parse_bootnodes("none"), Ok(vec![]));
        assert_eq!(parse_bootnodes(" ,\n"), Ok(vec![]));
    }

    #[test]
    fn malformed_entries_are_named() {
        for (text, why) in [
            ("127.0.0.1:9000", "neither a record nor a multiaddress"),
            ("/ip4/127.0.0.1/udp", "not a multiaddress"),
            ("/ip4/300.0.0.1/udp/1/quic-v1", "not a multiaddress"),
            ("/dns/example.org/udp/9000/quic-v1", "does not start with ip4 or ip6"),
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
        assert!(parse_bootnodes("/ip4/127.0.0.1/udp/9000/quic-v1,junk").is_err());
    }
}
