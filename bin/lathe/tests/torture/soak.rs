//! A network that is left alone for an hour: what it takes of memory and disk, and whether it finalizes all the while.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::lab::Lab;
use crate::probe::{Metrics, finalized, resident_mib};

const NODES: usize = 4;
/// The length of a soak; `LATHE_TORTURE_MINUTES` sets another.
const MINUTES: u64 = 60;
/// What is left out of the slopes: caches fill, and the allocator finds its size.
const WARM_UP: Duration = Duration::from_secs(600);
/// Mebibytes of resident memory that a node may grow by in an hour.
const RESIDENT_MIB_PER_HOUR: f64 = 1.0;

#[test]
#[ignore = "takes an hour; run by make torture"]
fn long_an_hour_of_four_nodes() {
    let minutes =
        std::env::var("LATHE_TORTURE_MINUTES").ok().and_then(|value| value.parse().ok()).unwrap_or(MINUTES);
    let lab = Lab::start(NODES, NODES, minutes * 15 + 256, &[]);
    let started = Instant::now();
    let (mut resident, mut disk): (Vec<Samples>, Vec<Samples>) = Default::default();
    resident.resize_with(NODES, Samples::default);
    disk.resize_with(NODES, Samples::default);
    let mut worst_lag = 0;
    while started.elapsed() < Duration::from_secs(minutes * 60) {
        std::thread::sleep(Duration::from_secs(15));
        for node in 0..NODES {
            let hours = started.elapsed().as_secs_f64() / 3600.0;
            if started.elapsed() > WARM_UP {
                resident[node].add(hours, resident_mib(lab.process(node).unwrap()));
                disk[node].add(hours, mib_below(&lab.data_dir(node)));
            }
            if started.elapsed() > Duration::from_secs(60) {
                worst_lag = worst_lag.max(lab.slot() - finalized(&lab.api(node)).unwrap_or_default());
            }
        }
    }
    let missed: f64 = (0..NODES).map(|node| Metrics::of(&lab, node).sum("lathe_missed_duties_total")).sum();
    println!(
        "{minutes} minutes: finality at most {worst_lag} slots behind the clock, {missed} duties missed"
    );
    for node in 0..NODES {
        println!(
            "node {node}: resident {:.1} MiB, {:+.2} MiB an hour; disk {:.1} MiB, {:+.1} MiB an hour",
            resident[node].last(),
            resident[node].slope(),
            disk[node].last(),
            disk[node].slope(),
        );
    }
    assert!(resident.iter().all(|samples| samples.slope() < RESIDENT_MIB_PER_HOUR));
}

/// Values over time.
#[derive(Default)]
struct Samples(Vec<(f64, f64)>);

impl Samples {
    fn add(&mut self, at: f64, value: f64) {
        self.0.push((at, value));
    }

    fn last(&self) -> f64 {
        self.0.last().map_or(0.0, |(_, value)| *value)
    }

    /// Of the line with the least squares of distances.
    fn slope(&self) -> f64 {
        let count = self.0.len() as f64;
        let mean = |part: fn(&(f64, f64)) -> f64| self.0.iter().map(part).sum::<f64>() / count;
        let (x, y) = (mean(|sample| sample.0), mean(|sample| sample.1));
        let covariance: f64 = self.0.iter().map(|sample| (sample.0 - x) * (sample.1 - y)).sum();
        let variance: f64 = self.0.iter().map(|sample| (sample.0 - x).powi(2)).sum();
        if variance > 0.0 { covariance / variance } else { 0.0 }
    }
}

/// Of all files below a directory.
fn mib_below(directory: &Path) -> f64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => mib_below(&entry.path()),
        Ok(metadata) => metadata.len() as f64 / f64::from(1 << 20),
        Err(_) => 0.0,
    });
    sizes.sum()
}
