//! Where a simulated machine keeps its ledger: it fails on demand, and loses with the power what was not synced.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lathe_ledger::Medium;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

#[derive(Default)]
struct Contents {
    visible: Option<Vec<u8>>,
    durable: Option<Vec<u8>>,
    /// Offset and length of what was written since the last sync.
    unsynced: Option<(usize, usize)>,
    /// Calls that succeed before one fails.
    healthy_calls: Option<u32>,
}

/// Bytes before the records: without them the file is no ledger, and an operator has to decide.
const HEADER_BYTES: usize = 36;

/// The file of one machine. Clones are the same file.
#[derive(Clone, Default)]
pub(crate) struct LedgerFile(Arc<Mutex<Contents>>);

impl LedgerFile {
    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the call after `healthy` more fail, and all after it, until the power goes or the file is repaired.
    pub(crate) fn fail_after(&self, healthy: u32) {
        self.lock().healthy_calls = Some(healthy);
    }

    /// Lets calls succeed again.
    pub(crate) fn repair(&self) {
        self.lock().healthy_calls = None;
    }

    /// Cuts the power: of what was not synced any beginning or any end may be there.
    pub(crate) fn lose_power(&self, rng: &mut ChaCha8Rng) {
        let contents = &mut *self.lock();
        contents.healthy_calls = None;
        let written = contents.visible.take();
        contents.visible.clone_from(&contents.durable);
        if let (Some((offset, length)), Some(written), Some(file)) =
            (contents.unsynced.take(), written, &mut contents.visible)
        {
            let cut = rng.random_range(0..=length);
            let kept = if rng.random_bool(0.5) { 0..cut } else { cut..length };
            let kept = offset + kept.start..offset + kept.end;
            file.resize(file.len().max(kept.end), 0);
            file[kept.clone()].copy_from_slice(&written[kept]);
        }
        contents.durable.clone_from(&contents.visible);
    }

    /// A disk that lied: the last records are gone although they were synced, or all of them.
    pub(crate) fn lose_synced(&self, bytes: Option<usize>) {
        let contents = &mut *self.lock();
        if let (Some(bytes), Some(file)) = (bytes, &mut contents.visible) {
            let end = file.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            file.truncate(end.saturating_sub(bytes).max(HEADER_BYTES));
        } else {
            contents.visible = None;
        }
        contents.durable.clone_from(&contents.visible);
    }
}

impl Contents {
    fn call(&mut self) -> io::Result<()> {
        match &mut self.healthy_calls {
            Some(0) => Err(io::ErrorKind::StorageFull.into()),
            Some(healthy) => {
                *healthy -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Medium for LedgerFile {
    fn location(&self) -> String {
        "simulated ledger".into()
    }

    fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.lock().visible.clone())
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        let contents = &mut *self.lock();
        contents.call()?;
        contents.visible = Some(bytes.to_vec());
        contents.durable.clone_from(&contents.visible);
        contents.unsynced = None;
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let contents = &mut *self.lock();
        contents.call()?;
        let offset = offset as usize;
        let file = contents.visible.get_or_insert_default();
        file.resize(file.len().max(offset + bytes.len()), 0);
        file[offset..offset + bytes.len()].copy_from_slice(bytes);
        let (from, length) = contents.unsynced.unwrap_or((offset, 0));
        let (from, end) = (from.min(offset), (from + length).max(offset + bytes.len()));
        contents.unsynced = Some((from, end - from));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let contents = &mut *self.lock();
        contents.call()?;
        if let (Some((offset, length)), Some(written)) = (contents.unsynced.take(), &contents.visible) {
            let file = contents.durable.get_or_insert_default();
            file.resize(written.len(), 0);
            file[offset..offset + length].copy_from_slice(&written[offset..offset + length]);
        }
        Ok(())
    }
}
