//! How large the file gets while a network finalizes, and that it stops growing once the serving window is full.

use std::collections::VecDeque;
use std::sync::Arc;

use lathe_storage::{Database as _, HISTORY_SLOTS, ImportedBlock};
use lathe_types::{MultiMessageAggregate, SignedBlock};
use tempfile::TempDir;

use crate::chain::{anchor_batch, child, finalize, genesis, import, network, write_all};

/// What a block of four validators carries: their votes and the proposer's signature, 3,112 bytes each.
const PROOF_BYTES: usize = 5 * 3112 + 300;
/// Slots between the head and the finalized block of a healthy network.
const LAG: usize = 3;

fn with_proof(block: ImportedBlock) -> ImportedBlock {
    let proof = MultiMessageAggregate { proof: vec![7; PROOF_BYTES].try_into().unwrap() };
    ImportedBlock { block: Arc::new(SignedBlock { block: block.block.block.clone(), proof }), ..block }
}

#[test]
#[ignore = "writes 180 MiB; run by make accept"]
fn long_a_full_window_grows_no_further() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("chain");
    let db = lathe_disk::open(&path, &network()).unwrap();
    let mut recent = VecDeque::from([genesis()]);
    write_all(&db, [anchor_batch(&recent[0])]);
    let mut sizes = Vec::new();
    for slot in 1..=HISTORY_SLOTS * 3 {
        let block = with_proof(child(&recent[recent.len() - 1], slot, slot % 4));
        db.write(&import(&block)).unwrap();
        recent.push_back(block);
        if recent.len() > LAG {
            db.write(&finalize(&recent.pop_front().unwrap())).unwrap();
        }
        if slot % 900 == 0 {
            let kib = std::fs::metadata(path.join("chain.redb")).unwrap().len() >> 10;
            println!("slot {slot}: {kib} KiB, {:.1} KiB a slot", kib as f64 / slot.min(HISTORY_SLOTS) as f64);
            sizes.push(kib);
        }
    }
    let full = sizes[HISTORY_SLOTS as usize / 900];
    // The block roots that every state commits to are kept for ever: 100 bytes a slot with what the table needs.
    assert!(sizes[sizes.len() - 1] <= full + full / 20, "{sizes:?}");
}
