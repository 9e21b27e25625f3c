//! Files that hold what must not be lost: signing keys in both formats, and the signing ledger in both of its.

use std::io;

use lathe_leansig::{KeyFormat, Prod, Scheme, SecretKey, Test};
use lathe_ledger::{Entry, Error, Interchange, KeyId, Ledger, Medium, Terms};
use lathe_types::Root;
use sha2::{Digest as _, Sha256};
use sha3::Sha3_256;

/// Bytes of the checksum that ends a key file, of the one that ends a header or record of the ledger, and of both of
/// these.
pub(crate) const KEY_CHECKSUM_LEN: usize = 32;
pub(crate) const LEDGER_CHECK_LEN: usize = 8;
pub(crate) const LEDGER_HEADER_LEN: usize = 36;
pub(crate) const LEDGER_RECORD_LEN: usize = 81;

/// Genesis time of the ledgers.
pub(crate) const GENESIS_TIME: u64 = 7;

/// The first byte chooses the file. Checksums are put right where the byte says so, since no mutation hits one.
pub fn key_files(data: &[u8]) {
    let Some((choice, data)) = data.split_first() else { return };
    match choice % 6 {
        0 => key::<Test>(data),
        1 => key::<Test>(&with_key_checksum(data)),
        2 => key::<Prod>(&with_key_checksum(data)),
        3 => ledger(data),
        4 => ledger(&with_ledger_checks(data)),
        _ => interchange(data),
    }
}

/// A key that is read is written as the same file, or as an equal one of ours if the file was leanSig's.
fn key<S: Scheme>(file: &[u8]) {
    let Ok(key) = SecretKey::<S>::decode(file) else { return };
    assert!(KeyFormat::of(file).is_some());
    let ours = key.encode();
    if KeyFormat::of(file) == Some(KeyFormat::Lathe) {
        assert!(*ours == file, "a second encoding of one key was accepted");
    }
    let again = SecretKey::<S>::decode(&ours);
    assert!(again.is_ok_and(|again| again.slots() == key.slots() && again.public_key() == key.public_key()));
    assert!(key.slots().end <= S::LIFETIME && !key.slots().is_empty());
}

/// Whatever a ledger file holds: if it opens, no key ever signs two messages at one slot, and reopening what was
/// written remembers every signature.
fn ledger(file: &[u8]) {
    for current_slot in [None, Some(3)] {
        let Ok(mut ledger) = open(Some(file.to_vec()), current_slot) else { return };
        let mut entries = entries(&ledger);
        entries.retain(|entry| ledger.stopped(entry.key).is_none());
        let signed: Vec<bool> = ledger.record_all(&entries).iter().map(Result::is_ok).collect();
        assert!(signed.iter().all(|signed| *signed), "what is on record may be signed again");
        let other: Vec<Entry> = entries.iter().map(|entry| Entry { root: !entry.root, ..*entry }).collect();
        for (first, second) in signed.iter().zip(ledger.record_all(&other)) {
            assert!(!(*first && second.is_ok()), "two messages at one slot");
        }
    }
}

/// An export is text that anybody may have edited. What it brings in can only forbid.
fn interchange(text: &[u8]) {
    let Ok(mut ledger) = open(None, None) else { return };
    let entry = Entry { key: KeyId([1; 32]), slot: 5, root: Root::repeat_byte(1) };
    assert!(ledger.record_all(&[entry]).iter().all(Result::is_ok));
    let Ok(other) = Interchange::read(text) else { return };
    if ledger.import(&other).is_err() {
        return;
    }
    let conflict = Entry { root: Root::ZERO, ..entry };
    assert!(ledger.record_all(&[conflict])[0].is_err(), "an import made room for a second message");

    let exported = export(&ledger);
    let (Ok(mut copy), Ok(read)) = (open(None, None), Interchange::read(&exported[..])) else {
        unreachable!("an export can be read")
    };
    assert!(copy.import(&read).is_ok());
    assert_eq!(export(&copy), exported);
}

pub(crate) fn open(file: Option<Vec<u8>>, current_slot: Option<u64>) -> Result<Ledger<Memory>, Error> {
    let terms = Terms { genesis_time: GENESIS_TIME, current_slot, ..Terms::default() };
    Ledger::open(Memory(file), &terms)
}

/// What the ledger has on record, by its own account.
fn entries(ledger: &Ledger<Memory>) -> Vec<Entry> {
    #[derive(serde::Deserialize)]
    struct Line {
        key: Root,
        slot: u64,
        root: Root,
    }
    let exported = export(ledger);
    let lines = exported.split(|byte| *byte == b'\n');
    lines
        .filter_map(|line| serde_json::from_slice(line).ok())
        .map(|Line { key, slot, root }| Entry { key: KeyId(key.0), slot, root })
        .collect()
}

fn export(ledger: &Ledger<Memory>) -> Vec<u8> {
    let mut text = Vec::new();
    assert!(ledger.export(&mut text).is_ok());
    text
}

/// The content with the checksum of a key file of ours behind it.
pub(crate) fn with_key_checksum(content: &[u8]) -> Vec<u8> {
    [content, &Sha3_256::digest(content)[..]].concat()
}

/// The content cut into a header and records, with the last bytes of each replaced by its checksum. Blank records stay
/// blank.
fn with_ledger_checks(content: &[u8]) -> Vec<u8> {
    let mut file = content.to_vec();
    let header_len = LEDGER_HEADER_LEN.min(file.len());
    let (header, records) = file.split_at_mut(header_len);
    for part in std::iter::once(header).chain(records.chunks_mut(LEDGER_RECORD_LEN)) {
        let is_blank = part.iter().all(|byte| *byte == 0);
        if let Some((body, check)) = part.split_last_chunk_mut::<LEDGER_CHECK_LEN>()
            && !is_blank
        {
            check.copy_from_slice(&Sha256::digest(&*body)[..LEDGER_CHECK_LEN]);
        }
    }
    file
}

/// A ledger's file in memory.
pub(crate) struct Memory(pub(crate) Option<Vec<u8>>);

impl Medium for Memory {
    fn location(&self) -> String {
        "memory".into()
    }

    fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        Ok(self.0.clone())
    }

    fn replace(&mut self, contents: &[u8]) -> io::Result<()> {
        self.0 = Some(contents.to_vec());
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let file = self.0.get_or_insert_default();
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        if file.len() < start + bytes.len() {
            file.resize(start + bytes.len(), 0);
        }
        file[start..start + bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}
