//! The mark beside a key: how often it has signed, up to where, and what it signed there.
//!
//! A ledger can be wiped, restored from a backup or copied, and then does not know what the key has signed since. The
//! mark lies where the key lies, so it goes where the key goes. It is durable before a signature leaves; a ledger that
//! knows fewer signatures than the mark counts, or not the newest of them, is not this key's ledger. Nor is one that
//! knows another message for the newest slot: it has recorded one that never left, and another ledger signed since.
//!
//! ```text
//! per key, twice   key id 32 | version u64 | genesis time u64 | signatures u64 | newest slot + 1 u64 | message 8 |
//!                  check 8
//! ```
//! The message is the beginning of what was signed at the newest slot. Integers are big-endian, the check is the start
//! of the SHA-256 of a title and what precedes it. Of the two copies the one with the higher version counts and the
//! other is written next, so a torn write loses nothing that was durable. The place of a key is blank before its first
//! use, and the second copy is blank before its first signature.
//!
//! Whoever signs with a key is the only one who writes its mark. So a mark is looked at before it is written: if it is
//! not as this process has left it, another one signs with a copy of the key that no lock has kept out, and the
//! signature does not leave.

use std::collections::HashMap;
use std::io;

use lathe_types::Root;

use crate::error::Error;
use crate::medium::Medium;
use crate::record::{CHECK_LEN, KeyId, check, read_u64};

/// Goes into the check, so that nothing else passes for a mark.
const TITLE: &[u8] = b"lathe signing mark 2";
/// What went into the check before marks knew messages: shorter places, which must not pass for the end of a file.
const EARLIER_TITLE: &[u8] = b"lathe signing mark 1";
const EARLIER_BODY_LEN: usize = BODY_LEN - MESSAGE_LEN;
const BODY_LEN: usize = 32 + 4 * 8 + MESSAGE_LEN;
/// Of the message that was signed last; enough to tell two of them apart.
const MESSAGE_LEN: usize = 8;
const COPY_LEN: usize = BODY_LEN + CHECK_LEN;
const PLACE_LEN: usize = 2 * COPY_LEN;
/// Keys in one directory at most: a full registry of 4,096 validators with two each, many times over.
const MAX_PLACES: usize = 1 << 17;

/// What is known of a key's use, wherever its ledger is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The key.
    pub key: KeyId,
    /// Unix time of the genesis that it signed for last.
    pub genesis_time: u64,
    /// Signatures that it has made, ever.
    pub signed: u64,
    /// The highest slot that it has signed at since that genesis.
    pub newest: Option<u64>,
    /// The beginning of what it has signed there; zeros where that is not known.
    pub message: [u8; MESSAGE_LEN],
}

impl Mark {
    /// The mark of a key that has signed nothing.
    pub(crate) fn unused(key: KeyId, genesis_time: u64) -> Self {
        Self { key, genesis_time, signed: 0, newest: None, message: [0; MESSAGE_LEN] }
    }

    /// Whether it may speak of `root`.
    pub(crate) fn is_of(&self, root: &Root) -> bool {
        self.message == beginning(root)
    }

    /// Whether the key has signed for a network that began at another time than `genesis_time`.
    pub fn is_used_elsewhere(&self, genesis_time: u64) -> bool {
        self.genesis_time != genesis_time && self.newest.is_some()
    }

    fn encode(&self, version: u64) -> [u8; COPY_LEN] {
        let mut bytes = [0; COPY_LEN];
        bytes[..32].copy_from_slice(&self.key.0);
        let newest = self.newest.map_or(0, |slot| slot.saturating_add(1));
        for (place, number) in
            bytes[32..64].chunks_mut(8).zip([version, self.genesis_time, self.signed, newest])
        {
            place.copy_from_slice(&number.to_be_bytes());
        }
        bytes[64..BODY_LEN].copy_from_slice(&self.message);
        let sum = check(&[TITLE, &bytes[..BODY_LEN]].concat());
        bytes[BODY_LEN..].copy_from_slice(&sum);
        bytes
    }

    /// The mark and its version; `None` if the bytes are none.
    fn decode(bytes: &[u8]) -> Option<(u64, Self)> {
        let (body, found) = bytes.split_at_checked(BODY_LEN)?;
        if found != check(&[TITLE, body].concat()) {
            return None;
        }
        let mark = Self {
            key: KeyId(body.get(..32)?.try_into().ok()?),
            genesis_time: read_u64(body, 40),
            signed: read_u64(body, 48),
            newest: read_u64(body, 56).checked_sub(1),
            message: body.get(64..)?.try_into().ok()?,
        };
        Some((read_u64(body, 32), mark))
    }
}

/// Whether the file begins with a mark without a message.
fn is_of_an_earlier_version(bytes: &[u8]) -> bool {
    bytes.split_at_checked(EARLIER_BODY_LEN).is_some_and(|(body, rest)| {
        let sum = check(&[EARLIER_TITLE, body].concat());
        rest.starts_with(&sum)
    })
}

/// As much of a message as a mark has.
pub(crate) fn beginning(root: &Root) -> [u8; MESSAGE_LEN] {
    std::array::from_fn(|at| root.0[at])
}

/// Where a mark is, and which of its copies counts.
#[derive(Clone, Copy, Debug)]
struct Place {
    index: usize,
    copy: usize,
    version: u64,
    mark: Mark,
}

/// The marks of the keys in one directory.
#[derive(Debug)]
pub struct Marks<M> {
    medium: M,
    places: HashMap<KeyId, Place>,
    /// Places that are taken or damaged; the next key gets the one after.
    used: usize,
}

impl<M: Medium> Marks<M> {
    /// Reads the marks. None were made yet where there are none.
    pub fn open(mut medium: M) -> Result<Self, Error> {
        let location = medium.location();
        let read = medium.read().map_err(|source| Error::Io { location: location.clone(), source })?;
        let bytes = read.unwrap_or_default();
        if is_of_an_earlier_version(&bytes) {
            return Err(Error::EarlierMarks { location });
        }
        let corrupt = |what| Error::CorruptMarks { location: location.clone(), what };
        let mut places = HashMap::new();
        let mut used = 0;
        // What follows the last whole place is the beginning of one that was never used.
        for (index, bytes) in bytes.chunks_exact(PLACE_LEN).enumerate() {
            let (first, second) = bytes.split_at(COPY_LEN);
            let is_blank = |bytes: &[u8]| bytes.iter().all(|byte| *byte == 0);
            let copies = [Mark::decode(first), Mark::decode(second)].into_iter().enumerate();
            let newest = copies
                .filter_map(|(copy, decoded)| decoded.map(|(version, mark)| (version, copy, mark)))
                .max_by_key(|(version, ..)| *version);
            let Some((version, copy, mark)) = newest else {
                if !is_blank(second) {
                    return Err(corrupt(format!("place {index}")));
                }
                // Blank, or torn while it was being made, when nothing had been signed under it.
                continue;
            };
            used = index + 1;
            if places.insert(mark.key, Place { index, copy, version, mark }).is_some() {
                return Err(corrupt(format!("a second mark of key {}", mark.key.short())));
            }
        }
        Ok(Self { medium, places, used })
    }

    /// The mark of a key; `None` if it never had one.
    pub fn of(&self, key: KeyId) -> Option<Mark> {
        self.places.get(&key).map(|place| place.mark)
    }

    /// Every mark, in the order of the keys.
    pub fn all(&self) -> Vec<Mark> {
        let mut marks: Vec<_> = self.places.values().map(|place| place.mark).collect();
        marks.sort_unstable_by_key(|mark| mark.key);
        marks
    }

    /// Where they are.
    pub fn location(&self) -> String {
        self.medium.location()
    }

    /// Makes room for keys that have no mark yet. Others may do the same for other keys in the same place, so the
    /// caller sees to it that they take turns from [`Marks::open`] to here.
    pub fn make_room(&mut self, genesis_time: u64, keys: &[KeyId]) -> io::Result<()> {
        let mut fresh: Vec<KeyId> =
            keys.iter().copied().filter(|key| !self.places.contains_key(key)).collect();
        fresh.sort_unstable();
        fresh.dedup();
        if fresh.is_empty() {
            return Ok(());
        }
        if self.used + fresh.len() > MAX_PLACES {
            return Err(io::Error::other(format!("no room for more than {MAX_PLACES} keys")));
        }
        let marks = fresh.iter().map(|key| Mark::unused(*key, genesis_time));
        let made: Vec<Mark> = marks.collect();
        let bytes: Vec<u8> =
            made.iter().flat_map(|mark| mark.encode(0).into_iter().chain([0; COPY_LEN])).collect();
        self.medium.write_at((self.used * PLACE_LEN) as u64, &bytes)?;
        self.medium.sync()?;
        for (mark, index) in made.into_iter().zip(self.used..) {
            self.places.insert(mark.key, Place { index, copy: 0, version: 0, mark });
        }
        self.used += fresh.len();
        Ok(())
    }

    /// Writes marks down, durably. They only rise as long as the genesis is the same, in whatever order they come;
    /// those that say nothing new cost nothing. Of keys without a place none is kept. An error if somebody else has
    /// written one of them; the caller sees to it that nobody does so meanwhile.
    pub fn write(&mut self, marks: &[Mark]) -> io::Result<()> {
        let mut changed = Vec::new();
        for mark in marks {
            let Some(place) = self.places.get(&mark.key).copied() else { continue };
            let is_older = (mark.signed, mark.newest) <= (place.mark.signed, place.mark.newest);
            if mark.genesis_time == place.mark.genesis_time && is_older {
                continue;
            }
            self.check_untouched(place)?;
            let next = Place {
                copy: 1 - place.copy,
                version: place.version.saturating_add(1),
                mark: *mark,
                ..place
            };
            let offset = next.index * PLACE_LEN + next.copy * COPY_LEN;
            self.medium.write_at(offset as u64, &mark.encode(next.version))?;
            changed.push(next);
        }
        if changed.is_empty() {
            return Ok(());
        }
        self.medium.sync()?;
        self.places.extend(changed.into_iter().map(|place| (place.mark.key, place)));
        Ok(())
    }

    /// Whether a place is as we know it: the copy that counts is the one that we wrote or found last.
    fn check_untouched(&mut self, place: Place) -> io::Result<()> {
        let bytes = self.medium.read_at((place.index * PLACE_LEN) as u64, PLACE_LEN)?;
        let copies = [bytes.get(..COPY_LEN), bytes.get(COPY_LEN..)].into_iter().flatten();
        let newest = copies.filter_map(Mark::decode).max_by_key(|(version, _)| *version);
        if newest == Some((place.version, place.mark)) {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "another process signs with a copy of key {}: two signers with the same keys destroy them, stop one",
            place.mark.key.short()
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FaultyMedium;

    /// One key's place as it was before marks knew messages is shorter than one of today. Read as the beginning of a
    /// place that was never used, it would forget what the key has signed.
    #[test]
    fn marks_of_an_earlier_version_are_refused_by_name() {
        let body: Vec<u8> = [[7; 32].as_slice(), &[0; 31], &[9]].concat();
        let sum = check(&[EARLIER_TITLE, &body].concat());
        let place: Vec<u8> = [body.as_slice(), &sum, &[0; EARLIER_BODY_LEN + CHECK_LEN]].concat();
        assert!(place.len() < PLACE_LEN);
        for keys in [1, 2, 40] {
            let mut medium = FaultyMedium::default();
            medium.write_at(0, &place.repeat(keys)).unwrap();
            let refused = Marks::open(medium).map(|_| ()).unwrap_err();
            assert!(matches!(refused, Error::EarlierMarks { .. }), "{refused}");
        }
    }
}
