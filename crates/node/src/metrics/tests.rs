use super::*;

/// Every leanMetrics name that these parts feed, with its type.
const LEAN_METRICS: &[(&str, &str)] = &[
    ("lean_node_info", "gauge"),
    ("lean_node_start_time_seconds", "gauge"),
    ("lean_pq_sig_attestation_signatures_total", "counter"),
    ("lean_pq_sig_attestation_signatures_valid_total", "counter"),
    ("lean_pq_sig_attestation_signatures_invalid_total", "counter"),
    ("lean_pq_sig_attestation_signing_time_seconds", "histogram"),
    ("lean_pq_sig_attestation_verification_time_seconds", "histogram"),
    ("lean_pq_sig_aggregated_signatures_total", "counter"),
    ("lean_pq_sig_aggregated_signatures_valid_total", "counter"),
    ("lean_pq_sig_aggregated_signatures_invalid_total", "counter"),
    ("lean_pq_sig_attestations_in_aggregated_signatures_total", "counter"),
    ("lean_pq_sig_aggregated_signatures_building_time_seconds", "histogram"),
    ("lean_pq_sig_aggregated_signatures_verification_time_seconds", "histogram"),
    ("lean_block_aggregated_payloads", "histogram"),
    ("lean_block_building_payload_aggregation_time_seconds", "histogram"),
    ("lean_block_building_time_seconds", "histogram"),
    ("lean_block_building_success_total", "counter"),
    ("lean_block_building_failures_total", "counter"),
    ("lean_head_slot", "gauge"),
    ("lean_current_slot", "gauge"),
    ("lean_safe_target_slot", "gauge"),
    ("lean_fork_choice_block_processing_time_seconds", "histogram"),
    ("lean_attestations_valid_total", "counter"),
    ("lean_attestations_invalid_total", "counter"),
    ("lean_attestation_validation_time_seconds", "histogram"),
    ("lean_fork_choice_reorgs_total", "counter"),
    ("lean_fork_choice_reorg_depth", "histogram"),
    ("lean_gossip_signatures", "gauge"),
    ("lean_latest_new_aggregated_payloads", "gauge"),
    ("lean_latest_known_aggregated_payloads", "gauge"),
    ("lean_committee_signatures_aggregation_time_seconds", "histogram"),
    ("lean_attestation_aggregate_coverage_validators", "gauge"),
    ("lean_attestation_aggregate_coverage_subnets", "gauge"),
    ("lean_attestation_aggregate_coverage_diff_validators", "gauge"),
    ("lean_node_sync_status", "gauge"),
    ("lean_tick_interval_duration_seconds", "histogram"),
    ("lean_latest_justified_slot", "gauge"),
    ("lean_latest_finalized_slot", "gauge"),
    ("lean_justified_slot", "gauge"),
    ("lean_finalized_slot", "gauge"),
    ("lean_finalizations_total", "counter"),
    ("lean_state_transition_time_seconds", "histogram"),
    ("lean_state_transition_slots_processing_time_seconds", "histogram"),
    ("lean_state_transition_block_processing_time_seconds", "histogram"),
    ("lean_state_transition_attestations_processing_time_seconds", "histogram"),
    ("lean_state_transition_slots_processed_total", "counter"),
    ("lean_state_transition_attestations_processed_total", "counter"),
    ("lean_validators_count", "gauge"),
    ("lean_is_aggregator", "gauge"),
    ("lean_attestations_production_time_seconds", "histogram"),
    ("lean_aggregator_skipped_total", "counter"),
    ("lean_connected_peers", "gauge"),
    ("lean_peer_connection_events_total", "counter"),
    ("lean_peer_disconnection_events_total", "counter"),
    ("lean_gossip_mesh_peers", "gauge"),
    ("lean_attestation_committee_subnet", "gauge"),
    ("lean_attestation_committee_count", "gauge"),
    ("lean_gossip_block_size_bytes", "histogram"),
    ("lean_gossip_attestation_size_bytes", "histogram"),
    ("lean_gossip_aggregation_size_bytes", "histogram"),
    ("lean_gossip_block_arrival_delay_seconds", "histogram"),
    ("lean_gossip_attestation_arrival_delay_seconds", "histogram"),
    ("lean_gossip_aggregation_arrival_delay_seconds", "histogram"),
    ("lean_gossip_block_arrival_total", "counter"),
    ("lean_gossip_attestation_arrival_total", "counter"),
    ("lean_gossip_aggregation_arrival_total", "counter"),
    ("lean_aggregated_proof_size_bytes", "histogram"),
    ("process_cpu_seconds_total", "counter"),
    ("process_start_time_seconds", "gauge"),
    ("process_resident_memory_bytes", "gauge"),
    ("process_virtual_memory_bytes", "gauge"),
    ("process_threads", "gauge"),
    ("process_open_fds", "gauge"),
    ("process_max_fds", "gauge"),
];

fn bounds(text: &str, name: &str) -> String {
    let prefix = format!("{name}_bucket{{le=\"");
    let bounds: Vec<&str> =
        text.lines().filter_map(|line| line.strip_prefix(&prefix)?.split('"').next()).collect();
    bounds.join(",")
}

#[test]
fn names_and_types_are_those_of_lean_metrics() {
    let text = Metrics::new("lathe_0", 1.5).unwrap().render().unwrap();
    for (name, kind) in LEAN_METRICS {
        assert!(text.contains(&format!("# TYPE {name} {kind}\n")), "{name} is not a {kind}");
    }
    assert!(text.contains("lean_node_info{name=\"lathe\",version=\"0.1.0\"} 1\n"));
    assert!(text.contains("lean_node_start_time_seconds 1.5\n"));
}

#[test]
fn buckets_are_those_of_lean_metrics() {
    let text = Metrics::new("lathe_0", 0.0).unwrap().render().unwrap();
    let expected = [
        ("lean_pq_sig_attestation_signing_time_seconds", "0.005,0.01,0.025,0.05,0.1,1,+Inf"),
        ("lean_pq_sig_aggregated_signatures_building_time_seconds", "0.1,0.25,0.5,0.75,1,1.25,1.5,2,4,+Inf"),
        ("lean_block_building_time_seconds", "0.01,0.025,0.05,0.1,0.25,0.5,0.75,1,+Inf"),
        ("lean_block_aggregated_payloads", "1,2,4,8,16,32,64,128,+Inf"),
        ("lean_block_building_payload_aggregation_time_seconds", "0.1,0.25,0.5,0.75,1,2,3,4,+Inf"),
        ("lean_fork_choice_block_processing_time_seconds", "0.005,0.01,0.025,0.05,0.1,1,1.25,1.5,2,4,+Inf"),
        ("lean_fork_choice_reorg_depth", "1,2,3,5,7,10,20,30,50,100,+Inf"),
        ("lean_committee_signatures_aggregation_time_seconds", "0.05,0.1,0.25,0.5,0.75,1,2,3,4,+Inf"),
        (
            "lean_tick_interval_duration_seconds",
            "0.4,0.6,0.75,0.8,0.805,0.81,0.815,0.82,0.825,0.85,0.9,1,1.2,1.6,+Inf",
        ),
        ("lean_state_transition_slots_processing_time_seconds", "0.005,0.01,0.025,0.05,0.1,1,+Inf"),
        ("lean_state_transition_block_processing_time_seconds", "0.005,0.01,0.025,0.05,0.1,1,+Inf"),
        ("lean_state_transition_attestations_processing_time_seconds", "0.005,0.01,0.025,0.05,0.1,1,+Inf"),
        ("lean_state_transition_time_seconds", "0.25,0.5,0.75,1,1.25,1.5,2,2.5,3,4,+Inf"),
        ("lean_gossip_block_arrival_delay_seconds", "0.05,0.1,0.2,0.4,0.8,1.2,1.6,2.4,4,8,16,+Inf"),
        ("lean_gossip_block_size_bytes", "10000,50000,100000,250000,500000,1000000,2000000,5000000,+Inf"),
        ("lean_gossip_attestation_size_bytes", "512,1024,2048,4096,8192,16384,+Inf"),
        ("lean_gossip_aggregation_size_bytes", "1024,4096,16384,65536,131072,262144,524288,1048576,+Inf"),
    ];
    for (name, expected) in expected {
        assert_eq!(bounds(&text, name), expected, "{name}");
    }
}

#[test]
fn two_nodes_share_nothing() {
    let (one, two) = (Metrics::new("one", 0.0).unwrap(), Metrics::new("two", 0.0).unwrap());
    one.fork_choice.head_slot.set(7);
    assert!(one.render().unwrap().contains("lean_head_slot 7\n"));
    assert!(two.render().unwrap().contains("lean_head_slot 0\n"));
}

#[test]
fn coverage_is_counted_by_section_and_subnet() {
    let metrics = Metrics::new("lathe_0", 0.0).unwrap();
    let set = |voters: &[u64]| voters.iter().copied().map(lathe_types::ValidatorIndex).collect();
    metrics.coverage.record(Section::Timely, &set(&[0, 2, 4, 5]), 3);
    metrics.coverage.record_diff(&set(&[1, 2]), &set(&[2, 3, 4]));
    let text = metrics.render().unwrap();
    for line in [
        "validators{section=\"timely\",subnet=\"combined\"} 4",
        "validators{section=\"timely\",subnet=\"subnet_0\"} 1",
        "validators{section=\"timely\",subnet=\"subnet_1\"} 1",
        "validators{section=\"timely\",subnet=\"subnet_2\"} 2",
        "subnets{section=\"timely\"} 3",
        "diff_validators{direction=\"block_only\"} 1",
        "diff_validators{direction=\"timely_only\"} 2",
    ] {
        assert!(text.contains(&format!("lean_attestation_aggregate_coverage_{line}\n")), "{line}");
    }
    // Sections that nothing was said of are there, and empty.
    for section in [
        "late",
        "block",
        "combined",
        "aggregate_start_new",
        "proposal_payloads",
        "proposal_gossip",
        "proposal_combined",
    ] {
        let line = format!("validators{{section=\"{section}\",subnet=\"combined\"}} 0\n");
        assert!(text.contains(&format!("lean_attestation_aggregate_coverage_{line}")), "{section}");
    }
    // The next account replaces this one, whoever was in it; and a scrape stays small whatever the network.
    metrics.coverage.record(Section::Timely, &set(&[4095]), 4096);
    let text = metrics.render().unwrap();
    assert!(text.contains("section=\"timely\",subnet=\"subnet_0\"} 0\n"));
    assert!(text.contains("lean_attestation_aggregate_coverage_subnets{section=\"timely\"} 1\n"));
    assert!(!text.contains("subnet_64\""));
}

#[test]
fn counters_are_there_before_their_first_event() {
    let text = Metrics::new("lathe_0", 0.0).unwrap().render().unwrap();
    for line in [
        "lathe_missed_duties_total{duty=\"proposal\",reason=\"late_tick\"} 0",
        "lathe_rejected_total{kind=\"block\",reason=\"INVALID_BLOCK_PROOF\"} 0",
        "lathe_equivocations_total{kind=\"block\"} 0",
        "lathe_gossip_dropped_total{kind=\"block\",reason=\"no_room\"} 0",
        "lean_aggregator_skipped_total{reason=\"not_aggregator\"} 0",
        "lathe_block_building_phase_seconds_count{phase=\"sign\"} 0",
    ] {
        assert!(text.contains(&format!("{line}\n")), "{line}");
    }
}

#[test]
fn mailboxes_and_files_are_looked_at_when_they_are_asked_for() {
    struct Letter;
    impl lathe_actor::Message for Letter {
        fn policy(&self) -> lathe_actor::Policy {
            lathe_actor::Policy::Answer
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("chain");
    std::fs::write(&file, [0; 7]).unwrap();
    let (mailbox, _inbox) = lathe_actor::mailbox::<Letter>("store", lathe_actor::Bounds::messages(3));
    let metrics = Metrics::new("lathe_0", 0.0).unwrap();
    metrics
        .resources
        .watch(vec![mailbox.probe()], vec![("chain", file), ("ledger", dir.path().join("none"))]);
    let _ = mailbox.try_send(Letter);
    let text = metrics.render().unwrap();
    for line in [
        "lathe_mailbox_depth{mailbox=\"store\"} 1",
        "lathe_mailbox_capacity{mailbox=\"store\"} 3",
        "lathe_mailbox_dropped_total{mailbox=\"store\"} 0",
        "lean_table_bytes{table=\"chain\"} 7",
        "lean_table_bytes{table=\"ledger\"} 0",
    ] {
        assert!(text.contains(&format!("{line}\n")), "{line}");
    }
}

/// The list of metrics in the book.
fn reference() -> String {
    let text = Metrics::new("lathe_0", 0.0).unwrap().render().unwrap();
    let mut page = String::from(
        "# Metrics\n\nMade from the program: `cargo test -p lathe-node reference` compares, and `LATHE_BLESS=1` before it \
         rewrites.\nA metric whose labels come with events, such as the name of a peer, is there with its first event.\n\n\
         | metric | type | |\n|---|---|---|\n",
    );
    let mut help = "";
    for line in text.lines() {
        if let Some((_, told)) = line.strip_prefix("# HELP ").and_then(|line| line.split_once(' ')) {
            help = told;
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|line| line.split_once(' '))
        {
            page.push_str(&format!("| `{name}` | {kind} | {help} |\n"));
        }
    }
    page
}

#[test]
fn the_reference_in_the_book_is_that_of_this_program() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
    let made = reference();
    if std::env::var_os("LATHE_BLESS").is_some() {
        std::fs::write(path, &made).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == made,
        "docs/metrics.md is old; make it new: LATHE_BLESS=1 cargo test -p lathe-node reference"
    );
}
