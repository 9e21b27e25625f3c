//! The bytes on disk. A change here makes every existing database unreadable: raise the format version with it.

use lathe_storage::{Column, Database, FaultyDisk};
use lathe_types::{Encode, HistoricalBlockHashes, State, TreeHash as _, Validators};

use crate::chain::{anchor_batch, child, finalize, genesis, import, network};

fn at(slot: u8) -> Vec<u8> {
    vec![0, 0, 0, 0, 0, 0, 0, slot]
}

#[test]
fn every_column_has_the_documented_keys_and_values() {
    let genesis = genesis();
    let (first, third) = (child(&genesis, 1, 0), child(&child(&genesis, 1, 0), 3, 0));
    let disk = FaultyDisk::new();
    let db = disk.open(&network()).unwrap();
    for batch in [anchor_batch(&genesis), import(&first), import(&third), finalize(&first)] {
        db.write(&batch).unwrap();
    }
    let registry = genesis.state.validators.tree_hash_root();
    let record = |state: &State| {
        let lean = State {
            historical_block_hashes: HistoricalBlockHashes::default(),
            validators: Validators::default(),
            ..state.clone()
        };
        [registry.to_vec(), lean.as_ssz_bytes()].concat()
    };
    let key =
        |block: &lathe_storage::ImportedBlock| [at(block.state.slot.0 as u8), block.root.to_vec()].concat();
    let index = |block: &lathe_storage::ImportedBlock| {
        let block = &block.block.block;
        [at(block.slot.0 as u8), block.parent_root.to_vec(), block.state_root.to_vec()].concat()
    };
    let chain = [&genesis, &first, &third];
    let mut expected = vec![
        (Column::Meta, b"format".to_vec(), vec![0, 0, 0, 1]),
        (Column::Meta, b"network".to_vec(), [&[0xaa; 32][..], b"raw"].concat()),
        (Column::Meta, b"head".to_vec(), key(&third)),
        (Column::Meta, b"justified".to_vec(), key(&genesis)),
        (Column::Meta, b"finalized".to_vec(), key(&first)),
        (Column::History, at(0), genesis.root.to_vec()),
        (Column::Registries, registry.to_vec(), genesis.state.validators.as_ssz_bytes()),
        (Column::States, key(&first), record(&first.state)),
        (Column::States, key(&third), record(&third.state)),
    ];
    for block in chain {
        expected.push((Column::Blocks, key(block), block.block.as_ssz_bytes()));
        expected.push((Column::Index, block.root.to_vec(), index(block)));
        expected.push((Column::Canonical, at(block.state.slot.0 as u8), block.root.to_vec()));
    }
    expected.sort();
    assert_eq!(disk.contents(), expected);
}

#[test]
fn columns_have_their_names() {
    let names = Column::ALL.map(Column::name);
    assert_eq!(names, ["meta", "blocks", "index", "states", "registries", "history", "canonical"]);
}
