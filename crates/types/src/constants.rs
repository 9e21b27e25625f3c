//! Chain constants of the `lstar` fork (leanSpec `spec/forks/lstar/config.py`).

use typenum::{U4096, U262144, U524288, U1073741824};

/// Length of a slot in seconds.
pub const SECONDS_PER_SLOT: u64 = 4;
/// Length of a slot in milliseconds.
pub const MILLISECONDS_PER_SLOT: u64 = SECONDS_PER_SLOT * 1000;
/// Fork-choice intervals in a slot.
pub const INTERVALS_PER_SLOT: u64 = 5;
/// Length of an interval in milliseconds.
pub const MILLISECONDS_PER_INTERVAL: u64 = MILLISECONDS_PER_SLOT / INTERVALS_PER_SLOT;
/// How far ahead of the local clock a vote may be, in intervals.
pub const GOSSIP_DISPARITY_INTERVALS: u64 = 1;
/// Steps that target selection may walk back from the head.
pub const JUSTIFICATION_LOOKBACK_SLOTS: u64 = 3;
/// Slots after finalization that are always justifiable (3SF-mini).
pub const IMMEDIATE_JUSTIFICATION_WINDOW: u64 = 5;
/// Distinct attestation data that a block may carry.
pub const MAX_ATTESTATIONS_DATA: usize = 8;
/// Block roots that a state remembers.
pub const HISTORICAL_ROOTS_LIMIT: u64 = 1 << 18;
/// Validators in the registry.
pub const VALIDATOR_REGISTRY_LIMIT: u64 = 1 << 12;
/// Bytes of an aggregated proof, single or multi.
pub const MAX_PROOF_BYTES: usize = 512 * 1024;

/// [`HISTORICAL_ROOTS_LIMIT`] as a type.
pub type HistoricalRootsLimit = U262144;
/// [`VALIDATOR_REGISTRY_LIMIT`] as a type.
pub type ValidatorRegistryLimit = U4096;
/// One bit per tracked root and registered validator, as a type.
pub type JustificationValidatorsLimit = U1073741824;
/// [`MAX_PROOF_BYTES`] as a type.
pub type MaxProofBytes = U524288;
