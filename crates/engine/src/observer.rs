//! A window for timing the engine's steps from outside: the core has no clock of its own.

/// Told when a named step begins and ends. Steps nest, and each `enter` is followed by its `exit`.
pub trait Observer: Send {
    /// A step begins.
    fn enter(&mut self, step: Step);
    /// The step ends.
    fn exit(&mut self, step: Step);
}

/// A step worth timing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Step {
    /// One interval's work on the store.
    TickInterval,
    /// The import of one verified block: transition, store, head.
    BlockProcessing,
    /// The state transition inside it.
    StateTransition,
    /// Advancing to the block's slot, inside the transition.
    SlotsProcessing,
    /// Applying the block, inside the transition.
    BlockApplication,
    /// Counting the block's attestations, inside its application.
    AttestationsProcessing,
    /// Checking one vote or aggregate against the store, without its signature.
    AttestationValidation,
    /// Producing the data that local validators attest to.
    AttestationProduction,
    /// Choosing what to aggregate.
    AggregationSelection,
}
