//! Where a case states what the specification has changed since the fixtures were made.
//!
//! A disagreement counts as a known difference only if its cause is proven: the older rule must yield exactly what the
//! case expects. What follows in such a case depends on the older rule, so it ends there.

use std::collections::BTreeMap;

use lathe_forkchoice::Store;
use lathe_types::{AttestationData, Participation, Rejection, RejectionReason, Root, ValidatorIndex};

use super::shapes::Expectation;
use super::snapshot::Snapshot;

/// A vote's place in the order of arrival no longer decides.
const EQUIVOCATION: &str =
    "leanSpec#1181: of two votes for one slot the larger data root counts, not the first seen";
/// A vote for a block that finality has passed or orphaned is no longer taken in.
const FINALIZED: &str = "leanSpec#1179: a vote is refused unless its head descends from the finalized block";

/// The fixture's maker counted votes that it did not write down.
pub(super) const UNSTATED_VOTES: &str =
    "the file does not hold votes that its maker counted; with them everything is as stated";

/// The order in which data was first seen.
#[derive(Default)]
pub(super) struct Arrivals(BTreeMap<Root, usize>);

impl Arrivals {
    /// Notes that `data_root` was seen, unless it was before.
    pub(super) fn note(&mut self, data_root: Root) {
        let next = self.0.len();
        self.0.entry(data_root).or_insert(next);
    }
}

/// Why a refusal differs from the expectation, if it does so for a known reason.
pub(super) fn explain_outcome(
    expected: &Expectation,
    outcome: &Result<(), Rejection>,
) -> Option<&'static str> {
    let refused = |rejection: &Rejection| rejection.reason == RejectionReason::HeadNotDescendantOfFinalized;
    (expected.rejection.is_none() && outcome.as_ref().is_err_and(refused)).then_some(FINALIZED)
}

/// Why the store's weights differ from the snapshot, if they do so for a known reason.
pub(super) fn explain_weights(
    expected: &Snapshot,
    store: &Store,
    arrivals: &Arrivals,
) -> Option<&'static str> {
    let weights = weights_by_arrival(store, arrivals);
    let explained = weights != store.compute_block_weights() && expected.has_weights(&weights);
    explained.then_some(EQUIVOCATION)
}

/// Block weights by the older rule: of a validator's votes for one slot, the data seen first counts.
fn weights_by_arrival(store: &Store, arrivals: &Arrivals) -> BTreeMap<Root, u64> {
    let finalized_slot = store.latest_finalized().slot;
    let mut seen: Vec<_> = store.latest_known_aggregated_payloads().iter().collect();
    seen.sort_by_key(|(data_root, ..)| arrivals.0.get(data_root).copied().unwrap_or(usize::MAX));
    let mut latest: BTreeMap<ValidatorIndex, AttestationData> = BTreeMap::new();
    for (_, data, proofs) in seen.into_iter().filter(|(_, data, _)| data.head.slot > finalized_slot) {
        for voter in proofs.iter().flat_map(|proof| proof.participants.indices()) {
            let vote = latest.entry(voter).or_insert(data);
            if data.slot > vote.slot {
                *vote = data;
            }
        }
    }
    let mut weights = BTreeMap::new();
    for vote in latest.values() {
        for block in store.chain(&vote.head.root).take_while(|block| block.slot > finalized_slot) {
            *weights.entry(block.root).or_default() += 1;
        }
    }
    weights
}
