//! What starts another client starts Lathe: the command lines of lean-quickstart's clients, with the program's name
//! replaced and nothing else.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

mod support;

use std::net::{TcpStream, UdpSocket};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use support::{free_ports, lathe};

/// Longest wait for a node to come up; only reached when something hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Client and the line behind its name. `C` is the directory of the network, `D` that of data; `QUIC`, `API` and
/// `METRICS` are ports.
const LINES: [(&str, &str); 9] = [
    (
        "ethlambda",
        "--genesis C/config.yaml --validators C/annotated_validators.yaml --bootnodes C/nodes.yaml \
         --validator-config C/validator-config.yaml --hash-sig-keys-dir C/hash-sig-keys --data-dir D \
         --gossipsub-port QUIC --node-id lathe_0 --node-key C/lathe_0.key --http-address 0.0.0.0 --api-port API \
         --metrics-port METRICS --attestation-committee-count 1 --is-aggregator",
    ),
    (
        "gean",
        "--custom-network-config-dir C --gossipsub-port QUIC --node-id lathe_0 --node-key C/lathe_0.key \
         --http-address 0.0.0.0 --api-port API --metrics-port METRICS --attestation-committee-count 1",
    ),
    (
        "grandine",
        "--genesis C/config.yaml --validator-registry-path C/annotated_validators.yaml --bootnodes C/nodes.yaml \
         --node-id lathe_0 --node-key C/lathe_0.key --port QUIC --address 0.0.0.0 --http-address 0.0.0.0 \
         --http-port API --metrics --metrics-address 0.0.0.0 --metrics-port METRICS \
         --hash-sig-key-dir C/hash-sig-keys --attestation-committee-count 1 --is-aggregator",
    ),
    (
        "lantern",
        "--data-dir D --genesis-config C/config.yaml --validator-registry-path C/validators.yaml \
         --validator-keys-path C/annotated_validators.yaml --genesis-state C/genesis.ssz \
         --validator-config C/validator-config.yaml --devnet devnet5 --nodes-path C/nodes.yaml --node-id lathe_0 \
         --node-key-path C/lathe_0.key --listen-address /ip4/0.0.0.0/udp/QUIC/quic-v1 --metrics-port METRICS \
         --http-port API --log-level info --hash-sig-key-dir C/hash-sig-keys",
    ),
    (
        "nlean",
        "--custom-network-config-dir C --node lathe_0 --data-dir D --node-key C/lathe_0.key --socket-port QUIC \
         --metrics true --metrics-port METRICS --metrics-address 0.0.0.0 --api-port API --log info",
    ),
    (
        "qlean",
        "--genesis-dir C --data-dir D --node-id lathe_0 --node-key C/lathe_0.key \
         --listen-addr /ip4/0.0.0.0/udp/QUIC/quic-v1 --metrics-host 0.0.0.0 --metrics-port METRICS \
         --api-host 0.0.0.0 --api-port API -ldebug",
    ),
    (
        "ream",
        "--data-dir D lean_node --network C/config.yaml --validator-registry-path C/annotated_validators.yaml \
         --bootnodes C/nodes.yaml --node-id lathe_0 --node-key C/lathe_0.key --socket-port QUIC --metrics \
         --metrics-address 0.0.0.0 --metrics-port METRICS --http-address 0.0.0.0 --http-port API",
    ),
    (
        "zeam",
        "node --custom-genesis C --validator-config genesis_bootnode --data-dir D --node-id lathe_0 \
         --node-key C/lathe_0.key --metrics-enable --api-port API --metrics-port METRICS --is-aggregator \
         --db-backend lmdb --chain-worker on",
    ),
    (
        "the template for a new client",
        "--custom-network-config-dir C --node-id lathe_0 --node-key C/lathe_0.key --data-dir D --listen-port QUIC \
         --api-port API --metrics-port METRICS --aggregator",
    ),
];

/// A node that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_command_lines_of_other_clients_start() {
    let dir = tempfile::tempdir().unwrap();
    let net = dir.path().join("net");
    let made = lathe()
        .args([
            "genesis",
            "--nodes",
            "1",
            "--validators",
            "1",
            "--slots",
            "4",
            "--genesis-delay",
            "3600",
            "--out",
        ])
        .arg(&net)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    for (number, (client, line)) in LINES.into_iter().enumerate() {
        let quic = free_ports(3);
        let (api, metrics) = (quic + 1, quic + 2);
        let words = line.split_whitespace().map(|word| {
            let word = word.replace("METRICS", &metrics.to_string()).replace("QUIC", &quic.to_string());
            let word = if word == "API" { api.to_string() } else { word };
            match word.strip_prefix("C/").or((word == "C").then_some("")) {
                Some(name) => net.join(name).display().to_string(),
                None if word == "D" => dir.path().join(format!("data-{number}")).display().to_string(),
                None => word,
            }
        });
        let log = dir.path().join(format!("{number}.log"));
        let mut command = lathe();
        command.args(words).current_dir(dir.path()).stdin(Stdio::null()).stdout(Stdio::null());
        let mut node = Running(command.stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap());
        let started = Instant::now();
        let said = || std::fs::read_to_string(&log).unwrap();
        // The lines of the start come when everything listens.
        while !said().contains("  chain ") {
            assert_eq!(node.0.try_wait().unwrap(), None, "{client}: {}", said());
            assert!(started.elapsed() < PATIENCE, "{client}: {}", said());
            std::thread::sleep(Duration::from_millis(20));
        }
        for port in [api, metrics] {
            assert!(TcpStream::connect(("127.0.0.1", port)).is_ok(), "{client}: nobody listens on {port}");
        }
        // zeam's line does not name a port, so it is that of the list of nodes.
        let taken = UdpSocket::bind(("127.0.0.1", quic)).is_err();
        assert_eq!(taken, line.contains("QUIC"), "{client}: {}", said());
        assert!(said().contains("validator 0"), "{client}: {}", said());
    }
}
