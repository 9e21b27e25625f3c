use super::*;
use crate::nodes::{Block, Checkpoint, Figures, ForkChoice};

/// A node whose chain has a block in every slot up to `head`; roots carry the branch's name.
fn sample(branch: &str, head: u64) -> Sample {
    let root = |slot: u64| if slot == 0 { "genesis".to_owned() } else { format!("{branch}{slot}") };
    let nodes = (0..=head)
        .map(|slot| Block {
            root: root(slot),
            slot,
            parent_root: slot.checked_sub(1).map(root).unwrap_or_default(),
        })
        .collect();
    let (justified_slot, finalized_slot) = (head.saturating_sub(2), head.saturating_sub(3));
    Sample {
        chain: ForkChoice {
            nodes,
            head: root(head),
            finalized: Checkpoint { root: root(finalized_slot), slot: finalized_slot },
            ..ForkChoice::default()
        },
        figures: Figures {
            head_slot: head,
            justified_slot,
            finalized_slot,
            blocks_seen: head,
            previous_slot_votes: 4 * head,
            block_proofs: BlockProofs { raw: head.div_ceil(2), stark: 1, mixed: head / 2, external: 0 },
            cpu_seconds: 0.05 * head as f64,
            max_rss_bytes: 64.0 * MIB,
            ..Figures::default()
        },
        ..Sample::default()
    }
}

fn run(last: u64, skip: impl Fn(u64) -> bool) -> Record {
    let mut record = Record::new(vec!["lathe_0".into(), "lathe_1".into()], 4);
    for slot in 0..=last {
        let samples =
            if skip(slot) { [None, None] } else { [Some(sample("a", slot)), Some(sample("a", slot))] };
        record.note_slot(slot, 10.0 + 4.0 * slot as f64, &samples);
    }
    record
}

#[test]
fn a_run_as_it_should_be() {
    let summary = run(10, |_| false).summary(10);
    assert_eq!(summary.complaint(), None);
    assert!(summary.agreed);
    assert_eq!((summary.slots_with_block, summary.participation), (10, 1.0));
    assert_eq!((summary.justified_lag_slots, summary.finality_lag_slots), (2, 3));
    assert_eq!(summary.seconds_to_first_finalized, Some(26.0));
    assert_eq!(summary.block_proofs, BlockProofs { raw: 5, stark: 1, mixed: 5, external: 0 });
    let json = serde_json::to_value(&summary).unwrap();
    assert_eq!(json["block_proofs"], serde_json::json!({ "raw": 5, "stark": 1, "mixed": 5, "external": 0 }));
    let node = &summary.nodes[1];
    assert_eq!((node.name.as_str(), node.head_slot, node.finalized_root.as_str()), ("lathe_1", 10, "a7"));
    assert_eq!((node.max_rss_mib, node.cpu_percent), (64.0, 1.25));
}

#[test]
fn nodes_are_compared_at_the_lowest_head() {
    let mut record = run(10, |_| false);
    record.note(60.0, &[Some(sample("a", 11)), Some(sample("a", 10))]);
    assert!(record.summary(11).agreed, "one is a block behind");
    record.note(61.0, &[Some(sample("a", 11)), Some(sample("b", 11))]);
    let summary = record.summary(11);
    assert!(summary.complaint().unwrap().starts_with("the nodes do not agree on one chain"));
}

#[test]
fn a_lag_of_one_slot_more_is_a_complaint_even_if_it_is_made_up_later() {
    let mut record = run(10, |_| false);
    let mut late = sample("a", 11);
    late.figures.finalized_slot -= 1;
    record.note_slot(11, 60.0, &[Some(late), Some(sample("a", 11))]);
    record.note_slot(12, 64.0, &[Some(sample("a", 12)), Some(sample("a", 12))]);
    let summary = record.summary(12);
    assert_eq!(summary.finality_lag_slots, 4);
    assert!(summary.complaint().unwrap().starts_with("finality lags"));
}

#[test]
fn a_node_that_does_not_answer_is_no_agreement() {
    let mut record = run(6, |_| false);
    record.note_slot(7, 40.0, &[Some(sample("a", 7)), None]);
    assert!(!record.summary(7).agreed);
    record.note_slot(8, 44.0, &[Some(sample("a", 8)), Some(sample("a", 8))]);
    assert!(record.summary(8).agreed);
}

#[test]
fn the_keys_are_those_that_tools_rely_on() {
    let json = serde_json::to_value(run(6, |slot| slot == 3).summary(6)).unwrap();
    let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let mut expected = [
        "slots",
        "validators",
        "agreed",
        "slots_with_block",
        "participation",
        "justified_lag_slots",
        "finality_lag_slots",
        "block_proofs",
        "seconds_to_first_finalized",
        "nodes",
    ];
    expected.sort_unstable();
    let mut found = keys(&json);
    found.sort_unstable();
    assert_eq!(found, expected);
    let mut expected = [
        "name",
        "head_slot",
        "head_root",
        "justified_slot",
        "finalized_slot",
        "finalized_root",
        "peers",
        "blocks_seen",
        "missed_duties",
        "max_rss_mib",
        "cpu_percent",
        "block_arrival_ms",
        "block_import_ms",
        "chain_turn_ms",
    ];
    expected.sort_unstable();
    let mut found = keys(&json["nodes"][0]);
    found.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(keys(&json["nodes"][0]["block_import_ms"]), ["p50", "p99"]);
}
