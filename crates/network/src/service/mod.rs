//! The driver: a swarm and everything around it, as one plain struct.

mod driver;
mod inbound;
mod publish;
mod status;

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lathe_types::{Status, SubnetId};
use libp2p::core::transport::TransportError;
use libp2p::multiaddr::Protocol as AddressPart;
use libp2p::swarm::{NetworkBehaviour, Swarm};
use libp2p::{Multiaddr, PeerId, SwarmBuilder, connection_limits, identify, ping};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::{Interval, MissedTickBehavior};

use crate::bootnode::Bootnode;
use crate::config::{Config, connection_limits};
use crate::error::Error;
use crate::event::{Counters, Direction, NetworkEvent, PeerInfo};
use crate::gossip::{self, Verdict};
use crate::identity::NodeKey;
use crate::message_id::MessageId;
use crate::metered::Metered;
use crate::node_record::NodeRecord;
use crate::peers::{Buckets, Consequence, Guard, Offence, PeerBook, Scores, ip_of};
use crate::reqresp::{self, ExchangeEvent, MAX_REQUEST_BLOCKS, Outgoing, Request, RequestId};
use crate::topic::{GossipTopic, TopicKind};
use crate::traffic::NetworkSize;

/// How often due dials, statuses and waiting messages are looked at.
const TICK: Duration = Duration::from_millis(100);
/// How often the meshes hear of scores that fade.
const SCORES_TOLD_EVERY: Duration = Duration::from_secs(1);
/// Connections are kept although nothing happens on them; silence is QUIC's to judge.
const KEEP_IDLE_CONNECTIONS: Duration = Duration::from_secs(24 * 3600);
/// Requests that all peers together may have served at once. Each holds a block or two in memory.
const MAX_SERVED_REQUESTS: usize = 64;
/// Blocks that a peer may ask for in a burst: four requests of the largest size.
const BURST_BLOCKS: f64 = 4.0 * MAX_REQUEST_BLOCKS as f64;
/// Blocks per second after that. A peer that catches up imports fewer.
const BLOCKS_PER_SECOND: f64 = 256.0;
/// New messages that a peer may bring in a burst: the votes of two slots of the largest registry.
const BURST_MESSAGES: f64 = 2.0 * lathe_types::VALIDATOR_REGISTRY_LIMIT as f64;
/// New messages per second after that: twice what the largest registry votes.
const MESSAGES_PER_SECOND: f64 = BURST_MESSAGES / lathe_types::SECONDS_PER_SLOT as f64;
/// Looked-up names that wait to be dialled; who finds no room waits.
const MAX_LOOKUPS: usize = 16;
/// Longest wait for connections to close in order.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_millis(500);
/// The protocol family that identify announces; other implementations wait for it before they gossip.
const IDENTIFY_PROTOCOL: &str = "/ipfs/0.1.0";

/// The behaviours of the swarm. The guards come first, so that nothing is set up for a refused connection.
#[derive(NetworkBehaviour)]
struct Behaviour {
    guard: Guard,
    limits: connection_limits::Behaviour,
    gossip: Metered,
    exchanges: reqresp::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
}

/// A connected peer.
#[derive(Debug)]
struct Peer {
    direction: Direction,
    since: Instant,
    address: Multiaddr,
    agent: Option<String>,
    status: Option<Status>,
    /// When to ask for its status, unless it tells us before.
    ask_status_at: Instant,
    status_attempts: u32,
}

/// The network of one node.
///
/// Nothing happens unless [`Service::next_event`] is polled; while it is not, peers feel back-pressure. All other
/// methods return at once.
pub struct Service {
    swarm: Swarm<Behaviour>,
    exchanges: UnboundedReceiver<ExchangeEvent>,
    events: VecDeque<NetworkEvent>,
    timer: Interval,
    key: NodeKey,
    network_name: String,
    advertise_ip: Option<IpAddr>,
    peers: HashMap<PeerId, Peer>,
    book: PeerBook,
    scores: Scores<PeerId>,
    scores_told_at: Instant,
    request_quotas: Buckets<PeerId>,
    gossip_quotas: Buckets<PeerId>,
    size: NetworkSize,
    /// Host names that were looked up.
    resolved: mpsc::Receiver<driver::Resolved>,
    resolving: mpsc::Sender<driver::Resolved>,
    serving: Arc<Semaphore>,
    status: Option<Status>,
    status_requests: HashSet<RequestId>,
    next_request: u64,
    waiting: VecDeque<publish::Waiting>,
    counters: Counters,
}

impl Service {
    /// Opens the socket and subscribes to the topics. Needs a tokio runtime.
    pub fn new(config: Config) -> Result<Self, Error> {
        config.check()?;
        let keypair = config.key.keypair();
        let own = config.key.peer_id();
        let (sender, exchanges) = reqresp::channel();
        let identity = identify::Config::new(IDENTIFY_PROTOCOL.to_owned(), keypair.public())
            .with_agent_version(config.agent.clone());
        let behaviour = Behaviour {
            guard: Guard::new(config.bootnodes.iter().filter_map(|bootnode| bootnode.peer_id)),
            limits: connection_limits::Behaviour::new(connection_limits()),
            gossip: gossip::behaviour(&config.network_name, config.size)?,
            exchanges: reqresp::Behaviour::new(sender),
            identify: identify::Behaviour::new(identity),
            ping: ping::Behaviour::new(ping::Config::new()),
        };
        let swarm = SwarmBuilder::with_existing_identity(keypair)
            .with_tokio()
            .with_quic_config(|_| config.quic())
            .with_behaviour(|_| behaviour)
            .map_err(|error| Error::Config(error.to_string()))?
            .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(KEEP_IDLE_CONNECTIONS))
            .build();
        let mut timer = tokio::time::interval(TICK);
        timer.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let (resolving, resolved) = mpsc::channel(MAX_LOOKUPS);
        let mut book = PeerBook::new(own, config.bootnodes, Instant::now(), rand::random::<f64>);
        for known in config.known_peers {
            book.insert(known.peer_id, known.address, false, Instant::now());
        }
        let mut service = Self {
            swarm,
            exchanges,
            events: VecDeque::new(),
            timer,
            book,
            key: config.key,
            network_name: config.network_name,
            advertise_ip: config.advertise_ip,
            peers: HashMap::new(),
            scores: Scores::default(),
            scores_told_at: Instant::now(),
            request_quotas: Buckets::new(BURST_BLOCKS, BLOCKS_PER_SECOND),
            gossip_quotas: Buckets::new(BURST_MESSAGES, MESSAGES_PER_SECOND),
            size: config.size,
            resolved,
            resolving,
            serving: Arc::new(Semaphore::new(MAX_SERVED_REQUESTS)),
            status: None,
            status_requests: HashSet::new(),
            next_request: 0,
            waiting: VecDeque::new(),
            counters: Counters::default(),
        };
        for address in config.listen {
            service.listen(address)?;
        }
        service.subscribe(TopicKind::Block)?;
        service.subscribe(TopicKind::AggregatedAttestation)?;
        for subnet in config.subnets {
            service.subscribe_subnet(subnet)?;
        }
        Ok(service)
    }

    fn listen(&mut self, address: Multiaddr) -> Result<(), Error> {
        match self.swarm.listen_on(address.clone()) {
            Ok(_) => Ok(()),
            Err(TransportError::MultiaddrNotSupported(_)) => {
                Err(Error::Listen { address, detail: "not a QUIC address".to_owned() })
            }
            Err(TransportError::Other(error)) => Err(Error::Listen { address, detail: innermost(&error) }),
        }
    }

    /// Our peer id.
    pub fn local_peer_id(&self) -> PeerId {
        *self.swarm.local_peer_id()
    }

    /// The addresses that we listen on, known once [`NetworkEvent::Listening`] announced them.
    pub fn listen_addresses(&self) -> Vec<Multiaddr> {
        self.swarm.listeners().cloned().collect()
    }

    /// Our node record, once we listen: the advertised address, else the first one that we listen on.
    pub fn local_record(&self) -> Option<NodeRecord> {
        let (ip, port) = self.swarm.listeners().find_map(socket_of)?;
        NodeRecord::new(&self.key, self.advertise_ip.unwrap_or(ip), port).ok()
    }

    /// The IP address at which a peer is connected.
    pub fn ip(&self, peer: &PeerId) -> Option<IpAddr> {
        self.peers.get(peer).and_then(|state| ip_of(&state.address))
    }

    /// The connected peers.
    pub fn peers(&self) -> Vec<PeerInfo> {
        let info = |(peer, state): (&PeerId, &Peer)| PeerInfo {
            peer: *peer,
            direction: state.direction,
            agent: state.agent.clone(),
            status: state.status,
            connected_for: state.since.elapsed(),
        };
        self.peers.iter().map(info).collect()
    }

    /// Number of connected peers.
    pub fn peer_count(&self) -> usize {
        self.peers.len()
    }

    /// The peers in the mesh of a topic.
    pub fn mesh_peers(&self, kind: TopicKind) -> Vec<PeerId> {
        self.swarm.behaviour().gossip.mesh_peers(&self.topic(kind).hash()).copied().collect()
    }

    /// What happened so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Connections that peers began and were refused before they cost anything, or for want of a place.
    pub fn turned_away(&self) -> u64 {
        self.swarm.behaviour().guard.turned_away()
    }

    /// The peers that we learned how to reach, besides the bootnodes, for [`Config::known_peers`] of a later start.
    pub fn known_peers(&self) -> Vec<Bootnode> {
        self.book.learned()
    }

    /// Adds a peer to dial, now and whenever it is gone.
    pub fn dial(&mut self, peer: Option<PeerId>, address: Multiaddr) {
        self.book.insert(peer, address, false, Instant::now());
    }

    /// Starts to follow an attestation subnet.
    pub fn subscribe_subnet(&mut self, subnet: SubnetId) -> Result<(), Error> {
        self.subscribe(TopicKind::AttestationSubnet(subnet))
    }

    /// Stops following an attestation subnet.
    pub fn unsubscribe_subnet(&mut self, subnet: SubnetId) {
        let topic = self.topic(TopicKind::AttestationSubnet(subnet));
        self.swarm.behaviour_mut().gossip.unsubscribe(&topic);
    }

    /// Says what to do with a gossip message. Only the first verdict on a message counts.
    pub fn report_verdict(&mut self, id: MessageId, peer: PeerId, verdict: Verdict) {
        use libp2p::gossipsub::{MessageAcceptance, MessageId as RawId};
        let acceptance = match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Ignore => MessageAcceptance::Ignore,
            Verdict::Reject => MessageAcceptance::Reject,
        };
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        if !gossip.report_message_validation_result(&RawId::from(id.0.to_vec()), &peer, acceptance) {
            self.counters.verdicts_too_late += 1;
        }
        match verdict {
            Verdict::Accept => {
                self.counters.gossip_accepted += 1;
                self.commend(peer);
            }
            Verdict::Ignore => self.counters.gossip_ignored += 1,
            Verdict::Reject => {
                self.counters.gossip_rejected += 1;
                self.penalise(peer, Offence::InvalidGossip);
            }
        }
    }

    /// Asks a peer for blocks, at most 64 of them; a larger request is cut. Ends with exactly one
    /// [`NetworkEvent::ResponseEnd`], also when the peer is not connected.
    pub fn request(&mut self, peer: PeerId, request: Request) -> RequestId {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        let exchanges = &mut self.swarm.behaviour_mut().exchanges;
        exchanges.send(Outgoing::new(id, peer, request.clamped(), exchanges.events()));
        id
    }

    /// A peer was the first to bring something that is valid.
    fn commend(&mut self, peer: PeerId) {
        let now = Instant::now();
        self.scores.reward(peer, now);
        let behaviour = self.swarm.behaviour_mut();
        behaviour.guard.was_useful(peer, now);
        behaviour.gossip.meter().prove(peer);
        behaviour.gossip.set_application_score(&peer, self.scores.get(&peer, now));
    }

    /// Counts an offence. A peer with too many is disconnected and refused for a while, and the next ones from its
    /// address come in more slowly.
    pub fn penalise(&mut self, peer: PeerId, offence: Offence) {
        let now = Instant::now();
        let consequence = self.scores.penalise(peer, offence, now);
        let behaviour = self.swarm.behaviour_mut();
        behaviour.guard.blame(&peer, offence.penalty(), now);
        behaviour.gossip.set_application_score(&peer, self.scores.get(&peer, now));
        if let Consequence::Refuse(until) = consequence {
            let guard = &mut behaviour.guard;
            if !guard.refuses(&peer, now) {
                self.counters.peers_refused += 1;
                tracing::info!(%peer, ?offence, "refusing a peer for its behaviour");
            }
            guard.refuse(peer, until);
        }
    }

    /// Tells the meshes what became of scores, which fade.
    fn refresh_scores(&mut self, now: Instant) {
        if now.saturating_duration_since(self.scores_told_at) < SCORES_TOLD_EVERY {
            return;
        }
        self.scores_told_at = now;
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        for peer in self.peers.keys() {
            gossip.set_application_score(peer, self.scores.get(peer, now));
        }
    }

    /// Counts what peers did wrong while their messages were looked at.
    fn punish_traffic(&mut self) {
        let offences = self.swarm.behaviour().gossip.meter().take_offences();
        for (peer, offence) in offences {
            match offence {
                Offence::Greedy => self.counters.gossip_over_quota += 1,
                _ => self.counters.gossip_undecompressable += 1,
            }
            self.penalise(peer, offence);
        }
    }

    /// The peer's score: zero is neutral, below -20 it is disconnected, below -50 banned.
    pub fn score(&self, peer: &PeerId) -> f64 {
        self.scores.get(peer, Instant::now())
    }

    /// Closes all connections in order, so that peers need not wait for a timeout.
    pub async fn shutdown(mut self) {
        for peer in self.peers.keys() {
            let _ = self.swarm.disconnect_peer_id(*peer);
        }
        let closing = async {
            while self.swarm.connected_peers().next().is_some() {
                futures::StreamExt::next(&mut self.swarm).await;
            }
        };
        // What is not closed by then times out at the peer.
        let _ = tokio::time::timeout(SHUTDOWN_TIMEOUT, closing).await;
    }

    fn subscribe(&mut self, kind: TopicKind) -> Result<(), Error> {
        let topic = self.topic(kind);
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        let subscribed = gossip.subscribe(&topic);
        gossip
            .set_topic_params(topic.clone(), gossip::topic_scoring())
            .map_err(|error| Error::Config(error.into()))?;
        subscribed.map(|_| ()).map_err(|error| Error::Config(format!("cannot subscribe to {topic}: {error}")))
    }

    fn topic(&self, kind: TopicKind) -> libp2p::gossipsub::IdentTopic {
        libp2p::gossipsub::IdentTopic::new(GossipTopic::new(&self.network_name, kind).to_string())
    }
}

/// The text of the error that caused all others; the wrappers say nothing.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// IP and UDP port of an address that a peer can use.
fn socket_of(address: &Multiaddr) -> Option<(IpAddr, u16)> {
    let mut parts = address.iter();
    let ip = ip_of(address)?;
    let port = parts.find_map(|part| if let AddressPart::Udp(port) = part { Some(port) } else { None })?;
    (!ip.is_unspecified()).then_some((ip, port))
}
