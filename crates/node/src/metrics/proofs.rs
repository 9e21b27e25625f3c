//! Proofs in blocks, and proofs made in place of signatures.

use prometheus::{Histogram, IntCounter, IntCounterVec};

use lathe_aggregation::ProofKind;

use super::registrar::Registrar;

/// A proof takes from a tenth of a second to the better part of a slot.
const SECONDS: &[f64] = &[0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0];
/// Up to the 512 KiB that a proof may have.
const BYTES: &[f64] =
    &[4096.0, 16384.0, 65536.0, 131072.0, 196608.0, 262144.0, 327680.0, 393216.0, 458752.0, 524288.0];

/// Proofs.
pub struct ProofMetrics {
    /// Blocks whose proof was verified or made here, by what shows their votes.
    pub blocks: IntCounterVec,
    /// Bytes of those proofs.
    pub block_bytes: Histogram,
    /// Requests for a proof, by how they ended.
    pub asked: IntCounterVec,
    /// Seconds that a proof took, late ones included.
    pub seconds: Histogram,
    /// Signatures that were proved.
    pub signatures: IntCounter,
    /// What happened to the processes of an external library.
    pub external: IntCounterVec,
}

impl ProofMetrics {
    pub(super) fn new(r: &Registrar<'_>) -> Result<Self, prometheus::Error> {
        let blocks = r.counters(
            "lathe_block_proofs_total",
            "Blocks by what shows their votes: raw signatures, proofs, or both",
            &["kind"],
        )?;
        for kind in ProofKind::ALL {
            blocks.with_label_values(&[kind.name()]).reset();
        }
        Ok(Self {
            blocks,
            block_bytes: r.histogram("lathe_block_proof_bytes", "Size of the proofs of blocks", BYTES)?,
            asked: r.counters(
                "lathe_proofs_total",
                "Requests to prove votes for a block, by how they ended",
                &["outcome"],
            )?,
            seconds: r.histogram("lathe_proof_seconds", "Time that a proof of votes took", SECONDS)?,
            signatures: r.counter("lathe_proved_signatures_total", "Signatures that were proved")?,
            external: r.counters(
                "lathe_external_worker_total",
                "What happened to the processes of an external aggregation library",
                &["worker", "event"],
            )?,
        })
    }
}
