//! `lathe top`: a dashboard in the terminal for one node or many.

mod screen;
mod view;

use std::io::IsTerminal as _;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use eyre::{WrapErr as _, bail};
use lathe_types::MILLISECONDS_PER_INTERVAL;

pub(crate) use screen::{Dashboard, Key};
pub(crate) use view::{Picture, short};

use crate::nodes::{Endpoint, NetworkServer, PagePort, Poller, Sample};
use crate::output::say;

/// Pause between questions to the nodes: an interval, because that is how often something changes.
const ASK_PERIOD: Duration = Duration::from_millis(MILLISECONDS_PER_INTERVAL);
/// Pause between pictures, so that the clock moves.
const DRAW_PERIOD: Duration = Duration::from_millis(200);

const EXAMPLES: &str = "\
Examples:
  lathe top
      the node on this machine, at the usual port
  lathe top 10.0.0.1:5052 10.0.0.2:5052
      two nodes side by side";

/// Watch one node or many in the terminal
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TopArgs {
    /// URLs of the nodes' APIs
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:5052", value_parser = Endpoint::parse)]
    nodes: Vec<Endpoint>,
}

/// Serve a page that shows a whole network, nodes of other clients included
#[derive(Args, Debug)]
pub(crate) struct WatchArgs {
    /// URLs of the nodes' APIs
    #[arg(value_name = "URL", required = true, value_parser = Endpoint::parse)]
    nodes: Vec<Endpoint>,
    /// Port of the page, on loopback [default: 5050, or a free one]
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
}

/// Runs the dashboard until a key or a signal ends it.
pub(crate) fn run(args: TopArgs) -> eyre::Result<()> {
    if !std::io::stdout().is_terminal() {
        bail!("lathe top draws on a terminal, and this is none; `lathe watch URL...` serves a page instead");
    }
    block_on(async {
        let mut nodes = Nodes::new(args.nodes);
        let mut dashboard = Dashboard::start().wrap_err("the terminal cannot be used")?;
        let ended = nodes.show_in(&mut dashboard).await;
        drop(dashboard);
        nodes.say_how_it_ended();
        ended
    })
}

/// Serves the page until a signal ends it.
pub(crate) fn watch(args: WatchArgs) -> eyre::Result<()> {
    block_on(async {
        let mut nodes = Nodes::new(args.nodes);
        let server = NetworkServer::start(args.port.map_or(PagePort::Usual, PagePort::Exactly)).await?;
        server.announce();
        let ended = nodes.show_on(&server).await;
        nodes.say_how_it_ended();
        ended
    })
}

fn block_on(work: impl Future<Output = eyre::Result<()>>) -> eyre::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(work);
    // A question to a silent node must not hold up the end.
    runtime.shutdown_background();
    outcome
}

/// The nodes that are watched, and what they said last.
struct Nodes {
    poller: Poller,
    names: Vec<String>,
    latest: Vec<Option<Sample>>,
    began: Instant,
}

impl Nodes {
    fn new(endpoints: Vec<Endpoint>) -> Self {
        let names = endpoints.iter().map(|endpoint| endpoint.name.clone()).collect();
        let latest = vec![None; endpoints.len()];
        Self { poller: Poller::new(endpoints), names, latest, began: Instant::now() }
    }

    async fn ask(&mut self) -> eyre::Result<()> {
        let poller = self.poller.clone();
        let asked = tokio::task::spawn_blocking(move || poller.sample()).await;
        self.latest = asked.wrap_err("asking the nodes failed")?;
        for (name, sample) in self.names.iter_mut().zip(&self.latest) {
            let own = sample.as_ref().and_then(|sample| sample.overview.as_ref());
            if let Some(own) = own.filter(|own| !own.name.is_empty()) {
                name.clone_from(&own.name);
            }
        }
        Ok(())
    }

    fn picture(&self) -> Picture<'_> {
        let nodes = self.names.iter().zip(self.poller.endpoints()).zip(&self.latest);
        Picture {
            title: "Lathe top",
            clock_ms: clock_ms(&self.latest),
            nodes: nodes
                .map(|((name, endpoint), sample)| (&**name, &*endpoint.api, sample.as_ref()))
                .collect(),
            page: None,
            news: &[],
            skip: 0,
        }
    }

    async fn show_in(&mut self, dashboard: &mut Dashboard) -> eyre::Result<()> {
        let (signal, mut asked) = (crate::signals::wait(), None::<Instant>);
        tokio::pin!(signal);
        loop {
            if asked.is_none_or(|asked| asked.elapsed() >= ASK_PERIOD) {
                asked = Some(Instant::now());
                tokio::select! {
                    answered = self.ask() => answered?,
                    _ = &mut signal => return Ok(()),
                }
            }
            dashboard.draw(self.picture())?;
            tokio::select! {
                _ = &mut signal => return Ok(()),
                key = dashboard.key() => if key == Key::End { return Ok(()) },
                () = tokio::time::sleep(DRAW_PERIOD) => {}
            }
        }
    }

    async fn show_on(&mut self, server: &NetworkServer) -> eyre::Result<()> {
        let signal = crate::signals::wait();
        tokio::pin!(signal);
        loop {
            tokio::select! {
                _ = &mut signal => return Ok(()),
                answered = self.ask() => answered?,
            }
            let named: Vec<Endpoint> = self
                .poller
                .endpoints()
                .iter()
                .zip(&self.names)
                .map(|(endpoint, name)| Endpoint { name: name.clone(), ..endpoint.clone() })
                .collect();
            server.show(named.iter().zip(self.latest.iter().map(Option::as_ref)));
            tokio::select! {
                _ = &mut signal => return Ok(()),
                () = tokio::time::sleep(ASK_PERIOD) => {}
            }
        }
    }

    fn say_how_it_ended(&self) {
        say(&format!("watched for {} s", self.began.elapsed().as_secs()));
        let samples = self.latest.iter().map(Option::as_ref);
        for line in how_it_ended(self.names.iter().map(String::as_str).zip(samples)) {
            say(&line);
        }
    }
}

/// Milliseconds since genesis, if any node tells when that was.
fn clock_ms(samples: &[Option<Sample>]) -> Option<i64> {
    let mut overviews = samples.iter().flatten().filter_map(|sample| sample.overview.as_ref());
    let genesis = overviews.find(|overview| overview.genesis_time > 0)?.genesis_time;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Some(i64::try_from(now.as_millis()).ok()? - i64::try_from(genesis).ok()? * 1000)
}

/// A line per node: where it was when it was last seen.
pub(crate) fn how_it_ended<'a>(nodes: impl Iterator<Item = (&'a str, Option<&'a Sample>)>) -> Vec<String> {
    let line = |(name, sample): (&str, Option<&Sample>)| match sample {
        None => format!("{name}: silent"),
        Some(sample) => {
            let chain = &sample.chain;
            let missed = sample.overview.as_ref().map_or_else(String::new, |overview| {
                let reasons =
                    overview.duties.missed.iter().map(|(reason, count)| format!("{count} {reason}"));
                match overview.duties.all_missed() {
                    0 => ", no duty missed".into(),
                    _ => format!(", missed {}", reasons.collect::<Vec<_>>().join(", ")),
                }
            });
            format!(
                "{name}: head {} {}, justified {}, finalized {}{missed}",
                chain.head_slot(),
                short(&chain.head),
                chain.justified.slot,
                chain.finalized.slot,
            )
        }
    };
    nodes.map(line).collect()
}
