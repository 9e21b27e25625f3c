//! The live view: one table redrawn in place on a terminal, one line per slot elsewhere.

use std::io::{IsTerminal as _, Write as _};

use comfy_table::{CellAlignment, Table, presets};

use super::sample::Sample;
use crate::output::say;

/// Shows the network.
pub struct Screen {
    live: bool,
    drawn_lines: usize,
}

impl Screen {
    /// A screen on standard output.
    pub fn new() -> Self {
        Self { live: std::io::stdout().is_terminal(), drawn_lines: 0 }
    }

    /// Replaces the table.
    pub fn draw(&mut self, title: &str, nodes: &[(&str, Option<&Sample>)]) {
        if !self.live {
            return;
        }
        let text = format!("{title}\n{}\n", table(nodes));
        let mut out = std::io::stdout().lock();
        if self.drawn_lines > 0 {
            // Up over what was drawn, and clear from there.
            let _ = write!(out, "\x1b[{}A\x1b[J", self.drawn_lines);
        }
        // A terminal that is gone is no reason to stop the network.
        let _ = out.write_all(text.as_bytes());
        let _ = out.flush();
        self.drawn_lines = text.lines().count();
    }

    /// A line for a log, when there is no terminal.
    pub fn log(&self, slot: u64, nodes: &[(&str, Option<&Sample>)]) {
        if !self.live {
            say(&line(slot, nodes));
        }
    }
}

fn table(nodes: &[(&str, Option<&Sample>)]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    let header = [
        "node",
        "peers",
        "head",
        "root",
        "justified",
        "finalized",
        "safe target",
        "arrival",
        "missed duties",
    ];
    let is_paired = nodes.iter().any(|(_, sample)| sample.is_some_and(|sample| sample.execution.is_some()));
    table.set_header(header.into_iter().chain(is_paired.then_some("execution")));
    for (name, sample) in nodes {
        let row = match sample {
            Some(sample) => row(name, sample).into_iter().chain(execution(sample)).collect(),
            None => vec![(*name).into(), "-".into(), "silent".into()],
        };
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn row(name: &str, sample: &Sample) -> Vec<String> {
    let figures = &sample.figures;
    vec![
        name.into(),
        figures.peers.to_string(),
        sample.chain.head_slot().to_string(),
        short(&sample.chain.head),
        figures.justified_slot.to_string(),
        figures.finalized_slot.to_string(),
        figures.safe_target_slot.to_string(),
        format!("{} ms", figures.last_arrival_ms),
        missed(sample),
    ]
}

/// Number and hash of the execution client's newest block.
fn execution(sample: &Sample) -> Option<String> {
    sample.execution.as_ref().map(|tip| format!("{} {}", tip.latest, short(&tip.latest_hash)))
}

fn missed(sample: &Sample) -> String {
    let reasons = &sample.figures.missed_duties;
    if reasons.is_empty() {
        return "0".into();
    }
    reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect::<Vec<_>>().join(", ")
}

/// The first digits of a root.
fn short(root: &str) -> String {
    root.trim_start_matches("0x").chars().take(8).collect()
}

/// `slot 7 | lathe_0 head 7 (ab12..) justified 5 finalized 4 peers 3 arrival 4 ms missed 0 | ...`
fn line(slot: u64, nodes: &[(&str, Option<&Sample>)]) -> String {
    let mut parts = vec![format!("slot {slot}")];
    for (name, sample) in nodes {
        parts.push(match sample {
            None => format!("{name} silent"),
            Some(sample) => {
                let figures = &sample.figures;
                format!(
                    "{name} head {} {} justified {} finalized {} safe {} peers {} arrival {} ms missed {}",
                    sample.chain.head_slot(),
                    short(&sample.chain.head),
                    figures.justified_slot,
                    figures.finalized_slot,
                    figures.safe_target_slot,
                    figures.peers,
                    figures.last_arrival_ms,
                    figures.missed(),
                ) + &execution(sample).map(|tip| format!(" execution {tip}")).unwrap_or_default()
            }
        });
    }
    parts.join(" | ")
}

#[cfg(test)]
mod tests {
    use super::super::sample::{Block, Figures, ForkChoice};
    use super::*;

    fn sample() -> Sample {
        let head = "0xabcdef0123".to_owned();
        Sample {
            chain: ForkChoice {
                nodes: vec![Block { root: head.clone(), slot: 7, parent_root: String::new() }],
                head,
                ..ForkChoice::default()
            },
            execution: None,
            figures: Figures {
                justified_slot: 5,
                finalized_slot: 4,
                safe_target_slot: 6,
                peers: 3,
                last_arrival_ms: 4,
                missed_duties: [("late_tick".into(), 2)].into(),
                ..Figures::default()
            },
        }
    }

    #[test]
    fn a_log_line_says_it_all() {
        let sample = sample();
        let text = line(7, &[("lathe_0", Some(&sample)), ("lathe_1", None)]);
        let expected = "slot 7 | lathe_0 head 7 abcdef01 justified 5 finalized 4 safe 6 peers 3 arrival 4 ms missed 2 | \
                        lathe_1 silent";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_table_has_a_row_per_node() {
        let sample = sample();
        let text = table(&[("lathe_0", Some(&sample)), ("lathe_1", None)]).to_string();
        let row = text.lines().find(|line| line.contains("lathe_0")).unwrap();
        let cells: Vec<&str> = row.split_whitespace().collect();
        assert_eq!(cells, ["lathe_0", "3", "7", "abcdef01", "5", "4", "6", "4", "ms", "2", "late_tick"]);
        assert!(text.contains("silent"));
    }
}
