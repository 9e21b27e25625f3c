//! What happens, told to whoever listens, as server-sent events.
//!
//! Publishing never waits: events go into a ring, and a listener that falls a whole ring behind is told so and cut.
//! So does one that reads nothing, by the limit on stalled answers. The number of listeners is bounded by the places
//! for streams.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use crate::places::Place;
use crate::routes::failure;

/// Events that a listener may be behind. One slot of the largest registry brings about as many votes; an event is some
/// hundred bytes, and all listeners share it.
const MAX_BEHIND: usize = 8192;
/// Silence after which a comment is sent, so that both sides notice when the other is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Bytes of events that are sent in one piece.
const MAX_PIECE_BYTES: usize = 16 << 10;

macro_rules! topics {
    ($($(#[$doc:meta])* $topic:ident = $($name:literal)|+,)*) => {
        /// What events are about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Topic {
            $($(#[$doc])* $topic,)*
            /// How all nodes of a network are; only from a program that watches one.
            Network,
        }

        impl Topic {
            /// Every topic of a node with its names; the first is ours, the others are those of other clients.
            pub const ALL: &[(Self, &[&str])] = &[$((Self::$topic, &[$($name),+])),*];
        }
    };
}

topics! {
    /// The head moved.
    Head = "head",
    /// A block was imported.
    Block = "block",
    /// The highest justified checkpoint moved.
    Justified = "justified" | "justified_checkpoint",
    /// The finalized checkpoint moved.
    Finalized = "finalized" | "finalized_checkpoint",
    /// Blocks left the canonical chain.
    ChainReorg = "chain_reorg",
    /// A vote from the network was verified.
    Attestation = "attestation",
    /// An aggregate from the network was verified.
    Aggregate = "aggregate",
    /// The proof of a block from the network was verified; its import follows.
    BlockGossip = "block_gossip",
    /// An interval began: what the node has seen of this slot and the one before.
    Slot = "slot",
    /// A duty was done or missed.
    Duty = "duty",
}

/// One event.
#[derive(Clone, Debug)]
struct Event {
    topic: Topic,
    json: Bytes,
}

/// Where events are published. Clones share it.
#[derive(Clone, Debug)]
pub struct Feed(broadcast::Sender<Arc<Event>>);

impl Feed {
    /// A feed without listeners.
    pub fn new() -> Self {
        Self(broadcast::Sender::new(MAX_BEHIND))
    }

    /// Tells all listeners; never waits. The value is asked for only if somebody listens.
    pub fn publish<T: Serialize>(&self, topic: Topic, value: impl FnOnce() -> T) {
        if self.0.receiver_count() == 0 {
            return;
        }
        if let Ok(json) = serde_json::to_vec(&value()) {
            self.publish_json(topic, json.into());
        }
    }

    /// The same for what is written already.
    pub(crate) fn publish_json(&self, topic: Topic, json: Bytes) {
        // There may be no listener, or the last one may have left in between.
        let _ = self.0.send(Arc::new(Event { topic, json }));
    }
}

impl Default for Feed {
    fn default() -> Self {
        Self::new()
    }
}

/// The topics that a client asked for, each under the name that it used.
#[derive(Debug, PartialEq)]
struct Wanted(Vec<(Topic, &'static str)>);

impl Wanted {
    /// Reads the values of `topics`, each of which may be a list.
    fn parse<'a>(lists: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut wanted = Vec::new();
        for name in lists.flat_map(|list| list.split(',')).map(str::trim).filter(|name| !name.is_empty()) {
            let known = Topic::ALL
                .iter()
                .find_map(|(topic, names)| Some((*topic, *names.iter().find(|known| **known == name)?)));
            match known {
                Some(topic) if wanted.contains(&topic) => {}
                Some(topic) => wanted.push(topic),
                None => return Err(format!("there is no topic {name:?}; {}", known_topics())),
            }
        }
        match wanted.is_empty() {
            true => {
                Err(format!("name topics, such as /lean/v0/events?topics=head,finalized; {}", known_topics()))
            }
            false => Ok(Self(wanted)),
        }
    }

    fn name(&self, topic: Topic) -> impl Iterator<Item = &'static str> {
        self.0.iter().filter(move |(wanted, _)| *wanted == topic).map(|(_, name)| *name)
    }
}

fn known_topics() -> String {
    let names: Vec<&str> = Topic::ALL.iter().filter_map(|(_, names)| names.first().copied()).collect();
    format!("there are {}", names.join(", "))
}

/// Answers with the events of a feed, as far as the query asks for them.
pub(crate) fn stream(feed: &Feed, place: &Place, query: &[(String, String)]) -> Response {
    let lists = query.iter().filter(|(key, _)| key == "topics").map(|(_, list)| list.as_str());
    let wanted = match Wanted::parse(lists) {
        Ok(wanted) => wanted,
        Err(why) => return failure(StatusCode::BAD_REQUEST, &why),
    };
    answer(feed, place, wanted, b"retry: 2000\n\n".to_vec())
}

/// Answers with pictures of a network, from the latest one on.
pub(crate) fn network(feed: &Feed, place: &Place, latest: &Bytes) -> Response {
    let wanted = Wanted(vec![(Topic::Network, "network")]);
    let mut greeting = b"retry: 2000\n\n".to_vec();
    if !latest.is_empty() {
        write(&mut greeting, &wanted, &Event { topic: Topic::Network, json: latest.clone() });
    }
    answer(feed, place, wanted, greeting)
}

fn answer(feed: &Feed, place: &Place, wanted: Wanted, greeting: Vec<u8>) -> Response {
    if !place.stream() {
        return failure(StatusCode::SERVICE_UNAVAILABLE, "all event streams are taken; try again later");
    }
    let listener = Listener { receiver: Some(feed.0.subscribe()), wanted, greeting: Some(greeting) };
    let body = Body::from_stream(futures::stream::unfold(listener, |mut listener| async {
        let piece = listener.next_piece().await?;
        Some((Ok::<_, std::convert::Infallible>(piece), listener))
    }));
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    (headers, body).into_response()
}

struct Listener {
    /// `None` once the listener was told that it is too slow.
    receiver: Option<broadcast::Receiver<Arc<Event>>>,
    wanted: Wanted,
    /// What is sent first.
    greeting: Option<Vec<u8>>,
}

impl Listener {
    /// What to send next; `None` at the end.
    async fn next_piece(&mut self) -> Option<Bytes> {
        if let Some(greeting) = self.greeting.take() {
            return Some(greeting.into());
        }
        let mut piece = Vec::new();
        while piece.is_empty() {
            let receiver = self.receiver.as_mut()?;
            match timeout(KEEP_ALIVE, receiver.recv()).await {
                Ok(Ok(event)) => write(&mut piece, &self.wanted, &event),
                Ok(Err(RecvError::Lagged(missed))) => {
                    self.receiver = None;
                    return Some(
                        format!(
                            "event: error\ndata: {{\"error\":\"too slow: {missed} events were missed\"}}\n\n"
                        )
                        .into(),
                    );
                }
                Ok(Err(RecvError::Closed)) => return None,
                Err(_) => piece.extend_from_slice(b": still here\n\n"),
            }
        }
        // What has come in the meantime goes along.
        while let Some(event) = self.receiver.as_mut().and_then(|receiver| receiver.try_recv().ok()) {
            write(&mut piece, &self.wanted, &event);
            if piece.len() > MAX_PIECE_BYTES {
                break;
            }
        }
        Some(piece.into())
    }
}

fn write(piece: &mut Vec<u8>, wanted: &Wanted, event: &Event) {
    for name in wanted.name(event.topic) {
        piece.extend_from_slice(b"event: ");
        piece.extend_from_slice(name.as_bytes());
        piece.extend_from_slice(b"\ndata: ");
        piece.extend_from_slice(&event.json);
        piece.extend_from_slice(b"\n\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_lists_and_have_the_names_of_other_clients_too() {
        let parse = |lists: &[&str]| Wanted::parse(lists.iter().copied()).map(|wanted| wanted.0);
        let expected =
            vec![(Topic::Head, "head"), (Topic::Finalized, "finalized_checkpoint"), (Topic::Slot, "slot")];
        assert_eq!(parse(&["head,finalized_checkpoint", "slot,head"]), Ok(expected));
        assert!(parse(&[]).unwrap_err().contains("there are head, block, justified,"));
        assert!(parse(&["", ","]).is_err());
        assert!(parse(&["head,nothing"]).unwrap_err().starts_with("there is no topic \"nothing\";"));
    }

    fn listener(feed: &Feed, topics: &str) -> Listener {
        let wanted = Wanted::parse([topics].into_iter()).unwrap();
        Listener { receiver: Some(feed.0.subscribe()), wanted, greeting: None }
    }

    #[tokio::test]
    async fn a_listener_hears_what_it_asked_for_under_the_name_that_it_used() {
        let feed = Feed::new();
        feed.publish(Topic::Head, || -> u8 { unreachable!("nobody listens") });
        let mut listener = listener(&feed, "justified_checkpoint,head");
        feed.publish(Topic::Block, || 1);
        feed.publish(Topic::Justified, || 2);
        feed.publish(Topic::Head, || 3);
        let piece = listener.next_piece().await.unwrap();
        assert_eq!(piece, "event: justified_checkpoint\ndata: 2\n\nevent: head\ndata: 3\n\n");
        drop(feed);
        assert_eq!(listener.next_piece().await, None);
    }

    #[tokio::test]
    async fn a_listener_that_falls_behind_is_told_and_cut() {
        let feed = Feed::new();
        let mut slow = listener(&feed, "head");
        for slot in 0..=MAX_BEHIND {
            feed.publish(Topic::Head, || slot);
        }
        let piece = slow.next_piece().await.unwrap();
        assert_eq!(piece, "event: error\ndata: {\"error\":\"too slow: 1 events were missed\"}\n\n");
        assert_eq!(slow.next_piece().await, None);
        // The others go on.
        let mut quick = listener(&feed, "head");
        feed.publish(Topic::Head, || 1);
        assert_eq!(quick.next_piece().await.unwrap(), "event: head\ndata: 1\n\n");
    }
}
