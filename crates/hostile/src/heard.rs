//! An honest ear: what was published, whatever those who published it remember.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lathe_network::reqresp::Protocol;
use lathe_network::snappy::{MAX_PAYLOAD_SIZE, decompress_block};
use lathe_network::{GossipTopic, Multiaddr, TopicKind};
use lathe_types::{
    Decode as _, KeyRole, Root, SignedAttestation, SignedBlock, Slot, SubnetId, TreeHash as _, ValidatorIndex,
};

use crate::raw::{Manners, Raw};

/// A dial that is under way is left alone for so long: two connections at a time are one too many.
const DIAL_AGAIN_AFTER: Duration = Duration::from_millis(300);

/// Whose key signed, in which role, for which slot.
pub type Signing = (ValidatorIndex, KeyRole, Slot);

type Roots = BTreeMap<Signing, BTreeSet<Root>>;

/// A peer that follows blocks and votes and remembers every signed root.
pub struct Heard {
    peer: Raw,
    topics: Vec<String>,
    roots: Arc<Mutex<Roots>>,
    dialled: Mutex<Option<Instant>>,
}

impl Heard {
    /// Starts to listen on the network of this name, from this address.
    pub async fn start(ip: std::net::IpAddr, network: &str) -> Self {
        let peer = Raw::with(Manners { ip, ..Manners::new(Protocol::Status) }).await;
        let topics = [TopicKind::Block, TopicKind::AttestationSubnet(SubnetId(0))];
        let topics: Vec<String> =
            topics.iter().map(|kind| GossipTopic::new(network, *kind).to_string()).collect();
        for topic in &topics {
            peer.subscribe(topic).await;
        }
        let roots = Arc::new(Mutex::new(Roots::new()));
        let (heard, block_topic) = (Arc::clone(&roots), topics[0].clone());
        peer.on_gossip(move |topic, bytes| {
            let Ok(ssz) = decompress_block(bytes, MAX_PAYLOAD_SIZE) else { return };
            let signed = if topic == block_topic { block_of(&ssz) } else { vote_of(&ssz) };
            if let Some((signing, root)) = signed {
                heard.lock().unwrap().entry(signing).or_default().insert(root);
            }
        });
        Self { peer, topics, roots, dialled: Mutex::new(None) }
    }

    /// Connects to a node that is not connected to; to be called again and again where nodes come and go.
    pub async fn follow(&self, address: &Multiaddr) {
        let is_due = |last: Option<Instant>| last.is_none_or(|last| last.elapsed() > DIAL_AGAIN_AFTER);
        if is_due(*self.dialled.lock().unwrap()) && self.peer.connected().await.is_empty() {
            *self.dialled.lock().unwrap() = Some(Instant::now());
            self.peer.dial(address).await;
        }
    }

    /// The topics that are followed.
    pub fn topics(&self) -> &[String] {
        &self.topics
    }

    /// Everything that was heard: the roots that were signed, each with whose key, role and slot.
    pub fn signed(&self) -> BTreeMap<Signing, BTreeSet<Root>> {
        self.roots.lock().unwrap().clone()
    }
}

fn block_of(ssz: &[u8]) -> Option<(Signing, Root)> {
    let block = SignedBlock::from_ssz_bytes(ssz).ok()?.block;
    Some(((block.proposer_index, KeyRole::Proposal, block.slot), block.tree_hash_root()))
}

fn vote_of(ssz: &[u8]) -> Option<(Signing, Root)> {
    let vote = SignedAttestation::from_ssz_bytes(ssz).ok()?;
    Some(((vote.validator_index, KeyRole::Attestation, vote.data.slot), vote.data.tree_hash_root()))
}
