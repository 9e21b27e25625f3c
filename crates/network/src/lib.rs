//! libp2p QUIC: gossip, requests and responses, the peer book.
//!
//! A driver that knows nothing of the other drivers nor of who calls it: a plain struct around a
//! swarm. It decodes and bounds what peers send, relays gossip only after a verdict, and never panics on input.

mod bootnode;
mod error;
mod identity;
mod message_id;
mod node_record;
pub mod snappy;
mod topic;

pub use bootnode::{Bootnode, parse_bootnodes};
pub use error::Error;
pub use identity::{NodeKey, peer_id_of};
pub use libp2p::{Multiaddr, PeerId};
pub use message_id::{MESSAGE_DOMAIN_INVALID_SNAPPY, MESSAGE_DOMAIN_VALID_SNAPPY, MessageId};
pub use node_record::{NodeRecord, quic_multiaddr};
pub use topic::{DEFAULT_NETWORK_NAME, GossipTopic, MAX_NETWORK_NAME_LEN, TopicKind};
