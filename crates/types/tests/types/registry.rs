//! A validator's index is its position, or the bytes do not decode.

use lathe_types::*;

fn registry(indices: &[u64]) -> Validators {
    let validator = |index: &u64| Validator { index: ValidatorIndex(*index), ..Validator::default() };
    Validators::new(indices.iter().map(validator).collect()).unwrap()
}

fn state(indices: &[u64]) -> State {
    State {
        config: GenesisConfig::default(),
        slot: Slot::default(),
        latest_block_header: BlockHeader::default(),
        latest_justified: Checkpoint::default(),
        latest_finalized: Checkpoint::default(),
        historical_block_hashes: HistoricalBlockHashes::default(),
        justified_slots: JustifiedSlots::with_capacity(0).unwrap(),
        validators: registry(indices),
        justifications_roots: JustificationRoots::default(),
        justifications_validators: JustificationValidators::with_capacity(0).unwrap(),
        latest_execution_payload_header: None,
    }
}

#[test]
fn registries() {
    for good in [[].as_slice(), &[0], &[0, 1, 2]] {
        assert_eq!(decode_registry(&registry(good).as_ssz_bytes()), Ok(registry(good)));
    }
    for bad in [[1].as_slice(), &[0, 0], &[1, 0], &[0, u64::MAX]] {
        assert!(check_registry(&registry(bad)).is_err());
        assert!(decode_registry(&registry(bad).as_ssz_bytes()).is_err());
    }
}

#[test]
fn states() {
    let good = state(&[0, 1, 2]);
    assert_eq!(State::from_ssz_bytes(&good.as_ssz_bytes()), Ok(good));
    let error = State::from_ssz_bytes(&state(&[0, 2, 1]).as_ssz_bytes()).unwrap_err();
    assert!(format!("{error:?}").contains("position 1 has index 2"), "{error:?}");
}

#[test]
fn an_anchor_needs_validators() {
    assert!(state(&[0]).verify_checkpoint_state());
    assert!(!state(&[]).verify_checkpoint_state());
}
