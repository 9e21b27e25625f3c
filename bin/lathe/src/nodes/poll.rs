//! Asks the nodes how they are.

use std::time::Duration;

use serde_json::Value;

use super::sample::{Figures, Sample};

/// A node on the same machine answers in milliseconds; one that takes longer is shown as silent.
const TIMEOUT: Duration = Duration::from_millis(700);
/// Longest answer read: the fork choice of a chain that has not finalized for a day fits.
const MAX_ANSWER_BYTES: u64 = 8 << 20;

/// Where a node answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// Its name.
    pub name: String,
    /// The URL of its API, without a slash at the end.
    pub api: String,
    /// The URL of its metrics, if they are read.
    pub metrics: Option<String>,
}

impl Endpoint {
    /// Takes a URL as people write it: `http://host:port`, or without the scheme, or with a slash at the end.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let help = "write the URL of a node's API, such as http://127.0.0.1:5052";
        if text.starts_with("https://") {
            return Err("nodes are asked by http only; https needs a proxy in front of it".into());
        }
        let host = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        let authority: ureq::http::uri::Authority = host.parse().map_err(|_| help.to_owned())?;
        let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
        match authority.as_str().rsplit_once(':') {
            Some((name, port)) if !name.is_empty() && is_port(port) && !name.contains('@') => {
                Ok(Self { name: host.to_owned(), api: format!("http://{host}"), metrics: None })
            }
            _ => Err(help.into()),
        }
    }
}

/// Asks nodes.
#[derive(Clone, Debug)]
pub(crate) struct Poller {
    agent: ureq::Agent,
    endpoints: Vec<Endpoint>,
}

impl Poller {
    /// A poller of these nodes.
    pub(crate) fn new(endpoints: Vec<Endpoint>) -> Self {
        // Nodes are asked directly, whatever proxy the environment names.
        let agent = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).proxy(None).build().into();
        Self { agent, endpoints }
    }

    /// The nodes.
    pub(crate) fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// One sample per node, all made at about the same time; `None` for a node that does not answer.
    pub(crate) fn sample(&self) -> Vec<Option<Sample>> {
        std::thread::scope(|scope| {
            let asked: Vec<_> =
                self.endpoints.iter().map(|endpoint| scope.spawn(move || self.ask(endpoint))).collect();
            asked.into_iter().map(|answer| answer.join().ok().flatten()).collect()
        })
    }

    fn ask(&self, endpoint: &Endpoint) -> Option<Sample> {
        let chain = self.get(&endpoint.api, "/lean/v0/fork_choice")?;
        let chain: Value = serde_json::from_str(&chain).ok()?;
        // Other clients have no overview.
        let overview = self.get(&endpoint.api, "/lean/v0/node/overview");
        let overview = overview.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null);
        let figures = match &endpoint.metrics {
            Some(metrics) => Figures::from_metrics(&self.get(metrics, "/metrics")?),
            None => Figures::default(),
        };
        Sample::new(chain, overview, figures)
    }

    fn get(&self, base: &str, path: &str) -> Option<String> {
        let mut response = self.agent.get(format!("{base}{path}")).call().ok()?;
        response.body_mut().with_config().limit(MAX_ANSWER_BYTES).read_to_string().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_as_people_write_them() {
        for text in ["http://127.0.0.1:5052", "127.0.0.1:5052", "http://127.0.0.1:5052/"] {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!(
                (endpoint.name.as_str(), endpoint.api.as_str()),
                ("127.0.0.1:5052", "http://127.0.0.1:5052")
            );
        }
        assert_eq!(Endpoint::parse("[::1]:5052").unwrap().api, "http://[::1]:5052");
        for text in [
            "",
            "http://",
            "localhost",
            "host:0",
            "host:99999",
            "https://host:1",
            "http://u:p@host:1",
            "a b:1",
        ] {
            assert!(Endpoint::parse(text).is_err(), "{text}");
        }
    }
}
