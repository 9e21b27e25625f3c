//! The terminal dashboard, as a function from what is known to what is drawn. It fits 80 columns and 24 lines, and
//! shows more where there is more room.

use std::collections::{BTreeMap, BTreeSet};

use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Table};

use crate::nodes::{Overview, Sample};

/// Milliseconds of a slot.
const SLOT_MS: i64 = 4000;
/// A block that comes after this is too late for the votes of its slot.
const LATE_MS: i64 = 1200;
/// Slots that a head may be behind the clock before that is worth a colour.
const LAG_WARNING: u64 = 2;
/// Columns of the slots' list before the arrivals.
const SLOT_COLUMNS: u16 = 39;
/// Narrowest column of a node's arrivals.
const ARRIVAL_WIDTH: u16 = 6;
/// Lines of news at most.
const MAX_NEWS: u16 = 3;
/// From this width on there is room for the execution client and the role.
const WIDE: u16 = 110;
/// From this width on there is room for a node's URL as well.
const VERY_WIDE: u16 = 160;

/// What is shown.
pub(crate) struct Picture<'a> {
    /// What is watched.
    pub title: &'a str,
    /// Milliseconds since genesis, if that is known.
    pub clock_ms: Option<i64>,
    /// Name, URL, and the newest sample of each node; `None` if it does not answer.
    pub nodes: Vec<(&'a str, &'a str, Option<&'a Sample>)>,
    /// Where the page of the network is.
    pub page: Option<&'a str>,
    /// What happened, oldest first.
    pub news: &'a [String],
    /// Nodes that are scrolled past.
    pub skip: usize,
}

/// Draws the picture.
pub(super) fn draw(frame: &mut Frame<'_>, picture: &Picture<'_>) {
    let area = frame.area();
    let news = u16::try_from(picture.news.len()).unwrap_or(MAX_NEWS).min(MAX_NEWS);
    let wanted = u16::try_from(picture.nodes.len()).unwrap_or(u16::MAX).saturating_add(2);
    // Slots keep a third of the height, however many nodes there are.
    let nodes = wanted.min((area.height.saturating_sub(4 + news) * 2 / 3).max(3));
    let [head, nodes, slots, said, foot] = Layout::vertical([
        Constraint::Length(3),
        Constraint::Length(nodes),
        Constraint::Min(0),
        Constraint::Length(news),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(Paragraph::new(header(picture, area.width)), head);
    draw_nodes(frame, nodes, picture);
    draw_slots(frame, slots, picture);
    let last = picture.news.iter().rev().take(usize::from(MAX_NEWS)).rev();
    frame.render_widget(
        Paragraph::new(last.map(|line| Line::from(line.as_str()).yellow()).collect::<Vec<_>>()),
        said,
    );
    frame.render_widget(Paragraph::new(footer(picture)), foot);
}

/// The samples that there are.
fn samples<'a>(picture: &'a Picture<'_>) -> impl Iterator<Item = &'a Sample> {
    picture.nodes.iter().filter_map(|(_, _, sample)| *sample)
}

fn overviews<'a>(picture: &'a Picture<'_>) -> impl Iterator<Item = &'a Overview> {
    samples(picture).filter_map(|sample| sample.overview.as_ref())
}

fn header(picture: &Picture<'_>, width: u16) -> Vec<Line<'static>> {
    let now = match picture.clock_ms {
        Some(now) if now < 0 => format!("genesis in {} s", (-now + 999) / 1000),
        Some(now) => {
            let filled = usize::try_from(now % SLOT_MS * 10 / SLOT_MS).unwrap_or(0);
            format!("slot {} {}{}", now / SLOT_MS, "█".repeat(filled), "░".repeat(10 - filled))
        }
        None => "waiting for an answer".into(),
    };
    let title = format!(" {}", picture.title);
    let gap = usize::from(width).saturating_sub(title.chars().count() + now.chars().count() + 1);
    let first =
        Line::from(vec![Span::from(title).bold(), Span::from(" ".repeat(gap)), Span::from(now).cyan()]);
    vec![first, Line::from(state(picture)), Line::from(places(picture, width)).dim()]
}

/// How the network is, in one line.
fn state(picture: &Picture<'_>) -> Vec<Span<'static>> {
    let furthest = samples(picture).max_by_key(|sample| sample.chain.head_slot());
    let Some(furthest) = furthest else {
        return vec![Span::from(" no node answers").red().bold()];
    };
    let chain = &furthest.chain;
    let mut line = vec![Span::from(format!(
        " head {}  justified {}  finalized {}  ",
        chain.head_slot(),
        chain.justified.slot,
        chain.finalized.slot
    ))];
    let silent = picture.nodes.len() - samples(picture).count();
    let chains = chains(picture);
    line.push(match chains {
        0 | 1 => Span::from("one chain").green(),
        chains => Span::from(format!("{chains} chains")).red().bold(),
    });
    if silent > 0 {
        line.push(Span::from(format!("  {silent} silent")).red().bold());
    }
    let missed: u64 = overviews(picture).map(|overview| overview.duties.all_missed()).sum();
    line.push(match missed {
        0 => Span::from("  no duty missed").green(),
        missed => Span::from(format!("  {missed} duties missed")).red(),
    });
    line
}

/// On how many chains the nodes are: those count that differ at the lowest of the heads.
fn chains(picture: &Picture<'_>) -> usize {
    let Some(lowest) = samples(picture).map(|sample| sample.chain.head_slot()).min() else { return 0 };
    let roots: BTreeSet<Option<&str>> = samples(picture).map(|sample| sample.chain.root_at(lowest)).collect();
    roots.len()
}

fn places(picture: &Picture<'_>, width: u16) -> String {
    let page = picture.page.map(|page| format!("page {page}  "));
    let apis: Vec<&str> = picture.nodes.iter().map(|(_, url, _)| *url).collect();
    let mut line = format!(" {}API {}", page.unwrap_or_default(), apis.join(" "));
    if line.chars().count() > usize::from(width) {
        line = format!("{} ..", line.chars().take(usize::from(width).saturating_sub(3)).collect::<String>());
    }
    line
}

fn footer(picture: &Picture<'_>) -> Line<'static> {
    let scroll = if picture.nodes.len() > 4 { "   up, down: other nodes" } else { "" };
    Line::from(format!(" q or Ctrl-C: end{scroll}")).dim()
}

fn draw_nodes(frame: &mut Frame<'_>, area: Rect, picture: &Picture<'_>) {
    let (wide, very_wide) = (area.width >= WIDE, area.width >= VERY_WIDE);
    let name_width =
        picture.nodes.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or(4).clamp(4, 15);
    let mut columns = vec![
        ("node", Constraint::Length(u16::try_from(name_width).unwrap_or(15)), Alignment::Left),
        ("head", Constraint::Length(7), Alignment::Right),
        ("root", Constraint::Length(8), Alignment::Left),
        ("just.", Constraint::Length(7), Alignment::Right),
        ("final.", Constraint::Length(7), Alignment::Right),
        ("peers", Constraint::Length(5), Alignment::Right),
        ("missed", Constraint::Length(6), Alignment::Right),
        ("MiB", Constraint::Length(5), Alignment::Right),
        ("state", Constraint::Length(10), Alignment::Left),
    ];
    if wide {
        columns.push(("role", Constraint::Length(25), Alignment::Left));
        columns.push(("execution", Constraint::Length(18), Alignment::Left));
    }
    if very_wide {
        columns.push(("API", Constraint::Length(28), Alignment::Left));
    }
    let rows = usize::from(area.height.saturating_sub(2));
    let skip = picture.skip.min(picture.nodes.len().saturating_sub(rows));
    let shown = picture.nodes.iter().skip(skip).take(rows);
    let align = |(text, style): (String, Style), alignment| {
        Cell::from(Line::from(text).alignment(alignment)).style(style)
    };
    let rows = shown.map(|(name, url, sample)| {
        let cells = node_cells(name, url, *sample, picture.clock_ms, wide);
        Row::new(
            cells.into_iter().zip(&columns).map(|(cell, column)| align(cell, column.2)).collect::<Vec<_>>(),
        )
    });
    let header =
        columns.iter().map(|(name, _, alignment)| Cell::from(Line::from(*name).alignment(*alignment)));
    let table =
        Table::new(rows.collect::<Vec<_>>(), columns.iter().map(|column| column.1).collect::<Vec<_>>())
            .header(Row::new(header.collect::<Vec<_>>()).dim())
            .block(Block::new().borders(Borders::TOP).border_style(Style::new().dark_gray()));
    frame.render_widget(table, area);
}

/// The cells of a node's row, as text and style.
fn node_cells(
    name: &str,
    url: &str,
    sample: Option<&Sample>,
    clock_ms: Option<i64>,
    wide: bool,
) -> Vec<(String, Style)> {
    let plain = Style::new();
    let name: String = name.chars().take(15).collect();
    let Some(sample) = sample else {
        return vec![(name, plain.red()), ("silent".into(), plain.red().bold())];
    };
    let chain = &sample.chain;
    let slot = clock_ms.map_or(0, |now| u64::try_from(now / SLOT_MS).unwrap_or(0));
    let lag = slot.saturating_sub(chain.head_slot());
    let overview = sample.overview.as_ref();
    let number = |number: Option<u64>| number.map_or_else(|| "-".into(), |number| number.to_string());
    let missed = overview.map(|overview| overview.duties.all_missed());
    let memory = overview.and_then(|overview| Some(overview.process.as_ref()?.resident_bytes >> 20));
    let mut cells = vec![
        (name, plain),
        (chain.head_slot().to_string(), if lag > LAG_WARNING { plain.yellow() } else { plain }),
        (short(&chain.head), plain.dim()),
        (chain.justified.slot.to_string(), plain),
        (chain.finalized.slot.to_string(), plain),
        (number(overview.map(|overview| overview.peers.len() as u64)), plain),
        (number(missed), if missed > Some(0) { plain.red() } else { plain }),
        (number(memory), plain),
        sync(overview),
    ];
    if wide {
        let role = overview.map_or_else(String::new, role);
        cells.extend([(role, plain), execution(sample)]);
    }
    cells.push((url.to_owned(), plain.dim()));
    cells
}

fn sync(overview: Option<&Overview>) -> (String, Style) {
    match overview.map(|overview| &overview.syncing) {
        None => ("answers".into(), Style::new()),
        Some(syncing) if syncing.age_ms > 3 * SLOT_MS as u64 => ("stuck".into(), Style::new().red().bold()),
        Some(syncing) if syncing.el_offline == Some(true) => ("EL offline".into(), Style::new().red()),
        Some(syncing) if syncing.is_syncing => ("syncing".into(), Style::new().yellow()),
        Some(_) => ("in sync".into(), Style::new().green()),
    }
}

fn role(overview: &Overview) -> String {
    let aggregates = if overview.is_aggregator { ", aggregates" } else { "" };
    match overview.local_validators.len() {
        0 => format!("observes{aggregates}"),
        1 => format!("1 validator{aggregates}"),
        count => format!("{count} validators{aggregates}"),
    }
}

fn execution(sample: &Sample) -> (String, Style) {
    if let Some(tip) = &sample.execution {
        return (format!("{} {}", tip.latest, short(&tip.latest_hash)), Style::new());
    }
    match sample
        .overview
        .as_ref()
        .map(|overview| (overview.syncing.el_offline, overview.syncing.is_optimistic))
    {
        Some((Some(true), _)) => ("offline".into(), Style::new().red()),
        Some((Some(false), Some(true))) => ("optimistic".into(), Style::new().yellow()),
        Some((Some(false), _)) => ("valid".into(), Style::new().green()),
        _ => ("none".into(), Style::new().dim()),
    }
}

/// One slot, over all nodes.
#[derive(Default)]
struct SlotLine {
    /// Roots of its blocks with their proposers.
    blocks: BTreeMap<String, u64>,
    /// Votes in the block.
    votes: Option<u64>,
    /// Most aggregates that a node has seen.
    aggregates: usize,
    missed: u64,
    /// Per node: when its first block came; the inner one is empty for a block that was asked for.
    arrivals: Vec<Option<Option<i64>>>,
}

fn slot_lines(picture: &Picture<'_>) -> BTreeMap<u64, SlotLine> {
    let current = picture.clock_ms.map_or(0, |now| u64::try_from(now / SLOT_MS).unwrap_or(0));
    let mut lines: BTreeMap<u64, SlotLine> = BTreeMap::new();
    for (index, (_, _, sample)) in picture.nodes.iter().enumerate() {
        let Some(overview) = sample.and_then(|sample| sample.overview.as_ref()) else { continue };
        for slot in overview.slots.iter().filter(|slot| slot.slot <= current) {
            let line = lines.entry(slot.slot).or_default();
            line.arrivals.resize(picture.nodes.len(), None);
            line.arrivals[index] = slot.blocks.first().map(|block| block.arrival_ms);
            line.aggregates = line.aggregates.max(slot.aggregates.len());
            line.missed += slot.duties.all_missed();
            for block in &slot.blocks {
                line.blocks.insert(block.root.clone(), block.proposer_index);
                line.votes = line.votes.max(block.votes);
            }
        }
    }
    lines
}

fn draw_slots(frame: &mut Frame<'_>, area: Rect, picture: &Picture<'_>) {
    let lines = slot_lines(picture);
    let room = area.width.saturating_sub(SLOT_COLUMNS);
    let longest = picture.nodes.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or(0);
    let named = u16::try_from(longest.min(12)).unwrap_or(12).max(ARRIVAL_WIDTH) + 1;
    let count = u16::try_from(picture.nodes.len()).unwrap_or(u16::MAX);
    // A column for each node if there is room, under its name or its number, else one for all.
    let (width, header): (u16, Vec<String>) = if named.saturating_mul(count) <= room {
        (named, picture.nodes.iter().map(|(name, ..)| name.chars().take(12).collect()).collect())
    } else if ARRIVAL_WIDTH.saturating_mul(count) <= room {
        (ARRIVAL_WIDTH, (0..count).map(|number| format!("#{number}")).collect())
    } else {
        (room, vec!["arrival at the nodes, ms".into()])
    };
    let each = header.len() > 1 || count == 1;
    let titles =
        ["slot", "block", "by", "votes", "aggr.", "missed"].map(String::from).into_iter().chain(header);
    let right = |text: String| Cell::from(Line::from(text).alignment(Alignment::Right));
    let titles =
        titles.enumerate().map(|(column, title)| if column == 1 { Cell::from(title) } else { right(title) });
    let shown = usize::from(area.height.saturating_sub(2));
    let rows = lines.iter().rev().take(shown).map(|(slot, line)| {
        let mut cells = vec![right(slot.to_string()), block_cell(line)];
        let proposer = line.blocks.values().next().map_or_else(String::new, u64::to_string);
        cells.push(right(proposer));
        cells.push(right(line.votes.map_or_else(String::new, |votes| votes.to_string())));
        cells.push(right(line.aggregates.to_string()));
        let missed = right(if line.missed > 0 { line.missed.to_string() } else { String::new() });
        cells.push(missed.style(Style::new().red()));
        if each {
            cells.extend(line.arrivals.iter().map(|arrival| {
                let (text, style) = arrival_text(*arrival);
                right(text).style(style)
            }));
        } else {
            cells.push(right(spread(&line.arrivals)));
        }
        Row::new(cells)
    });
    let mut widths: Vec<Constraint> = [6, 9, 4, 5, 5, 6].map(Constraint::Length).to_vec();
    let arrivals = if each { picture.nodes.len() } else { 1 };
    widths.extend(vec![Constraint::Length(width.saturating_sub(1)); arrivals]);
    let table = Table::new(rows.collect::<Vec<_>>(), widths)
        .header(Row::new(titles.collect::<Vec<_>>()).dim())
        .block(Block::new().borders(Borders::TOP).border_style(Style::new().dark_gray()));
    frame.render_widget(table, area);
}

fn block_cell(line: &SlotLine) -> Cell<'static> {
    match line.blocks.len() {
        0 => Cell::from("none").yellow(),
        1 => Cell::from(line.blocks.keys().next().map_or_else(String::new, |root| short(root))).dim(),
        count => Cell::from(format!("{count} blocks")).red(),
    }
}

fn arrival_text(arrival: Option<Option<i64>>) -> (String, Style) {
    match arrival {
        None => ("-".into(), Style::new().dim()),
        Some(None) => ("asked".into(), Style::new().yellow()),
        Some(Some(at_ms)) if at_ms > LATE_MS => (at_ms.to_string(), Style::new().red()),
        Some(Some(at_ms)) => (at_ms.to_string(), Style::new()),
    }
}

/// The first and the last arrival, and at how many nodes.
fn spread(arrivals: &[Option<Option<i64>>]) -> String {
    let at: Vec<i64> = arrivals.iter().filter_map(|arrival| (*arrival)?).collect();
    let there = arrivals.iter().flatten().count();
    match (at.iter().min(), at.iter().max()) {
        (Some(first), Some(last)) => format!("{first} to {last} at {there} of {}", arrivals.len()),
        _ => format!("at {there} of {}", arrivals.len()),
    }
}

/// The first digits of a root.
pub(crate) fn short(root: &str) -> String {
    root.trim_start_matches("0x").chars().take(8).collect()
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
