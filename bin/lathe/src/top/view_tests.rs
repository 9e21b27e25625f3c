use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::{Value, json};

use super::*;
use crate::nodes::Figures;

/// A node whose chain has a block in every slot up to `head`; roots carry the branch's letter.
fn sample(branch: char, head: u64, arrival_ms: i64) -> Sample {
    let root = |slot: u64| format!("0x{}{slot:07}", if slot < 5 { 'a' } else { branch });
    let block =
        |slot: u64| json!({ "root": root(slot), "slot": slot, "parent_root": root(slot.saturating_sub(1)) });
    let checkpoint = |slot: u64| json!({ "root": root(slot), "slot": slot });
    let chain = json!({
        "nodes": (0..=head).map(block).collect::<Vec<_>>(),
        "head": root(head),
        "justified": checkpoint(head - 2),
        "finalized": checkpoint(head - 3),
        "safe_target": root(head - 1),
    });
    let slot = |slot: u64| {
        json!({
            "slot": slot,
            "blocks": [{ "root": root(slot), "proposer_index": slot % 4, "arrival_ms": arrival_ms, "votes": 4 }],
            "aggregates": [{ "participants": 4 }],
        })
    };
    let overview = json!({
        "name": "lathe_0",
        "peers": [{ "peer_id": "a" }, { "peer_id": "b" }],
        "process": { "resident_bytes": 38 << 20 },
        "slots": (0..=head).map(slot).collect::<Vec<_>>(),
        "duties": { "missed": { "late_tick": 1 } },
    });
    Sample::new(chain, overview, Figures::default()).unwrap()
}

fn drawn(width: u16, height: u16, nodes: &[Option<Sample>], news: &[String]) -> Vec<String> {
    let names: Vec<String> = (0..nodes.len()).map(|node| format!("lathe_{node}")).collect();
    let urls: Vec<String> =
        (0..nodes.len()).map(|node| format!("http://127.0.0.1:{}", 5052 + node)).collect();
    let picture = Picture {
        title: "Lathe devnet",
        clock_ms: Some(12 * SLOT_MS + 1700),
        nodes: (0..nodes.len()).map(|node| (&*names[node], &*urls[node], nodes[node].as_ref())).collect(),
        page: Some("http://127.0.0.1:5050/"),
        news,
        skip: 0,
    };
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, &picture)).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
    (0..height).map(line).collect()
}

#[test]
fn four_nodes_fit_a_small_terminal() {
    let nodes = [12, 12, 12, 12].map(|head| Some(sample('b', head, 7)));
    let lines = drawn(80, 24, &nodes, &[]);
    assert!(
        lines[0].starts_with(" Lathe devnet") && lines[0].ends_with("slot 12 ████░░░░░░"),
        "{}",
        lines[0]
    );
    assert_eq!(lines[1], " head 12  justified 10  finalized 9  one chain  4 duties missed");
    assert!(
        lines[2].starts_with(" page http://127.0.0.1:5050/  API http://127.0.0.1:5052 http"),
        "{}",
        lines[2]
    );
    let cells = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        cells(&lines[4]),
        ["node", "head", "root", "just.", "final.", "peers", "missed", "MiB", "state"]
    );
    assert_eq!(cells(&lines[5]), ["lathe_0", "12", "b0000012", "10", "9", "2", "1", "38", "in", "sync"]);
    let heads =
        ["slot", "block", "by", "votes", "aggr.", "missed", "lathe_0", "lathe_1", "lathe_2", "lathe_3"];
    assert_eq!(cells(&lines[10]), heads);
    assert_eq!(cells(&lines[11]), ["12", "b0000012", "0", "4", "1", "7", "7", "7", "7"]);
    assert!(lines[23].starts_with(" q or Ctrl-C: end"));
}

#[test]
fn a_fork_and_a_silent_node_show() {
    let nodes = [Some(sample('b', 12, 7)), Some(sample('c', 12, 9)), None];
    let lines = drawn(80, 24, &nodes, &["lathe_2 ended (signal: 9)".to_owned()]);
    assert!(lines[1].contains("2 chains  1 silent"), "{}", lines[1]);
    assert!(lines[7].contains("lathe_2") && lines[7].contains("silent"), "{}", lines[7]);
    assert!(lines.iter().any(|line| line.contains("2 blocks")));
    assert!(lines[22].contains("lathe_2 ended"), "{}", lines[22]);
}

#[test]
fn a_node_that_is_behind_on_the_same_chain_is_no_fork() {
    let nodes = [Some(sample('b', 12, 7)), Some(sample('b', 9, 7))];
    assert!(drawn(80, 24, &nodes, &[])[1].contains("one chain"));
}

#[test]
fn many_nodes_share_one_column_and_leave_room_for_slots() {
    let nodes: Vec<_> = (0..64).map(|node| Some(sample('b', 12, node))).collect();
    let lines = drawn(80, 24, &nodes, &[]);
    assert!(lines.iter().any(|line| line.contains("0 to 63 at 64 of 64")), "{lines:#?}");
    let wide = drawn(200, 50, &nodes[..12], &[]);
    assert!(wide.iter().any(|line| line.contains("lathe_11") && line.contains("slot")), "{wide:#?}");
    assert!(wide.iter().any(|line| line.contains("http://127.0.0.1:5063") && line.contains("observes")));
}

#[test]
fn nothing_is_wider_or_breaks_on_a_tiny_terminal() {
    let nodes = [Some(sample('b', 12, 7)), None];
    for (width, height) in [(1, 1), (10, 3), (40, 10), (80, 8)] {
        assert_eq!(drawn(width, height, &nodes, &[]).len(), usize::from(height));
    }
}

#[test]
fn a_node_of_another_client_shows_its_chain() {
    let mut foreign = sample('b', 12, 7);
    foreign.overview = None;
    foreign.raw_overview = Value::Null;
    let lines = drawn(80, 24, &[Some(foreign)], &[]);
    assert!(lines[5].contains("b0000012") && lines[5].ends_with("answers"), "{}", lines[5]);
}

#[test]
fn silence_of_all_is_said() {
    assert_eq!(drawn(80, 24, &[None, None], &[])[1], " no node answers");
}
