//! Peers and gossip.

use prometheus::core::Collector as _;
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};

use super::buckets;
use super::registrar::Registrar;

/// Peers, meshes and message sizes.
pub struct NetworkMetrics {
    /// Connected peers by client name.
    pub connected_peers: IntGaugeVec,
    /// Connection attempts by direction and result.
    pub connection_events: IntCounterVec,
    /// Disconnections by direction and reason.
    pub disconnection_events: IntCounterVec,
    /// Mesh peers by client name.
    pub mesh_peers: IntGaugeVec,
    /// A subnet of this node.
    pub committee_subnet: IntGauge,
    /// Attestation subnets of the network.
    pub committee_count: IntGauge,
    /// Bytes of gossiped blocks, decompressed.
    pub block_bytes: Histogram,
    /// Bytes of gossiped votes, decompressed.
    pub attestation_bytes: Histogram,
    /// Bytes of gossiped aggregates, decompressed.
    pub aggregation_bytes: Histogram,
    /// Bytes of proofs in gossiped aggregates.
    pub proof_bytes: Histogram,
    /// Bytes of requests, by protocol and direction.
    pub request_bytes: HistogramVec,
    /// Bytes of the parts of answers, by direction.
    pub response_chunk_bytes: HistogramVec,
    /// Inbound connections refused because too many begin or all places are taken.
    pub turned_away: IntCounter,
    /// Gossip that was dropped unread because its sender brought more than its share.
    pub over_quota: IntCounter,
    /// Gossip that was dropped before the chain saw it, by kind and reason.
    pub dropped: IntCounterVec,
}

impl NetworkMetrics {
    /// Connected peers of all clients.
    pub fn peers(&self) -> i64 {
        let families = self.connected_peers.collect();
        let gauges = families.iter().flat_map(|family| family.get_metric());
        gauges.map(|gauge| gauge.get_gauge().get_value() as i64).sum()
    }

    pub(super) fn new(r: &Registrar<'_>) -> Result<Self, prometheus::Error> {
        let connected_peers = r.gauges("lean_connected_peers", "Connected peers", &["client"])?;
        let mesh_peers = r.gauges("lean_gossip_mesh_peers", "Mesh peers", &["client"])?;
        let connection_events =
            r.counters("lean_peer_connection_events_total", "Connection attempts", &["direction", "result"])?;
        let disconnection_events =
            r.counters("lean_peer_disconnection_events_total", "Disconnections", &["direction", "reason"])?;
        // A series that appears with its first event hides that event from a rate, so all are there from the start.
        connected_peers.with_label_values(&["unknown"]);
        mesh_peers.with_label_values(&["unknown"]);
        for direction in ["inbound", "outbound"] {
            for result in ["success", "timeout", "error"] {
                connection_events.with_label_values(&[direction, result]);
            }
            for reason in ["timeout", "remote_close", "local_close", "error"] {
                disconnection_events.with_label_values(&[direction, reason]);
            }
        }
        let dropped =
            r.counters("lathe_gossip_dropped_total", "Gossip dropped unseen", &["kind", "reason"])?;
        for kind in ["block", "attestation", "aggregate"] {
            dropped.with_label_values(&[kind, "no_room"]);
        }
        Ok(Self {
            connected_peers,
            connection_events,
            disconnection_events,
            mesh_peers,
            committee_subnet: r
                .gauge("lean_attestation_committee_subnet", "Attestation subnet of the node")?,
            committee_count: r.gauge("lean_attestation_committee_count", "Attestation subnets")?,
            block_bytes: r.histogram(
                "lean_gossip_block_size_bytes",
                "Size of gossiped blocks",
                buckets::BLOCK_BYTES,
            )?,
            attestation_bytes: r.histogram(
                "lean_gossip_attestation_size_bytes",
                "Size of gossiped attestations",
                buckets::ATTESTATION_BYTES,
            )?,
            aggregation_bytes: r.histogram(
                "lean_gossip_aggregation_size_bytes",
                "Size of gossiped aggregates",
                buckets::AGGREGATION_BYTES,
            )?,
            proof_bytes: r.histogram(
                "lean_aggregated_proof_size_bytes",
                "Size of the proofs in gossiped aggregates",
                buckets::AGGREGATION_BYTES,
            )?,
            request_bytes: r.histograms(
                "lean_reqresp_request_size_bytes",
                "Size of requests, uncompressed",
                &["protocol", "direction"],
                buckets::REQRESP_BYTES,
            )?,
            response_chunk_bytes: r.histograms(
                "lean_reqresp_response_chunk_size_bytes",
                "Size of the blocks in answers, uncompressed",
                &["direction"],
                buckets::REQRESP_BYTES,
            )?,
            turned_away: r
                .counter("lathe_connections_turned_away_total", "Inbound connections without a place")?,
            over_quota: r.counter("lathe_gossip_over_quota_total", "Gossip beyond a peer's share")?,
            dropped,
        })
    }
}
