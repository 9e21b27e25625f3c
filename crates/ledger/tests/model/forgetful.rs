//! A place that keeps bytes and forgets what was not synced, when the power goes.

use std::io;
use std::sync::{Arc, Mutex};

use lathe_ledger::Medium;
use rand::{Rng as _, RngExt as _};
use rand_chacha::ChaCha8Rng;

#[derive(Clone, Default)]
struct Contents {
    visible: Option<Vec<u8>>,
    durable: Option<Vec<u8>>,
    unsynced: Vec<(usize, Vec<u8>)>,
}

/// Clones are the same place.
#[derive(Clone, Default)]
pub struct Forgetful(Arc<Mutex<Contents>>);

impl Forgetful {
    pub fn holding(bytes: Option<Vec<u8>>) -> Self {
        let place = Self::default();
        place.put_back(bytes);
        place
    }

    /// What a copy of it would hold.
    pub fn copied(&self) -> Option<Vec<u8>> {
        self.0.lock().unwrap().visible.clone()
    }

    /// What `rm` and `cp` do, and a sync.
    pub fn put_back(&self, bytes: Option<Vec<u8>>) {
        let mut contents = self.0.lock().unwrap();
        *contents = Contents { visible: bytes.clone(), durable: bytes, unsynced: Vec::new() };
    }

    /// Of each write since the last sync a random part survives.
    pub fn lose_power(&self, rng: &mut ChaCha8Rng) {
        let mut contents = self.0.lock().unwrap();
        let mut file = contents.durable.take();
        for (offset, bytes) in std::mem::take(&mut contents.unsynced) {
            let from = rng.random_range(0..=bytes.len());
            let to = rng.random_range(from..=bytes.len());
            match rng.next_u32() % 3 {
                0 => {}
                1 => put(file.get_or_insert_default(), offset, &bytes),
                _ => put(file.get_or_insert_default(), offset + from, &bytes[from..to]),
            }
        }
        contents.visible = file.clone();
        contents.durable = file;
    }
}

fn put(file: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    file.resize(file.len().max(offset + bytes.len()), 0);
    file[offset..offset + bytes.len()].copy_from_slice(bytes);
}

impl Medium for Forgetful {
    fn location(&self) -> String {
        "a place that forgets".into()
    }

    fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.copied())
    }

    fn replace(&mut self, contents: &[u8]) -> io::Result<()> {
        self.put_back(Some(contents.to_vec()));
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut contents = self.0.lock().unwrap();
        put(contents.visible.get_or_insert_default(), offset as usize, bytes);
        contents.unsynced.push((offset as usize, bytes.to_vec()));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut contents = self.0.lock().unwrap();
        for (offset, bytes) in std::mem::take(&mut contents.unsynced) {
            put(contents.durable.get_or_insert_default(), offset, &bytes);
        }
        Ok(())
    }
}
