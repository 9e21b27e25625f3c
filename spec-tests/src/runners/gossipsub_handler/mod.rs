//! `gossipsub_handler` fixtures: what a router sends in answer to one RPC, and how its meshes change.

mod gossip_rules;

use std::collections::BTreeMap;

use serde::Deserialize;

use lathe_network::MessageId;

use self::gossip_rules::{Peer, Router, Rpc, Sent};
use crate::fixtures::Case;
use crate::json::{Bytes, Json};
use crate::outcome::{Failure, Outcome, expect_eq};

type Hex = Json<Bytes>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Body {
    #[serde(rename = "handlerName")]
    _handler_name: String,
    params: Params,
    initial_state: InitialState,
    event: Event,
    now: f64,
    expected: Expected,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Params {
    d: usize,
    d_low: usize,
    d_high: usize,
    d_lazy: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct InitialState {
    subscriptions: Vec<String>,
    peers: BTreeMap<String, PeerState>,
    meshes: BTreeMap<String, Vec<String>>,
    seen_message_ids: Vec<Hex>,
    cached_messages: Vec<CachedMessage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PeerState {
    #[serde(rename = "subscriptions")]
    _subscriptions: Vec<String>,
    with_stream: bool,
    backoff: BTreeMap<String, f64>,
    dont_want_ids: Vec<Hex>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CachedMessage {
    topic: String,
    data: Hex,
    message_id: Hex,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Event {
    from_peer: String,
    graft: Vec<TopicEntry>,
    prune: Vec<PruneEntry>,
    ihave: Vec<IHaveEntry>,
    iwant: Vec<IdsEntry>,
    idontwant: Vec<IdsEntry>,
    publish: Vec<PublishEntry>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct TopicEntry {
    topic_id: String,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PruneEntry {
    topic_id: String,
    backoff: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct IHaveEntry {
    #[serde(rename = "topicId")]
    _topic_id: String,
    message_ids: Vec<Hex>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct IdsEntry {
    message_ids: Vec<Hex>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct PublishEntry {
    topic: String,
    data: Option<Hex>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Expected {
    sent_rpcs: Vec<SentRpc>,
    mesh_after: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SentRpc {
    to_peer: String,
    publish: Option<Vec<PublishEntry>>,
    control: Option<SentControl>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct SentControl {
    graft: Option<Vec<TopicEntry>>,
    prune: Option<Vec<PruneEntry>>,
    iwant: Option<Vec<IdsEntry>>,
    idontwant: Option<Vec<IdsEntry>>,
}

pub(super) fn run(case: &Case) -> Outcome {
    let Body { params, initial_state, event, now, expected, .. } = case.body()?;
    let Params { d, d_low, d_high, d_lazy } = params;
    let ordered = d_low <= d && d <= d_high.max(d) && d_lazy <= d_high;
    expect_eq("params in order", &true, &ordered)?;
    let mut router = router(d_high, initial_state)?;
    let from = event.from_peer.clone();
    let mut sent = router.handle_rpc(&from, rpc(event)?, now);
    sent.sort_by(|(a, _), (b, _)| a.cmp(b));
    let found = Expected {
        sent_rpcs: sent.into_iter().map(describe).collect(),
        mesh_after: router
            .meshes
            .into_iter()
            .map(|(topic, mesh)| (topic, mesh.into_iter().collect()))
            .collect(),
    };
    expect_eq("outcome", &expected, &found)?;
    case.expect_rejection(None)
}

fn router(d_high: usize, state: InitialState) -> Result<Router, Failure> {
    let mut router = Router { d_high, ..Router::default() };
    for topic in state.subscriptions {
        router.meshes.insert(topic, Default::default());
    }
    for (topic, members) in state.meshes {
        router.meshes.entry(topic).or_default().extend(members);
    }
    for (name, peer) in state.peers {
        let dont_want = peer.dont_want_ids.iter().map(id).collect::<Result<_, _>>()?;
        let peer = Peer::new(peer.backoff, dont_want, peer.with_stream);
        router.peers.insert(name, peer);
    }
    router.seen = state.seen_message_ids.iter().map(id).collect::<Result<_, _>>()?;
    for CachedMessage { topic, data, message_id } in state.cached_messages {
        router.cache.insert(id(&message_id)?, (topic, data.0.0));
    }
    Ok(router)
}

fn rpc(event: Event) -> Result<Rpc, Failure> {
    let ids = |list: &[Hex]| list.iter().map(id).collect::<Result<Vec<_>, _>>();
    Ok(Rpc {
        publish: event
            .publish
            .into_iter()
            .map(|entry| (entry.topic, entry.data.map(|data| data.0.0).unwrap_or_default()))
            .collect(),
        graft: event.graft.into_iter().map(|entry| entry.topic_id).collect(),
        prune: event.prune.into_iter().map(|entry| (entry.topic_id, entry.backoff)).collect(),
        ihave: event.ihave.iter().map(|entry| ids(&entry.message_ids)).collect::<Result<_, _>>()?,
        iwant: event.iwant.iter().map(|entry| ids(&entry.message_ids)).collect::<Result<_, _>>()?,
        idontwant: event.idontwant.iter().map(|entry| ids(&entry.message_ids)).collect::<Result<_, _>>()?,
    })
}

fn id(hex: &Hex) -> Result<MessageId, Failure> {
    let bytes = hex.0.0.as_slice();
    bytes.try_into().map(MessageId).map_err(|_| Failure::new("a message id of 20 bytes", bytes.len()))
}

fn describe((to_peer, sent): (String, Sent)) -> SentRpc {
    let hex = |bytes: &[u8]| Json(Bytes(bytes.to_vec()));
    let entry = |ids: &[MessageId]| vec![IdsEntry { message_ids: ids.iter().map(|id| hex(&id.0)).collect() }];
    let rpc = SentRpc { to_peer, ..SentRpc::default() };
    let control = match sent {
        Sent::Publish(messages) => {
            let entry = |(topic, data): (String, Vec<u8>)| PublishEntry { topic, data: Some(hex(&data)) };
            return SentRpc { publish: Some(messages.into_iter().map(entry).collect()), ..rpc };
        }
        Sent::Prune(topic_id, backoff) => {
            SentControl { prune: Some(vec![PruneEntry { topic_id, backoff }]), ..SentControl::default() }
        }
        Sent::IWant(ids) => SentControl { iwant: Some(entry(&ids)), ..SentControl::default() },
        Sent::IDontWant(id) => SentControl { idontwant: Some(entry(&[id])), ..SentControl::default() },
    };
    SentRpc { control: Some(control), ..rpc }
}
