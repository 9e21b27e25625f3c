//! What an operator wants to see of a node that has just started, in one block of lines.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use lathe_engine::Millis;
use lathe_network::NodeRecord;
use lathe_types::{Checkpoint, MILLISECONDS_PER_SLOT, SECONDS_PER_SLOT, Slot, ValidatorIndex};

use crate::error::NodeError;
use crate::options::NodeOptions;
use crate::signer::Hand;

/// Validators that the block lists one by one.
const LISTED: usize = 8;

/// A line: what it is about, and what is said.
type Line = (&'static str, String);

/// Everything in the block.
#[derive(Clone, Debug)]
pub(crate) struct Description {
    program: String,
    /// What the options say.
    plan: Vec<Line>,
    genesis_time: u64,
    found: Vec<Line>,
    /// Sockets as bound.
    pub quic: SocketAddr,
    pub api: Option<SocketAddr>,
    pub metrics: Option<SocketAddr>,
}

impl Description {
    pub(crate) fn new(
        options: &NodeOptions,
        signer: &Hand,
        sockets: (SocketAddr, &[SocketAddr], Option<SocketAddr>, Option<SocketAddr>),
        known_peers: usize,
        chain: (Checkpoint, Checkpoint),
    ) -> Result<Self, NodeError> {
        let (quic, listening, api, metrics) = sockets;
        let listening: Vec<String> = listening.iter().map(SocketAddr::to_string).collect();
        let url = |address: SocketAddr| format!("http://{}", reachable(address));
        let served = [
            api.map(|api| format!("API and page {}", url(api))),
            metrics.map(|metrics| format!("metrics {}/metrics", url(metrics))),
        ];
        let mut found = vec![
            ("record", record(options, quic)),
            ("listening", format!("{} (QUIC)", listening.join(", "))),
            ("serving", served.into_iter().flatten().collect::<Vec<_>>().join(", ")),
            ("peers", format!("{}, {known_peers} known from before", bootnodes(options))),
        ];
        found.extend(keys(signer).map(|keys| ("keys", keys)));
        let (head, finalized) = chain;
        found.push(("chain", format!("head at slot {}, finalized up to slot {}", head.slot, finalized.slot)));
        Ok(Self {
            program: format!("Lathe {} {}", options.process.version, options.process.target),
            plan: options.describe()?,
            genesis_time: options.genesis.genesis_time,
            found,
            quic,
            api,
            metrics,
        })
    }

    /// The lines, as of `now`.
    pub(crate) fn lines(&self, now: Millis) -> Vec<String> {
        let mut lines = vec![format!("{}: node is up", self.program.trim_end())];
        let genesis = ("genesis", genesis(self.genesis_time, now));
        let (network, rest) = self.plan.split_at(1);
        for (name, text) in network.iter().chain([&genesis]).chain(rest).chain(&self.found) {
            lines.push(format!("  {name:<9} {text}"));
        }
        lines
    }
}

impl NodeOptions {
    /// What a node with these options is, in lines: the network, the node, and where its files are.
    pub fn describe(&self) -> Result<Vec<Line>, NodeError> {
        Ok(vec![
            (
                "network",
                format!(
                    "digest {}, scheme {}, proofs {}, {}, {}",
                    self.fork_digest,
                    self.genesis.signature_scheme,
                    self.backend.id()?,
                    plural(self.genesis.validators.len(), "validator"),
                    plural(self.committee_count as usize, "subnet"),
                ),
            ),
            ("node", role(self)),
            ("peer id", self.node_key.peer_id().to_string()),
            ("data", absolute(&self.data_dir)),
            (
                "ledger",
                match &self.remote_signer {
                    Some(remote) => format!("that of the signer at {}", remote.address),
                    None => absolute(&self.ledger_dir),
                },
            ),
        ])
    }
}

fn role(options: &NodeOptions) -> String {
    let validators = options.validators();
    let list = |items: Vec<String>| items.join(", ");
    let who = match validators.len() {
        0 => "observer, no validators".into(),
        1 => format!("validator {}", validators[0]),
        count if count <= LISTED => {
            format!("validators {}", list(validators.iter().map(ValidatorIndex::to_string).collect()))
        }
        count => format!("{count} validators, {} to {}", validators[0], validators[count - 1]),
    };
    let role = if options.is_aggregator { ", aggregator" } else { "" };
    let subnets = options.subnets();
    let subnets = match subnets.len() {
        0 => String::new(),
        1 => format!(", subnet {}", subnets[0].0),
        count if count <= LISTED => {
            format!(", subnets {}", list(subnets.iter().map(|subnet| subnet.0.to_string()).collect()))
        }
        count => format!(", {count} subnets"),
    };
    format!("{}: {who}{role}{subnets}", options.name)
}

/// The record under which others find the node.
fn record(options: &NodeOptions, quic: SocketAddr) -> String {
    let bound = Some(quic.ip()).filter(|ip| !ip.is_unspecified());
    let record = bound
        .or(options.advertised_ip)
        .and_then(|ip| NodeRecord::new(&options.node_key, ip, quic.port()).ok());
    record
        .map_or("none: neither --listen-addr nor validator-config.yaml names its address".into(), |record| {
            record.to_string()
        })
}

fn bootnodes(options: &NodeOptions) -> String {
    let own = options.node_key.peer_id();
    let bootnodes = options.bootnodes.iter().filter(|bootnode| bootnode.peer_id != Some(own)).count();
    format!("{} to dial", plural(bootnodes, "bootnode"))
}

fn keys(signer: &Hand) -> Option<String> {
    let keys = signer.keys();
    let last = keys.iter().map(|key| key.slots.end).min()?.saturating_sub(1);
    let from = signer.watermark().map(|slot| format!("; the ledger signs from slot {slot} on"));
    Some(format!("{}, good up to slot {last}{}", plural(keys.len(), "key"), from.unwrap_or_default()))
}

fn absolute(path: &PathBuf) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.clone()).display().to_string()
}

/// An address that a person on this machine can follow.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            [127, 0, 0, 1].into()
        } else {
            IpAddr::from(std::net::Ipv6Addr::LOCALHOST)
        });
    }
    address
}

/// When genesis is or was.
fn genesis(genesis_time: u64, now: Millis) -> String {
    match now.0 {
        ms if ms < 0 => {
            format!("Unix time {genesis_time}, in {}", duration(ms.unsigned_abs().div_ceil(1000)))
        }
        ms => {
            let slot = Slot(ms.unsigned_abs() / MILLISECONDS_PER_SLOT);
            let ago = duration(slot.0.saturating_mul(SECONDS_PER_SLOT));
            format!("Unix time {genesis_time}, {ago} ago; slot {slot} now")
        }
    }
}

/// Seconds in words: `8 s`, `12 min`, `3 h 20 min`, `5 days`.
pub(crate) fn duration(seconds: u64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{minutes} min"),
        7_200..172_800 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{} days", hours / 24),
    }
}

fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_words() {
        let told = [0, 119, 120, 7_199, 7_200, 12_000, 172_799, 172_800, 864_000].map(duration);
        assert_eq!(
            told,
            [
                "0 s",
                "119 s",
                "2 min",
                "119 min",
                "2 h 0 min",
                "3 h 20 min",
                "47 h 59 min",
                "2 days",
                "10 days"
            ]
        );
        assert_eq!(genesis(7, Millis(-7_001)), "Unix time 7, in 8 s");
        assert_eq!(genesis(7, Millis(9_000)), "Unix time 7, 8 s ago; slot 2 now");
    }

    #[test]
    fn an_address_of_all_is_shown_as_one_that_can_be_followed() {
        assert_eq!(reachable("0.0.0.0:5".parse().unwrap()).to_string(), "127.0.0.1:5");
        assert_eq!(reachable("[::]:5".parse().unwrap()).to_string(), "[::1]:5");
        assert_eq!(reachable("10.0.0.1:5".parse().unwrap()).to_string(), "10.0.0.1:5");
    }
}
