//! The network: a task around the swarm that hands gossip and answers to the chain and carries out its orders.
//!
//! It fails only by ending; whatever peers do is theirs. Gossip that finds no room at the chain is ignored towards the
//! peers, never relayed unseen. Requests of peers are answered from the store, off the chain.

mod actor;
mod convert;
mod mailbox;
mod metrics;
mod state;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use lathe_engine::View;
use lathe_http::PeerInfo;
use lathe_network::{Config, Multiaddr, NetworkEvent, Service, quic_multiaddr};
use lathe_types::SubnetId;
use tokio::sync::watch;

pub(crate) use actor::Network;
pub(crate) use mailbox::{Mailbox, open};

use crate::chain;
use crate::clock::Time;
use crate::error::NodeError;
use crate::metrics::Metrics;
use crate::options::NodeOptions;
use crate::store;

/// A socket that opens does so at once; one that does not within this is taken for failed.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens the socket and waits until it listens; returns the address with its port.
pub(crate) async fn listen(options: &NodeOptions) -> Result<(Service, Multiaddr), NodeError> {
    let mut config = Config::new(options.node_key.clone());
    config.listen = vec![quic_multiaddr(options.listen.ip(), options.listen.port())];
    config.bootnodes.clone_from(&options.bootnodes);
    config.network_name.clone_from(&options.fork_digest);
    config.subnets = options.subnets();
    let in_use = |detail| NodeError::Listen { address: options.listen, detail };
    let mut service = Service::new(config).map_err(|error| match error {
        lathe_network::Error::Listen { detail, .. } => in_use(detail),
        error => NodeError::Network(error),
    })?;
    let first = tokio::time::timeout(LISTEN_TIMEOUT, async {
        loop {
            if let NetworkEvent::Listening { address } = service.next_event().await {
                return address;
            }
        }
    });
    let address = first.await.map_err(|_| in_use("no address came up".into()))?;
    Ok((service, address))
}

/// The socket of a QUIC address.
pub(crate) fn socket(address: &Multiaddr) -> Option<SocketAddr> {
    let text = address.to_string();
    let mut parts = text.split('/').skip(2);
    let (ip, port) = (parts.next()?.parse().ok()?, parts.nth(1)?.parse().ok()?);
    Some(SocketAddr::new(ip, port))
}

impl Network {
    /// The actor around a service that listens, and the connected peers.
    pub(crate) fn new(
        service: Service,
        options: &NodeOptions,
        chain: chain::Mailbox,
        reader: store::Reader,
        time: Time,
        view: watch::Receiver<Arc<View>>,
        metrics: Arc<Metrics>,
    ) -> (Self, watch::Receiver<Vec<PeerInfo>>) {
        let own: Vec<SubnetId> =
            options.validators().iter().map(|validator| validator.subnet(options.committee_count)).collect();
        let mut aggregator_subnets = options.aggregate_subnets.clone();
        if own.is_empty() && aggregator_subnets.is_empty() {
            aggregator_subnets.push(SubnetId(0));
        }
        aggregator_subnets.retain(|subnet| !own.contains(subnet));
        let (peers, watched) = watch::channel(Vec::new());
        let network = Self {
            service,
            chain,
            reader,
            time,
            view,
            metrics,
            names: options.peer_names.clone(),
            aggregator_subnets,
            table: state::PeerTable::default(),
            requests: HashMap::new(),
            look_ups: 0,
            peers,
        };
        (network, watched)
    }
}
