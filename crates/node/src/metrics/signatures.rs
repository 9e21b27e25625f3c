//! Signatures, single and aggregated.

use prometheus::{Histogram, IntCounter};

use super::buckets;
use super::registrar::Registrar;

/// Single XMSS signatures and aggregates of them.
pub struct SignatureMetrics {
    /// Votes signed here.
    pub attestation_signatures: IntCounter,
    /// Vote signatures that verified.
    pub attestation_valid: IntCounter,
    /// Vote signatures that did not verify.
    pub attestation_invalid: IntCounter,
    /// Seconds to sign a vote, its ledger record included.
    pub attestation_signing: Histogram,
    /// Seconds to verify a vote's signature.
    pub attestation_verification: Histogram,
    /// Aggregates made here.
    pub aggregated_signatures: IntCounter,
    /// Aggregates that verified.
    pub aggregated_valid: IntCounter,
    /// Aggregates that did not verify.
    pub aggregated_invalid: IntCounter,
    /// Votes inside the aggregates made here.
    pub attestations_in_aggregated: IntCounter,
    /// Seconds to make an aggregate.
    pub aggregated_building: Histogram,
    /// Seconds to verify an aggregate.
    pub aggregated_verification: Histogram,
}

impl SignatureMetrics {
    pub(super) fn new(r: &Registrar<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            attestation_signatures: r
                .counter("lean_pq_sig_attestation_signatures_total", "Attestation signatures made")?,
            attestation_valid: r.counter(
                "lean_pq_sig_attestation_signatures_valid_total",
                "Attestation signatures that verified",
            )?,
            attestation_invalid: r.counter(
                "lean_pq_sig_attestation_signatures_invalid_total",
                "Attestation signatures that did not verify",
            )?,
            attestation_signing: r.histogram(
                "lean_pq_sig_attestation_signing_time_seconds",
                "Time to sign an attestation, its ledger record included",
                buckets::FAST,
            )?,
            attestation_verification: r.histogram(
                "lean_pq_sig_attestation_verification_time_seconds",
                "Time to verify an attestation signature",
                buckets::FAST,
            )?,
            aggregated_signatures: r.counter("lean_pq_sig_aggregated_signatures_total", "Aggregates made")?,
            aggregated_valid: r
                .counter("lean_pq_sig_aggregated_signatures_valid_total", "Aggregates that verified")?,
            aggregated_invalid: r.counter(
                "lean_pq_sig_aggregated_signatures_invalid_total",
                "Aggregates that did not verify",
            )?,
            attestations_in_aggregated: r.counter(
                "lean_pq_sig_attestations_in_aggregated_signatures_total",
                "Attestations inside the aggregates made",
            )?,
            aggregated_building: r.histogram(
                "lean_pq_sig_aggregated_signatures_building_time_seconds",
                "Time to make an aggregate",
                buckets::AGGREGATED,
            )?,
            aggregated_verification: r.histogram(
                "lean_pq_sig_aggregated_signatures_verification_time_seconds",
                "Time to verify an aggregate",
                buckets::AGGREGATED,
            )?,
        })
    }
}
