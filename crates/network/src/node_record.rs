//! Node records (EIP-778, identity scheme v4): how nodes tell each other where they listen.
//!
//! Lean networks carry only `id`, `ip`, `quic` and `secp256k1`; `udp` stands in for a missing `quic`, and `ip6` is
//! understood. Decoding never panics: the size is checked first, and a record that its key did not sign is refused.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use enr::{Enr, EnrPublicKey as _, k256::ecdsa::SigningKey};
use libp2p::identity::{PublicKey, secp256k1};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

use crate::error::{Error, excerpt};
use crate::identity::NodeKey;

/// Characters of the longest legal record: 300 bytes in base64 after `enr:`.
const MAX_TEXT_LEN: usize = 4 + 300_usize.div_ceil(3) * 4;

/// Key of the QUIC port.
const QUIC: &str = "quic";
/// Key of the QUIC port on the IPv6 address.
const QUIC6: &str = "quic6";

/// A signed node record. `Display` and `FromStr` use the text form `enr:...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeRecord(Enr<SigningKey>);

impl NodeRecord {
    /// The record of the node with `key` that listens for QUIC on `ip` and `port`, with sequence number 1.
    pub fn new(key: &NodeKey, ip: IpAddr, port: u16) -> Result<Self, Error> {
        let signing_key = SigningKey::from_slice(&key.secret_bytes())
            .map_err(|_| Error::NodeKey("not a valid secp256k1 scalar"))?;
        Enr::builder()
            .ip(ip)
            .add_value(if ip.is_ipv4() { QUIC } else { QUIC6 }, &port)
            .build(&signing_key)
            .map(Self)
            .map_err(|error| Error::NodeRecord { text: String::new(), detail: error.to_string() })
    }

    /// Who the record describes.
    pub fn peer_id(&self) -> Result<PeerId, Error> {
        let key = secp256k1::PublicKey::try_from_bytes(&self.0.public_key().encode())
            .map_err(|_| self.bad("public key is not on the curve"))?;
        Ok(PublicKey::from(key).to_peer_id())
    }

    /// Where to dial it: `quic` on `ip`, else `udp` on `ip`, else the same on `ip6`. `None` without an address and a
    /// port.
    pub fn quic_address(&self) -> Option<Multiaddr> {
        let (ip, port) = match (self.0.ip4(), self.0.ip6()) {
            (Some(ip), _) => (IpAddr::V4(ip), self.port(QUIC).or_else(|| self.0.udp4())?),
            (None, Some(ip)) => {
                let port = self.port(QUIC6).or_else(|| self.port(QUIC)).or_else(|| self.0.udp6());
                (IpAddr::V6(ip), port.or_else(|| self.0.udp4())?)
            }
            (None, None) => return None,
        };
        (port != 0).then(|| quic_multiaddr(ip, port))
    }

    /// Version of the record; a higher one replaces a lower one.
    pub fn sequence(&self) -> u64 {
        self.0.seq()
    }

    /// Identity of the record in discovery: keccak-256 of the public key.
    pub fn node_id(&self) -> [u8; 32] {
        self.0.node_id().raw()
    }

    fn port(&self, key: &str) -> Option<u16> {
        self.0.get_decodable::<u16>(key)?.ok()
    }

    fn bad(&self, detail: &str) -> Error {
        Error::NodeRecord { text: excerpt(&self.0.to_base64()), detail: detail.to_owned() }
    }
}

impl FromStr for NodeRecord {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let bad = |detail: String| Error::NodeRecord { text: excerpt(text), detail };
        if text.len() > MAX_TEXT_LEN {
            return Err(bad("longer than 300 bytes".to_owned()));
        }
        if !text.starts_with("enr:") {
            return Err(bad("does not start with `enr:`".to_owned()));
        }
        text.parse().map(Self).map_err(bad)
    }
}

impl fmt::Display for NodeRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_base64())
    }
}

/// `/ip4/../udp/../quic-v1`.
pub fn quic_multiaddr(ip: IpAddr, port: u16) -> Multiaddr {
    Multiaddr::from(ip).with(Protocol::Udp(port)).with(Protocol::QuicV1)
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    /// A record as a peer's tool wrote it, with the key that signed it.
    const PEER_RECORD: &str = "enr:-IW4QGejrJurILLLekT5CMD7bjPS10LuPkALuBqJIpW-T6oUAEXOqAv3gYkGagwO8DasSwGFBTFt7pNsmc5e9msLfXcBgmlkgnY0gmlwhH8AAAGEcXVpY4JMLIlzZWNwMjU2azGhAjKTDst4_qRgQamkj_BfMReububc5CoU8HgShtpoITLz";
    const PEER_SECRET: &str = "92632b19912f46b73a0e081ad42cc47e0c41be8c07f3e6d06cc431ede412bcf0";

    #[test]
    fn a_peers_record_round_trips_and_is_rebuilt_but_for_the_signature() {
        let record: NodeRecord = PEER_RECORD.parse().unwrap();
        let key = NodeKey::from_hex(PEER_SECRET).unwrap();
        assert_eq!(record.to_string(), PEER_RECORD);
        assert_eq!(record.peer_id().unwrap(), key.peer_id());
        assert_eq!(record.quic_address().unwrap().to_string(), "/ip4/127.0.0.1/udp/19500/quic-v1");
        let rebuilt = NodeRecord::new(&key, Ipv4Addr::LOCALHOST.into(), 19500).unwrap();
        assert!(rebuilt.0.compare_content(&record.0), "{rebuilt}");
    }

    #[test]
    fn ipv6_records_round_trip() {
        let record = NodeRecord::new(&NodeKey::generate(), Ipv6Addr::LOCALHOST.into(), 9000).unwrap();
        let parsed: NodeRecord = record.to_string().parse().unwrap();
        assert_eq!(parsed, record);
        assert_eq!(parsed.quic_address().unwrap().to_string(), "/ip6/::1/udp/9000/quic-v1");
    }

    #[test]
    fn udp_stands_in_for_a_missing_quic_port_and_no_port_means_no_address() {
        let key = SigningKey::from_slice(&hex::decode(PEER_SECRET).unwrap()).unwrap();
        let with_udp = NodeRecord(Enr::builder().ip4(Ipv4Addr::LOCALHOST).udp4(9001).build(&key).unwrap());
        assert_eq!(with_udp.quic_address().unwrap().to_string(), "/ip4/127.0.0.1/udp/9001/quic-v1");
        let both = NodeRecord(
            Enr::builder().ip4(Ipv4Addr::LOCALHOST).udp4(1).add_value("quic", &2_u16).build(&key).unwrap(),
        );
        assert_eq!(both.quic_address().unwrap().to_string(), "/ip4/127.0.0.1/udp/2/quic-v1");
        assert_eq!(NodeRecord(Enr::builder().udp4(9001).build(&key).unwrap()).quic_address(), None);
        assert_eq!(
            NodeRecord(Enr::builder().ip4(Ipv4Addr::LOCALHOST).build(&key).unwrap()).quic_address(),
            None
        );
        let port_zero =
            Enr::builder().ip4(Ipv4Addr::LOCALHOST).add_value("quic", &0_u16).build(&key).unwrap();
        assert_eq!(NodeRecord(port_zero).quic_address(), None);
    }

    #[test]
    fn every_corruption_of_a_record_is_an_error() {
        for at in 4..PEER_RECORD.len() {
            let mut text = PEER_RECORD.as_bytes().to_vec();
            text[at] = if text[at] == b'A' { b'B' } else { b'A' };
            let text = String::from_utf8(text).unwrap();
            let parsed = text.parse::<NodeRecord>();
            assert!(matches!(parsed, Err(Error::NodeRecord { .. })), "changed at {at}: {parsed:?}");
            assert!(PEER_RECORD[..at].parse::<NodeRecord>().is_err(), "cut at {at}");
        }
        for text in ["", "enr", "enr:", "enr:-", "-IW4QGej", "enr:\u{e9}"] {
            assert!(text.parse::<NodeRecord>().is_err(), "{text:?}");
        }
        let long = format!("enr:{}", "A".repeat(MAX_TEXT_LEN));
        assert!(long.parse::<NodeRecord>().unwrap_err().to_string().contains("longer than 300 bytes"));
    }
}
