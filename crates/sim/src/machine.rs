//! One machine: what its disks keep, and the node that runs on it as long as it does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use lathe_aggregation::Backend;
use lathe_driver::{GenesisBlock, Kit, Persist, Pool, Task, Timeline, resume, to_micros, to_millis};
use lathe_engine::{
    Engine, EngineConfig, Input, JobId, KeyRole, MessageId, Millis, PreparedBlock, SignRequest,
};
use lathe_ledger::{Entry, FaultyMedium, KeyId, Ledger, Mark, Marks, Refusal, Terms};
use lathe_storage::{Database, FaultyDb, FaultyDisk};
use lathe_types::{Root, SignedBlock, Slot, SubnetId, ValidatorIndex};

use crate::execution::ExecutionClient;
use crate::keys::Scheme;
use crate::message::Message;
use crate::network::NodeId;
use crate::scenario::Behaviour;

/// Messages remembered per node; gossipsub remembers them for 24 s.
const MAX_SEEN: usize = 4_096;
/// Worker threads of a node.
const THREADS: usize = 2;
/// What the system clocks show at genesis, in microseconds of Unix time.
const GENESIS_US: i64 = 1_000_000_000;

pub(crate) struct Machine {
    pub(crate) id: NodeId,
    config: EngineConfig,
    pub(crate) kit: Kit,
    pub(crate) scheme: Scheme,
    pub(crate) disk: FaultyDisk,
    pub(crate) ledger_file: FaultyMedium,
    /// The marks beside the keys.
    pub(crate) mark_file: FaultyMedium,
    /// A copy of the ledger, as it was when the node last started.
    pub(crate) backup: Option<Vec<u8>>,
    /// When it stopped last.
    pub(crate) stopped_at: Option<i64>,
    /// `None` while it is off.
    pub(crate) running: Option<Running>,
    /// Tells what a node that is gone had under way from what the one that runs has.
    pub(crate) incarnation: u32,
    /// On an execution-paired chain.
    pub(crate) execution: Option<ExecutionClient>,
    pub(crate) behaviour: Option<Behaviour>,
    /// How far its system clock is ahead, in milliseconds.
    pub(crate) skew_ms: i64,
    pub(crate) neighbours: Vec<NodeId>,
    /// The last block that it had prepared, for equivocators.
    pub(crate) prepared: Option<Arc<PreparedBlock>>,
}

/// A node while it runs: what is lost when it stops.
pub(crate) struct Running {
    pub(crate) engine: Engine,
    pub(crate) database: FaultyDb,
    ledger: Ledger<FaultyMedium>,
    marks: Marks<FaultyMedium>,
    clock: Timeline,
    pub(crate) pool: Pool<(JobId, Task)>,
    pub(crate) idle_threads: usize,
    /// When each prover of an external proof system is done with what it has.
    pub(crate) provers_free_at: Vec<i64>,
    pub(crate) is_proving: bool,
    /// Answers that are known at once: a refusal at somebody's door.
    pub(crate) immediate: VecDeque<Input>,
    /// Batches that wait for the one being written.
    pub(crate) unwritten: VecDeque<Persist>,
    pub(crate) writing: Option<Persist>,
    /// Whether [`Self::writing`] is of several batches.
    pub(crate) merges: bool,
    /// Groups to be signed; the first is under way.
    pub(crate) orders: VecDeque<(JobId, Vec<SignRequest>)>,
    /// When it is to be woken next, by the true clock.
    pub(crate) wake_at: Option<i64>,
    seen: BTreeSet<MessageId>,
    seen_order: VecDeque<MessageId>,
    under_judgement: BTreeMap<MessageId, Message>,
}

impl Machine {
    pub(crate) fn new(
        id: NodeId,
        validators: Vec<ValidatorIndex>,
        is_aggregator: bool,
        scheme: Scheme,
        backend: Arc<dyn Backend>,
    ) -> Self {
        let kit = Kit::new(backend, Arc::new(scheme.clone()));
        let config = kit.configure(EngineConfig {
            local_validators: validators,
            is_aggregator,
            subnets: vec![SubnetId(0)],
            ..EngineConfig::default()
        });
        Self {
            id,
            config,
            kit,
            scheme,
            disk: FaultyDisk::new(),
            ledger_file: FaultyMedium::default(),
            mark_file: FaultyMedium::default(),
            backup: None,
            stopped_at: None,
            running: None,
            incarnation: 0,
            execution: None,
            behaviour: None,
            skew_ms: 0,
            neighbours: Vec::new(),
            prepared: None,
        }
    }

    pub(crate) fn is_honest(&self) -> bool {
        self.behaviour.is_none()
    }

    /// Starts a node at the true time `now` from what the disks hold.
    pub(crate) fn start(
        &mut self,
        now: i64,
        genesis: &GenesisBlock,
    ) -> Result<(), Box<dyn std::error::Error>> {
        self.disk.repair();
        self.ledger_file.repair();
        self.mark_file.repair();
        self.backup = self.ledger_file.copied();
        let clock = self.timeline(now);
        let database = self.disk.open(&genesis.network(self.kit.backend.id()))?;
        let anchor = resume(&database, genesis)?;
        let later = anchor.later.iter().map(|(block, _)| block.block.slot);
        let newest_block = later.fold(anchor.header.slot, Slot::max);
        let (ledger, marks) = self.open_ledger(Millis(now + self.skew_ms), newest_block)?;
        let engine = Engine::new(self.config.clone(), anchor)?;
        self.execution.iter_mut().for_each(ExecutionClient::forget_builds);
        self.running = Some(Running {
            engine,
            database,
            ledger,
            marks,
            clock,
            pool: Pool::new(self.kit.max_proving()),
            idle_threads: self.threads(),
            provers_free_at: vec![i64::MIN; self.provers()],
            is_proving: false,
            immediate: VecDeque::new(),
            unwritten: VecDeque::new(),
            writing: None,
            merges: false,
            orders: VecDeque::new(),
            wake_at: None,
            seen: BTreeSet::new(),
            seen_order: VecDeque::new(),
            under_judgement: BTreeMap::new(),
        });
        Ok(())
    }

    /// Provers of an external proof system.
    fn provers(&self) -> usize {
        let capabilities = self.kit.backend.capabilities();
        if capabilities.merges_freely { 0 } else { capabilities.provers }
    }

    /// As many as have work, and those that wait for provers: for each an aggregation, a preparation and a seal.
    fn threads(&self) -> usize {
        THREADS + if self.provers() == 0 { 0 } else { self.provers() + 2 }
    }

    /// What a signer does when it starts.
    fn open_ledger(
        &self,
        clock: Millis,
        newest_block: Slot,
    ) -> Result<(Ledger<FaultyMedium>, Marks<FaultyMedium>), Box<dyn std::error::Error>> {
        let keys: Vec<KeyId> = self
            .config
            .local_validators
            .iter()
            .flat_map(|validator| {
                [KeyRole::Attestation, KeyRole::Proposal].map(|role| key_id(*validator, role))
            })
            .collect();
        let mut marks = Marks::open(self.mark_file.clone())?;
        let found: Vec<Mark> = keys.iter().filter_map(|key| marks.of(*key)).collect();
        let (current_slot, proven_slot) = (slot_of(clock), beyond_genesis(newest_block));
        let terms = Terms { current_slot, proven_slot, marks: &found, ..Terms::default() };
        marks.make_room(terms.genesis_time, &keys)?;
        let ledger = Ledger::open(self.ledger_file.clone(), &terms)?;
        let known: Vec<Mark> = keys.iter().map(|key| ledger.mark(*key)).collect();
        marks.write(&known)?;
        Ok((ledger, marks))
    }

    fn timeline(&self, now: i64) -> Timeline {
        Timeline::new(GENESIS_US as u64 / 1_000_000, 1.0, self.system_clock(now), monotonic(now))
    }

    /// What the system clock shows at the true time, in microseconds of Unix time.
    fn system_clock(&self, now: i64) -> i64 {
        GENESIS_US + (now + self.skew_ms) * 1_000
    }

    /// Puts the clock right, as if by a start of the machine.
    pub(crate) fn put_clock_right(&mut self, now: i64) {
        self.skew_ms = 0;
        let clock = self.timeline(now);
        if let Some(running) = &mut self.running {
            (running.clock, running.wake_at) = (clock, None);
            running.clock_corrected(Millis(now));
        }
    }

    /// Chain time on this machine at the true time.
    pub(crate) fn clock(&mut self, now: i64) -> Millis {
        let system = self.system_clock(now);
        self.running.as_mut().map_or(Millis(now), |running| running.read_clock(system, monotonic(now)))
    }
}

impl Running {
    fn read_clock(&mut self, system: i64, monotonic: i64) -> Millis {
        let corrections = self.clock.corrections();
        let now = to_millis(self.clock.advance(system, monotonic));
        if self.clock.corrections() != corrections {
            self.clock_corrected(now);
        }
        now
    }

    /// A wrong clock was set back: the signer is told.
    fn clock_corrected(&mut self, clock: Millis) {
        let newest_block = self.engine.view().nodes.iter().map(|node| node.slot).max().unwrap_or_default();
        // A ledger that fails here says so at the next signature.
        let _ = self.ledger.clock_corrected(slot_of(clock), beyond_genesis(newest_block));
    }

    /// The true time when the engine is to be called at the latest, if the clock was read at `now`.
    pub(crate) fn next_wake(&self, now: i64) -> Option<i64> {
        let micros = self.clock.real_us_until(to_micros(self.engine.next_timeout()?));
        Some(now.saturating_add(i64::try_from(micros.div_ceil(1_000)).unwrap_or(i64::MAX)))
    }

    /// What a signer does before it signs: ledger first, then marks, both durable.
    pub(crate) fn record(&mut self, entries: &[Entry]) -> Vec<Result<(), Refusal>> {
        let recorded = self.ledger.record_all(entries);
        let allowed = entries.iter().zip(&recorded).filter(|(_, outcome)| outcome.is_ok());
        let marks: Vec<Mark> = allowed.map(|(entry, _)| self.ledger.mark(entry.key)).collect();
        let Err(error) = self.marks.write(&marks) else { return recorded };
        let withheld = |outcome: Result<(), Refusal>| outcome.and(Err(Refusal::Failed(error.to_string())));
        recorded.into_iter().map(withheld).collect()
    }

    /// A block on the disk.
    pub(crate) fn block(&self, root: Root) -> Option<Arc<SignedBlock>> {
        self.database.block(root).ok().flatten().map(Arc::new)
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
            self.seen_order.push_back(id);
            if self.seen_order.len() > MAX_SEEN
                && let Some(oldest) = self.seen_order.pop_front()
            {
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

/// The monotonic clock of every machine, in microseconds.
fn monotonic(now: i64) -> i64 {
    now * 1_000
}

/// The slot by the clock; `None` before genesis.
fn slot_of(clock: Millis) -> Option<u64> {
    (clock.0 >= 0).then(|| clock.slot().0)
}

/// Genesis has come for everybody, and says nothing of the time.
fn beyond_genesis(block: Slot) -> Option<u64> {
    (block > Slot(0)).then_some(block.0)
}

/// What a ledger calls the key of a validator.
pub(crate) fn key_id(validator: ValidatorIndex, role: KeyRole) -> KeyId {
    let mut id = [role as u8; 32];
    id[..8].copy_from_slice(&validator.0.to_be_bytes());
    KeyId(id)
}

/// The slot at the true time.
pub(crate) fn slot_at(now: i64) -> Slot {
    Millis(now).slot()
}
