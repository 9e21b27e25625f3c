//! One machine: an engine, its disk, its ledger, its clock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lathe_engine::{Anchor, Engine, EngineConfig, EngineError, MessageId, Millis, PreparedBlock};
use lathe_types::{SubnetId, ValidatorIndex};

use crate::disk::{Disk, Ledger};
use crate::execution::ExecutionClient;
use crate::message::Message;
use crate::network::NodeId;
use crate::scenario::Behaviour;

/// Messages remembered per node; gossipsub remembers them for 24 s.
const MAX_SEEN: usize = 4_096;

pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) config: EngineConfig,
    /// `None` while the power is off.
    pub(crate) engine: Option<Engine>,
    /// Tells answers for an engine that is gone from those for the one that runs.
    pub(crate) incarnation: u32,
    pub(crate) disk: Disk,
    pub(crate) ledger: Ledger,
    /// On an execution-paired chain.
    pub(crate) execution: Option<ExecutionClient>,
    pub(crate) behaviour: Option<Behaviour>,
    /// How far its clock is ahead, in milliseconds.
    pub(crate) skew_ms: i64,
    pub(crate) neighbours: Vec<NodeId>,
    /// When it is to be woken next, by the true clock.
    pub(crate) wake_at: Option<i64>,
    /// The last block that it had prepared, for equivocators.
    pub(crate) prepared: Option<Arc<PreparedBlock>>,
    seen: BTreeSet<MessageId>,
    seen_order: Vec<MessageId>,
    under_judgement: BTreeMap<MessageId, Message>,
}

impl Node {
    pub(crate) fn new(
        id: NodeId,
        validators: Vec<ValidatorIndex>,
        is_aggregator: bool,
        anchor: &Anchor,
    ) -> Result<Self, EngineError> {
        let config = EngineConfig {
            local_validators: validators,
            is_aggregator,
            subnets: vec![SubnetId(0)],
            ..EngineConfig::default()
        };
        Ok(Self {
            id,
            engine: Some(Engine::new(config.clone(), anchor.clone())?),
            config,
            incarnation: 0,
            disk: Disk::new(anchor),
            ledger: Ledger::default(),
            execution: None,
            behaviour: None,
            skew_ms: 0,
            neighbours: Vec::new(),
            wake_at: None,
            prepared: None,
            seen: BTreeSet::new(),
            seen_order: Vec::new(),
            under_judgement: BTreeMap::new(),
        })
    }

    pub(crate) fn is_honest(&self) -> bool {
        self.behaviour.is_none()
    }

    /// What its clock shows at the true time.
    pub(crate) fn clock(&self, now: i64) -> Millis {
        Millis(now + self.skew_ms)
    }

    /// The power goes, and with it everything that was not synced.
    pub(crate) fn lose_power(&mut self) {
        self.engine = None;
        self.incarnation += 1;
        self.wake_at = None;
        self.disk.lose_power();
        self.seen.clear();
        self.seen_order.clear();
        self.under_judgement.clear();
    }

    /// Starts again from what the disk holds.
    pub(crate) fn start(&mut self) -> Result<(), EngineError> {
        if let Some(anchor) = self.disk.anchor() {
            self.engine = Some(Engine::new(self.config.clone(), anchor)?);
            self.execution.iter_mut().for_each(ExecutionClient::forget_builds);
        }
        Ok(())
    }

    /// Whether the message is new here; it awaits a verdict then.
    pub(crate) fn hears(&mut self, message: &Message) -> bool {
        let new = self.note(message.id);
        if new {
            self.under_judgement.insert(message.id, message.clone());
        }
        new
    }

    /// Remembers a message that needs no verdict, such as its own.
    pub(crate) fn note(&mut self, id: MessageId) -> bool {
        let new = self.seen.insert(id);
        if new {
            self.seen_order.push(id);
            if self.seen_order.len() > MAX_SEEN {
                let oldest = self.seen_order.remove(0);
                self.seen.remove(&oldest);
            }
        }
        new
    }

    /// The message that a verdict is about; `None` if it was given already.
    pub(crate) fn judged(&mut self, id: &MessageId) -> Option<Message> {
        self.under_judgement.remove(id)
    }
}
