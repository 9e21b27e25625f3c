//! A failing disk and a lost power supply: what was acknowledged is there, and a batch is never there in part.

use lathe_storage::{Batch, Column, Database, Failure, FaultyDisk, StorageError};

use crate::chain::{anchor_batch, child, finalize, genesis, import, line, network, unfinalized};

/// A run that imports, reorganises, finalizes and prunes.
fn batches() -> Vec<Batch> {
    let genesis = genesis();
    let blocks = line(&genesis, [1, 2, 4]);
    let fork = child(&blocks[0], 3, 7);
    vec![
        anchor_batch(&genesis),
        import(&blocks[0]),
        import(&blocks[1]),
        Batch { finalized: finalize(&blocks[0]).finalized, ..import(&fork) },
        import(&blocks[2]),
        finalize(&blocks[1]),
    ]
}

type Contents = Vec<(Column, Vec<u8>, Vec<u8>)>;

/// Contents of the disk after each number of batches, on a disk that works.
fn snapshots() -> Vec<Contents> {
    let disk = FaultyDisk::new();
    let db = disk.open(&network()).unwrap();
    let mut snapshots = vec![disk.contents()];
    for batch in batches() {
        db.write(&batch).unwrap();
        snapshots.push(disk.contents());
    }
    snapshots
}

#[test]
fn every_acknowledged_batch_survives_a_power_loss_and_no_other_is_there_in_part() {
    let expected = snapshots();
    for failing in 0..batches().len() {
        for failure in [Failure::InputOutput, Failure::NoSpace, Failure::ReportedButWritten] {
            let disk = FaultyDisk::new();
            let db = disk.open(&network()).unwrap();
            disk.fail_after(failing as u64, failure);
            let acknowledged = batches().iter().take_while(|batch| db.write(batch).is_ok()).count();
            assert_eq!(acknowledged, failing);
            assert!(matches!(db.write(&batches()[failing]), Err(StorageError::HandleFailed)));
            drop(db);
            disk.lose_power();
            disk.repair();
            let survived = failing + usize::from(failure == Failure::ReportedButWritten);
            assert_eq!(disk.contents(), expected[survived], "{failure:?} at batch {failing}");

            // The same batches again bring the database to the same end.
            let db = disk.open(&network()).unwrap();
            batches()[failing..].iter().for_each(|batch| db.write(batch).unwrap());
            assert_eq!(disk.contents(), expected[batches().len()]);
        }
    }
}

#[test]
fn what_survives_starts_up_from_its_own_finalized_block() {
    for written in 1..=batches().len() {
        let disk = FaultyDisk::new();
        let db = disk.open(&network()).unwrap();
        batches()[..written].iter().for_each(|batch| db.write(batch).unwrap());
        drop(db);
        disk.lose_power();
        let db = disk.open(&network()).unwrap();
        let checkpoints = db.checkpoints().unwrap().unwrap();
        let blocks = unfinalized(&db);
        assert_eq!(blocks.first().map(|block| block.root), Some(checkpoints.finalized.root));
        assert!(blocks.iter().any(|block| block.root == checkpoints.head.root));
    }
}

#[test]
fn without_syncing_a_power_loss_takes_everything() {
    let disk = FaultyDisk::new();
    drop(disk.open(&network()).unwrap());
    disk.turn_sync_off();
    let db = disk.open(&network()).unwrap();
    batches().iter().for_each(|batch| db.write(batch).unwrap());
    disk.lose_power();
    assert_eq!(db.checkpoints().unwrap(), None, "this is how a missing sync shows");
}

#[test]
fn a_failure_while_the_database_is_made_leaves_nothing_half_made() {
    let disk = FaultyDisk::new();
    disk.fail_after(0, Failure::NoSpace);
    let error = disk.open(&network()).err().unwrap();
    assert_eq!(error.to_string(), "the database failed: no space left on device");
    disk.repair();
    assert!(disk.contents().is_empty());
    disk.open(&network()).unwrap();
}
