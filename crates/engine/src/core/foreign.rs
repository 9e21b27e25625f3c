//! Proofs of another proof system, in a network whose name does not say which one it uses.
//!
//! Nobody is blamed for one: whether it holds is not known here. What it comes with is neither relayed nor followed,
//! and the operator is told. Anybody may send such bytes, so nothing but that word follows from them.

use lathe_types::Slot;

use super::state::Core;
use crate::io::{Event, ObjectKind};

/// Slots after which the operator is told again.
const AGAIN_AFTER_SLOTS: u64 = 32;
/// Why something was refused, for the metric.
const REASON: &str = "FOREIGN_PROOF";

/// When the operator was told.
#[derive(Default)]
pub(super) struct ForeignProofs(Option<Slot>);

impl Core {
    /// Whether a proof is of another system. Then it is counted and, once in a while, told of.
    pub(crate) fn is_foreign(&mut self, kind: ObjectKind, proof: &[u8]) -> bool {
        if !self.config.is_foreign_proof.is_some_and(|is_foreign| is_foreign(proof)) {
            return false;
        }
        self.aggregates_refused += u64::from(kind == ObjectKind::Aggregate);
        self.announce(Event::Rejected { kind, reason: REASON, block: None });
        let clock = self.clock();
        let is_news = |told: &Slot| clock.0.saturating_sub(told.0) >= AGAIN_AFTER_SLOTS;
        if self.foreign_proofs.0.as_ref().is_none_or(is_news) {
            self.foreign_proofs.0 = Some(clock);
            self.announce(Event::ForeignProofs { kind });
        }
        true
    }
}
