//! The gossip envelope as a protobuf schema.

use prost::Message as _;
use serde::Deserialize;
use serde_json::Value;

use super::{Hex, encoded, refused};
use crate::outcome::{Failure, expect_eq};

#[derive(Clone, PartialEq, prost::Message)]
struct Rpc {
    #[prost(message, repeated, tag = "1")]
    subscriptions: Vec<SubOpts>,
    #[prost(message, repeated, tag = "2")]
    publish: Vec<Message>,
    #[prost(message, optional, tag = "3")]
    control: Option<Control>,
}

/// Both fields are always present on the wire, even if false or empty.
#[derive(Clone, PartialEq, prost::Message)]
struct SubOpts {
    #[prost(bool, optional, tag = "1")]
    subscribe: Option<bool>,
    #[prost(string, optional, tag = "2")]
    topic_id: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Message {
    #[prost(bytes = "vec", tag = "1")]
    from: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    data: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    seqno: Vec<u8>,
    #[prost(string, tag = "4")]
    topic: String,
    #[prost(bytes = "vec", tag = "5")]
    signature: Vec<u8>,
    #[prost(bytes = "vec", tag = "6")]
    key: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Control {
    #[prost(message, repeated, tag = "1")]
    ihave: Vec<IHave>,
    #[prost(message, repeated, tag = "2")]
    iwant: Vec<MessageIds>,
    #[prost(message, repeated, tag = "3")]
    graft: Vec<Graft>,
    #[prost(message, repeated, tag = "4")]
    prune: Vec<Prune>,
    #[prost(message, repeated, tag = "5")]
    idontwant: Vec<MessageIds>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct IHave {
    #[prost(string, tag = "1")]
    topic_id: String,
    #[prost(bytes = "vec", repeated, tag = "2")]
    message_ids: Vec<Vec<u8>>,
}

/// IWANT and IDONTWANT have the same shape.
#[derive(Clone, PartialEq, prost::Message)]
struct MessageIds {
    #[prost(bytes = "vec", repeated, tag = "1")]
    message_ids: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Graft {
    #[prost(string, tag = "1")]
    topic_id: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Prune {
    #[prost(string, tag = "1")]
    topic_id: String,
    #[prost(uint64, tag = "3")]
    backoff: u64,
}

/// An envelope as the fixtures spell it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    subscriptions: Vec<SubOptsSpec>,
    publish: Vec<MessageSpec>,
    control: Option<ControlSpec>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SubOptsSpec {
    subscribe: bool,
    topic_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MessageSpec {
    from_peer: Option<Hex>,
    data: Option<Hex>,
    seqno: Option<Hex>,
    topic: String,
    signature: Option<Hex>,
    key: Option<Hex>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ControlSpec {
    ihave: Vec<IHaveSpec>,
    iwant: Vec<MessageIdsSpec>,
    graft: Vec<GraftSpec>,
    prune: Vec<PruneSpec>,
    idontwant: Vec<MessageIdsSpec>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct IHaveSpec {
    topic_id: String,
    message_ids: Vec<Hex>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MessageIdsSpec {
    message_ids: Vec<Hex>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GraftSpec {
    topic_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PruneSpec {
    topic_id: String,
    backoff: u64,
}

/// Encodes, decodes back, and compares with the fixture.
pub(super) fn check(spec: &Spec, output: Value) -> Result<(), Failure> {
    let rpc = build(spec);
    let wire = rpc.encode_to_vec();
    expect_eq("decoded", &rpc, &Rpc::decode(&wire[..]).map_err(refused)?)?;
    encoded(wire, output)
}

/// Whether `bytes` are an envelope.
pub(super) fn decodes(bytes: &[u8]) -> bool {
    Rpc::decode(bytes).is_ok()
}

fn build(spec: &Spec) -> Rpc {
    let subscription = |spec: &SubOptsSpec| SubOpts {
        subscribe: Some(spec.subscribe),
        topic_id: Some(spec.topic_id.clone()),
    };
    let message = |spec: &MessageSpec| Message {
        from: optional(spec.from_peer.as_ref()),
        data: optional(spec.data.as_ref()),
        seqno: optional(spec.seqno.as_ref()),
        topic: spec.topic.clone(),
        signature: optional(spec.signature.as_ref()),
        key: optional(spec.key.as_ref()),
    };
    Rpc {
        subscriptions: spec.subscriptions.iter().map(subscription).collect(),
        publish: spec.publish.iter().map(message).collect(),
        // A control part without content is left out.
        control: spec.control.as_ref().map(control).filter(|control| *control != Control::default()),
    }
}

fn control(spec: &ControlSpec) -> Control {
    let message_ids = |spec: &MessageIdsSpec| MessageIds { message_ids: ids(&spec.message_ids) };
    Control {
        ihave: spec
            .ihave
            .iter()
            .map(|spec| IHave { topic_id: spec.topic_id.clone(), message_ids: ids(&spec.message_ids) })
            .collect(),
        iwant: spec.iwant.iter().map(message_ids).collect(),
        graft: spec.graft.iter().map(|spec| Graft { topic_id: spec.topic_id.clone() }).collect(),
        prune: spec
            .prune
            .iter()
            .map(|spec| Prune { topic_id: spec.topic_id.clone(), backoff: spec.backoff })
            .collect(),
        idontwant: spec.idontwant.iter().map(message_ids).collect(),
    }
}

fn ids(list: &[Hex]) -> Vec<Vec<u8>> {
    list.iter().map(|id| id.0.0.clone()).collect()
}

fn optional(bytes: Option<&Hex>) -> Vec<u8> {
    bytes.map(|bytes| bytes.0.0.clone()).unwrap_or_default()
}
