//! The loop: what the swarm reports, and what time brings.

use std::time::Instant;

use futures::StreamExt as _;
use libp2p::core::ConnectedPoint;
use libp2p::gossipsub::MessageAcceptance;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionError, ConnectionId, DialError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, gossipsub, identify};

use super::{BehaviourEvent, Peer, Service};
use crate::bootnode::{Bootnode, HostName};
use crate::event::{ConnectFailure, Direction, DisconnectReason, NetworkEvent};
use crate::gossip::{GossipMessage, split_domain};
use crate::message_id::MessageId;
use crate::peers::{Dial, EntryId, Offence, ip_of, is_timeout};
use crate::topic::GossipTopic;

/// Characters of a peer's software name that are kept.
const MAX_AGENT_CHARS: usize = 128;

/// A host name was looked up for a dial: its addresses.
pub(super) type Resolved = (EntryId, Option<PeerId>, Vec<Multiaddr>);

impl Service {
    /// Waits for the next event. Safe to cancel: no event is lost.
    pub async fn next_event(&mut self) -> NetworkEvent {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_swarm_event(event),
                Some(event) = self.exchanges.recv() => self.on_exchange(event),
                Some(resolved) = self.resolved.recv() => self.on_resolved(resolved),
                _ = self.timer.tick() => self.on_tick(Instant::now()),
            }
        }
    }

    fn on_tick(&mut self, now: Instant) {
        self.punish_traffic();
        self.refresh_scores(now);
        self.expire_waiting(now);
        self.ask_due_statuses(now);
        for dial in self.book.due(now, self.peers.len()) {
            match HostName::in_address(&dial.address) {
                None => self.dial_entry(dial.entry, dial.peer_id, vec![dial.address]),
                Some(name) => self.look_up(&dial, name),
            }
        }
    }

    /// Looks a name up in a task of its own, because that may take seconds.
    fn look_up(&mut self, dial: &Dial, name: HostName) {
        self.book.resolving(dial.entry);
        let (entry, peer, results) = (dial.entry, dial.peer_id, self.resolving.clone());
        let is_first = self.book.failures(entry) == 0;
        tokio::spawn(async move {
            let shown = name.to_string();
            let addresses = name.look_up().await;
            if addresses.is_empty() && is_first {
                tracing::warn!(
                    name = shown,
                    "the name of a bootnode cannot be looked up; trying again and again"
                );
            }
            // Nobody listens any more when the service has ended.
            let _ = results.send((entry, peer, addresses)).await;
        });
    }

    fn on_resolved(&mut self, (entry, peer, mut addresses): Resolved) {
        if addresses.is_empty() {
            return self.book.dial_failed_at_once(entry, Instant::now());
        }
        if peer.is_none() {
            // Without a name to check, one address at a time.
            let at = rand::random_range(0..addresses.len());
            addresses = vec![addresses.swap_remove(at)];
        }
        self.dial_entry(entry, peer, addresses);
    }

    fn dial_entry(&mut self, entry: EntryId, peer: Option<PeerId>, mut addresses: Vec<Multiaddr>) {
        let options: DialOpts = match (peer, addresses.pop()) {
            (Some(peer), Some(last)) => {
                addresses.push(last);
                DialOpts::peer_id(peer)
                    .condition(PeerCondition::DisconnectedAndNotDialing)
                    .addresses(addresses)
                    .build()
            }
            (None, Some(address)) => DialOpts::unknown_peer_id().address(address).build(),
            (_, None) => return self.book.dial_failed_at_once(entry, Instant::now()),
        };
        let connection = options.connection_id();
        match self.swarm.dial(options) {
            Ok(()) => self.book.dialling(entry, connection),
            Err(_) => self.book.dial_failed_at_once(entry, Instant::now()),
        }
    }

    fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        self.punish_traffic();
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour_event(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_connected(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, num_established: 0, cause, .. } => {
                self.on_disconnected(peer_id, cause.as_ref());
            }
            SwarmEvent::OutgoingConnectionError { connection_id, error, .. } => {
                self.on_dial_error(connection_id, &error);
            }
            SwarmEvent::IncomingConnectionError { error, .. } => {
                tracing::debug!(%error, "an inbound connection failed");
                let failure = connect_failure(&error.to_string());
                self.events.push_back(NetworkEvent::ConnectFailed { direction: Direction::Inbound, failure });
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                self.events.push_back(NetworkEvent::Listening { address })
            }
            SwarmEvent::ListenerError { error, .. } => tracing::warn!(%error, "a listener failed"),
            SwarmEvent::ListenerClosed { addresses, reason, .. } => {
                tracing::error!(?addresses, ?reason, "a listener closed");
            }
            _ => {}
        }
    }

    fn on_connected(&mut self, peer: PeerId, connection: ConnectionId, endpoint: &ConnectedPoint) {
        let now = Instant::now();
        self.book.connected(peer, connection, now);
        if self.peers.contains_key(&peer) {
            return;
        }
        let direction = if endpoint.is_dialer() { Direction::Outbound } else { Direction::Inbound };
        let state = Peer {
            direction,
            since: now,
            address: endpoint.get_remote_address().clone(),
            agent: None,
            status: None,
            ask_status_at: Self::first_question(direction, now),
            status_attempts: 0,
        };
        self.peers.insert(peer, state);
        self.events.push_back(NetworkEvent::PeerConnected { peer, direction });
        self.ask_due_statuses(now);
    }

    fn on_disconnected(&mut self, peer: PeerId, cause: Option<&ConnectionError>) {
        self.book.disconnected(peer, Instant::now());
        if let Some(state) = self.peers.remove(&peer) {
            let direction = state.direction;
            let reason = disconnect_reason(cause);
            self.events.push_back(NetworkEvent::PeerDisconnected { peer, direction, reason });
        }
    }

    fn on_dial_error(&mut self, connection: ConnectionId, error: &DialError) {
        tracing::debug!(%error, "a dial failed");
        if let DialError::LocalPeerId { .. } = error {
            self.book.dialled_self(connection);
            return;
        }
        self.book.dial_failed(connection, Instant::now());
        let failure = connect_failure(&error.to_string());
        self.events.push_back(NetworkEvent::ConnectFailed { direction: Direction::Outbound, failure });
    }

    fn on_behaviour_event(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Gossip(gossipsub::Event::Message { propagation_source, message, .. }) => {
                self.on_gossip(propagation_source, &message);
            }
            BehaviourEvent::Gossip(gossipsub::Event::Subscribed { topic, .. }) => {
                self.publish_waiting(&topic)
            }
            BehaviourEvent::Gossip(gossipsub::Event::SlowPeer { peer_id, .. }) => {
                self.counters.slow_peers += 1;
                tracing::debug!(peer = %peer_id, "a peer does not take messages as fast as they come");
            }
            BehaviourEvent::Gossip(gossipsub::Event::GossipsubNotSupported { peer_id }) => {
                tracing::debug!(peer = %peer_id, "a peer does not gossip");
            }
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                self.on_identified(peer_id, &info);
            }
            _ => {}
        }
    }

    fn on_gossip(&mut self, peer: PeerId, message: &gossipsub::Message) {
        let (domain, payload) = split_domain(&message.data);
        let id = MessageId::compute(domain, message.topic.as_str().as_bytes(), payload);
        // Only topics that we subscribed to get here, so the name parses.
        let Ok(topic) = message.topic.as_str().parse::<GossipTopic>() else { return };
        if !self.gossip_quotas.take(peer, 1.0, Instant::now()) {
            self.counters.gossip_over_quota += 1;
            self.drop_unread(id, peer, MessageAcceptance::Ignore, Offence::Greedy);
            return;
        }
        match GossipMessage::from_ssz(topic.kind, payload) {
            Ok(message) => {
                self.counters.gossip_received += 1;
                let ssz_len = payload.len();
                self.events.push_back(NetworkEvent::Gossip { id, peer, message, ssz_len });
            }
            Err(error) => {
                tracing::debug!(%peer, ?error, topic = %topic, "a message does not decode");
                self.counters.gossip_undecodable += 1;
                self.drop_unread(id, peer, MessageAcceptance::Reject, Offence::InvalidGossip);
            }
        }
    }

    /// Gives the verdict on a message that the owner never sees.
    fn drop_unread(&mut self, id: MessageId, peer: PeerId, verdict: MessageAcceptance, offence: Offence) {
        let id = gossipsub::MessageId::from(id.0.to_vec());
        self.swarm.behaviour_mut().gossip.report_message_validation_result(&id, &peer, verdict);
        self.penalise(peer, offence);
    }

    fn on_identified(&mut self, peer: PeerId, info: &identify::Info) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        let agent: String = info.agent_version.chars().take(MAX_AGENT_CHARS).collect();
        let first_time = state.agent.as_ref() != Some(&agent);
        state.agent = Some(agent.clone());
        if state.direction == Direction::Inbound {
            // Where it listens on the host that it came from, so that we can find it again.
            let ip = ip_of(&state.address);
            let listens = info.listen_addrs.iter().find(|address| ip_of(address) == ip);
            if let Some(Ok(known)) = listens.map(Bootnode::try_from) {
                self.book.learn(peer, known.address, Instant::now());
            }
        }
        if first_time {
            self.events.push_back(NetworkEvent::PeerIdentified { peer, agent });
        }
    }
}

fn connect_failure(error: &str) -> ConnectFailure {
    if error.contains("timed out") { ConnectFailure::Timeout } else { ConnectFailure::Error }
}

fn disconnect_reason(cause: Option<&ConnectionError>) -> DisconnectReason {
    match cause {
        None => DisconnectReason::LocalClose,
        Some(error) if is_timeout(error) => DisconnectReason::Timeout,
        Some(ConnectionError::IO(error)) if error.to_string().contains("closed by peer") => {
            DisconnectReason::RemoteClose
        }
        Some(_) => DisconnectReason::Error,
    }
}
