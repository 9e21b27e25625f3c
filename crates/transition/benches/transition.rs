//! State transition, block import and hashing, each beside the SHA-256 compressions that bound it.
//!
//! `cargo bench -p lathe-transition --profile dev --bench transition`. The bound of a hash tree root is the number of
//! two-to-one hashes that a tree of that shape needs, times the cost of one on this machine, measured in the same run.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark prints, and stops where it fails"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lathe_forkchoice::Store;
use lathe_transition::{
    generate_genesis, genesis_block, process_block, process_slots, state_root, state_transition,
};
use lathe_types::{
    AggregatedAttestation, AggregationBits, AttestationData, Block, BlockBody, Checkpoint, Genesis, Interval,
    Participation, PublicKey, SignedBlock, Slot, State, TreeHash, Validator, ValidatorIndex, Validators,
};

/// Median of several timed calls; each call gets a fresh input that is made outside the clock.
fn median<I, O>(rounds: usize, mut input: impl FnMut() -> I, mut timed: impl FnMut(I) -> O) -> Duration {
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let value = input();
            let start = Instant::now();
            let output = black_box(timed(black_box(value)));
            let elapsed = start.elapsed();
            drop(output);
            elapsed
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

fn genesis(validators: u64) -> Genesis {
    let registry = (0..validators)
        .map(|index| {
            let mut key = [0; PublicKey::LEN];
            key[..8].copy_from_slice(&index.to_le_bytes());
            let key = PublicKey::from(key);
            Validator { attestation_public_key: key, proposal_public_key: key, index: ValidatorIndex(index) }
        })
        .collect();
    Genesis {
        genesis_time: 1_000,
        validators: Validators::new(registry).unwrap(),
        execution_genesis: None,
        signature_scheme: Default::default(),
    }
}

/// A chain of `blocks`, each carrying everybody's vote for the slot before: its last block, the state after it, and one
/// more block.
fn chain(validators: u64, blocks: u64) -> (Block, State, Block) {
    let mut state = generate_genesis(&genesis(validators));
    let mut last = genesis_block(&state);
    let anchor = Checkpoint { root: genesis_block(&state).tree_hash_root(), slot: Slot(0) };
    let mut checkpoints = vec![anchor];
    for slot in 1..=blocks {
        let (block, post) = next_block(&state, slot, &checkpoints);
        checkpoints.push(Checkpoint { root: block.tree_hash_root(), slot: Slot(slot) });
        (last, state) = (block, post);
    }
    let (block, _) = next_block(&state, blocks + 1, &checkpoints);
    (last, state, block)
}

fn next_block(pre: &State, slot: u64, checkpoints: &[Checkpoint]) -> (Block, State) {
    let count = pre.validators.len() as u64;
    let parent = *checkpoints.last().unwrap();
    let mut attestations = Vec::new();
    if slot >= 3 {
        let target = checkpoints[checkpoints.len() - 2];
        let source = if pre.latest_justified.slot == Slot(0) { checkpoints[0] } else { pre.latest_justified };
        if target.slot > source.slot {
            let everybody = AggregationBits::from_indices((0..count).map(ValidatorIndex)).unwrap();
            let data = AttestationData { slot: parent.slot, head: parent, target, source };
            attestations.push(AggregatedAttestation { aggregation_bits: everybody, data });
        }
    }
    let mut block = Block {
        slot: Slot(slot),
        proposer_index: ValidatorIndex::proposer_for_slot(Slot(slot), count).unwrap(),
        parent_root: parent.root,
        body: BlockBody { attestations: attestations.try_into().unwrap(), execution: None },
        ..Block::default()
    };
    let mut post = pre.clone();
    process_slots(&mut post, block.slot).unwrap();
    process_block(&mut post, &block).unwrap();
    block.state_root = state_root(&post);
    (block, post)
}

/// Cost of one two-to-one SHA-256 hash on this machine.
fn hash_cost() -> Duration {
    const CALLS: u32 = 200_000;
    median(
        5,
        || [7u8; 32],
        |mut value| {
            for _ in 0..CALLS {
                value = ethereum_hashing::hash32_concat(&value, &[9; 32]);
            }
            value
        },
    ) / CALLS
}

fn row(name: &str, measured: Duration, hashes: u64, hash: Duration) {
    let bound = hash.as_secs_f64() * hashes as f64 * 1e6;
    let measured = measured.as_secs_f64() * 1e6;
    println!(
        "{name:<44} {measured:>10.1} us   bound {bound:>9.1} us ({hashes} hashes)   ratio {:>5.2}",
        measured / bound
    );
}

fn main() {
    let hash = hash_cost();
    println!("one two-to-one SHA-256: {:.1} ns", hash.as_secs_f64() * 1e9);

    // A validator is four leaves: two keys of one hash each, then three hashes for the container.
    let registry_hashes = |validators: u64| validators * 5 + validators.next_power_of_two() + 12;
    // The other fields and the container itself: headers, checkpoints, empty lists with their length.
    let small_fields = 40;

    for validators in [4, 4096] {
        let bytes = ssz_bytes(&generate_genesis(&genesis(validators)));
        let first = median(7, || decode(&bytes), |state| state_root(&state));
        row(
            &format!("hash tree root, first, {validators} validators"),
            first,
            registry_hashes(validators) + small_fields,
            hash,
        );
    }

    for validators in [4, 4096] {
        let (parent, pre, block) = chain(validators, 40);
        state_root(&pre);
        // What a block changes: one path in the list of block roots (18 levels and its length), the small fields, the
        // registry-sized bitfields, and the block's own body and header.
        let changed = 18 + 1 + small_fields + 2 * (validators / 256 + 1) + 12 + 18;
        let incremental = median(
            15,
            || {
                let mut post = pre.clone();
                process_slots(&mut post, block.slot).unwrap();
                process_block(&mut post, &block).unwrap();
                post
            },
            |post| state_root(&post),
        );
        row(&format!("hash tree root, incremental, {validators} validators"), incremental, changed, hash);
        let transition = median(15, || (), |()| state_transition(&pre, &block).unwrap());
        row(&format!("state transition, {validators} validators"), transition, 2 * changed, hash);
        let signed = SignedBlock { block: block.clone(), ..SignedBlock::default() };
        let fresh = || {
            let mut store = Store::create_store(Arc::new(pre.clone()), &parent).unwrap();
            store.on_tick(Interval::from_slot(block.slot), false, None);
            store
        };
        let import = median(15, fresh, |store| import(store, &pre, &signed));
        row(&format!("block import without its proof, {validators} validators"), import, 2 * changed, hash);
    }
}

/// All that an import does once a worker has verified the proof: structure, transition, fork choice and head.
fn import(mut store: Store, pre: &State, signed: &SignedBlock) -> Store {
    store.check_block(signed).unwrap();
    let post_state = state_transition(pre, &signed.block).unwrap();
    store.on_block(&signed.block, Arc::new(post_state)).unwrap();
    store
}

fn ssz_bytes(state: &State) -> Vec<u8> {
    lathe_types::Encode::as_ssz_bytes(state)
}

fn decode(bytes: &[u8]) -> State {
    lathe_types::Decode::from_ssz_bytes(bytes).unwrap()
}
