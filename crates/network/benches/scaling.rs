//! What a slot's gossip costs each node of a large network: a simulation, message by message, of how one spreads over a
//! random mesh with the parameters that `gossip.rs` sets. `docs/scaling.md` reads its tables.
//!
//! Every node has some peers. A topic's mesh is among those of them that follow the topic. Whoever publishes sends to
//! all of its peers on the topic; whoever gets a message for the first time checks it, tells its mesh that it has it,
//! and hands it on to those of the mesh who have not said the same by then.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and stops where it fails")]

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Peers of a node.
const PEERS: usize = 30;
/// Neighbours in a topic's mesh, as `gossip.rs` wants them.
const MESH: usize = 8;
/// Microseconds on the way between two nodes, least and most.
const LATENCY: [u64; 2] = [10_000, 120_000];
/// Bytes in a microsecond that a node's line carries: 100 Mbit/s.
const LINE: f64 = 12.5;
/// Messages of each kind that are followed; figures are means over them.
const FOLLOWED: usize = 40;
/// A message that says that another is not wanted, with what is around it.
const NOT_WANTED: u64 = 80;
/// A signature.
const SIGNATURE: u64 = 2_536;
/// Signatures that an aggregate and a block hold.
const RAW: u64 = 206;

/// One kind of message.
struct Kind {
    name: &'static str,
    bytes: u64,
    /// How many there are in a slot.
    count: u64,
    /// Nodes that follow the topic.
    followers: usize,
    /// Microseconds that checking one takes.
    check: u64,
}

/// What one message cost, over all followers.
#[derive(Default)]
struct Cost {
    copies: f64,
    most_sent: u64,
    times: Vec<u64>,
}

fn below(rng: &mut ChaCha20Rng, bound: usize) -> usize {
    (rng.next_u64() % bound as u64) as usize
}

/// Who is whose peer: links that both ends know, with the time that a message takes.
fn links(rng: &mut ChaCha20Rng, nodes: usize, each: usize) -> Vec<Vec<(usize, u64)>> {
    let mut links = vec![Vec::new(); nodes];
    if nodes < 2 {
        return links;
    }
    for node in 0..nodes {
        while links[node].len() < each.min(nodes - 1) {
            let other = below(rng, nodes);
            if other != node && links[node].iter().all(|(known, _)| *known != other) {
                let latency = LATENCY[0] + rng.next_u64() % (LATENCY[1] - LATENCY[0]);
                links[node].push((other, latency));
                links[other].push((node, latency));
            }
        }
    }
    links
}

/// Lets one message spread from a random node.
fn spread(rng: &mut ChaCha20Rng, kind: &Kind) -> Cost {
    let nodes = kind.followers;
    let peers = links(rng, nodes, PEERS / 2);
    let mesh: Vec<Vec<(usize, u64)>> =
        peers.iter().map(|peers| peers.iter().copied().take(MESH).collect()).collect();
    let wire = (kind.bytes as f64 / LINE) as u64;
    let publisher = below(rng, nodes);
    let mut got = vec![None; nodes];
    let mut sent = vec![0u64; nodes];
    let mut received = 0u64;
    let mut queue = BinaryHeap::new();
    // Arrivals: time, who it comes to.
    let send =
        |queue: &mut BinaryHeap<_>, sent: &mut Vec<u64>, from: usize, to: usize, at: u64, latency: u64| {
            let at = at + sent[from] * wire;
            sent[from] += 1;
            queue.push(Reverse((at + wire + latency, to)));
        };
    got[publisher] = Some(0);
    for (peer, latency) in &peers[publisher] {
        send(&mut queue, &mut sent, publisher, *peer, 0, *latency);
    }
    while let Some(Reverse((time, node))) = queue.pop() {
        received += 1;
        if got[node].is_some() {
            continue;
        }
        got[node] = Some(time);
        let checked = time + kind.check;
        for (peer, latency) in &mesh[node] {
            // A peer that has had it long enough has said so.
            let knows = got[*peer].is_some_and(|got: u64| got + latency <= checked);
            if !knows {
                send(&mut queue, &mut sent, node, *peer, checked, *latency);
            }
        }
    }
    let mut times: Vec<u64> = got.into_iter().flatten().collect();
    times.sort_unstable();
    Cost { copies: received as f64 / nodes as f64, most_sent: sent.into_iter().max().unwrap_or(0), times }
}

/// What travels in a slot.
fn kinds(nodes: usize, validators: u64, subnets: u64, proved: bool) -> [Kind; 3] {
    let followers = (nodes as u64 / subnets).max(1) as usize;
    let votes = |count: u64| 160 + count * SIGNATURE;
    let carried = validators.min(RAW);
    [
        Kind {
            name: "vote, on its subnet",
            bytes: 160 + SIGNATURE,
            count: validators / subnets,
            followers,
            check: 500,
        },
        Kind {
            name: if proved { "aggregate, a proof" } else { "aggregate, raw" },
            bytes: if proved { 216 * 1024 } else { votes(validators.min(RAW)) },
            count: if proved { validators.div_ceil(1024) } else { validators.div_ceil(RAW) }.max(subnets),
            followers: nodes,
            check: if proved { 4_000 } else { 16_000 },
        },
        Kind { name: "block", bytes: votes(carried), count: 1, followers: nodes, check: 16_000 },
    ]
}

fn simulate(nodes: usize, validators: u64, subnets: u64, proved: bool) {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    println!("\n{nodes} nodes, {validators} validators, {subnets} subnets");
    println!(
        "{:<22}{:>9}{:>8}{:>9}{:>12}{:>12}{:>11}",
        "kind", "bytes", "count", "copies", "KiB/slot in", "95% ms", "most sent"
    );
    let mut total = 0.0;
    for kind in kinds(nodes, validators, subnets, proved) {
        let costs: Vec<Cost> = (0..FOLLOWED).map(|_| spread(&mut rng, &kind)).collect();
        let mean = |of: &dyn Fn(&Cost) -> f64| costs.iter().map(of).sum::<f64>() / costs.len() as f64;
        let copies = mean(&|cost| cost.copies);
        let percentile = |cost: &Cost| cost.times[(cost.times.len() * 95).div_ceil(100) - 1] as f64 / 1e3;
        let late = mean(&percentile);
        let control = MESH as f64 * NOT_WANTED as f64;
        let bytes = kind.count as f64 * (copies * kind.bytes as f64 + control) / 1024.0;
        println!(
            "{:<22}{:>9}{:>8}{copies:>9.2}{bytes:>12.0}{late:>12.0}{:>11.1}",
            kind.name,
            kind.bytes,
            kind.count,
            mean(&|cost| cost.most_sent as f64)
        );
        total += bytes;
    }
    println!("all: {total:.0} KiB a slot into each node, {:.1} Mbit/s", total * 8.0 / 1024.0 / 4.0);
}

fn main() {
    for (nodes, validators, subnets) in
        [(4, 256, 1), (16, 256, 1), (64, 512, 1), (250, 1024, 1), (1000, 4096, 8)]
    {
        simulate(nodes, validators, subnets, false);
    }
    println!("\nThe last one again, with proofs in place of signatures in all aggregates:");
    simulate(1000, 4096, 8, true);
}
