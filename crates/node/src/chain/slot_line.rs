//! One line for each slot that is over, for a person who watches the log.

use std::fmt;

use lathe_engine::View;
use lathe_http::{Duties, SlotRecord};
use lathe_types::{Root, Slot};

/// A root as people tell roots apart: its first eight digits.
pub(crate) struct Short(pub Root);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Which slot's line is due.
#[derive(Default)]
pub(super) struct SlotLines {
    current: Option<Slot>,
}

impl SlotLines {
    /// The slot that is over now that the clock is in `slot`. Slots that the clock jumped over have no line, and
    /// neither has the one in which the node started, which it has not seen whole.
    pub(super) fn over(&mut self, slot: Slot) -> Option<Slot> {
        let Some(current) = self.current else {
            self.current = Some(slot);
            return None;
        };
        if slot <= current {
            return None;
        }
        self.current = Some(slot);
        Some(current)
    }
}

/// How the node stands when a slot is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub justified: Slot,
    pub finalized: Slot,
    pub peers: i64,
    /// The head, while the chain is behind.
    pub syncing: Option<Slot>,
}

impl Standing {
    pub(super) fn of(view: &View, peers: i64) -> Self {
        Self {
            justified: view.justified.slot,
            finalized: view.finalized.slot,
            peers,
            syncing: view.sync.is_syncing.then_some(view.head.slot),
        }
    }
}

/// The line of a slot.
pub(super) fn line(record: &SlotRecord, standing: Standing) -> String {
    let Standing { justified, finalized, peers, syncing } = standing;
    let plural = if peers == 1 { "" } else { "s" };
    let syncing = syncing.map(|head| format!("; syncing, head {head}")).unwrap_or_default();
    format!(
        "slot {}: {}; justified {justified}, finalized {finalized}; {peers} peer{plural}; {}{syncing}",
        record.slot,
        blocks(record),
        duties(&record.duties)
    )
}

fn blocks(record: &SlotRecord) -> String {
    let Some(block) = record.blocks.first() else { return "no block".into() };
    let root = Short(block.root);
    let mut told = match (block.is_own, block.votes) {
        (false, _) => format!("block {root} by {}", block.proposer_index),
        // Who of ours proposed it is known with its import.
        (true, None) => format!("our block {root}"),
        (true, Some(_)) => format!("our block {root} by {}", block.proposer_index),
    };
    match block.arrival_ms {
        Some(ms) => told.push_str(&format!(" at {ms} ms")),
        None => told.push_str(" on request"),
    }
    match block.votes {
        Some(votes) => told.push_str(&format!(", {votes} vote{}", if votes == 1 { "" } else { "s" })),
        None => told.push_str(", not imported yet"),
    }
    match record.blocks.len() {
        1 => {}
        count => told.push_str(&format!(", and {} more", count - 1)),
    }
    told
}

fn duties(duties: &Duties) -> String {
    let done = duties.attested + duties.proposed + duties.aggregated;
    let missed: u64 = duties.missed.values().sum();
    match (done, missed) {
        (0, 0) => "no duties".into(),
        (_, 0) => format!("duties {done} done"),
        _ => {
            let reasons: Vec<&str> = duties.missed.keys().copied().collect();
            format!("duties {done} done, {missed} MISSED ({})", reasons.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use lathe_http::SlotLog;
    use lathe_types::ValidatorIndex;

    const QUIET: Standing = Standing { justified: Slot(11), finalized: Slot(10), peers: 3, syncing: None };

    fn record(fill: impl FnOnce(&mut SlotRecord)) -> SlotRecord {
        let mut log = SlotLog::default();
        log.begin(Slot(12));
        let record = log.slot(Slot(12)).unwrap();
        fill(record);
        record.clone()
    }

    fn block(record: &mut SlotRecord, byte: u8, arrival_ms: Option<i64>, votes: Option<usize>, is_own: bool) {
        let block = record.block(Root::repeat_byte(byte), ValidatorIndex(3)).unwrap();
        (block.arrival_ms, block.votes, block.is_own) = (arrival_ms, votes, is_own);
    }

    #[test]
    fn a_good_slot_is_one_short_line() {
        let record = record(|record| {
            block(record, 0x9f, Some(213), Some(12), false);
            (record.duties.attested, record.duties.aggregated) = (4, 1);
        });
        let told = "slot 12: block 9f9f9f9f by 3 at 213 ms, 12 votes; justified 11, finalized 10; 3 peers; duties 5 done";
        assert_eq!(line(&record, QUIET), told);
    }

    #[test]
    fn an_empty_slot_says_so_and_why_duties_were_missed() {
        let record = record(|record| {
            record.duties.attested = 2;
            record.duties.missed.extend([("late_tick", 2), ("not_synced", 1)]);
        });
        let standing = Standing { peers: 1, syncing: Some(Slot(7)), ..QUIET };
        let told = "slot 12: no block; justified 11, finalized 10; 1 peer; duties 2 done, 3 MISSED (late_tick, \
                    not_synced); syncing, head 7";
        assert_eq!(line(&record, standing), told);
    }

    #[test]
    fn blocks_are_told_as_they_came() {
        let told = |fill: &dyn Fn(&mut SlotRecord)| {
            let line = line(&record(fill), QUIET);
            line.split("; ").next().unwrap().strip_prefix("slot 12: ").unwrap().to_owned()
        };
        assert_eq!(told(&|r| block(r, 1, Some(4), Some(1), true)), "our block 01010101 by 3 at 4 ms, 1 vote");
        assert_eq!(
            told(&|r| block(r, 1, Some(4), None, true)),
            "our block 01010101 at 4 ms, not imported yet"
        );
        assert_eq!(told(&|r| block(r, 1, None, Some(2), false)), "block 01010101 by 3 on request, 2 votes");
        let fork = |r: &mut SlotRecord| {
            block(r, 1, Some(-5), Some(0), false);
            block(r, 2, Some(9), Some(0), false);
        };
        assert_eq!(told(&fork), "block 01010101 by 3 at -5 ms, 0 votes, and 1 more");
    }

    #[test]
    fn each_slot_seen_from_its_start_has_one_line() {
        let mut lines = SlotLines::default();
        let due: Vec<_> = [0, 0, 1, 1, 2, 5, 4, 6].map(|slot| lines.over(Slot(slot))).into();
        let expected = [None, None, Some(0), None, Some(1), Some(2), None, Some(5)];
        assert_eq!(due, expected.map(|slot| slot.map(Slot)));
    }
}
