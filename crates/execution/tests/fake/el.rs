//! An honest execution client behind the scripted server: it knows which blocks it has, executes nothing, and builds
//! empty payloads.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::{Answer, Call};

/// Hash of block 0.
pub const GENESIS: &str = "0x6e00000000000000000000000000000000000000000000000000000000000000";
const ZERO: &str = "0x0000000000000000000000000000000000000000000000000000000000000000";

/// What such a client knows. Clones share it.
#[derive(Clone, Default)]
pub struct El(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// Payloads by hash.
    blocks: HashMap<String, Value>,
    /// Hashes of blocks without a state: known, but nothing can be executed on them.
    stateless: HashSet<String>,
    /// Block 0 until the first forkchoice update.
    head: Option<String>,
    safe: String,
    finalized: String,
    /// Attributes and parent of what is being built, by id.
    building: HashMap<String, (Value, String)>,
    next_id: u64,
}

impl El {
    /// Answers as an execution client does.
    pub fn answer(&self, call: &Call) -> Answer {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match call.method.as_str() {
            "engine_exchangeCapabilities" => Answer::Result(call.params[0].clone()),
            "engine_getClientVersionV1" => Answer::Error(-32601, "method not found"),
            "engine_newPayloadV4" => Answer::Result(inner.new_payload(&call.params[0])),
            "engine_forkchoiceUpdatedV3" => {
                Answer::Result(inner.forkchoice(&call.params[0], &call.params[1]))
            }
            "engine_getPayloadV5" => inner.get_payload(&call.params[0]),
            "eth_getBlockByNumber" => Answer::Result(inner.block(&call.params[0])),
            _ => Answer::Error(-32601, "method not found"),
        }
    }

    /// Forgets everything but block 0.
    pub fn wipe(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Inner::default();
    }

    /// Keeps its blocks and loses the states of the newest ones, as a client that is killed may.
    pub fn lose_states_after(&self, number: u64) {
        let mut inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let newer = |hash: &&String| inner.number_of(hash) > Some(number);
        inner.stateless = inner.blocks.keys().filter(newer).cloned().collect();
    }

    /// Hashes of head, safe and finalized block.
    pub fn told(&self) -> (String, String, String) {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (inner.head().to_owned(), inner.safe.clone(), inner.finalized.clone())
    }

    /// Number of the head.
    pub fn height(&self) -> u64 {
        let inner = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inner.number_of(inner.head()).unwrap_or_default()
    }
}

impl Inner {
    fn head(&self) -> &str {
        self.head.as_deref().unwrap_or(GENESIS)
    }

    fn number_of(&self, hash: &str) -> Option<u64> {
        if hash == GENESIS {
            return Some(0);
        }
        let number = self.blocks.get(hash)?["blockNumber"].as_str()?.to_owned();
        u64::from_str_radix(number.strip_prefix("0x")?, 16).ok()
    }

    fn new_payload(&mut self, payload: &Value) -> Value {
        let text = |name: &str| payload[name].as_str().unwrap_or_default().to_owned();
        let parent = text("parentHash");
        if self.number_of(&parent).is_none() || self.stateless.contains(&parent) {
            return json!({ "status": "SYNCING", "latestValidHash": null, "validationError": null });
        }
        self.stateless.remove(&text("blockHash"));
        self.blocks.insert(text("blockHash"), payload.clone());
        json!({ "status": "VALID", "latestValidHash": payload["blockHash"], "validationError": null })
    }

    fn forkchoice(&mut self, state: &Value, attributes: &Value) -> Value {
        let text = |name: &str| state[name].as_str().unwrap_or_default().to_owned();
        let head = text("headBlockHash");
        if self.number_of(&head).is_none() || self.stateless.contains(&head) {
            return json!({ "payloadStatus": { "status": "SYNCING" }, "payloadId": null });
        }
        (self.safe, self.finalized) = (text("safeBlockHash"), text("finalizedBlockHash"));
        self.head = Some(head.clone());
        let mut id = Value::Null;
        if !attributes.is_null() {
            self.next_id += 1;
            let name = format!("0x{:016x}", self.next_id);
            self.building.insert(name.clone(), (attributes.clone(), head.clone()));
            id = name.into();
        }
        json!({ "payloadStatus": { "status": "VALID", "latestValidHash": head }, "payloadId": id })
    }

    fn get_payload(&mut self, id: &Value) -> Answer {
        let Some((attributes, parent)) = self.building.remove(id.as_str().unwrap_or_default()) else {
            return Answer::Error(-38001, "unknown payload");
        };
        let number = self.number_of(&parent).unwrap_or_default() + 1;
        // Unique for its parent's chain and its slot, and the same from whoever builds it.
        let mark = attributes["parentBeaconBlockRoot"].as_str().unwrap_or(ZERO);
        let time = attributes["timestamp"].as_str().unwrap_or("0x0").trim_start_matches("0x");
        let hash = format!("0xb0{number:06x}{time:0>8}{}", &mark[2..50]);
        let payload = json!({
            "parentHash": parent,
            "feeRecipient": attributes["suggestedFeeRecipient"],
            "stateRoot": ZERO,
            "receiptsRoot": ZERO,
            "logsBloom": format!("0x{}", "00".repeat(256)),
            "prevRandao": attributes["prevRandao"],
            "blockNumber": format!("{number:#x}"),
            "gasLimit": "0x1c9c380",
            "gasUsed": "0x0",
            "timestamp": attributes["timestamp"],
            "extraData": "0x",
            "baseFeePerGas": "0x7",
            "blockHash": hash,
            "transactions": ["0x02aa"],
            "withdrawals": [],
            "blobGasUsed": "0x0",
            "excessBlobGas": "0x0",
        });
        Answer::Result(json!({
            "executionPayload": payload,
            "blockValue": "0x0",
            "blobsBundle": { "commitments": [], "proofs": [], "blobs": [] },
            "shouldOverrideBuilder": false,
            "executionRequests": ["0x0102"],
        }))
    }

    fn block(&self, which: &Value) -> Value {
        let mut hash = self.head().to_owned();
        let wanted = match which.as_str() {
            Some("latest") => self.number_of(&hash),
            Some(number) => u64::from_str_radix(number.trim_start_matches("0x"), 16).ok(),
            None => None,
        };
        while self.number_of(&hash) > wanted {
            hash = self.blocks[&hash]["parentHash"].as_str().unwrap_or_default().to_owned();
        }
        if wanted.is_none() || self.number_of(&hash) != wanted {
            return Value::Null;
        }
        json!({ "hash": hash, "number": format!("{:#x}", self.number_of(&hash).unwrap_or_default()) })
    }
}
