//! What the simulated nodes keep: the database and the signing ledger.

use lathe_driver::{Persist, gather};
use lathe_engine::{Batch, Input, JobId, KeyRole, Sequence, SignFailure, SignRequest};
use lathe_ledger::{Entry, Refusal};
use lathe_storage::{Database, Failure};
use lathe_types::{Checkpoint, Signature, TreeHash};
use rand::RngExt;

use super::{Arrival, Fact, NodeId, Sabotage, Violation, World};
use crate::execution::is_bad;
use crate::faults::Fault;
use crate::keys;
use crate::machine::key_id;

/// Groups of signatures that may wait for a signer.
const SIGNER_CAPACITY: usize = 16;
/// Of a thousand writes of several batches, those after which the process dies, where writes are at fault.
const DEATHS_AFTER_MERGE: u32 = 250;
/// How long a node is away whose disk failed.
const REPAIR_MS: std::ops::RangeInclusive<i64> = 200..=8_000;

impl World<'_> {
    pub(super) fn persist(&mut self, id: NodeId, sequence: Sequence, batch: Batch) -> Result<(), Violation> {
        let persist = Persist { sequence, batch };
        if self.nodes[id].is_honest() {
            for imported in &persist.batch.blocks {
                let block = Checkpoint { root: imported.root, slot: imported.block.block.slot };
                self.tell(&Fact::Imported { block, parent: imported.block.block.parent_root })?;
                if is_bad(&imported.block.block.body) {
                    self.note(Fault::BadPayload);
                    self.tell(&Fact::BadPayload { block: block.root })?;
                }
            }
            self.tell(&Fact::Handed { node: id, persist: Box::new(persist.clone()) })?;
        }
        if let Some(running) = self.running(id) {
            running.unwritten.push_back(persist);
        }
        self.write(id);
        Ok(())
    }

    /// Begins the next write, if none is under way.
    fn write(&mut self, id: NodeId) {
        let is_slow = self.strikes(Fault::WriteSlow, self.scenario.drivers.writes);
        let Some(running) = self.running(id).filter(|running| running.writing.is_none()) else { return };
        let Some(first) = running.unwritten.pop_front() else { return };
        running.merges = !running.unwritten.is_empty();
        running.writing = Some(gather(first, || running.unwritten.pop_front()));
        let delay = self.rng.random_range(if is_slow { 400..=8_000 } else { 1..=400 });
        self.schedule(id, delay, Arrival::Written);
    }

    pub(super) fn written(&mut self, id: NodeId) -> Result<(), Violation> {
        if self.strikes(Fault::WriteFailed, self.scenario.drivers.writes) {
            let failures = [Failure::InputOutput, Failure::NoSpace, Failure::ReportedButWritten];
            let failure = failures[self.rng.random_range(0..failures.len())];
            self.nodes[id].disk.fail_after(0, failure);
        }
        let Some(running) = self.running(id) else { return Ok(()) };
        let Some(Persist { sequence, batch }) = running.writing.take() else { return Ok(()) };
        let merged = running.merges;
        if let Err(error) = running.database.write(&batch) {
            if !self.nodes[id].disk.is_failing() {
                return Err(self.violation("no write fails by itself", format!("node {id}: {error}")));
            }
            // A node whose database fails ends.
            let down_ms = self.rng.random_range(REPAIR_MS);
            self.crash(id, down_ms, Fault::ProcessDied);
            return Ok(());
        }
        if self.nodes[id].is_honest() {
            self.tell(&Fact::Durable { node: id, sequence })?;
        }
        let deaths = if merged && self.scenario.drivers.writes > 0 { DEATHS_AFTER_MERGE } else { 0 };
        if self.strikes(Fault::DiedAfterMerge, deaths) {
            let down_ms = self.rng.random_range(REPAIR_MS);
            self.crash(id, down_ms, Fault::ProcessDied);
            return Ok(());
        }
        self.write(id);
        self.turn(id, Input::Durable { sequence })
    }

    /// Hands a group of messages to a node's signer.
    pub(super) fn sign(&mut self, id: NodeId, job: JobId, requests: Vec<SignRequest>) {
        let overloaded = self.strikes(Fault::SignerOverloaded, self.scenario.drivers.signer);
        let Some(running) = self.running(id) else { return };
        if overloaded || running.orders.len() >= SIGNER_CAPACITY {
            let signatures = vec![Err(SignFailure::Overloaded); requests.len()];
            running.immediate.push_back(Input::Signed { job, signatures });
            return;
        }
        running.orders.push_back((job, requests));
        if running.orders.len() == 1 {
            self.sign_next(id);
        }
    }

    fn sign_next(&mut self, id: NodeId) {
        let is_slow = self.strikes(Fault::SignerSlow, self.scenario.drivers.signer);
        let delay = self.rng.random_range(if is_slow { 500..=5_000 } else { 5..=45 });
        self.schedule(id, delay, Arrival::Signed);
    }

    /// Record, sync, sign: what was interrupted before the sync was not signed.
    pub(super) fn signed(&mut self, id: NodeId) -> Result<(), Violation> {
        if self.strikes(Fault::LedgerFailed, self.scenario.drivers.ledger) {
            let node = &self.nodes[id];
            let file = if self.ledger_rng.random_bool(0.5) { &node.ledger_file } else { &node.mark_file };
            file.fail_after(self.rng.random_range(0..2));
        }
        let Some(running) = self.running(id) else { return Ok(()) };
        let Some((job, requests)) = running.orders.pop_front() else { return Ok(()) };
        let is_last = running.orders.is_empty();
        let recorded = running.record(&entries(&requests));
        let mut signatures: Vec<Result<Signature, SignFailure>> = Vec::new();
        let mut failed = false;
        for (request, recorded) in requests.iter().zip(recorded) {
            failed |= matches!(recorded, Err(Refusal::Failed(_)));
            signatures.push(match recorded {
                Ok(()) => Ok(self.signature(id, request)?),
                Err(Refusal::Failed(_)) => Err(SignFailure::Ledger),
                Err(_) => Err(SignFailure::Refused),
            });
        }
        self.turn(id, Input::Signed { job, signatures })?;
        if failed {
            // A node whose ledger fails ends.
            let down_ms = self.rng.random_range(REPAIR_MS);
            self.crash(id, down_ms, Fault::ProcessDied);
        } else if !is_last {
            self.sign_next(id);
        }
        Ok(())
    }

    fn signature(&mut self, id: NodeId, request: &SignRequest) -> Result<Signature, Violation> {
        let SignRequest { validator, role, slot, message } = *request;
        // Two machines with one key sign two roots by design.
        let twins = self.scenario.sabotage == Some(Sabotage::TwinsOnBothSides);
        if self.nodes[id].is_honest() && !twins {
            self.tell(&Fact::Signed { validator, role, slot, root: message })?;
            if self.scenario.sabotage == Some(Sabotage::SignsTwice) && role == KeyRole::Attestation {
                let root = message.tree_hash_root();
                self.tell(&Fact::Signed { validator, role, slot, root: !root })?;
            }
        }
        let key = keys::public_key(self.scenario.seed, validator, role);
        Ok(keys::sign(&key, slot, &message))
    }
}

/// What the ledger is asked to record.
pub(super) fn entries(requests: &[SignRequest]) -> Vec<Entry> {
    let entry = |request: &SignRequest| Entry {
        key: key_id(request.validator, request.role),
        slot: request.slot.0,
        root: request.message,
    };
    requests.iter().map(entry).collect()
}
