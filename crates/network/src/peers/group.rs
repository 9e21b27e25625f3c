//! The place that a peer comes from: what a stranger cannot choose anew as it likes.

use std::net::IpAddr;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

/// An IPv4 address, or the /64 of an IPv6 address, which is what one host is given. Honest nodes may share one: all
/// those of a local network do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Group {
    V4([u8; 4]),
    V6([u8; 8]),
    /// Not an IP address; there is no such transport.
    None,
}

impl From<IpAddr> for Group {
    fn from(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip.octets()),
            IpAddr::V6(ip) => {
                let [a, b, c, d, e, f, g, h, ..] = ip.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

impl From<&Multiaddr> for Group {
    fn from(address: &Multiaddr) -> Self {
        ip_of(address).map_or(Self::None, Self::from)
    }
}

/// The IP address that an address begins with.
pub(crate) fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(address: &str) -> Group {
        Group::from(&address.parse::<Multiaddr>().unwrap())
    }

    #[test]
    fn an_address_is_a_group_and_so_is_an_ipv6_prefix() {
        assert_eq!(group("/ip4/10.0.0.1/udp/1/quic-v1"), group("/ip4/10.0.0.1/udp/2/quic-v1"));
        assert_ne!(group("/ip4/10.0.0.1/udp/1/quic-v1"), group("/ip4/10.0.0.2/udp/1/quic-v1"));
        assert_eq!(group("/ip6/2001:db8::1/udp/1"), group("/ip6/2001:db8:0:0:ffff::/udp/1"));
        assert_ne!(group("/ip6/2001:db8::1/udp/1"), group("/ip6/2001:db8:0:1::1/udp/1"));
        assert_eq!(group("/ip6/::ffff:10.0.0.1/udp/1"), group("/ip4/10.0.0.1/udp/1"));
        assert_eq!(group("/dns4/example.org/udp/1"), Group::None);
    }
}
