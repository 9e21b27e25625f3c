//! The gauges that mirror the chain, set from one immutable view.

use std::time::Duration;

use lathe_engine::{Millis, View};
use lathe_types::MILLISECONDS_PER_SLOT;

use super::Metrics;
use super::fork_choice::SYNC_STATUSES;
use crate::chain::HEALTHY_AGE;

impl Metrics {
    /// Sets what the view says at `now`, when the chain's last turn is `age` ago. A chain that stands still is not in
    /// sync, whatever it said last.
    pub(crate) fn observe_view(&self, view: &View, now: Millis, age: Duration) {
        self.chain.age.set(age.as_secs_f64());
        let store = &self.fork_choice;
        store.head_slot.set(view.head.slot.0 as i64);
        store.current_slot.set((now.0.max(0).unsigned_abs() / MILLISECONDS_PER_SLOT) as i64);
        store.safe_target_slot.set(view.safe_target.slot.0 as i64);
        store.gossip_signatures.set(view.pools.gossip_signatures as i64);
        store.new_payloads.set(view.pools.new_aggregates as i64);
        store.known_payloads.set(view.pools.known_aggregates as i64);
        let status = match (now.0 < 0, view.sync.is_syncing || age > HEALTHY_AGE) {
            (true, _) => "idle",
            (false, true) => "syncing",
            (false, false) => "synced",
        };
        for name in SYNC_STATUSES {
            store.sync_status.with_label_values(&[name]).set(i64::from(name == status));
        }
        self.chain.pending_blocks.set(view.pools.pending_blocks as i64);
        self.chain.held_votes.set(view.pools.held_votes as i64);
        self.chain.unwritten_batches.set(view.pools.unwritten_batches as i64);
        let chain = &self.transition;
        chain.latest_justified_slot.set(view.justified.slot.0 as i64);
        chain.latest_finalized_slot.set(view.finalized.slot.0 as i64);
        chain.justified_slot.set(view.head_justified.slot.0 as i64);
        chain.finalized_slot.set(view.head_finalized.slot.0 as i64);
        self.validator.is_aggregator.set(i64::from(view.is_aggregator));
    }
}
