//! Asks execution clients over their public interface, as a wallet would.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A client on the same machine answers in milliseconds; one that takes longer is shown as silent.
const TIMEOUT: Duration = Duration::from_millis(500);
/// Longest answer read: a block with the hashes of its transactions.
const MAX_ANSWER_BYTES: u64 = 4 << 20;

/// A block of the execution chain.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Block {
    /// Its hash.
    pub hash: String,
    #[serde(rename = "number", deserialize_with = "quantity")]
    /// Its number.
    pub number: u64,
    /// Hash of the block before it.
    pub parent_hash: String,
    /// Hashes of its transactions.
    pub transactions: Vec<String>,
    /// Commits to its requests; absent before Prague.
    pub requests_hash: Option<String>,
}

impl Block {
    /// Whether it makes requests to the consensus layer.
    pub(super) fn has_requests(&self) -> bool {
        self.requests_hash.as_deref().is_some_and(|hash| hash != NO_REQUESTS)
    }
}

/// SHA-256 of nothing, which commits to no requests (EIP-7685).
const NO_REQUESTS: &str = "0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Asks one client after the other.
#[derive(Clone, Debug)]
pub(super) struct Rpc(ureq::Agent);

impl Rpc {
    pub(super) fn new() -> Self {
        Self(ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).proxy(None).build().into())
    }

    /// The block that `which` names: a number in hex, `latest`, `safe` or `finalized`. `None` if there is none, or no
    /// answer.
    pub(super) fn block(&self, address: SocketAddr, which: &str) -> Option<Block> {
        self.call(address, "eth_getBlockByNumber", &json!([which, false]))
    }

    /// Transactions of the account so far, those that wait included.
    pub(super) fn nonce(&self, address: SocketAddr, account: &str) -> Option<u64> {
        let nonce: String = self.call(address, "eth_getTransactionCount", &json!([account, "latest"]))?;
        parse(&nonce)
    }

    /// Whether the client took the transaction in.
    pub(super) fn send(&self, address: SocketAddr, transaction: &str) -> bool {
        self.call::<String>(address, "eth_sendRawTransaction", &json!([transaction])).is_some()
    }

    fn call<T: DeserializeOwned>(&self, address: SocketAddr, method: &str, params: &Value) -> Option<T> {
        let question = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let request = self.0.post(format!("http://{address}")).header("content-type", "application/json");
        let mut response = request.send(question).ok()?;
        let text = response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_string().ok()?;
        let mut answer: Value = serde_json::from_str(&text).ok()?;
        serde_json::from_value(answer.get_mut("result")?.take()).ok()
    }
}

fn parse(quantity: &str) -> Option<u64> {
    u64::from_str_radix(quantity.strip_prefix("0x")?, 16).ok()
}

fn quantity<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).ok_or_else(|| serde::de::Error::custom("not a quantity"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_with_and_without_requests() {
        let read = |requests: Value| -> Block {
            let mut block =
                json!({ "hash": "0xab", "number": "0x1f", "parentHash": "0xaa", "transactions": ["0x01"] });
            if !requests.is_null() {
                block["requestsHash"] = requests;
            }
            serde_json::from_value(block).unwrap()
        };
        let cancun = read(Value::Null);
        assert_eq!((cancun.number, cancun.transactions.len(), cancun.has_requests()), (31, 1, false));
        assert!(!read(json!(NO_REQUESTS)).has_requests());
        assert!(read(json!("0x01")).has_requests());
    }

    #[test]
    fn quantities_are_hex() {
        assert_eq!((parse("0x0"), parse("0xff"), parse("12"), parse("0x")), (Some(0), Some(255), None, None));
    }
}
