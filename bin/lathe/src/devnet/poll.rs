//! Asks the nodes how they are.

use std::net::SocketAddr;
use std::time::Duration;

use super::sample::{Figures, ForkChoice, Sample};

/// A node on the same machine answers in milliseconds; one that takes longer is shown as silent.
const TIMEOUT: Duration = Duration::from_millis(500);
/// Longest answer read: the fork choice of a chain that has not finalized for a day fits.
const MAX_ANSWER_BYTES: u64 = 8 << 20;

/// Where a node answers.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its name.
    pub name: String,
    /// Its API.
    pub api: SocketAddr,
    /// Its metrics.
    pub metrics: SocketAddr,
}

/// Asks nodes.
#[derive(Clone, Debug)]
pub struct Poller {
    agent: ureq::Agent,
    endpoints: Vec<Endpoint>,
}

impl Poller {
    /// A poller of these nodes.
    pub fn new(endpoints: Vec<Endpoint>) -> Self {
        let agent = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).build().into();
        Self { agent, endpoints }
    }

    /// One sample per node, all made at about the same time; `None` for a node that does not answer.
    pub fn sample(&self) -> Vec<Option<Sample>> {
        std::thread::scope(|scope| {
            let asked: Vec<_> =
                self.endpoints.iter().map(|endpoint| scope.spawn(move || self.ask(endpoint))).collect();
            asked.into_iter().map(|answer| answer.join().ok().flatten()).collect()
        })
    }

    fn ask(&self, endpoint: &Endpoint) -> Option<Sample> {
        let chain = self.get(endpoint.api, "/lean/v0/fork_choice")?;
        let metrics = self.get(endpoint.metrics, "/metrics")?;
        let chain: ForkChoice = serde_json::from_str(&chain).ok()?;
        Some(Sample { chain, figures: Figures::from_metrics(&metrics), execution: None })
    }

    fn get(&self, address: SocketAddr, path: &str) -> Option<String> {
        let mut response = self.agent.get(format!("http://{address}{path}")).call().ok()?;
        response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_string().ok()
    }
}
