//! What the network has to be told, and its limits on connections.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use lathe_types::SubnetId;
use libp2p::connection_limits::ConnectionLimits;
use libp2p::{Multiaddr, quic};

use crate::bootnode::Bootnode;
use crate::error::Error;
use crate::identity::NodeKey;
use crate::node_record::quic_multiaddr;
use crate::topic::{DEFAULT_NETWORK_NAME, MAX_NETWORK_NAME_LEN};
use crate::traffic::NetworkSize;

/// Established connections. Each costs some 100 KiB at rest and up to [`CONNECTION_WINDOW`] while it floods us.
const MAX_CONNECTIONS: u32 = 128;
/// Connections beyond that for a moment: those that give way are still being closed.
const LEAVING: u32 = 16;
/// Connections per peer: two nodes that dial each other at once need two. How many an address may have depends on what
/// they bring, because all nodes of a local network share one.
const MAX_PER_PEER: u32 = 2;
/// Inbound handshakes at the same time: twice what one address may begin at once, each some 10 KiB.
const MAX_PENDING_INBOUND: u32 = 256;
/// Outbound handshakes at the same time.
const MAX_PENDING_OUTBOUND: u32 = 32;
/// Bytes in flight towards us on one stream: one heavy block without stalling.
const STREAM_WINDOW: u32 = 2 * 1024 * 1024;
/// Bytes in flight towards us on one connection.
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
/// Streams that a peer may have open at once.
const MAX_STREAMS: u32 = 64;
/// A silent peer is gone after this; alive ones are heard every [`KEEP_ALIVE`].
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a quiet connection shows that it is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(3);

/// How a node takes part in the network.
#[derive(Clone, Debug)]
pub struct Config {
    /// Who we are.
    pub key: NodeKey,
    /// Where to listen; port 0 lets the system choose.
    pub listen: Vec<Multiaddr>,
    /// Address to put into our node record, when it is not the one that we listen on.
    pub advertise_ip: Option<IpAddr>,
    /// Peers to keep dialling. Ourselves among them are skipped.
    pub bootnodes: Vec<Bootnode>,
    /// Peers that a former life knew how to reach: dialled, but not at the cost of bootnodes.
    pub known_peers: Vec<Bootnode>,
    /// What the network's messages can be.
    pub size: NetworkSize,
    /// The network's name in topics, also called fork digest.
    pub network_name: String,
    /// Attestation subnets to subscribe to from the start.
    pub subnets: Vec<SubnetId>,
    /// What we call ourselves to peers, such as `lathe/0.1.0`.
    pub agent: String,
}

impl Config {
    /// A node with `key` that listens on a free loopback port and knows nobody.
    pub fn new(key: NodeKey) -> Self {
        Self {
            key,
            listen: vec![quic_multiaddr(Ipv4Addr::LOCALHOST.into(), 0)],
            advertise_ip: None,
            bootnodes: Vec::new(),
            known_peers: Vec::new(),
            size: NetworkSize::default(),
            network_name: DEFAULT_NETWORK_NAME.to_owned(),
            subnets: Vec::new(),
            agent: concat!("lathe/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// Refuses what cannot work.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let name = &self.network_name;
        let printable = name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
        if name.is_empty() || name.len() > MAX_NETWORK_NAME_LEN || !printable {
            return Err(Error::Config(format!(
                "network name must have 1 to {MAX_NETWORK_NAME_LEN} printable characters and no slash"
            )));
        }
        if self.listen.is_empty() {
            return Err(Error::Config("no listen address".to_owned()));
        }
        Ok(())
    }

    pub(crate) fn quic(&self) -> quic::Config {
        let mut quic = quic::Config::new(&self.key.keypair());
        quic.max_idle_timeout = IDLE_TIMEOUT.as_millis() as u32;
        quic.keep_alive_interval = KEEP_ALIVE;
        quic.max_concurrent_stream_limit = MAX_STREAMS;
        quic.max_stream_data = STREAM_WINDOW;
        quic.max_connection_data = CONNECTION_WINDOW;
        quic
    }
}

pub(crate) fn connection_limits() -> ConnectionLimits {
    ConnectionLimits::default()
        .with_max_established(Some(MAX_CONNECTIONS + LEAVING))
        .with_max_established_per_peer(Some(MAX_PER_PEER))
        .with_max_pending_incoming(Some(MAX_PENDING_INBOUND))
        .with_max_pending_outgoing(Some(MAX_PENDING_OUTBOUND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_configurations_are_refused() {
        let good = Config::new(NodeKey::generate());
        assert_eq!(good.check(), Ok(()));
        for name in ["", "a/b", "a b", "\u{e9}", &"x".repeat(65)] {
            let bad = Config { network_name: name.to_owned(), ..good.clone() };
            assert!(matches!(bad.check(), Err(Error::Config(_))), "{name:?}");
        }
        assert!(Config { listen: vec![], ..good }.check().is_err());
    }
}
