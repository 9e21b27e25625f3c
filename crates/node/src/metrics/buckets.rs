//! Bucket bounds of leanMetrics; dashboards rely on them.

/// Signing, verification and validation times.
pub(super) const FAST: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 1.0];
/// Building and verifying aggregates.
pub(super) const AGGREGATED: &[f64] = &[0.1, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 4.0];
/// Producing blocks and votes.
pub(super) const PRODUCTION: &[f64] = &[0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0];
/// Payloads in a block.
pub(super) const PAYLOADS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];
/// Merging the payloads of a block.
pub(super) const PAYLOAD_AGGREGATION: &[f64] = &[0.1, 0.25, 0.5, 0.75, 1.0, 2.0, 3.0, 4.0];
/// Aggregating a committee's signatures.
pub(super) const COMMITTEE: &[f64] = &[0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 2.0, 3.0, 4.0];
/// Importing a block.
pub(super) const BLOCK_PROCESSING: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 1.0, 1.25, 1.5, 2.0, 4.0];
/// The whole state transition.
pub(super) const STATE_TRANSITION: &[f64] = &[0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0];
/// Blocks left behind by a reorganisation.
pub(super) const REORG_DEPTH: &[f64] = &[1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 20.0, 30.0, 50.0, 100.0];
/// Time from one interval tick to the next.
pub(super) const TICK: &[f64] =
    &[0.4, 0.6, 0.75, 0.8, 0.805, 0.81, 0.815, 0.82, 0.825, 0.85, 0.9, 1.0, 1.2, 1.6];
/// Delays of gossip.
pub(super) const ARRIVAL: &[f64] = &[0.05, 0.1, 0.2, 0.4, 0.8, 1.2, 1.6, 2.4, 4.0, 8.0, 16.0];
/// Sizes of requests and of the parts of answers.
pub(super) const REQRESP_BYTES: &[f64] =
    &[64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0];
/// Sizes of gossiped blocks.
pub(super) const BLOCK_BYTES: &[f64] = &[10e3, 50e3, 100e3, 250e3, 500e3, 1e6, 2e6, 5e6];
/// Sizes of gossiped votes.
pub(super) const ATTESTATION_BYTES: &[f64] = &[512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0];
/// Sizes of gossiped aggregates.
pub(super) const AGGREGATION_BYTES: &[f64] =
    &[1024.0, 4096.0, 16384.0, 65536.0, 131072.0, 262144.0, 524288.0, 1048576.0];
/// Our own latencies, fine enough to read percentiles of a few milliseconds from.
pub(super) const FINE: &[f64] = &[
    0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004, 0.005, 0.006, 0.007, 0.008, 0.009, 0.01, 0.011, 0.012, 0.013,
    0.014, 0.015, 0.0175, 0.02, 0.025, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2, 1.6,
    2.4, 4.0, 8.0,
];
