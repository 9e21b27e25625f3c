//! Clients of an API that ask too much, and some that hardly ask at all.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Threads that ask, and how many requests each makes in a second.
const CLIENTS: usize = 20;
const PER_SECOND: u32 = 50;
/// Connections that send a byte now and then.
const SLOW: usize = 128;
const PATHS: [&str; 4] =
    ["/health", "/lean/v0/node/syncing", "/lean/v0/headers/head", "/lean/v0/checkpoints/justified"];

/// Milliseconds of each answer, and how many were refused.
type Seen = (Vec<f64>, usize);

/// Requests that go on until they are ended.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Seen>>,
    slow: JoinHandle<()>,
    started: Instant,
}

impl Load {
    pub(crate) fn start(api: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let clients = (0..CLIENTS).map(|_| {
            let (api, stop) = (api.to_owned(), Arc::clone(&stop));
            std::thread::spawn(move || ask(&api, &stop))
        });
        let clients = clients.collect();
        let (address, stopped) = (api.trim_start_matches("http://").to_owned(), Arc::clone(&stop));
        let slow = std::thread::spawn(move || trickle(&address, &stopped));
        Self { stop, clients, slow, started: Instant::now() }
    }

    /// Answers in a second, the time in milliseconds that all but one in a hundred stay below, and the refusals.
    pub(crate) fn end(self) -> (f64, f64, usize) {
        self.stop.store(true, Ordering::Relaxed);
        let seconds = self.started.elapsed().as_secs_f64();
        let seen: Vec<Seen> = self.clients.into_iter().map(|client| client.join().unwrap()).collect();
        self.slow.join().unwrap();
        let mut times: Vec<f64> = seen.iter().flat_map(|(times, _)| times.iter().copied()).collect();
        times.sort_by(f64::total_cmp);
        let p99 = times.get(times.len() * 99 / 100).copied().unwrap_or_default();
        (times.len() as f64 / seconds, p99, seen.iter().map(|(_, refused)| refused).sum())
    }
}

fn ask(api: &str, stop: &AtomicBool) -> Seen {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(5)))
        .http_status_as_error(false);
    let agent = ureq::Agent::new_with_config(config.build());
    let (mut times, mut refused) = (Vec::new(), 0);
    let mut next = Instant::now();
    for count in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let asked = Instant::now();
        let answer = agent.get(format!("{api}{}", PATHS[count % PATHS.len()])).call();
        refused += usize::from(answer.as_ref().is_ok_and(|answer| answer.status() == 503));
        if answer.and_then(|mut answer| answer.body_mut().read_to_vec()).is_ok() {
            times.push(asked.elapsed().as_secs_f64() * 1000.0);
        }
        next += Duration::from_secs(1) / PER_SECOND;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    (times, refused)
}

/// Keeps connections open with a byte of a header every second, and opens those anew that were closed.
fn trickle(address: &str, stop: &AtomicBool) {
    let mut open: Vec<Option<TcpStream>> = (0..SLOW).map(|_| None).collect();
    while !stop.load(Ordering::Relaxed) {
        for connection in &mut open {
            let is_open = connection.as_mut().is_some_and(|stream| stream.write_all(b"G").is_ok());
            if !is_open {
                *connection = TcpStream::connect(address).ok();
            }
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}
