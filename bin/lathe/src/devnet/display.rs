//! What is seen of a running network: the dashboard on a terminal, one line per slot elsewhere, and the page in both
//! cases.

use std::io::IsTerminal as _;

use crate::nodes::{Endpoint, NetworkServer, PagePort, Sample};
use crate::output::say;
use crate::top::{Dashboard, Key, Picture, how_it_ended, short};

/// News that are kept for the dashboard.
const MAX_NEWS: usize = 16;

/// Shows the network.
pub(super) struct Display {
    endpoints: Vec<Endpoint>,
    page: NetworkServer,
    dashboard: Option<Dashboard>,
    news: Vec<String>,
}

impl Display {
    /// Starts to serve the page, says where it is, and takes the terminal if there is one.
    pub(super) async fn start(endpoints: Vec<Endpoint>, port: PagePort) -> eyre::Result<Self> {
        let page = NetworkServer::start(port).await?;
        page.announce();
        let dashboard = match std::io::stdout().is_terminal() {
            true => Some(Dashboard::start()?),
            false => None,
        };
        Ok(Self { endpoints, page, dashboard, news: Vec::new() })
    }

    /// Whether somebody watches who wants to see the clock move.
    pub(super) fn is_live(&self) -> bool {
        self.dashboard.is_some()
    }

    /// Something happened.
    pub(super) fn tell(&mut self, text: String) {
        if self.dashboard.is_none() {
            say(&text);
        }
        self.news.push(text);
        if self.news.len() > MAX_NEWS {
            self.news.remove(0);
        }
    }

    /// Puts fresh samples on the page.
    pub(super) fn publish(&self, samples: &[Option<Sample>]) {
        self.page.show(self.endpoints.iter().zip(samples.iter().map(Option::as_ref)));
    }

    /// Draws the dashboard, if there is one.
    pub(super) fn draw(&mut self, clock_ms: i64, samples: &[Option<Sample>]) -> eyre::Result<()> {
        let Some(dashboard) = &mut self.dashboard else { return Ok(()) };
        let url = self.page.url();
        let nodes = self.endpoints.iter().zip(samples);
        let picture = Picture {
            title: "Lathe devnet",
            clock_ms: Some(clock_ms),
            nodes: nodes
                .map(|(endpoint, sample)| (&*endpoint.name, &*endpoint.api, sample.as_ref()))
                .collect(),
            page: Some(&url),
            news: &self.news,
            skip: 0,
        };
        Ok(dashboard.draw(picture)?)
    }

    /// A line for a log, where there is no terminal.
    pub(super) fn log(&self, slot: u64, samples: &[Option<Sample>]) {
        if self.dashboard.is_none() {
            let names = self.endpoints.iter().map(|endpoint| endpoint.name.as_str());
            let nodes: Vec<_> = names.zip(samples.iter().map(Option::as_ref)).collect();
            say(&line(slot, &nodes));
        }
    }

    /// Completes when a key asks to end.
    pub(super) async fn end_asked(&mut self) {
        match &mut self.dashboard {
            Some(dashboard) => while dashboard.key().await != Key::End {},
            None => std::future::pending().await,
        }
    }

    /// Gives the terminal back, and says what it showed last.
    pub(super) fn end(mut self, samples: &[Option<Sample>]) {
        if self.dashboard.take().is_some() {
            self.news.iter().for_each(|text| say(text));
        }
        let names = self.endpoints.iter().map(|endpoint| endpoint.name.as_str());
        for line in how_it_ended(names.zip(samples.iter().map(Option::as_ref))) {
            say(&line);
        }
    }
}

/// Number and hash of the execution client's newest block.
fn execution(sample: &Sample) -> Option<String> {
    sample.execution.as_ref().map(|tip| format!("{} {}", tip.latest, short(&tip.latest_hash)))
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
    use super::*;
    use crate::nodes::{Block, Figures, ForkChoice};

    #[test]
    fn a_log_line_says_it_all() {
        let head = "0xabcdef0123".to_owned();
        let chain = ForkChoice {
            nodes: vec![Block { root: head.clone(), slot: 7, parent_root: String::new() }],
            head,
            ..ForkChoice::default()
        };
        let figures = Figures {
            justified_slot: 5,
            finalized_slot: 4,
            safe_target_slot: 6,
            peers: 3,
            last_arrival_ms: 4,
            missed_duties: [("late_tick".into(), 2)].into(),
            ..Figures::default()
        };
        let sample = Sample { chain, figures, ..Sample::default() };
        let text = line(7, &[("lathe_0", Some(&sample)), ("lathe_1", None)]);
        let expected = "slot 7 | lathe_0 head 7 abcdef01 justified 5 finalized 4 safe 6 peers 3 arrival 4 ms missed 2 | \
                        lathe_1 silent";
        assert_eq!(text, expected);
    }
}
