//! A disk for the ledger that fails on demand and forgets what was not synced.

use std::io;
use std::sync::{Arc, Mutex};

use lathe_ledger::{Entry, Error, KeyId, Ledger, Mark, Medium, Terms};
use lathe_types::Root;

pub(crate) const GENESIS_TIME: u64 = 1_700_000_000;

pub(crate) fn entry(key: u8, slot: u64, message: u8) -> Entry {
    Entry { key: KeyId([key; 32]), slot, root: Root::repeat_byte(message) }
}

/// What a failing call leaves behind. The caller sees an error either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Nothing,
    Half,
    Everything,
}

#[derive(Clone, Default)]
struct State {
    visible: Option<Vec<u8>>,
    durable: Option<Vec<u8>>,
    unsynced: Vec<(usize, Vec<u8>)>,
    calls: u64,
    syncs: u64,
    fault: Option<(u64, Fault)>,
}

/// Clones are the same disk.
#[derive(Clone, Default)]
pub(crate) struct Disk(Arc<Mutex<State>>);

impl Disk {
    pub(crate) fn holding(bytes: Option<Vec<u8>>) -> Self {
        let state = State { visible: bytes.clone(), durable: bytes, ..State::default() };
        Self(Arc::new(Mutex::new(state)))
    }

    pub(crate) fn open(&self, current_slot: Option<u64>) -> Result<Ledger<Disk>, Error> {
        self.open_with(current_slot, &[])
    }

    pub(crate) fn open_with(&self, current_slot: Option<u64>, marks: &[Mark]) -> Result<Ledger<Disk>, Error> {
        let terms = Terms { genesis_time: GENESIS_TIME, current_slot, marks, ..Terms::default() };
        Ledger::open(self.clone(), &terms)
    }

    pub(crate) fn contents(&self) -> Vec<u8> {
        self.0.lock().unwrap().visible.clone().unwrap()
    }

    /// Lets the call after `successes` more fail.
    pub(crate) fn fail_after(&self, successes: u64, fault: Fault) {
        let mut state = self.0.lock().unwrap();
        state.fault = Some((state.calls + successes, fault));
    }

    pub(crate) fn syncs(&self) -> u64 {
        self.0.lock().unwrap().syncs
    }

    pub(crate) fn calls(&self) -> u64 {
        self.0.lock().unwrap().calls
    }

    /// Everything that a restart may find after a power loss now: of the writes that were not synced nothing, all, any
    /// beginning, or any end.
    pub(crate) fn after_power_loss(&self) -> Vec<Option<Vec<u8>>> {
        let state = self.0.lock().unwrap();
        let total: usize = state.unsynced.iter().map(|(_, bytes)| bytes.len()).sum();
        // Blank space is long and every cut of it is alike.
        let step = if total > 2000 { 997 } else { 1 };
        let cuts = (0..=total).step_by(step).chain([total]);
        cuts.flat_map(|cut| [state.surviving(0..cut), state.surviving(cut..total)]).collect()
    }
}

impl State {
    fn surviving(&self, kept: std::ops::Range<usize>) -> Option<Vec<u8>> {
        let mut file = self.durable.clone();
        let mut position = 0;
        for (offset, bytes) in &self.unsynced {
            let from = kept.start.clamp(position, position + bytes.len()) - position;
            let to = kept.end.clamp(position, position + bytes.len()) - position;
            if from < to {
                put(file.get_or_insert_default(), offset + from, &bytes[from..to]);
            }
            position += bytes.len();
        }
        file
    }

    fn call(&mut self) -> Option<Fault> {
        self.calls += 1;
        self.fault.filter(|(at, _)| at + 1 == self.calls).map(|(_, fault)| fault)
    }
}

fn put(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    file.resize(file.len().max(offset + bytes.len()), 0);
    file[offset..offset + bytes.len()].copy_from_slice(bytes);
}

fn outcome(fault: Option<Fault>) -> io::Result<()> {
    fault.map_or(Ok(()), |_| Err(io::ErrorKind::StorageFull.into()))
}

impl Medium for Disk {
    fn location(&self) -> String {
        "test disk".into()
    }

    fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.lock().unwrap().visible.clone())
    }

    fn replace(&mut self, contents: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        let fault = state.call();
        // Atomic: a failure in the middle leaves the old file.
        if matches!(fault, None | Some(Fault::Everything)) {
            state.visible = Some(contents.to_vec());
            state.durable = state.visible.clone();
            state.unsynced.clear();
        }
        outcome(fault)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        let fault = state.call();
        let written = match fault {
            Some(Fault::Nothing) => 0,
            Some(Fault::Half) => bytes.len() / 2,
            Some(Fault::Everything) | None => bytes.len(),
        };
        let (offset, bytes) = (offset as usize, &bytes[..written]);
        put(state.visible.get_or_insert_default(), offset, bytes);
        state.unsynced.push((offset, bytes.to_vec()));
        outcome(fault)
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        let fault = state.call();
        state.syncs += 1;
        if matches!(fault, None | Some(Fault::Everything)) {
            state.durable = state.visible.clone();
            state.unsynced.clear();
        }
        outcome(fault)
    }
}
