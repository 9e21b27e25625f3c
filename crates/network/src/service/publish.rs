//! Publishing: our own messages are never dropped silently.

use std::time::{Duration, Instant};

use libp2p::gossipsub::{PublishError, TopicHash};

use super::Service;
use crate::error::Error;
use crate::gossip::{GossipMessage, Publication};
use crate::message_id::{MESSAGE_DOMAIN_VALID_SNAPPY, MessageId};
use crate::snappy::check_len;

/// Messages that wait for a first peer on their topic: all duties of a slot.
const MAX_WAITING: usize = 64;
/// How long they wait; after a slot they are of no use.
const MAX_WAIT: Duration = Duration::from_millis(lathe_types::MILLISECONDS_PER_SLOT);

/// A message of ours that no peer could take yet.
#[derive(Debug)]
pub(super) struct Waiting {
    since: Instant,
    topic: TopicHash,
    data: Vec<u8>,
}

impl Service {
    /// Sends our own message to all peers on its topic. Gossip does not bring it back to us.
    pub fn publish(&mut self, message: &GossipMessage) -> Result<(MessageId, Publication), Error> {
        let kind = message.topic_kind();
        let ssz = message.to_ssz();
        check_len(ssz.len() as u64, self.size.max_ssz_len(kind))?;
        let topic = self.topic(kind).hash();
        let id = MessageId::compute(MESSAGE_DOMAIN_VALID_SNAPPY, topic.as_str().as_bytes(), &ssz);
        let data = [&MESSAGE_DOMAIN_VALID_SNAPPY[..], &ssz].concat();
        let outcome = match self.swarm.behaviour_mut().gossip.publish(topic.clone(), data.clone()) {
            Ok(_) => {
                self.counters.published += 1;
                Publication::Sent
            }
            Err(PublishError::Duplicate) => Publication::Known,
            Err(PublishError::NoPeersSubscribedToTopic) => {
                self.keep_waiting(topic, data);
                Publication::Waiting
            }
            Err(PublishError::AllQueuesFull(_)) => {
                self.counters.publish_failed += 1;
                Publication::QueuesFull
            }
            Err(error) => return Err(Error::Config(format!("cannot publish: {error}"))),
        };
        Ok((id, outcome))
    }

    fn keep_waiting(&mut self, topic: TopicHash, data: Vec<u8>) {
        if self.waiting.len() >= MAX_WAITING {
            self.waiting.pop_front();
            self.counters.publish_failed += 1;
        }
        self.waiting.push_back(Waiting { since: Instant::now(), topic, data });
    }

    /// A peer came to `topic`: sends what waited for it.
    pub(super) fn publish_waiting(&mut self, topic: &TopicHash) {
        let (ready, waiting) =
            std::mem::take(&mut self.waiting).into_iter().partition(|each| each.topic == *topic);
        self.waiting = waiting;
        for Waiting { since, topic, data } in Vec::from(ready) {
            match self.swarm.behaviour_mut().gossip.publish(topic.clone(), data.clone()) {
                Ok(_) => self.counters.published_late += 1,
                Err(PublishError::NoPeersSubscribedToTopic) => {
                    self.waiting.push_back(Waiting { since, topic, data })
                }
                Err(PublishError::Duplicate) => {}
                Err(_) => self.counters.publish_failed += 1,
            }
        }
    }

    /// Gives up on messages that waited too long.
    pub(super) fn expire_waiting(&mut self, now: Instant) {
        let before = self.waiting.len();
        self.waiting.retain(|each| now.saturating_duration_since(each.since) < MAX_WAIT);
        self.counters.publish_failed += (before - self.waiting.len()) as u64;
    }
}
