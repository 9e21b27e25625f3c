//! The calls that a node makes.

use std::time::Duration;

use alloy_primitives::{B256, Bytes};
use alloy_rpc_types_engine::{ExecutionPayloadV3, ForkchoiceState, PayloadAttributes, PayloadId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::answer::{
    BuiltPayload, ClientVersion, ForkchoiceAnswer, Header, PayloadStatus, WireBuiltPayload,
    WireForkchoiceAnswer, WirePayloadStatus, shorten,
};
use crate::capabilities::{CLIENT_VERSION, Capabilities, FORKCHOICE_UPDATED, OURS};
use crate::error::ExecutionError;
use crate::jwt::JwtSecret;
use crate::transport::{Call, Endpoint, METHOD_NOT_FOUND, Transport, UNSUPPORTED_FORK, decode};

/// Longest answer that carries a payload, in bytes: the largest block that 60 million gas can pay for is about 6 MB of
/// calldata, twice that in hex, and a full bundle of blobs as much again.
const MAX_PAYLOAD_ANSWER: usize = 32 << 20;
/// Longest other answer, in bytes: a header with a page of transaction hashes.
const MAX_ANSWER: usize = 1 << 20;

/// Time limits of the calls. The Engine API's own are 8 s for payloads and forkchoice; a slot is half of that, and an
/// answer that comes in the next slot helps nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For `engine_newPayload`.
    pub new_payload: Duration,
    /// For `engine_forkchoiceUpdated`.
    pub forkchoice: Duration,
    /// For `engine_getPayload`.
    pub get_payload: Duration,
    /// For everything else.
    pub other: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            new_payload: Duration::from_secs(4),
            forkchoice: Duration::from_secs(2),
            get_payload: Duration::from_secs(1),
            other: Duration::from_secs(1),
        }
    }
}

/// The execution client on the other side, as a handshake found it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// What it offers.
    pub capabilities: Capabilities,
    /// What it is, if it tells.
    pub version: Option<ClientVersion>,
    /// Hash of its block 0.
    pub genesis: B256,
    /// Its head.
    pub latest: Header,
}

/// A payload as it is handed over.
#[derive(Clone, Copy, Debug)]
pub struct NewPayload<'a> {
    /// The payload.
    pub payload: &'a ExecutionPayloadV3,
    /// Root of the consensus block's parent.
    pub parent_beacon_block_root: B256,
    /// The block's execution requests.
    pub execution_requests: &'a [Bytes],
}

/// A connection to one execution client. Calls are independent of each other; whoever needs an order waits for answers.
#[derive(Debug)]
pub struct EngineClient {
    transport: Transport,
    limits: Limits,
}

impl EngineClient {
    /// A client that has not called yet.
    pub fn new(endpoint: Endpoint, secret: JwtSecret, limits: Limits) -> Self {
        Self { transport: Transport::new(endpoint, secret), limits }
    }

    /// Finds out who is there: what it offers, what it is, which chain it runs and how far it is. With `genesis` it
    /// must run that chain.
    pub async fn handshake(&self, genesis: Option<B256>) -> Result<Peer, ExecutionError> {
        let call = self.other("engine_exchangeCapabilities");
        let offered: Vec<String> = self.call(call, [OURS]).await?;
        let capabilities = Capabilities::new(offered.iter().map(String::as_str)).check()?;
        let found = self.header("0x0").await?.hash;
        if let Some(expected) = genesis.filter(|expected| *expected != found) {
            return Err(ExecutionError::GenesisMismatch { expected, found });
        }
        let version = self.client_version(&capabilities).await?;
        let latest = self.header("latest").await?;
        Ok(Peer { capabilities, version, genesis: found, latest })
    }

    /// Its head.
    pub async fn latest(&self) -> Result<Header, ExecutionError> {
        self.header("latest").await
    }

    /// Its canonical block with that number, if it has one.
    pub async fn block(&self, number: u64) -> Result<Option<Header>, ExecutionError> {
        self.call(self.other("eth_getBlockByNumber"), (format!("{number:#x}"), false)).await
    }

    /// Whether it says that it is catching up with its own peers.
    pub async fn is_syncing(&self) -> Result<bool, ExecutionError> {
        // False, or an object that tells how far it is.
        let answer: serde_json::Value = self.call(self.other("eth_syncing"), [(); 0]).await?;
        Ok(answer != serde_json::Value::Bool(false))
    }

    /// Hands a payload over: `engine_newPayload` in the version of its fork.
    pub async fn new_payload(
        &self,
        capabilities: &Capabilities,
        payload: NewPayload<'_>,
    ) -> Result<PayloadStatus, ExecutionError> {
        let (no_blobs, parent): ([B256; 0], _) = ([], payload.parent_beacon_block_root);
        // A payload with requests is from Prague or later whatever the client thinks.
        let forks = capabilities
            .importable()
            .filter(|fork| fork.has_requests() || payload.execution_requests.is_empty());
        let mut tried = Vec::new();
        for fork in forks {
            let call =
                Call { method: fork.new_payload(), timeout: self.limits.new_payload, limit: MAX_ANSWER };
            let answer: Result<WirePayloadStatus, _> = if fork.has_requests() {
                self.call(call, (payload.payload, no_blobs, parent, payload.execution_requests)).await
            } else {
                self.call(call, (payload.payload, no_blobs, parent)).await
            };
            match answer {
                Err(error) if is_wrong_version(&error) => tried.push(fork),
                answer => return answer.map(Into::into),
            }
        }
        Err(ExecutionError::UnsupportedFork { what: "newPayload", tried })
    }

    /// Moves the head, and with `attributes` starts building a payload on it: `engine_forkchoiceUpdatedV3`.
    pub async fn forkchoice_updated(
        &self,
        state: ForkchoiceState,
        attributes: Option<&PayloadAttributes>,
    ) -> Result<ForkchoiceAnswer, ExecutionError> {
        let call = Call { method: FORKCHOICE_UPDATED, timeout: self.limits.forkchoice, limit: MAX_ANSWER };
        let answer: WireForkchoiceAnswer = self.call(call, (state, attributes)).await?;
        Ok(answer.into())
    }

    /// Fetches a payload: `engine_getPayload` in the version of its fork. To be called once for each id, because some
    /// clients answer a second time without the execution requests.
    pub async fn get_payload(
        &self,
        capabilities: &Capabilities,
        id: PayloadId,
    ) -> Result<BuiltPayload, ExecutionError> {
        let mut tried = Vec::new();
        for fork in capabilities.buildable() {
            let call = Call {
                method: fork.get_payload(),
                timeout: self.limits.get_payload,
                limit: MAX_PAYLOAD_ANSWER,
            };
            match self.call::<_, WireBuiltPayload>(call, [id]).await {
                Err(error) if is_wrong_version(&error) => tried.push(fork),
                Ok(built) if built.blobs() > 0 => return Err(ExecutionError::Blobs(built.blobs())),
                answer => return answer.map(Into::into),
            }
        }
        Err(ExecutionError::UnsupportedFork { what: "getPayload", tried })
    }

    /// A client that does not tell, or does not like whom we say we are, is as good as another.
    async fn client_version(
        &self,
        capabilities: &Capabilities,
    ) -> Result<Option<ClientVersion>, ExecutionError> {
        if !capabilities.has(CLIENT_VERSION) {
            return Ok(None);
        }
        let ours = json!({ "code": "LA", "name": "Lathe", "version": env!("CARGO_PKG_VERSION"), "commit": "0x00000000" });
        match self.call::<_, Vec<ClientVersion>>(self.other(CLIENT_VERSION), [ours]).await {
            Ok(versions) => Ok(versions.into_iter().next().map(|version| ClientVersion {
                name: shorten(&version.name),
                version: shorten(&version.version),
            })),
            Err(ExecutionError::Rpc { .. } | ExecutionError::Malformed { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn header(&self, which: &str) -> Result<Header, ExecutionError> {
        self.call(self.other("eth_getBlockByNumber"), (which, false)).await
    }

    fn other(&self, method: &'static str) -> Call {
        Call { method, timeout: self.limits.other, limit: MAX_ANSWER }
    }

    async fn call<P: Serialize, R: DeserializeOwned>(
        &self,
        call: Call,
        params: P,
    ) -> Result<R, ExecutionError> {
        self.transport.call(call, params).await
    }
}

/// What the body of an answer is read as, see [`read_answer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// `engine_exchangeCapabilities`.
    Capabilities,
    /// `engine_getClientVersionV1`.
    ClientVersion,
    /// `eth_getBlockByNumber`.
    Header,
    /// `engine_newPayload`.
    NewPayload,
    /// `engine_forkchoiceUpdated`.
    Forkchoice,
    /// `engine_getPayload`.
    GetPayload,
}

/// Reads a body as [`EngineClient`] reads the answer to its call number `id`. For trying what any bytes do.
pub fn read_answer(question: Question, id: u64, body: &[u8]) -> Result<(), ExecutionError> {
    fn read<R: DeserializeOwned>(id: u64, body: &[u8]) -> Result<R, ExecutionError> {
        decode("read_answer", id, body)
    }
    match question {
        Question::Capabilities => read::<Vec<String>>(id, body).map(drop),
        Question::ClientVersion => read::<Vec<ClientVersion>>(id, body).map(drop),
        Question::Header => read::<Option<Header>>(id, body).map(drop),
        Question::NewPayload => {
            read::<WirePayloadStatus>(id, body).map(|status| drop(PayloadStatus::from(status)))
        }
        Question::Forkchoice => {
            read::<WireForkchoiceAnswer>(id, body).map(|answer| drop(ForkchoiceAnswer::from(answer)))
        }
        Question::GetPayload => {
            read::<WireBuiltPayload>(id, body).map(|built| drop((built.blobs(), BuiltPayload::from(built))))
        }
    }
}

/// Whether another version of the method may do.
fn is_wrong_version(error: &ExecutionError) -> bool {
    matches!(error, ExecutionError::Rpc { code: UNSUPPORTED_FORK | METHOD_NOT_FOUND, .. })
}
