//! What every backend does.

use lathe_storage::{Batch, BatchFlaw, Database, HISTORY_SLOTS, ImportedBlock, MemoryDb, StorageError};
use lathe_types::{Root, Slot};
use tempfile::TempDir;

use crate::chain::{
    anchor_batch, checkpoint, child, finalize, genesis, import, in_order, line, network, unfinalized,
    write_all,
};

fn on_every_backend(test: impl Fn(&dyn Database)) {
    test(&MemoryDb::new(&network()).unwrap());
    let dir = TempDir::new().unwrap();
    test(&lathe_disk::open(&dir.path().join("chain"), &network()).unwrap());
}

fn states(db: &dyn Database, blocks: &[ImportedBlock]) -> Vec<bool> {
    blocks
        .iter()
        .map(|block| match db.state(block.root).unwrap() {
            Some(state) => {
                assert_eq!(state, *block.state);
                true
            }
            None => false,
        })
        .collect()
}

#[test]
fn an_empty_database_has_no_checkpoints_and_no_blocks() {
    on_every_backend(|db| {
        assert_eq!(db.checkpoints().unwrap(), None);
        assert_eq!(unfinalized(db), []);
        assert_eq!(db.block(Root::ZERO).unwrap(), None);
        assert_eq!(db.state(Root::ZERO).unwrap(), None);
        assert_eq!(db.canonical_root(Slot(0)).unwrap(), None);
        assert_eq!(db.earliest_slot().unwrap(), Slot(0));
    });
}

#[test]
fn what_was_written_is_read_back() {
    on_every_backend(|db| {
        let genesis = genesis();
        let blocks = line(&genesis, [1, 2, 5]);
        write_all(db, [anchor_batch(&genesis)]);
        write_all(db, blocks.iter().map(import));
        db.write(&Batch { justified: Some(checkpoint(&blocks[0])), ..Batch::default() }).unwrap();

        let checkpoints = db.checkpoints().unwrap().unwrap();
        assert_eq!(checkpoints.head, checkpoint(&blocks[2]));
        assert_eq!(checkpoints.justified, checkpoint(&blocks[0]));
        assert_eq!(checkpoints.finalized, checkpoint(&genesis));
        for block in &blocks {
            assert_eq!(db.block(block.root).unwrap().as_ref(), Some(&*block.block));
        }
        assert_eq!(states(db, &blocks), [true; 3]);
        let expected: Vec<_> = [&genesis].into_iter().chain(&blocks).cloned().collect();
        assert_eq!(unfinalized(db), expected);
    });
}

#[test]
fn the_canonical_chain_follows_a_reorganisation() {
    on_every_backend(|db| {
        let genesis = genesis();
        let (old, new) = (child(&genesis, 1, 1), child(&genesis, 2, 2));
        write_all(db, [anchor_batch(&genesis), import(&old)]);
        let switch = Batch { canonical: vec![(Slot(1), None), (Slot(2), Some(new.root))], ..import(&new) };
        db.write(&switch).unwrap();
        assert_eq!(db.canonical_root(Slot(1)).unwrap(), None);
        assert_eq!(db.canonical_range(Slot(0), 2).unwrap(), [(Slot(0), genesis.root)]);
        assert_eq!(db.canonical_range(Slot(0), 3).unwrap(), [(Slot(0), genesis.root), (Slot(2), new.root)]);
        assert_eq!(db.canonical_range(Slot(1), u64::MAX).unwrap(), [(Slot(2), new.root)]);
        assert_eq!(db.canonical_range(Slot(9), 0).unwrap(), []);
        assert_eq!(unfinalized(db), in_order(vec![genesis, old, new]));
    });
}

#[test]
fn finality_drops_older_states_and_keeps_its_own_and_all_above() {
    on_every_backend(|db| {
        let genesis = genesis();
        let blocks = line(&genesis, [1, 3, 4, 6]);
        write_all(db, [anchor_batch(&genesis)]);
        write_all(db, blocks.iter().map(import));
        for (finalized, kept) in [(0, [true; 4]), (2, [false, false, true, true])] {
            db.write(&finalize(&blocks[finalized])).unwrap();
            assert_eq!(states(db, &blocks), kept);
            assert_eq!(unfinalized(db), &blocks[finalized..]);
        }
        assert_eq!(states(db, &[genesis]), [false]);
        assert_eq!(db.checkpoints().unwrap().unwrap().finalized, checkpoint(&blocks[2]));
        assert!(db.block(blocks[0].root).unwrap().is_some(), "its block still serves peers");
    });
}

#[test]
fn a_branch_that_lost_to_finality_is_neither_restored_nor_mistaken() {
    on_every_backend(|db| {
        let genesis = genesis();
        let (winner, loser) = (child(&genesis, 3, 1), child(&genesis, 3, 2));
        let early = child(&genesis, 2, 3);
        let (late, of_winner) = (child(&early, 5, 3), child(&winner, 4, 1));
        write_all(db, [anchor_batch(&genesis)]);
        write_all(db, [&winner, &loser, &early, &late, &of_winner].map(import));
        db.write(&finalize(&winner)).unwrap();
        let blocks = [winner.clone(), loser, early, late, of_winner.clone()];
        assert_eq!(states(db, &blocks), [true, false, false, false, true]);
        assert_eq!(unfinalized(db), [winner, of_winner]);
    });
}

#[test]
fn a_block_may_be_imported_and_finalized_by_one_batch() {
    on_every_backend(|db| {
        let genesis = genesis();
        let blocks = line(&genesis, [1, 2]);
        write_all(db, [anchor_batch(&genesis)]);
        let batch =
            Batch { blocks: blocks.clone(), finalized: Some(checkpoint(&blocks[1])), ..Batch::default() };
        db.write(&batch).unwrap();
        assert_eq!(states(db, &blocks), [false, true]);
        assert_eq!(unfinalized(db), &blocks[1..]);
    });
}

#[test]
fn finality_never_moves_back_or_aside() {
    on_every_backend(|db| {
        let genesis = genesis();
        let blocks = line(&genesis, [1, 2, 3]);
        let aside = child(&genesis, 4, 9);
        write_all(db, [anchor_batch(&genesis)]);
        write_all(db, blocks.iter().chain([&aside]).map(import));
        db.write(&finalize(&blocks[1])).unwrap();
        db.write(&finalize(&blocks[0])).unwrap();
        assert_eq!(db.checkpoints().unwrap().unwrap().finalized, checkpoint(&blocks[1]));

        let error = db.write(&finalize(&aside)).unwrap_err();
        let flaw = BatchFlaw::Finalized { root: aside.root, slot: Slot(4) };
        assert!(matches!(error, StorageError::Inconsistent(found) if found == flaw));
        db.write(&finalize(&blocks[2])).expect("a refused batch leaves the handle usable");
        assert_eq!(states(db, &blocks), [false, false, true]);
    });
}

#[test]
fn states_are_dropped_on_request_but_never_the_finalized_one() {
    on_every_backend(|db| {
        let genesis = genesis();
        let (blocks, sibling) = (line(&genesis, [1, 2]), child(&genesis, 3, 5));
        write_all(db, [anchor_batch(&genesis)]);
        write_all(db, blocks.iter().chain([&sibling]).map(import));
        let drop_states = vec![genesis.root, blocks[0].root, Root::repeat_byte(1)];
        db.write(&Batch { drop_states, ..Batch::default() }).unwrap();
        assert_eq!(states(db, &blocks), [false, true]);
        assert_eq!(unfinalized(db), [genesis, sibling], "no child without its parent");
    });
}

#[test]
fn a_chain_may_start_in_the_middle_and_start_over_further_up() {
    on_every_backend(|db| {
        let blocks = line(&genesis(), [1, 2, 3, 7, 8, 9]);
        write_all(db, [anchor_batch(&blocks[2]), import(&blocks[3])]);
        assert_eq!(unfinalized(db), &blocks[2..4]);
        assert_eq!(db.earliest_slot().unwrap(), Slot(3));

        write_all(db, [anchor_batch(&blocks[5])]);
        assert_eq!(unfinalized(db), &blocks[5..]);
        assert_eq!(db.earliest_slot().unwrap(), Slot(9));
        assert_eq!(db.block(blocks[2].root).unwrap(), None, "there is a gap above it");
        assert_eq!(db.canonical_range(Slot(0), 20).unwrap(), [(Slot(9), blocks[5].root)]);
    });
}

#[test]
fn the_first_batch_must_bring_its_anchor() {
    on_every_backend(|db| {
        let genesis = genesis();
        for batch in [import(&genesis), finalize(&genesis)] {
            let error = db.write(&batch).unwrap_err();
            assert!(matches!(error, StorageError::Inconsistent(BatchFlaw::NoAnchor)), "{error}");
        }
        assert_eq!(db.checkpoints().unwrap(), None);
        assert_eq!(db.block(genesis.root).unwrap(), None);
        db.write(&anchor_batch(&genesis)).unwrap();
    });
}

#[test]
fn a_state_that_forgot_a_slot_is_refused() {
    on_every_backend(|db| {
        let genesis = genesis();
        write_all(db, [anchor_batch(&genesis)]);
        let mut block = child(&genesis, 1, 0);
        block.state = genesis.state.clone();
        let error = db.write(&import(&block)).unwrap_err();
        let flaw = BatchFlaw::History { root: block.root, slot: Slot(1), roots: 0 };
        assert!(matches!(error, StorageError::Inconsistent(found) if found == flaw));
    });
}

#[test]
fn a_state_whose_root_is_not_the_blocks_is_reported() {
    on_every_backend(|db| {
        let genesis = genesis();
        write_all(db, [anchor_batch(&genesis)]);
        let mut block = child(&genesis, 1, 0);
        let mut other = (*block.state).clone();
        other.config.genesis_time += 1;
        block.state = other.into();
        db.write(&import(&block)).unwrap();
        assert!(matches!(db.state(block.root), Err(StorageError::Corrupt { .. })));
        let last = db.unfinalized().unwrap().last().unwrap();
        assert!(matches!(last, Err(StorageError::Corrupt { .. })));
    });
}

#[test]
fn blocks_are_kept_for_the_whole_history_and_pruned_below_it() {
    on_every_backend(|db| {
        let genesis = genesis();
        let last = HISTORY_SLOTS + 2;
        let blocks = line(&genesis, [1, 2, 3, last]);
        write_all(db, [anchor_batch(&genesis)]);
        write_all(db, blocks.iter().map(import));
        db.write(&finalize(&blocks[3])).unwrap();
        assert_eq!(db.earliest_slot().unwrap(), Slot(2));
        assert_eq!(db.block(blocks[0].root).unwrap(), None);
        assert_eq!(db.block(genesis.root).unwrap(), None);
        assert!(db.block(blocks[1].root).unwrap().is_some());
        let canonical: Vec<_> = blocks[1..].iter().map(|block| (block.state.slot, block.root)).collect();
        assert_eq!(db.canonical_range(Slot(0), last + 1).unwrap(), canonical);
        assert_eq!(states(db, &blocks), [false, false, false, true]);
    });
}

#[test]
fn restored_states_share_what_they_have_in_common() {
    on_every_backend(|db| {
        let genesis = genesis();
        let blocks = line(&genesis, 1..=64);
        write_all(db, [anchor_batch(&genesis)]);
        write_all(db, blocks.iter().map(import));
        let restored = unfinalized(db);
        let address = |block: &ImportedBlock| std::ptr::from_ref(block.state.validators.get(0).unwrap());
        assert_eq!(address(&restored[1]), address(&restored[64]));
        let first_root =
            |block: &ImportedBlock| std::ptr::from_ref(block.state.historical_block_hashes.get(0).unwrap());
        assert_eq!(first_root(&restored[40]), first_root(&restored[64]));
    });
}
