//! Looking after a database that no node has open.

use std::path::Path;

use lathe_storage::{ChainDb, Checked, Column, Database, FaultyDisk, KeyValue, MemoryKv, Op};
use lathe_types::{Encode as _, Root, Slot};

use crate::chain::{anchor_batch, checkpoint, child, finalize, genesis, import, line, network, write_all};

/// A row of a database.
type Row = (Column, Vec<u8>, Vec<u8>);

/// Blocks at slots 0 to 4 and a competitor of the last; the block of slot 2 is final.
fn contents() -> (Vec<Row>, Vec<Root>) {
    let disk = FaultyDisk::new();
    let db = disk.open(&network()).unwrap();
    let start = genesis();
    let blocks = line(&start, 1..=4);
    write_all(&db, [anchor_batch(&start)]);
    write_all(&db, blocks.iter().map(import));
    let mut fork = import(&child(&blocks[2], 4, 1));
    (fork.head, fork.canonical) = (None, Vec::new());
    write_all(&db, [fork, finalize(&blocks[1])]);
    let roots = std::iter::once(start.root).chain(blocks.iter().map(|block| block.root)).collect();
    (disk.contents(), roots)
}

/// The database after further changes of its rows.
fn spoilt(changes: Vec<Op>) -> ChainDb<MemoryKv> {
    let kv = MemoryKv::default();
    let rows = contents().0.into_iter().map(|(column, key, value)| Op::Put(column, key, value));
    kv.write(rows.collect()).unwrap();
    kv.write(changes).unwrap();
    ChainDb::take_up(kv, Path::new("here")).unwrap().0
}

fn key(slot: u64, root: Root) -> Vec<u8> {
    [&slot.to_be_bytes()[..], root.as_slice()].concat()
}

#[test]
fn a_sound_chain_is_counted_and_a_broken_one_is_told() {
    let (_, roots) = contents();
    let db = spoilt(Vec::new());
    assert_eq!(db.check().unwrap(), Checked { blocks: 6, canonical: 5, states: 4 });
    let rows = |column| db.survey().unwrap().iter().find(|tally| tally.column == column).unwrap().rows;
    assert_eq!((rows(Column::Blocks), rows(Column::Canonical), rows(Column::States)), (6, 5, 4));
    let told = |change| spoilt(vec![change]).check().unwrap_err().to_string();
    let other = genesis().block.as_ssz_bytes();
    assert!(told(Op::Put(Column::Blocks, key(3, roots[3]), other)).contains("slot 3 is not"));
    assert!(told(Op::Delete(Column::Index, roots[1].to_vec())).contains("the index disagrees"));
    let slot = |slot: u64| slot.to_be_bytes().to_vec();
    assert!(told(Op::Delete(Column::Canonical, slot(2))).contains("broken before slot 3"));
    let moved = Op::Put(Column::Canonical, slot(9), roots[4].to_vec());
    assert!(told(moved).contains("broken before slot 9"));
}

#[test]
fn only_what_is_final_is_forgotten() {
    let (_, roots) = contents();
    let db = spoilt(Vec::new());
    assert_eq!(db.forget_before(Slot(1)).unwrap(), 1);
    assert_eq!(db.forget_before(Slot(9)).unwrap(), 1, "up to the finalized block");
    assert_eq!(db.forget_before(Slot(9)).unwrap(), 0);
    assert_eq!(db.earliest_slot().unwrap(), Slot(2));
    assert!(db.block(roots[1]).unwrap().is_none() && db.block(roots[2]).unwrap().is_some());
    assert_eq!(db.check().unwrap(), Checked { blocks: 4, canonical: 3, states: 4 });
}

#[test]
fn a_rewound_chain_goes_on_from_the_finalized_block() {
    let (_, roots) = contents();
    let db = spoilt(Vec::new());
    assert_eq!(db.rewind().unwrap(), 3);
    let finalized = lathe_types::Checkpoint { root: roots[2], slot: Slot(2) };
    let at = db.checkpoints().unwrap().unwrap();
    assert_eq!((at.head, at.justified, at.finalized), (finalized, finalized, finalized));
    assert_eq!(db.check().unwrap(), Checked { blocks: 3, canonical: 3, states: 1 });
    assert!(db.state(roots[2]).unwrap().is_some());
    assert_eq!(db.rewind().unwrap(), 0);
    // It grows again.
    let blocks = line(&genesis(), 1..=2);
    let next = child(&blocks[1], 5, 0);
    write_all(&db, [import(&next)]);
    assert_eq!(db.checkpoints().unwrap().unwrap().head, checkpoint(&next));
}
