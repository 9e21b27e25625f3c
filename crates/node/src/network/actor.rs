//! The loop around the swarm.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lathe_actor::Inbox;
use lathe_engine::{Input, Origin, Peer, RefusedBlock, View};
use lathe_http::PeerInfo;
use lathe_network::{
    Direction, GossipMessage, MessageId, NetworkEvent, PeerId, Publication, Request, RequestFailure,
    RequestId, Service, TopicKind, Verdict,
};
use lathe_types::{Encode as _, MILLISECONDS_PER_SLOT, Root, SignedBlock, Slot, SubnetId};
use tokio::sync::{oneshot, watch};
use tracing::{debug, info, warn};

use super::alone::{Alone, News};
use super::book::Keeper;
use super::convert;
use super::mailbox::Command;
use super::metrics::{direction_name, disconnect_name, failure_name, request_size};
use super::state::{PeerTable, group_of};
use crate::chain::{self, NoRoom, Short};
use crate::clock::Time;
use crate::description::duration;
use crate::metrics::{Arrived, Metrics};
use crate::sparing::Sparing;
use crate::store;

/// How often the meshes are counted.
const MESH_COUNT_PERIOD: Duration = Duration::from_secs(1);

/// How often the peers that we know are kept for the next run, if they changed.
const KEEP_PERIOD: Duration = Duration::from_secs(30);

/// How often it is said that peers lack blocks.
const COMPLAINT_PERIOD: Duration = Duration::from_secs(60);

/// Who waits for the answer to a request.
pub(super) enum Requester {
    /// The chain, under its own name for the request, and the peer that it asked.
    Chain(lathe_engine::RequestId, Peer),
    /// Somebody who looks up one block.
    LookUp(Option<oneshot::Sender<Arc<SignedBlock>>>),
}

/// The actor.
pub(crate) struct Network {
    pub service: Service,
    pub chain: chain::Mailbox,
    pub reader: store::Reader,
    pub time: Time,
    pub view: watch::Receiver<Arc<View>>,
    pub metrics: Arc<Metrics>,
    /// Names of known peers.
    pub names: HashMap<PeerId, String>,
    /// Subnets that are followed only while the node aggregates.
    pub aggregator_subnets: Vec<SubnetId>,
    pub(super) table: PeerTable,
    pub(super) requests: HashMap<RequestId, Requester>,
    /// Blocks looked up so far, so that each goes to the next peer.
    pub(super) look_ups: usize,
    /// When it was said last that peers lack blocks.
    pub(super) complained_at: Option<Instant>,
    /// Blocks that were refused, as far as they are told.
    pub(super) refusals: Sparing,
    pub(super) alone: Alone,
    /// Whether all validators are this node's, so that it needs no peers.
    pub(super) is_whole_network: bool,
    /// Keeps what we know of peers for the next run.
    pub(super) book: Keeper,
    /// For the API.
    pub peers: watch::Sender<Vec<PeerInfo>>,
}

impl Network {
    /// Runs until the mailbox is closed, then says good-bye to the peers.
    pub(crate) async fn run(mut self, mut inbox: Inbox<Command>) -> Result<(), Infallible> {
        let mut mesh_count = tokio::time::interval(MESH_COUNT_PERIOD);
        let mut keeping = tokio::time::interval(KEEP_PERIOD);
        self.update_status();
        loop {
            tokio::select! {
                biased;
                order = inbox.recv() => match order {
                    Some(order) => self.carry_out(order),
                    None => break,
                },
                event = self.service.next_event() => self.on_event(event).await,
                Ok(()) = self.view.changed() => self.update_status(),
                _ = mesh_count.tick() => {
                    self.count_meshes();
                    self.look_for_peers();
                }
                _ = keeping.tick() => {
                    // Nobody waits for it; a stop does, below.
                    self.book.keep(self.service.known_peers()).map(tokio::task::spawn_blocking);
                }
            }
        }
        let last = self.book.keep(self.service.known_peers()).map(tokio::task::spawn_blocking);
        self.service.shutdown().await;
        if let Some(last) = last {
            // It says itself what went wrong.
            let _ = last.await;
        }
        Ok(())
    }

    fn update_status(&mut self) {
        let status = self.view.borrow_and_update().status;
        self.service.set_status(status);
    }

    fn carry_out(&mut self, order: Command) {
        match order {
            Command::Publish(message) => self.publish(&convert::message(message)),
            Command::Verdict(id, peer, verdict) => {
                if let Some(peer) = self.table.id(peer) {
                    self.service.report_verdict(convert::message_id(id), peer, convert::verdict(verdict));
                }
            }
            Command::Fetch(request, peer, what) => match self.table.id(peer) {
                Some(id) => {
                    let what = convert::request(what);
                    self.measure(&what, Direction::Outbound);
                    let ours = self.service.request(id, what);
                    self.requests.insert(ours, Requester::Chain(request, peer));
                }
                None => {
                    let outcome = Err(lathe_engine::FetchFailure::Transport);
                    self.chain.answer(Input::FetchEnded { request, outcome });
                }
            },
            Command::LookUp(root, answer) => self.look_up(root, answer),
            Command::RequestStatus(peer) => {
                if let Some(peer) = self.table.id(peer) {
                    self.service.request_status(peer);
                }
            }
            Command::Penalise(peer, offence) => {
                if let Some(peer) = self.table.id(peer) {
                    debug!(%peer, ?offence, "a peer broke a rule");
                    self.service.penalise(peer, convert::offence(offence));
                }
            }
            Command::TellRefused(block, reason) => self.tell_refused(block, reason),
            Command::SetAggregator(enabled) => self.set_aggregator(enabled),
        }
    }

    /// Asks the next peer in turn. Without peers the answer is dropped.
    fn look_up(&mut self, root: Root, answer: oneshot::Sender<Arc<SignedBlock>>) {
        let peers = self.service.peers();
        let turn = self.look_ups.checked_rem(peers.len());
        let Some(peer) = turn.and_then(|turn| peers.get(turn)) else { return };
        self.look_ups = self.look_ups.wrapping_add(1);
        let request = self.service.request(peer.peer, Request::BlocksByRoot(vec![root]));
        self.requests.insert(request, Requester::LookUp(Some(answer)));
    }

    fn measure(&self, request: &Request, direction: Direction) {
        let (protocol, bytes) = request_size(request);
        let labels = [protocol, direction_name(direction)];
        self.metrics.network.request_bytes.with_label_values(&labels).observe(bytes as f64);
    }

    async fn on_block(&mut self, request: RequestId, block: Arc<SignedBlock>) {
        match self.requests.get_mut(&request) {
            Some(Requester::Chain(request, peer)) => self.chain.response_block(block, *request, *peer).await,
            Some(Requester::LookUp(answer)) => {
                if let Some(answer) = answer.take() {
                    // Whoever asked may have given up.
                    let _ = answer.send(block);
                }
            }
            None => {}
        }
    }

    fn publish(&mut self, message: &GossipMessage) {
        let kind = message.topic_kind();
        match self.service.publish(message) {
            Ok((_, Publication::Sent)) => {}
            Ok((_, outcome @ (Publication::Waiting | Publication::Known))) => {
                debug!(?kind, ?outcome, "our message was not sent right away");
            }
            Ok((_, Publication::QueuesFull)) => warn!(?kind, "no peer can take our message"),
            Err(error) => warn!(?kind, %error, "our message cannot be published"),
        }
    }

    fn set_aggregator(&mut self, enabled: bool) {
        for subnet in &self.aggregator_subnets {
            if !enabled {
                self.service.unsubscribe_subnet(*subnet);
            } else if let Err(error) = self.service.subscribe_subnet(*subnet) {
                warn!(subnet = subnet.0, %error, "a subnet cannot be followed");
            }
        }
    }

    async fn on_event(&mut self, event: NetworkEvent) {
        match event {
            NetworkEvent::Listening { address } => info!(%address, "listening"),
            NetworkEvent::PeerConnected { peer, direction } => self.on_connected(peer, direction),
            NetworkEvent::PeerDisconnected { peer, direction, reason } => {
                let labels = [direction_name(direction), disconnect_name(reason)];
                self.metrics.network.disconnection_events.with_label_values(&labels).inc();
                self.metrics.network.connected_peers.with_label_values(&[self.name_of(&peer)]).dec();
                info!(%peer, name = self.name_of(&peer), reason = labels[1], "peer left");
                self.list_peers();
                let peer = self.table.disconnected(peer);
                self.chain.answer(Input::PeerDisconnected { peer });
            }
            NetworkEvent::ConnectFailed { direction, failure } => {
                let labels = [direction_name(direction), failure_name(failure)];
                self.metrics.network.connection_events.with_label_values(&labels).inc();
            }
            NetworkEvent::PeerIdentified { peer, agent } => debug!(%peer, agent, "peer said what it is"),
            NetworkEvent::Gossip { id, peer, message, ssz_len } => self.on_gossip(id, peer, message, ssz_len),
            NetworkEvent::PeerStatus { peer, status } => {
                let peer = self.table.number(peer);
                self.chain.answer(Input::PeerStatus { peer, status });
            }
            NetworkEvent::Request { request, responder, .. } => {
                self.measure(&request, Direction::Inbound);
                let (reader, now) = (self.reader.clone(), self.time.now());
                let current_slot = Slot(now.0.max(0).unsigned_abs() / MILLISECONDS_PER_SLOT);
                // How many of these run at once is the network's to bound.
                let sent = self
                    .metrics
                    .network
                    .response_chunk_bytes
                    .with_label_values(&[direction_name(Direction::Outbound)]);
                tokio::spawn(async move { reader.serve(request, current_slot, responder, &sent).await });
            }
            NetworkEvent::ResponseChunk { request, block, .. } => {
                let bytes = &self.metrics.network.response_chunk_bytes;
                bytes
                    .with_label_values(&[direction_name(Direction::Inbound)])
                    .observe(block.ssz_bytes_len() as f64);
                self.on_block(request, block).await;
            }
            NetworkEvent::ResponseEnd { request, outcome, .. } => {
                if outcome == Err(RequestFailure::Unavailable) {
                    self.complain_of_gaps();
                }
                if let Some(Requester::Chain(request, _)) = self.requests.remove(&request) {
                    self.chain
                        .answer(Input::FetchEnded { request, outcome: outcome.map_err(convert::failure) });
                }
            }
        }
    }

    /// Says which block was refused, why, and who brought it.
    fn tell_refused(&mut self, refused: RefusedBlock, reason: &'static str) {
        let Some(kept_back) = self.refusals.admits(Instant::now()) else { return };
        let RefusedBlock { block, proposer, peer } = refused;
        let from = match peer.and_then(|peer| self.table.id(peer)) {
            Some(id) => format!("{} {id}", self.name_of(&id)),
            None => "nobody known".into(),
        };
        let more = match kept_back {
            0 => String::new(),
            count => format!(" ({count} more were refused since the last such line)"),
        };
        warn!(
            "a block is refused: slot {}, root {}, proposer {proposer}, from peer {from}: {reason}{more}",
            block.slot,
            Short(block.root)
        );
    }

    /// Says when there is no peer for a while, unless the whole network is in this node.
    fn look_for_peers(&mut self) {
        if self.is_whole_network {
            return;
        }
        match self.alone.look(self.service.peers().len(), Instant::now()) {
            Some(News::Alone(time)) => warn!(
                "no peers for {}: nothing is heard or sent; check --bootnodes, that UDP reaches this node, and that the \
                 others run with the same FORK_DIGEST",
                duration(time.as_secs())
            ),
            Some(News::Over) => info!("there are peers again"),
            None => {}
        }
    }

    /// A peer no longer has blocks that we need: if none has, we never catch up, and should say so.
    fn complain_of_gaps(&mut self) {
        let now = Instant::now();
        if self.complained_at.is_none_or(|at| now.duration_since(at) >= COMPLAINT_PERIOD) {
            self.complained_at = Some(now);
            warn!(
                "a peer does not have the old blocks that this node asks for; if it stays behind, start it with \
                 --checkpoint-sync-url"
            );
        }
    }

    fn on_connected(&mut self, peer: PeerId, direction: Direction) {
        let labels = [direction_name(direction), "success"];
        self.metrics.network.connection_events.with_label_values(&labels).inc();
        self.metrics.network.connected_peers.with_label_values(&[self.name_of(&peer)]).inc();
        info!(%peer, name = self.name_of(&peer), direction = labels[0], "peer connected");
        self.list_peers();
        let group = group_of(self.service.ip(&peer));
        let peer = self.table.connected(peer);
        self.chain.answer(Input::PeerConnected { peer, group });
    }

    fn on_gossip(&mut self, id: MessageId, from: PeerId, message: GossipMessage, bytes: usize) {
        let peer = self.table.number(from);
        let origin = Origin::Gossip { id: lathe_engine::MessageId(id.0), peer };
        let network = &self.metrics.network;
        let now = self.time.now();
        let arrived = |what, slot| self.metrics.arrivals.note(what, slot, now);
        let (kind, delivered) = match message {
            GossipMessage::Block(block) => {
                arrived(Arrived::Block, block.block.slot);
                network.block_bytes.observe(bytes as f64);
                ("block", self.chain.gossip_block(block, origin))
            }
            GossipMessage::Aggregate(aggregate) => {
                arrived(Arrived::Aggregate, aggregate.data.slot);
                network.proof_bytes.observe(aggregate.proof.proof.len() as f64);
                network.aggregation_bytes.observe(bytes as f64);
                ("aggregate", self.chain.gossip_aggregate(aggregate, origin))
            }
            GossipMessage::Attestation { attestation, .. } => {
                arrived(Arrived::Attestation, attestation.data.slot);
                network.attestation_bytes.observe(bytes as f64);
                ("attestation", self.chain.gossip_attestation(attestation, origin))
            }
        };
        let Err(NoRoom(lost)) = delivered else { return };
        network.dropped.with_label_values(&[kind, "no_room"]).inc_by(lost.len() as u64);
        for origin in lost {
            if let Origin::Gossip { id, peer } = origin
                && let Some(peer) = self.table.id(peer)
            {
                self.service.report_verdict(convert::message_id(id), peer, Verdict::Ignore);
            }
        }
    }

    fn list_peers(&self) {
        let info = |info: lathe_network::PeerInfo| PeerInfo {
            peer_id: info.peer.to_string(),
            name: self.names.get(&info.peer).cloned(),
            address: self.service.ip(&info.peer).map(|ip| ip.to_string()),
            inbound: info.direction == Direction::Inbound,
        };
        self.peers.send_replace(self.service.peers().into_iter().map(info).collect());
    }

    /// Counts the block topic's mesh by client.
    fn count_meshes(&self) {
        let mesh = &self.metrics.network.mesh_peers;
        mesh.reset();
        let turned_away = &self.metrics.network.turned_away;
        turned_away.inc_by(self.service.turned_away().saturating_sub(turned_away.get()));
        let over_quota = &self.metrics.network.over_quota;
        over_quota.inc_by(self.service.counters().gossip_over_quota.saturating_sub(over_quota.get()));
        mesh.with_label_values(&["unknown"]);
        for peer in self.service.mesh_peers(TopicKind::Block) {
            mesh.with_label_values(&[self.name_of(&peer)]).inc();
        }
    }

    fn name_of(&self, peer: &PeerId) -> &str {
        self.names.get(peer).map_or("unknown", String::as_str)
    }
}
