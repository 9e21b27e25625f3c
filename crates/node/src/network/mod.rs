//! The network: a task around the swarm that hands gossip and answers to the chain and carries out its orders.
//!
//! It fails only by ending; whatever peers do is theirs. Gossip that finds no room at the chain is ignored towards the
//! peers, never relayed unseen. Requests of peers are answered from the store, off the chain.

mod actor;
mod alone;
mod book;
mod convert;
mod mailbox;
mod metrics;
mod state;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use lathe_engine::View;
use lathe_http::PeerInfo;
use lathe_network::{Bootnode, Config, Multiaddr, NetworkEvent, NetworkSize, Service, quic_multiaddr};
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

/// The peers of the last run.
pub(crate) fn known_peers(options: &NodeOptions) -> Vec<Bootnode> {
    book::read(&options.data_dir)
}

/// Opens the sockets and waits until all of them listen; returns where the first one is reached, and all addresses as
/// they were asked for, with their ports.
pub(crate) async fn listen(
    options: &NodeOptions,
) -> Result<(Service, SocketAddr, Vec<SocketAddr>), NodeError> {
    let mut config = Config::new(options.node_key.clone());
    config.listen = options.listen.iter().map(|at| quic_multiaddr(at.ip(), at.port())).collect();
    config.bootnodes.clone_from(&options.bootnodes);
    config.known_peers = known_peers(options);
    config.size = NetworkSize {
        validators: options.genesis.validators.len() as u64,
        is_paired: options.genesis.execution_genesis.is_some(),
        scheme: options.genesis.signature_scheme,
    };
    config.agent = format!("lathe/{}", options.process.version);
    config.network_name.clone_from(&options.fork_digest);
    config.subnets = options.subnets();
    let mut service = Service::new(config).map_err(|error| match error {
        lathe_network::Error::Listen { address, detail } => match socket(&address) {
            Some(address) => NodeError::Listen { address, detail },
            None => NodeError::Network(lathe_network::Error::Listen { address, detail }),
        },
        error => NodeError::Network(error),
    })?;
    let mut silent = options.listen.clone();
    let mut first = None;
    let mut bound = options.listen.clone();
    let all = tokio::time::timeout(LISTEN_TIMEOUT, async {
        while !silent.is_empty() {
            let NetworkEvent::Listening { address } = service.next_event().await else { continue };
            let Some(found) = socket(&address) else { continue };
            silent.retain(|wanted| !is_at(*wanted, found));
            for (wanted, bound) in options.listen.iter().zip(&mut bound).filter(|(at, _)| is_at(**at, found))
            {
                *bound = SocketAddr::new(wanted.ip(), found.port());
            }
            if options.listen.first().is_some_and(|wanted| is_at(*wanted, found)) {
                first.get_or_insert(found);
            }
        }
    });
    let outcome = all.await;
    match (outcome, first, silent.first()) {
        (Ok(()), Some(first), _) => Ok((service, first, bound)),
        (_, _, at) => {
            let address = at.or(options.listen.first()).copied();
            let address = address.unwrap_or(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
            Err(NodeError::Listen { address, detail: "no address came up".into() })
        }
    }
}

/// Whether `found` is an address that listening on `wanted` brings.
fn is_at(wanted: SocketAddr, found: SocketAddr) -> bool {
    let host =
        wanted.ip() == found.ip() || wanted.ip().is_unspecified() && wanted.is_ipv4() == found.is_ipv4();
    host && (wanted.port() == 0 || wanted.port() == found.port())
}

/// The socket of a QUIC address.
fn socket(address: &Multiaddr) -> Option<SocketAddr> {
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
            complained_at: None,
            refusals: Default::default(),
            alone: Default::default(),
            is_whole_network: options.validators().len() == options.genesis.validators.len(),
            book: book::Keeper::new(&options.data_dir),
            peers,
        };
        (network, watched)
    }
}
