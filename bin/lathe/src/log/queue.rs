//! The log: lines go through a bounded queue to a thread of its own, so that nothing waits for standard error.
//!
//! A full disk, a closed pipe or a terminal that was stopped with Ctrl-S costs lines and nothing else. Lost lines are
//! counted, and the log says how many there were as soon as it can be written again.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tracing_subscriber::fmt::MakeWriter;

/// Bytes of lines that wait to be written: an hour of a quiet node, or what a flood of warnings brings in a moment. A
/// line that finds no room is lost.
const MAX_WAITING_BYTES: usize = 1 << 20;
/// Pause before a descriptor that takes nothing at the moment is tried again. Another program may have made the one
/// that we share with it non-blocking.
const RETRY_AFTER: Duration = Duration::from_millis(20);
/// Longest wait for the last lines when the process ends.
const LAST_LINES: Duration = Duration::from_millis(300);

/// A handle on the log's queue.
#[derive(Clone, Debug)]
pub(crate) struct Log(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    /// There is something to write.
    filled: Condvar,
    /// All is written.
    drained: Condvar,
    lost: Arc<AtomicU64>,
    /// Lines that are no events of tracing are JSON as well.
    is_json: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// The thread holds lines that it took and has not written yet.
    writing: bool,
}

impl Log {
    /// The log on standard error, and the messages of panics with it. What tracing says comes with
    /// [`super::LogArgs::begin`].
    pub(crate) fn start() -> Self {
        // A descriptor of our own: the library's lock would be held for as long as a write takes.
        let log = match io::stderr().as_fd().try_clone_to_owned() {
            Ok(descriptor) => Self::to(File::from(descriptor)),
            Err(_) => Self::to(io::sink()),
        };
        let panics = log.clone();
        std::panic::set_hook(Box::new(move |panic| {
            panics.line(&panic.to_string());
            // Some panics end the process.
            panics.flush();
        }));
        log
    }

    /// A log that is written to `sink`.
    pub(super) fn to(sink: impl Write + Send + 'static) -> Self {
        let shared = Shared {
            queue: Mutex::default(),
            filled: Condvar::new(),
            drained: Condvar::new(),
            lost: Arc::default(),
            is_json: AtomicBool::new(false),
        };
        let log = Self(Arc::new(shared));
        let writer = log.clone();
        // Without the thread lines fill the queue and are lost, which is all that can be done.
        let _ = std::thread::Builder::new().name("log".into()).spawn(move || writer.run(sink));
        log
    }

    /// Adds a line that is not an event of tracing, such as the reason why the command failed.
    pub(crate) fn line(&self, text: &str) {
        self.push(self.as_line("ERROR", text).into_bytes());
    }

    /// From now on lines that are no events of tracing are JSON objects too, or plain again.
    pub(super) fn speak_json(&self, is_json: bool) {
        self.0.is_json.store(is_json, Ordering::Relaxed);
    }

    fn as_line(&self, level: &str, text: &str) -> String {
        match self.0.is_json.load(Ordering::Relaxed) {
            true => format!("{}\n", serde_json::json!({ "level": level, "message": text })),
            false => format!("{text}\n"),
        }
    }

    /// Lines lost so far.
    pub(crate) fn lost(&self) -> Arc<AtomicU64> {
        self.0.lost.clone()
    }

    /// Waits until all is written, for a moment at most.
    pub(crate) fn flush(&self) {
        self.flush_within(LAST_LINES);
    }

    fn flush_within(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let mut queue = self.0.queue.lock();
        while queue.writing || !queue.lines.is_empty() {
            if self.0.drained.wait_until(&mut queue, deadline).timed_out() {
                return;
            }
        }
    }

    fn push(&self, line: Vec<u8>) {
        let mut queue = self.0.queue.lock();
        if queue.bytes + line.len() > MAX_WAITING_BYTES {
            self.0.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        queue.bytes += line.len();
        queue.lines.push_back(line);
        self.0.filled.notify_one();
    }

    /// Writes what comes, for ever.
    fn run(&self, mut sink: impl Write) {
        // How many losses the log tells of.
        let mut told = 0;
        let mut broken = false;
        loop {
            let line = {
                let mut queue = self.0.queue.lock();
                queue.writing = false;
                while queue.lines.is_empty() {
                    self.0.drained.notify_all();
                    self.0.filled.wait(&mut queue);
                }
                queue.writing = true;
                let line = queue.lines.pop_front().unwrap_or_default();
                queue.bytes -= line.len();
                line
            };
            let lost = self.0.lost.load(Ordering::Relaxed);
            if lost > told {
                // A line that broke off in the middle is ended first.
                let start = if broken { "\n" } else { "" };
                let note = format!("{} lines of the log were lost here", lost - told);
                let note = format!("{start}{}", self.as_line("WARN", &note));
                if write_all(&mut sink, note.as_bytes()).is_ok() {
                    (told, broken) = (lost, false);
                }
            }
            if write_all(&mut sink, &line).is_err() {
                self.0.lost.fetch_add(1, Ordering::Relaxed);
                broken = true;
            }
        }
    }
}

/// Writes all of it, however long that takes.
fn write_all(sink: &mut impl Write, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match sink.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::sleep(RETRY_AFTER),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Takes one event as one line; never fails and never waits.
impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Far above what anything here takes.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// Does with each write what the test says.
    struct Scripted<F>(F);

    impl<F: FnMut(&[u8]) -> io::Result<usize>> Write for Scripted<F> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            (self.0)(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn text(written: &Mutex<Vec<u8>>) -> String {
        String::from_utf8(written.lock().clone()).unwrap()
    }

    #[test]
    fn a_sink_that_stands_still_holds_nobody_up_and_the_loss_is_told() {
        let (release, released) = mpsc::channel::<()>();
        let written = Arc::new(Mutex::new(Vec::new()));
        let sink = {
            let written = written.clone();
            Scripted(move |bytes: &[u8]| {
                // Stands still until the test lets go, and never again.
                let _ = released.recv();
                written.lock().extend_from_slice(bytes);
                Ok(bytes.len())
            })
        };
        let log = Log::to(sink);
        log.line("first");
        while !log.0.queue.lock().writing {
            std::thread::yield_now();
        }
        let line = "x".repeat(1023);
        for _ in 0..MAX_WAITING_BYTES / 1024 + 5 {
            log.line(&line);
        }
        assert_eq!(log.lost().load(Ordering::Relaxed), 5);
        assert_eq!(log.0.queue.lock().bytes, MAX_WAITING_BYTES);
        // Does not wait for ever, either.
        log.flush_within(Duration::from_millis(1));
        drop(release);
        log.flush_within(PATIENCE);
        let told = format!("first\n5 lines of the log were lost here\n{line}\n");
        assert!(text(&written).starts_with(&told));
        assert_eq!(log.0.queue.lock().bytes, 0);
    }

    #[test]
    fn a_sink_that_fails_is_survived_and_the_loss_is_told() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let failing = Arc::new(AtomicBool::new(true));
        let sink = {
            let (written, failing) = (written.clone(), failing.clone());
            Scripted(move |bytes: &[u8]| {
                if !failing.load(Ordering::Relaxed) {
                    written.lock().extend_from_slice(bytes);
                    return Ok(bytes.len());
                }
                // Room for one byte, as on a disk that is all but full.
                if written.lock().is_empty() {
                    written.lock().push(bytes[0]);
                    return Ok(1);
                }
                Err(io::ErrorKind::StorageFull.into())
            })
        };
        let log = Log::to(sink);
        log.line("lost");
        log.line("lost as well");
        log.flush_within(PATIENCE);
        assert_eq!(log.lost().load(Ordering::Relaxed), 2);
        failing.store(false, Ordering::Relaxed);
        log.line("written");
        log.flush_within(PATIENCE);
        assert_eq!(text(&written), "l\n2 lines of the log were lost here\nwritten\n");
    }

    #[test]
    fn a_sink_that_is_busy_or_interrupted_is_tried_again() {
        let written = Arc::new(Mutex::new(Vec::new()));
        let mut refusals = vec![io::ErrorKind::Interrupted, io::ErrorKind::WouldBlock];
        let sink = {
            let written = written.clone();
            Scripted(move |bytes: &[u8]| match refusals.pop() {
                Some(kind) => Err(kind.into()),
                None => {
                    written.lock().extend_from_slice(&bytes[..1]);
                    Ok(1)
                }
            })
        };
        let log = Log::to(sink);
        log.line("whole");
        log.flush_within(PATIENCE);
        assert_eq!((text(&written), log.lost().load(Ordering::Relaxed)), ("whole\n".into(), 0));
    }
}
