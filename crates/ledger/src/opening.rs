//! What a ledger that is opened can vouch for.
//!
//! The mark beside each key tells whether the ledger knows all that the key has signed. Where there is no mark, the
//! clock tells as much as it can: a ledger that ends before the slot that was the last one may be a copy from a backup.
//! One that cannot vouch for everything is treated as a missing one: nothing is signed at a slot that may have been
//! signed at.

use std::fmt;

use crate::error::Error;
use crate::history::History;
use crate::ledger::{Ledger, after};
use crate::mark::Mark;
use crate::medium::Medium;
use crate::record::{Contents, HEADER_LEN, KeyId, RECORD_LEN, Record, decode_file};

/// Slots that stay unsigned when a ledger is started while the chain is running, or its end is not known: the current
/// one, and the next, for which a block may have been signed already.
pub const SAFETY_SLOTS: u64 = 2;

/// What a ledger is opened for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms<'a> {
    /// Unix time of the network's genesis, in seconds.
    pub genesis_time: u64,
    /// The slot by the clock, which may be wrong; `None` before genesis.
    pub current_slot: Option<u64>,
    /// The newest slot that has come for certain: that of the newest stored block. `None` if there is none.
    pub proven_slot: Option<u64>,
    /// The marks of the keys that are going to sign.
    pub marks: &'a [Mark],
    /// Whether keys may sign again what they have signed for a network with another genesis.
    pub allow_key_reuse: bool,
}

impl Terms<'_> {
    /// The latest slot that anything says it may be, the clock or a block.
    fn latest(&self) -> Option<u64> {
        self.current_slot.max(self.proven_slot)
    }
}

/// What was found when a ledger was opened. All but the first two mean that duties rest for some slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// It vouches for every slot.
    Whole,
    /// It is new, and so are the keys.
    New,
    /// There was none, although the chain is running or the keys have signed.
    Missing,
    /// A lost write tore its end.
    Torn,
    /// A key has signed what it does not know.
    Behind {
        /// The key.
        key: KeyId,
        /// Up to where it has signed.
        newest: u64,
    },
    /// It ends before the slot that was the last one, so it may be a copy from a backup.
    Old {
        /// From where on it knows nothing.
        end: u64,
    },
    /// It was last opened while the clock was ahead of what it says now.
    ClockSetBack {
        /// Below which slot nothing was to be signed for no other reason.
        by_clock: u64,
    },
}

impl Opened {
    /// Whether every slot that may be signed can be signed at once.
    pub fn is_clean(&self) -> bool {
        matches!(self, Self::Whole | Self::New)
    }
}

impl fmt::Display for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => write!(f, "it is complete"),
            Self::New => write!(f, "it is new, and so are the keys"),
            Self::Missing => write!(f, "there was none, although the chain is running"),
            Self::Torn => write!(f, "its end was lost with the power"),
            Self::Behind { key, newest } => write!(
                f,
                "it does not know all that key {} has signed up to slot {newest}: it is a copy, or was restored",
                key.short()
            ),
            Self::Old { end } => {
                write!(f, "it knows nothing from slot {end} on: the node was off, or it was restored")
            }
            Self::ClockSetBack { by_clock } => {
                write!(
                    f,
                    "it was opened while the clock was ahead, so nothing was to be signed below slot {by_clock}"
                )
            }
        }
    }
}

impl<M: Medium> Ledger<M> {
    /// Opens the ledger on `medium`, or starts one. One that cannot vouch for every slot signs from [`SAFETY_SLOTS`]
    /// after the latest slot that anything speaks of; [`Ledger::opened`] says why.
    pub fn open(mut medium: M, terms: &Terms<'_>) -> Result<Self, Error> {
        let location = medium.location();
        let genesis_time = terms.genesis_time;
        let elsewhere = terms.marks.iter().find(|mark| mark.is_used_elsewhere(genesis_time));
        if let Some(mark) = elsewhere
            && !terms.allow_key_reuse
        {
            return Err(Error::UsedElsewhere { mark: *mark, expected: genesis_time });
        }
        // Those of another genesis say nothing about our slots.
        let marks: Vec<Mark> =
            terms.marks.iter().copied().filter(|mark| mark.genesis_time == genesis_time).collect();
        let read = medium.read().map_err(|source| Error::Io { location: location.clone(), source })?;
        let Some(bytes) = read else {
            let has_signed = marks.iter().any(|mark| mark.newest.is_some());
            let opened = match has_signed || terms.latest().is_some() {
                true => Opened::Missing,
                false => Opened::New,
            };
            return Self::on(medium, genesis_time, History::default(), opened).distrust(terms, &marks);
        };
        let corrupt = |what| Error::Corrupt { location: location.clone(), what };
        let Contents { header, records, torn } = decode_file(&bytes).map_err(corrupt)?;
        if header.genesis_time != genesis_time {
            return Err(Error::OtherGenesis { location, found: header.genesis_time, expected: genesis_time });
        }
        let history = History::of(header.watermark, &records).map_err(corrupt)?;
        let opened = judge(&history, torn, terms, &marks);
        let mut ledger = Self::on(medium, genesis_time, history, opened);
        if let Opened::ClockSetBack { .. } = opened {
            let set = ledger.set_clock(terms.current_slot, terms.proven_slot);
            return set.map_err(|source| ledger.failure(source)).map(|()| ledger);
        }
        if !opened.is_clean() {
            return ledger.distrust(terms, &marks);
        }
        (ledger.used, ledger.capacity) = (records.len(), (bytes.len() - HEADER_LEN) / RECORD_LEN);
        Ok(ledger)
    }

    /// Reads a ledger as it is, whatever its genesis; `None` if there is none. Nothing is judged or written.
    pub fn inspect(mut medium: M) -> Result<Option<Self>, Error> {
        let location = medium.location();
        let read = medium.read().map_err(|source| Error::Io { location: location.clone(), source })?;
        let Some(bytes) = read else { return Ok(None) };
        let corrupt = |what| Error::Corrupt { location: location.clone(), what };
        let Contents { header, records, torn } = decode_file(&bytes).map_err(corrupt)?;
        let history = History::of(header.watermark, &records).map_err(corrupt)?;
        let opened = if torn { Opened::Torn } else { Opened::Whole };
        let mut ledger = Self::on(medium, header.genesis_time, history, opened);
        (ledger.used, ledger.capacity) = (records.len(), (bytes.len() - HEADER_LEN) / RECORD_LEN);
        Ok(Some(ledger))
    }

    /// Rules out every slot that may have been signed at, and writes the ledger anew.
    fn distrust(mut self, terms: &Terms<'_>, marks: &[Mark]) -> Result<Self, Error> {
        let unknown: Vec<&Mark> = marks.iter().filter(|mark| !self.history.knows(mark)).collect();
        let newest = unknown.iter().max_by_key(|mark| mark.newest);
        if let (Some(mark), None) = (newest, terms.latest()) {
            return Err(Error::UsedBeforeGenesis { mark: **mark, location: self.medium.location() });
        }
        if self.opened != Opened::New {
            // The clock alone is not trusted: it may have been set back. Nor is what it says known for good: it may be
            // ahead, and be set right.
            let slots = marks.iter().filter_map(|mark| mark.newest).chain(self.history.newest());
            // A record that was lost may have been the only one.
            let lost = (self.opened == Opened::Torn).then_some(0);
            let known = after(slots.chain(terms.proven_slot).chain(lost).max());
            self.history.raise_watermark(known);
            self.history.set_by_clock(after(terms.current_slot));
            for mark in unknown {
                let below = Record::Below { key: mark.key, slot: known, unlisted: mark.signed };
                self.history.insert(&below);
            }
        }
        self.compact().map_err(|source| self.failure(source))?;
        Ok(self)
    }
}

/// What a ledger that was read can vouch for.
fn judge(history: &History, torn: bool, terms: &Terms<'_>, marks: &[Mark]) -> Opened {
    let end = history.newest().map_or(0, |slot| slot.saturating_add(1)).max(history.watermark());
    let behind = marks.iter().find(|mark| !history.knows(mark));
    let by_clock = history.by_clock();
    match (torn, behind, terms.latest()) {
        (true, ..) => Opened::Torn,
        (_, Some(mark), _) => Opened::Behind { key: mark.key, newest: mark.newest.unwrap_or_default() },
        _ if after(terms.current_slot) < by_clock => Opened::ClockSetBack { by_clock },
        // A restart within a slot or two costs no duty.
        (.., Some(slot)) if end < slot => Opened::Old { end },
        _ => Opened::Whole,
    }
}
