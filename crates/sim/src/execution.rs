//! A scripted execution client: a set of payloads that it knows, and a time when it misbehaves.
//!
//! A payload is bad if it carries extra data; every honest client refuses it. What a client says
//! is what a real one would,
//! as far as consensus can tell: a payload whose parent it lacks cannot be judged, one on a bad one is as bad.

use std::collections::BTreeMap;
use std::sync::Arc;

use lathe_engine::{ForkchoiceState, JobId, PayloadAttributes, PayloadFailure, PayloadVerdict};
use lathe_types::{
    BlockBody, ExecutionBody, ExecutionPayloadV3, ExecutionRequests, ExtraData, Root, Transaction,
};

/// Hash of the execution layer's genesis.
pub(crate) const EXECUTION_GENESIS: Root = Root::repeat_byte(0xe1);

/// Marks a payload as bad.
const BAD: &[u8] = b"bad";

/// What is wrong with an execution client for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecutionTrouble {
    /// It cannot be reached.
    Offline,
    /// It cannot be reached, and knows nothing when it is back.
    Wiped,
    /// It says of everything that it is still synchronising.
    Syncing,
    /// It answers nothing to any purpose, but nobody has noticed.
    Useless,
}

/// Whether the payload of a body is one that honest clients refuse.
pub(crate) fn is_bad(body: &BlockBody) -> bool {
    body.execution.as_ref().is_some_and(|execution| is_bad_payload(execution.payload()))
}

fn is_bad_payload(payload: &ExecutionPayloadV3) -> bool {
    payload.extra_data.as_ref() == BAD
}

/// The client of one node.
pub(crate) struct ExecutionClient {
    /// Tells its payloads from those of others.
    name: u64,
    /// Makes bad payloads and finds them good.
    byzantine: bool,
    /// Whether it says which payload was the last good one.
    names_latest_valid: bool,
    /// Good payloads with their heights.
    known: BTreeMap<Root, u64>,
    /// Bad payloads with the last good one before each.
    bad: BTreeMap<Root, Root>,
    builds: BTreeMap<JobId, (Root, PayloadAttributes)>,
    pub(crate) trouble: Option<ExecutionTrouble>,
}

impl ExecutionClient {
    pub(crate) fn new(name: u64, byzantine: bool, names_latest_valid: bool) -> Self {
        let known = BTreeMap::from([(EXECUTION_GENESIS, 0)]);
        let (bad, builds) = (BTreeMap::new(), BTreeMap::new());
        Self { name, byzantine, names_latest_valid, known, bad, builds, trouble: None }
    }

    pub(crate) fn is_online(&self) -> bool {
        !matches!(self.trouble, Some(ExecutionTrouble::Offline | ExecutionTrouble::Wiped))
    }

    pub(crate) fn wipe(&mut self) {
        *self =
            Self { trouble: self.trouble, ..Self::new(self.name, self.byzantine, self.names_latest_valid) };
    }

    /// The node's engine is a new one, which knows nothing of earlier builds.
    pub(crate) fn forget_builds(&mut self) {
        self.builds.clear();
    }

    pub(crate) fn knows(&self, hash: &Root) -> bool {
        self.known.contains_key(hash)
    }

    fn unable(&self) -> Option<PayloadVerdict> {
        match self.trouble? {
            ExecutionTrouble::Syncing => Some(PayloadVerdict::Syncing),
            ExecutionTrouble::Offline | ExecutionTrouble::Wiped | ExecutionTrouble::Useless => {
                Some(PayloadVerdict::Unavailable)
            }
        }
    }

    fn refusal(&self, last_good: Root) -> PayloadVerdict {
        PayloadVerdict::Invalid { latest_valid_hash: self.names_latest_valid.then_some(last_good) }
    }

    pub(crate) fn new_payload(&mut self, payload: &ExecutionPayloadV3) -> PayloadVerdict {
        if let Some(unable) = self.unable() {
            return unable;
        }
        let (hash, parent) = (payload.block_hash, payload.parent_hash);
        if let Some(last_good) = self.bad.get(&parent).copied() {
            self.bad.insert(hash, last_good);
            return self.refusal(last_good);
        }
        let Some(height) = self.known.get(&parent).copied() else { return PayloadVerdict::Syncing };
        if is_bad_payload(payload) && !self.byzantine {
            self.bad.insert(hash, parent);
            return self.refusal(parent);
        }
        self.known.insert(hash, height + 1);
        PayloadVerdict::Valid
    }

    pub(crate) fn forkchoice(
        &mut self,
        state: &ForkchoiceState,
        build: Option<(JobId, PayloadAttributes)>,
    ) -> PayloadVerdict {
        if let Some(unable) = self.unable() {
            return unable;
        }
        if let Some(last_good) = self.bad.get(&state.head) {
            return self.refusal(*last_good);
        }
        if !self.knows(&state.head) {
            return PayloadVerdict::Syncing;
        }
        if let Some((job, attributes)) = build {
            self.builds = BTreeMap::from([(job, (state.head, attributes))]);
        }
        PayloadVerdict::Valid
    }

    pub(crate) fn get_payload(&mut self, job: JobId) -> Result<Arc<ExecutionBody>, PayloadFailure> {
        match self.unable() {
            None => {}
            Some(PayloadVerdict::Syncing) => return Err(PayloadFailure::NotBuilding),
            Some(_) if self.is_online() => return Err(PayloadFailure::Timeout),
            Some(_) => return Err(PayloadFailure::Offline),
        }
        let (parent, attributes) = self.builds.remove(&job).ok_or(PayloadFailure::NotBuilding)?;
        let height = self.known.get(&parent).copied().ok_or(PayloadFailure::NotBuilding)?;
        let hash = blake3::hash(
            &[parent.as_slice(), &attributes.timestamp.to_le_bytes(), &self.name.to_le_bytes()].concat(),
        );
        let transaction = Transaction::new(self.name.to_le_bytes().to_vec()).unwrap_or_default();
        let payload = ExecutionPayloadV3 {
            parent_hash: parent,
            block_number: height + 1,
            timestamp: attributes.timestamp,
            extra_data: ExtraData::new(if self.byzantine { BAD.to_vec() } else { Vec::new() })
                .unwrap_or_default(),
            block_hash: Root::new(*hash.as_bytes()),
            transactions: vec![transaction].try_into().unwrap_or_default(),
            ..ExecutionPayloadV3::default()
        };
        Ok(Arc::new(ExecutionBody::new(payload, ExecutionRequests::default())))
    }
}
