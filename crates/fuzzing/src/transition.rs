//! Blocks on states that come from a stranger: a checkpoint provider may serve any state that decodes.

use lathe_transition::{process_block, process_slots, state_transition};
use lathe_types::{Decode, Encode, SignedBlock, State};

/// The transition refuses or succeeds, and a state that it yields can be stored and read again.
pub fn transition(data: &[u8]) {
    let Some((pre, block)) = parts(data) else { return };
    let before = pre.as_ssz_bytes();
    let checked = state_transition(&pre, &block.block);
    assert_eq!(pre.as_ssz_bytes(), before, "the state before the block has changed");

    // Random bytes never commit to the right root, so the steps are taken once more without that check.
    let mut post = pre;
    let processed =
        process_slots(&mut post, block.block.slot).and_then(|()| process_block(&mut post, &block.block));
    if checked.is_ok() {
        assert!(processed.is_ok());
    }
    if processed.is_ok() {
        let bytes = post.as_ssz_bytes();
        assert!(State::from_ssz_bytes(&bytes).is_ok_and(|state| state.as_ssz_bytes() == bytes));
    }
}

/// A state behind its length, and a signed block after it.
fn parts(data: &[u8]) -> Option<(State, SignedBlock)> {
    let (length, rest) = data.split_first_chunk()?;
    let (state, block) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    Some((State::from_ssz_bytes(state).ok()?, SignedBlock::from_ssz_bytes(block).ok()?))
}
