//! The loop: what the swarm reports, and what time brings.

use std::time::Instant;

use futures::StreamExt as _;
use libp2p::core::ConnectedPoint;
use libp2p::gossipsub::MessageAcceptance;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionError, ConnectionId, DialError, SwarmEvent};
use libp2p::{PeerId, gossipsub, identify};

use super::{BehaviourEvent, Peer, Service, ip_of};
use crate::bootnode::Bootnode;
use crate::event::{ConnectFailure, Direction, DisconnectReason, NetworkEvent};
use crate::gossip::{GossipMessage, split_domain};
use crate::message_id::{MESSAGE_DOMAIN_VALID_SNAPPY, MessageId};
use crate::peers::{Offence, is_timeout};
use crate::topic::GossipTopic;

/// Characters of a peer's software name that are kept.
const MAX_AGENT_CHARS: usize = 128;

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
                _ = self.timer.tick() => self.on_tick(Instant::now()),
            }
        }
    }

    fn on_tick(&mut self, now: Instant) {
        self.expire_waiting(now);
        self.ask_due_statuses(now);
        let lonely = self.peers.is_empty();
        for dial in self.book.due(now, lonely) {
            let options: DialOpts = match dial.peer_id {
                Some(peer) => DialOpts::peer_id(peer)
                    .condition(PeerCondition::DisconnectedAndNotDialing)
                    .addresses(vec![dial.address])
                    .build(),
                None => DialOpts::unknown_peer_id().address(dial.address).build(),
            };
            let connection = options.connection_id();
            match self.swarm.dial(options) {
                Ok(()) => self.book.dialling(dial.entry, connection),
                Err(_) => self.book.dial_failed_at_once(dial.entry, now),
            }
        }
    }

    fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
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
            ask_status_at: Some(Self::first_question(direction, now)),
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
        if domain != MESSAGE_DOMAIN_VALID_SNAPPY {
            self.counters.gossip_undecompressable += 1;
            self.drop_unread(id, peer, MessageAcceptance::Reject, Offence::InvalidGossip);
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
