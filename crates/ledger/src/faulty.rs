//! A medium that fails on demand and forgets what was not synced when the power goes. Test support: it models what the
//! file system promises, so that crash tests can try every write.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::medium::Medium;

#[derive(Default)]
struct Contents {
    visible: Option<Vec<u8>>,
    durable: Option<Vec<u8>>,
    /// Offset and bytes of every write since the last sync.
    unsynced: Vec<(usize, Vec<u8>)>,
    /// Calls that succeed before one fails.
    healthy_calls: Option<u32>,
}

/// A place that keeps bytes. Clones are the same place.
#[derive(Clone, Default)]
pub struct FaultyMedium(Arc<Mutex<Contents>>);

impl FaultyMedium {
    /// A place that holds `bytes`.
    pub fn holding(bytes: Option<Vec<u8>>) -> Self {
        let place = Self::default();
        place.put_back(bytes);
        place
    }

    /// What a copy of it would hold.
    pub fn copied(&self) -> Option<Vec<u8>> {
        self.lock().visible.clone()
    }

    /// What removing it or restoring a copy does, and a sync.
    pub fn put_back(&self, bytes: Option<Vec<u8>>) {
        *self.lock() = Contents { visible: bytes.clone(), durable: bytes, ..Contents::default() };
    }

    /// Lets the call after `healthy` more fail, and all after it, until the power goes or the place is repaired.
    pub fn fail_after(&self, healthy: u32) {
        self.lock().healthy_calls = Some(healthy);
    }

    /// Lets calls succeed again.
    pub fn repair(&self) {
        self.lock().healthy_calls = None;
    }

    /// Cuts the power: of each write since the last sync any part may survive. `below` chooses a number below its
    /// argument.
    pub fn lose_power(&self, mut below: impl FnMut(usize) -> usize) {
        let contents = &mut *self.lock();
        let mut survived = contents.durable.take();
        for (offset, bytes) in std::mem::take(&mut contents.unsynced) {
            let kept = match below(3) {
                0 => continue,
                1 => 0..bytes.len(),
                _ => {
                    let from = below(bytes.len() + 1);
                    from..from + below(bytes.len() - from + 1)
                }
            };
            put(survived.get_or_insert_default(), offset + kept.start, &bytes[kept]);
        }
        *contents = Contents { visible: survived.clone(), durable: survived, ..Contents::default() };
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call(&self) -> io::Result<MutexGuard<'_, Contents>> {
        let mut contents = self.lock();
        match &mut contents.healthy_calls {
            Some(0) => return Err(io::ErrorKind::StorageFull.into()),
            Some(healthy) => *healthy -= 1,
            None => {}
        }
        Ok(contents)
    }
}

fn put(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    file.resize(file.len().max(offset + bytes.len()), 0);
    file[offset..offset + bytes.len()].copy_from_slice(bytes);
}

impl Medium for FaultyMedium {
    fn location(&self) -> String {
        "a faulty medium".into()
    }

    fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.copied())
    }

    fn replace(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut contents = self.call()?;
        (contents.visible, contents.durable) = (Some(bytes.to_vec()), Some(bytes.to_vec()));
        contents.unsynced.clear();
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut contents = self.call()?;
        put(contents.visible.get_or_insert_default(), offset as usize, bytes);
        contents.unsynced.push((offset as usize, bytes.to_vec()));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let contents = &mut *self.call()?;
        contents.durable.clone_from(&contents.visible);
        contents.unsynced.clear();
        Ok(())
    }
}
