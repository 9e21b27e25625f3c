use super::*;

use lathe_storage::MemoryDb;
use lathe_types::{PublicKey, Validator, ValidatorIndex, Validators};

fn origin() -> Origin {
    let validators = (0..3).map(|index| Validator {
        attestation_public_key: PublicKey([1; 52]),
        proposal_public_key: PublicKey([2; 52]),
        index: ValidatorIndex(index),
    });
    Origin::new(&Genesis {
        genesis_time: 7,
        validators: Validators::try_from_iter(validators).unwrap(),
        execution_genesis: None,
    })
}

#[test]
fn an_empty_database_starts_at_genesis_and_resumes_there() {
    let origin = origin();
    let database = MemoryDb::new(&origin.network("raw")).unwrap();
    let first = resume(&database, &origin).unwrap();
    assert_eq!((first.header.clone(), first.later.len(), first.head), (origin.block.block.header(), 0, None));
    let stored = database.block(origin.root).unwrap().unwrap();
    assert_eq!(stored.proof, MultiMessageAggregate::default());
    let again = resume(&database, &origin).unwrap();
    assert_eq!((again.header, again.later.len(), again.head), (first.header, 0, Some(origin.root)));
    assert_eq!(again.state.tree_hash_root(), origin.state.tree_hash_root());
}

#[test]
fn the_proof_system_is_part_of_the_network() {
    let origin = origin();
    assert_ne!(origin.network("raw"), origin.network("stark"));
}
