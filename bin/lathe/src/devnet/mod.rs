//! `lathe devnet`: a whole network on this machine, with one command.

mod children;
mod display;
mod execution;
mod setup;
mod summary;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Args;
use eyre::{WrapErr as _, bail};
use lathe_config::{DEFAULT_AGGREGATORS, NetworkPlan};
use lathe_types::{INTERVALS_PER_SLOT, MILLISECONDS_PER_INTERVAL, SignatureScheme};

use children::Children;
use display::Display;
use execution::Clients;
pub(crate) use execution::Tip;
use setup::Network;
use summary::{Record, Summary};

use crate::aggregation::AggregationArgs;
use crate::keys::lasting;
use crate::log::LogArgs;
use crate::nodes::{PagePort, Poller, Sample};
use crate::output::say;
use crate::signals;

/// Slots that the keys cover when no number of slots is given: four and a half hours.
const DEFAULT_KEY_SLOTS: u64 = 4096;
/// Slots that the keys cover beyond those of the run.
const SPARE_KEY_SLOTS: u64 = 64;
/// The interval at which a slot is judged: its votes are aggregated and nothing moves any more.
const SAMPLE_INTERVAL: u64 = 3;
/// The interval of the last slot at which a run ends.
const END_INTERVAL: u64 = 4;
/// Pause between pictures on a terminal, so that the clock moves.
const DRAW_PERIOD: Duration = Duration::from_millis(200);

/// Run a whole network on this machine until Ctrl-C.
#[derive(Args, Debug)]
pub(crate) struct DevnetArgs {
    /// Nodes, one process each
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=64))]
    nodes: u64,
    /// Validators, dealt to the nodes in turn
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=4096))]
    validators: u64,
    /// Attestation subnets
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=64))]
    subnets: u64,
    /// Aggregators per subnet [default: 2]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=64))]
    aggregators: Option<u64>,
    /// End after this slot and say how it went
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    slots: Option<u64>,
    /// Directory of the network; one that holds a network is resumed [default: ./devnet-<unix time>]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// How the validators of a new network sign: leansig, xmss-blake2s, xmss-blake2s-l3 or lean-pq [default: leansig,
    /// or that of --aggregation-backend]
    #[arg(long, value_name = "SCHEME")]
    signature_scheme: Option<SignatureScheme>,
    #[command(flatten)]
    aggregation: AggregationArgs,
    /// Start an execution client beside each node, and send transactions
    #[arg(long, value_name = "WHICH")]
    el: Option<execution::Kind>,
    /// Newest fork of the execution layer
    #[arg(long, value_name = "FORK", default_value = "prague", requires = "el")]
    fork: execution::ForkName,
    /// Port of the page that shows the network, on loopback [default: 5050, or a free one]
    #[arg(long, value_name = "PORT")]
    page_port: Option<u16>,
    /// Write an account of the run here as JSON
    #[arg(long, value_name = "FILE", requires = "slots")]
    summary: Option<PathBuf>,
}

/// Runs the network.
pub(crate) fn run(args: &DevnetArgs, log: &LogArgs) -> eyre::Result<()> {
    let started = Instant::now();
    let dir = args.dir.clone().unwrap_or_else(|| PathBuf::from(format!("devnet-{}", unix_time().as_secs())));
    let nodes = usize::try_from(args.nodes)?;
    let mut clients = args.el.map(|kind| Clients::start(kind, args.fork.into(), nodes, &dir)).transpose()?;
    let mut plan = plan(args)?;
    plan.execution_genesis = clients.as_ref().map(Clients::genesis).transpose()?;
    let asked = args.aggregation.aggregation_backend.clone();
    let (scheme, backend) = crate::aggregation::of_new_network(args.signature_scheme, asked);
    plan.signature_scheme = scheme;
    let network = setup::prepare(&dir, plan, &backend)?;
    check_keys(&network, args.slots)?;
    let mut children = Children::default();
    for (node, endpoint) in network.endpoints.iter().enumerate() {
        let mut options = clients.as_ref().map_or(Ok(Vec::new()), |clients| clients.options(node))?;
        options.extend(args.aggregation.to_options());
        options.extend(log.to_options());
        children.start(&dir, &endpoint.name, &options.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    say(&format!(
        "{} nodes of {}; logs in {}",
        network.endpoints.len(),
        dir.display(),
        dir.join("logs").display()
    ));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let watched = runtime.block_on(async {
        let port = args.page_port.map_or(PagePort::Usual, PagePort::Exactly);
        let display = Display::start(network.endpoints.clone(), port).await?;
        watch(&network, args.slots, started, &mut children, clients.as_mut(), display).await
    });
    let stopped_well = children.stop();
    let Some(summary) = watched? else { return Ok(()) };
    conclude(&summary, args.summary.as_deref())?;
    if !stopped_well {
        bail!("the run went well, but a node did not stop in good order; see {}", dir.join("logs").display());
    }
    Ok(())
}

fn plan(args: &DevnetArgs) -> eyre::Result<NetworkPlan> {
    Ok(NetworkPlan {
        nodes: usize::try_from(args.nodes)?,
        validators: args.validators,
        subnets: args.subnets,
        aggregators: args.aggregators.map_or(Ok(DEFAULT_AGGREGATORS), usize::try_from)?,
        slots: args.slots.map_or(DEFAULT_KEY_SLOTS, |slots| slots.saturating_add(SPARE_KEY_SLOTS)),
        ..NetworkPlan::default()
    })
}

/// Says when the keys end, and refuses a run that they do not reach.
fn check_keys(network: &Network, slots: Option<u64>) -> eyre::Result<()> {
    let Some(end) = network.keys_end else { return Ok(()) };
    let current = Moment::now(network.genesis_time).slot();
    if end <= slots.unwrap_or(current) {
        bail!("the keys of this network end with slot {end}; start a new network in another --dir");
    }
    if slots.is_none() {
        let left = lasting(end - current);
        say(&format!("the keys end with slot {}, in {left}; the network cannot go on beyond it", end - 1));
    }
    Ok(())
}

/// An interval.
const INTERVAL: Duration = Duration::from_millis(MILLISECONDS_PER_INTERVAL);
/// Milliseconds of a slot.
const SLOT_MS: u64 = INTERVALS_PER_SLOT * MILLISECONDS_PER_INTERVAL;

/// Milliseconds since genesis, negative before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Moment(i64);

impl Moment {
    fn now(genesis_time: u64) -> Self {
        Self(unix_time().as_millis() as i64 - genesis_time as i64 * 1000)
    }

    /// The beginning of an interval.
    fn at(slot: u64, interval: u64) -> Self {
        Self((slot * SLOT_MS + interval * MILLISECONDS_PER_INTERVAL) as i64)
    }

    fn slot(self) -> u64 {
        self.0.max(0) as u64 / SLOT_MS
    }

    /// The first beginning of an interval after this.
    fn next_interval(self) -> (u64, u64) {
        if self.0 < 0 {
            return (0, 0);
        }
        let next = self.0 as u64 / MILLISECONDS_PER_INTERVAL + 1;
        (next / INTERVALS_PER_SLOT, next % INTERVALS_PER_SLOT)
    }

    fn until(self, later: Self) -> Duration {
        Duration::from_millis((later.0 - self.0).max(0) as u64)
    }
}

fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Watches the network until the end of its last slot, or until a signal or a key; then there is no summary unless it
/// found an endless run, which has none.
async fn watch(
    network: &Network,
    slots: Option<u64>,
    started: Instant,
    children: &mut Children,
    mut clients: Option<&mut Clients>,
    mut display: Display,
) -> eyre::Result<Option<Summary>> {
    let names: Vec<String> = network.endpoints.iter().map(|endpoint| endpoint.name.clone()).collect();
    let mut record = Record::new(names, network.validators);
    let poller = Poller::new(network.endpoints.clone());
    let mut execution = clients.as_deref().map(execution::Watch::new);
    let mut samples: Vec<Option<Sample>> = vec![None; network.endpoints.len()];
    let signal = signals::wait();
    tokio::pin!(signal);
    loop {
        let (slot, interval) = Moment::now(network.genesis_time).next_interval();
        while Moment::now(network.genesis_time) < Moment::at(slot, interval) {
            let now = Moment::now(network.genesis_time);
            let pause = if display.is_live() { DRAW_PERIOD } else { INTERVAL };
            let ended = tokio::select! {
                signal = &mut signal => Some(signal),
                () = display.end_asked() => Some("ended"),
                () = tokio::time::sleep(now.until(Moment::at(slot, interval)).min(pause)) => None,
            };
            if let Some(why) = ended {
                display.end(&samples);
                if slots.is_some() {
                    bail!("{why} before the last slot");
                }
                return Ok(None);
            }
            look_after(children, now, &mut display)?;
            for end in clients.as_deref_mut().map(Clients::ended).unwrap_or_default() {
                display.tell(end);
            }
            if now < Moment(0) {
                samples = ask(&poller).await?;
                display.publish(&samples);
            }
            display.draw(Moment::now(network.genesis_time).0, &samples)?;
        }
        samples = ask(&poller).await?;
        if let Some(watch) = execution.take() {
            execution = Some(watch.round(slot, interval, &mut samples).await?);
        }
        let elapsed_s = started.elapsed().as_secs_f64();
        if interval == SAMPLE_INTERVAL {
            record.note_slot(slot, elapsed_s, &samples);
            display.log(slot, &samples);
        } else {
            record.note(elapsed_s, &samples);
        }
        display.publish(&samples);
        if let Some(last) = slots
            && Moment::now(network.genesis_time) >= Moment::at(last, END_INTERVAL)
        {
            display.end(&samples);
            let mut summary = record.summary(last);
            summary.execution = execution.map(|watch| watch.summary());
            return Ok(Some(summary));
        }
    }
}

/// A node that does not start ends the network; one that ends later is for the others to cope with.
fn look_after(children: &mut Children, now: Moment, display: &mut Display) -> eyre::Result<()> {
    for end in children.ended()? {
        if now < Moment(0) || !children.any_left() {
            bail!("{end}");
        }
        display.tell(end);
    }
    Ok(())
}

async fn ask(poller: &Poller) -> eyre::Result<Vec<Option<Sample>>> {
    let poller = poller.clone();
    tokio::task::spawn_blocking(move || poller.sample()).await.wrap_err("asking the nodes failed")
}

/// Writes the summary and judges the run.
fn conclude(summary: &Summary, file: Option<&Path>) -> eyre::Result<()> {
    if let Some(file) = file {
        let json = serde_json::to_string_pretty(summary)?;
        std::fs::write(file, json + "\n")
            .wrap_err_with(|| format!("{}: cannot be written", file.display()))?;
        say(&format!("summary in {}", file.display()));
    }
    say(&format!(
        "{} of {} slots with a block, participation {}, justified {} and finalized {} slots behind the head at most; block \
         proofs: {} raw, {} stark, {} mixed, {} external",
        summary.slots_with_block,
        summary.slots,
        summary.participation,
        summary.justified_lag_slots,
        summary.finality_lag_slots,
        summary.block_proofs.raw,
        summary.block_proofs.stark,
        summary.block_proofs.mixed,
        summary.block_proofs.external,
    ));
    if let Some(execution) = &summary.execution {
        say(&execution.to_string());
    }
    match summary.complaint() {
        Some(complaint) => bail!("{complaint}"),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_fall_into_intervals() {
        assert_eq!(Moment(-1).next_interval(), (0, 0));
        assert_eq!(Moment(0).next_interval(), (0, 1));
        assert_eq!(Moment(3_199).next_interval(), (0, 4));
        assert_eq!(Moment(3_200).next_interval(), (1, 0));
        assert_eq!(Moment::at(2, 3), Moment(10_400));
        assert_eq!((Moment(-5).slot(), Moment(3_999).slot(), Moment(4_000).slot()), (0, 0, 1));
        assert_eq!(Moment(10).until(Moment(4)), Duration::ZERO);
    }
}
