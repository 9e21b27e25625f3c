//! libp2p QUIC: gossip, requests and responses, the peer book.
//!
//! A driver that knows nothing of the other drivers nor of who calls it: [`Service`] is a plain struct around a
//! swarm. It decodes and bounds what peers send, relays gossip only after a verdict, and never panics on input.

mod bootnode;
mod config;
mod error;
mod event;
mod gossip;
mod identity;
mod message_id;
mod metered;
mod node_record;
mod peers;
pub mod reqresp;
mod service;
pub mod snappy;
mod topic;
mod traffic;

pub use bootnode::{Bootnode, parse_bootnodes};
pub use config::Config;
pub use error::Error;
pub use event::{ConnectFailure, Counters, Direction, DisconnectReason, NetworkEvent, PeerInfo};
pub use gossip::{GossipMessage, Publication, Verdict};
pub use identity::{NodeKey, peer_id_of};
pub use libp2p::{Multiaddr, PeerId};
pub use message_id::{MESSAGE_DOMAIN_INVALID_SNAPPY, MESSAGE_DOMAIN_VALID_SNAPPY, MessageId};
pub use node_record::{NodeRecord, quic_multiaddr};
pub use peers::Offence;
pub use reqresp::{Request, RequestFailure, RequestId, Responder, ResponderClosed, ResponseCode};
pub use service::Service;
pub use topic::{DEFAULT_NETWORK_NAME, GossipTopic, MAX_NETWORK_NAME_LEN, TopicKind};
pub use traffic::{MAX_PLAIN_BLOCK_BYTES, NetworkSize};
