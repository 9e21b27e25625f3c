//! What nodes show of themselves from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lathe_hostile::Target;
use lathe_types::{Checkpoint, Root, Slot};
use serde_json::Value;

use crate::lab::Lab;

/// Head, justified and finalized block of a node.
pub(crate) type View = [Checkpoint; 3];

/// The body of a good answer.
pub(crate) fn get(url: &str) -> Option<String> {
    let config = ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(2))).build();
    ureq::Agent::new_with_config(config).get(url).call().ok()?.body_mut().read_to_string().ok()
}

fn root(value: &Value) -> Option<Root> {
    value.as_str()?.parse().ok()
}

/// What a node takes for its chain, or `None` if it does not answer.
pub(crate) fn view(api: &str) -> Option<View> {
    let view: Value = serde_json::from_str(&get(&format!("{api}/lean/v0/fork_choice"))?).ok()?;
    let head = root(&view["head"])?;
    let nodes = view["nodes"].as_array()?;
    let slot = nodes.iter().find(|node| root(&node["root"]) == Some(head))?["slot"].as_u64()?;
    let checkpoint =
        |value: &Value| Some(Checkpoint { root: root(&value["root"])?, slot: Slot(value["slot"].as_u64()?) });
    Some([
        Checkpoint { root: head, slot: Slot(slot) },
        checkpoint(&view["justified"])?,
        checkpoint(&view["finalized"])?,
    ])
}

/// Finalized slot of a node.
pub(crate) fn finalized(api: &str) -> Option<u64> {
    Some(view(api)?[2].slot.0)
}

/// The metrics of a node at one moment.
#[derive(Clone, Default)]
pub(crate) struct Metrics(String);

impl Metrics {
    /// Asks until the node answers.
    pub(crate) fn of(lab: &Lab, node: usize) -> Self {
        let mut found = None;
        lab.wait_until("the metrics", Duration::from_secs(30), || {
            found = get(&lab.metrics(node));
            found.is_some()
        });
        Self(found.unwrap())
    }

    /// The sum of a metric over all its labels.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        let lines = self.0.lines();
        let values =
            lines.filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])));
        values.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// The lines of a metric that changed since.
    pub(crate) fn changes(&self, name: &str, since: &Self) -> Vec<String> {
        let ours = self.0.lines().filter(|line| line.starts_with(name));
        ours.filter(|line| !since.0.lines().any(|before| before == *line)).map(str::to_owned).collect()
    }

    /// Upper bounds of a histogram's buckets, and how many lie within each.
    fn buckets(&self, name: &str) -> Vec<(f64, f64)> {
        let prefix = format!("{name}_bucket{{le=\"");
        let lines = self.0.lines().filter_map(|line| line.strip_prefix(&prefix)?.split_once("\"} "));
        lines
            .filter_map(|(bound, count)| Some((bound.replace('+', "").parse().ok()?, count.parse().ok()?)))
            .collect()
    }

    /// The bound under which a share of what was observed since lies; zero if there was nothing.
    pub(crate) fn quantile(&self, name: &str, since: &Self, share: f64) -> f64 {
        let before = since.buckets(name);
        let now = self.buckets(name);
        let gained = |at: usize| now[at].1 - before.get(at).map_or(0.0, |(_, count)| *count);
        let Some(all) = now.len().checked_sub(1).map(gained).filter(|all| *all > 0.0) else { return 0.0 };
        (0..now.len()).find(|at| gained(*at) >= share * all).map_or(f64::INFINITY, |at| now[at].0)
    }
}

/// A single value of a node's metrics.
pub(crate) fn gauge(lab: &Lab, node: usize, name: &str) -> f64 {
    Metrics::of(lab, node).sum(name)
}

/// Resident memory of a process in mebibytes.
pub(crate) fn resident_mib(process: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<f64>().ok()).unwrap_or_default() / 1024.0
}

/// The worst of what was seen while a watch went on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Worst {
    /// Slots between the clock and the last finalized block.
    pub lag_slots: u64,
    /// Of one node.
    pub resident_mib: f64,
}

/// Looks at all nodes once a second, and tells an attack what it would see for itself.
pub(crate) struct Watch {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<Worst>>,
}

impl Watch {
    pub(crate) fn start(lab: &Lab, target: &Target) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let (target, count) = (target.clone(), lab.count());
        let apis: Vec<String> = (0..count).map(|node| lab.api(node)).collect();
        let processes: Vec<u32> = (0..count).filter_map(|node| lab.process(node)).collect();
        let thread = std::thread::spawn(move || {
            let mut worst = Worst::default();
            while !stopped.load(Ordering::Relaxed) {
                let views: Vec<View> = apis.iter().filter_map(|api| view(api)).collect();
                if let Some(first) = views.first() {
                    *target.view.lock().unwrap() = *first;
                }
                if let Some(least) = views.iter().map(|view| view[2].slot.0).min() {
                    target.finalized.store(least, Ordering::Relaxed);
                    worst.lag_slots = worst.lag_slots.max(target.slot().saturating_sub(least));
                }
                for process in &processes {
                    worst.resident_mib = worst.resident_mib.max(resident_mib(*process));
                }
                std::thread::sleep(Duration::from_secs(1));
            }
            worst
        });
        Self { stop, thread: Some(thread) }
    }

    /// Ends the watch.
    pub(crate) fn end(mut self) -> Worst {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}
