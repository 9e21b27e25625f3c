//! The options by which a node finds its peers and is found by them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;

use clap::Args;
use lathe_config::{NodeEntry, read_nodes};
use lathe_network::{Bootnode, Multiaddr, PeerId, parse_bootnodes};
use tracing::warn;

/// Default QUIC port.
const DEFAULT_GOSSIP_PORT: u16 = 9000;

/// Where to listen and whom to dial.
#[derive(Args, Debug)]
#[command(next_help_heading = "Peers")]
pub(crate) struct P2pArgs {
    /// nodes.yaml, or node records and multiaddrs separated by commas, or `none`
    ///
    /// Host names (/dns4/../udp/../quic-v1) are looked up whenever the peer is dialled. What cannot be used is warned
    /// of and left out.
    #[arg(long, value_name = "FILE|LIST", value_delimiter = ',', visible_aliases = ["bootnodes-file", "nodes-path"])]
    bootnodes: Vec<String>,
    /// UDP port of QUIC; default: as validator-config.yaml says, else 9000
    #[arg(long, value_name = "PORT", visible_aliases = ["socket-port", "listen-port", "port"])]
    gossipsub_port: Option<u16>,
    /// Address that QUIC listens on, alone, with a port, or as /ip4/../udp/../quic-v1; may be given several times
    ///
    /// `::` means all addresses of both families. Default: loopback if validator-config.yaml puts the node there or
    /// does not know it, else all addresses.
    #[arg(long, value_name = "ADDRESS", visible_aliases = ["listen-address", "address"], value_delimiter = ',')]
    listen_addr: Vec<ListenAddress>,
}

/// Where QUIC listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ListenAddress {
    ip: IpAddr,
    port: Option<u16>,
}

impl std::str::FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(ip) = text.parse() {
            return Ok(Self { ip, port: None });
        }
        if let Ok(socket) = text.parse::<SocketAddr>() {
            return Ok(Self { ip: socket.ip(), port: Some(socket.port()) });
        }
        let mut parts = text.split('/').skip(1);
        let (family, ip, transport, port) = (parts.next(), parts.next(), parts.next(), parts.next());
        match (family, ip.and_then(|ip| ip.parse().ok()), transport, port.and_then(|port| port.parse().ok()))
        {
            (Some("ip4" | "ip6"), Some(ip), Some("udp"), Some(port)) => Ok(Self { ip, port: Some(port) }),
            _ => Err("write an address such as 0.0.0.0, [::]:9000 or /ip4/0.0.0.0/udp/9000/quic-v1".into()),
        }
    }
}

impl P2pArgs {
    /// Whether the options name the peers, so that nodes.yaml of the network directory does not.
    pub(crate) fn names_peers(&self) -> bool {
        !self.bootnodes.is_empty()
    }

    /// The peers of the options, or those of nodes.yaml, `records`. Those that cannot be used are warned of, and so is
    /// a node that has none beside itself, `own`, although nobody said `none`.
    pub(crate) fn bootnodes(&self, records: &[String], own: PeerId) -> eyre::Result<Vec<Bootnode>> {
        let mut entries: Vec<String> = Vec::new();
        for entry in self.bootnodes.iter().map(|entry| unquoted(entry)).filter(|entry| *entry != "none") {
            if is_file(entry) {
                entries.extend(read_nodes(Path::new(entry))?);
            } else {
                entries.push(entry.to_owned());
            }
        }
        let said_none =
            !self.bootnodes.is_empty() && self.bootnodes.iter().all(|entry| unquoted(entry) == "none");
        if self.bootnodes.is_empty() {
            entries.extend_from_slice(records);
        }
        let (usable, unusable) = judge(&entries);
        for (entry, why) in unusable {
            warn!("a bootnode is left out: `{}`: {why}", shorten(&entry));
        }
        if !said_none && usable.iter().all(|bootnode| bootnode.peer_id == Some(own)) {
            warn!(
                entries = entries.len(),
                "no usable bootnode beside this node itself: it waits for others to dial it; name some with --bootnodes, or say none"
            );
        }
        Ok(usable)
    }

    /// Where QUIC listens, at least one address.
    pub(crate) fn listen(&self, entry: Option<&NodeEntry>) -> Vec<SocketAddr> {
        self.listen_on(entry, UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).is_ok())
    }

    fn listen_on(&self, entry: Option<&NodeEntry>, has_ipv6: bool) -> Vec<SocketAddr> {
        let default = entry.and_then(|entry| entry.quic).unwrap_or(DEFAULT_GOSSIP_PORT);
        let both = |port: Option<u16>, ipv6: bool| {
            let port = self.gossipsub_port.or(port).unwrap_or(default);
            let mut both = vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))];
            both.extend(ipv6.then_some(SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))));
            both
        };
        let one = |ip: IpAddr, port: Option<u16>| {
            vec![SocketAddr::new(ip, self.gossipsub_port.or(port).unwrap_or(default))]
        };
        if self.listen_addr.is_empty() {
            let host = entry.and_then(|entry| entry.ip.as_deref());
            return match host.map(|host| (host, host.parse::<IpAddr>())) {
                None | Some(("localhost", _)) => one(Ipv4Addr::LOCALHOST.into(), None),
                Some((_, Ok(ip))) if ip.is_loopback() => one(ip, None),
                // Anywhere else; also where a name stands, which says where others find us.
                Some(_) => both(None, has_ipv6),
            };
        }
        let wanted = self.listen_addr.iter().flat_map(|listen| match listen.ip {
            // The operator asks for it by name, so it is an error if there is no IPv6.
            IpAddr::V6(ip) if ip.is_unspecified() => both(listen.port, true),
            ip => one(ip, listen.port),
        });
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for address in wanted {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        addresses
    }
}

/// The entries that can be used, and the others with the reason.
fn judge(entries: &[String]) -> (Vec<Bootnode>, Vec<(String, String)>) {
    let (mut usable, mut unusable) = (Vec::new(), Vec::new());
    for entry in entries {
        let parsed = parse_bootnodes(entry);
        if parsed.is_empty() {
            unusable.push((entry.clone(), "empty".into()));
        }
        for bootnode in parsed {
            match bootnode {
                Ok(bootnode) => usable.push(bootnode),
                Err(error) => unusable.push((entry.clone(), error.to_string())),
            }
        }
    }
    (usable, unusable)
}

/// An argument without the quotes that a launcher left around it.
fn unquoted(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\''))
}

/// Whether a bootnode argument names a file rather than a node.
fn is_file(entry: &str) -> bool {
    const NODES: [&str; 4] = ["enr:", "/ip4/", "/ip6/", "/dns"];
    !NODES.iter().any(|start| entry.starts_with(start)) && entry.parse::<Multiaddr>().is_err()
}

/// The beginning of a long argument, for messages.
fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use lathe_network::{NodeKey, NodeRecord};

    use super::*;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        args: P2pArgs,
    }

    fn parse(line: &str) -> P2pArgs {
        use clap::Parser as _;
        Cli::try_parse_from(std::iter::once("node").chain(line.split_whitespace())).unwrap().args
    }

    fn entry(ip: &str) -> NodeEntry {
        NodeEntry {
            name: "lathe_0".into(),
            private_key: None,
            ip: Some(ip.into()),
            quic: Some(9003),
            metrics_port: Some(8083),
            api_port: Some(5053),
            is_aggregator: false,
            count: None,
            subnet: None,
        }
    }

    fn listen(line: &str, entry: Option<&NodeEntry>, has_ipv6: bool) -> String {
        let addresses = parse(line).listen_on(entry, has_ipv6);
        addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_list_of_nodes_decides_whether_to_leave_loopback() {
        let listens = |ip: &str| listen("", Some(&entry(ip)), true);
        assert_eq!(listens("127.0.0.1"), "127.0.0.1:9003");
        assert_eq!(listens("localhost"), "127.0.0.1:9003");
        assert_eq!(listens("::1"), "[::1]:9003");
        for elsewhere in ["10.0.0.7", "2001:db8::1", "node-0.example.org"] {
            assert_eq!(listens(elsewhere), "0.0.0.0:9003 [::]:9003", "{elsewhere}");
        }
        assert_eq!(listen("", Some(&entry("10.0.0.7")), false), "0.0.0.0:9003");
        assert_eq!(listen("", None, true), "127.0.0.1:9000");
    }

    #[test]
    fn several_addresses_of_both_families_may_be_given() {
        assert_eq!(listen("--listen-addr ::", None, false), "0.0.0.0:9000 [::]:9000");
        assert_eq!(listen("--listen-addr 0.0.0.0", None, true), "0.0.0.0:9000");
        assert_eq!(
            listen(
                "--listen-addr 127.0.0.1,[::1]:9009 --listen-addr /ip4/10.0.0.1/udp/7/quic-v1",
                None,
                true
            ),
            "127.0.0.1:9000 [::1]:9009 10.0.0.1:7"
        );
        assert_eq!(listen("--listen-addr ::,0.0.0.0 --gossipsub-port 5", None, true), "0.0.0.0:5 [::]:5");
        assert_eq!(listen("--socket-port 9007", Some(&entry("::1")), true), "[::1]:9007");
    }

    #[test]
    fn listen_addresses_come_in_three_forms() {
        let parse =
            |text: &str| text.parse::<ListenAddress>().map(|listen| (listen.ip.to_string(), listen.port));
        assert_eq!(parse("0.0.0.0"), Ok(("0.0.0.0".into(), None)));
        assert_eq!(parse("127.0.0.1:9001"), Ok(("127.0.0.1".into(), Some(9001))));
        assert_eq!(parse("/ip4/0.0.0.0/udp/9002/quic-v1"), Ok(("0.0.0.0".into(), Some(9002))));
        assert_eq!(parse("/ip6/::/udp/9002/quic-v1"), Ok(("::".into(), Some(9002))));
        assert!(parse("/ip4/0.0.0.0/tcp/9002").is_err());
        assert!(parse("somewhere").is_err());
    }

    #[test]
    fn a_bootnode_argument_is_a_file_unless_it_is_a_node() {
        for file in ["nodes.yaml", "/config/nodes.yaml", "127.0.0.1:9000"] {
            assert!(is_file(file), "{file}");
        }
        for node in
            ["enr:-IW4Q", "/ip4/127.0.0.1/udp/9001/quic-v1", "/ip4/300.0.0.1", "/dns4/host/udp/1/quic-v1"]
        {
            assert!(!is_file(node), "{node}");
        }
    }

    #[test]
    fn what_cannot_be_used_costs_nothing_else() {
        let key = NodeKey::generate();
        let record = NodeRecord::new(&key, Ipv4Addr::LOCALHOST.into(), 9000).unwrap().to_string();
        let elsewhere = "/dns4/localhost/udp/9001/quic-v1";
        let records = [&record, "enr:-bad", "", "\"/ip4/10.0.0.1/tcp/1\"", &format!("'{elsewhere}'")]
            .map(str::to_owned);
        let (usable, unusable) = judge(&records);
        assert_eq!(usable, [record.parse().unwrap(), elsewhere.parse().unwrap()]);
        let entries: Vec<&str> = unusable.iter().map(|(entry, _)| entry.as_str()).collect();
        assert_eq!(entries, ["enr:-bad", "", "\"/ip4/10.0.0.1/tcp/1\""]);

        // The options take the place of the file, and a file that is named must be there.
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("nodes.yaml");
        std::fs::write(&file, format!("- {record}\n")).unwrap();
        let bootnodes = |line: &str| parse(line).bootnodes(&records, key.peer_id());
        assert_eq!(bootnodes("--bootnodes none").unwrap(), []);
        let mixed = format!("--bootnodes {},'{elsewhere}'", file.display());
        assert_eq!(bootnodes(&mixed).unwrap(), usable);
        let missing = bootnodes("--bootnodes nowhere.yaml").unwrap_err().to_string();
        assert!(missing.starts_with("nowhere.yaml: cannot be read"), "{missing}");
    }
}
