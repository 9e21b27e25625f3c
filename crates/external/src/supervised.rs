//! A worker that is always there: started, watched, ended when it misbehaves, and started again.

use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lathe_aggregation::Cancellation;

use crate::connection::{Connection, Start, text};
use crate::error::ExternalError;
use lathe_aggregation_abi::{Answer, Capabilities, Purpose, Request};

/// Pause between looks at a process that has nothing to do.
const WATCH: Duration = Duration::from_millis(100);
/// Pause before a worker is started again that did not manage anything since its last start; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// That pause at most: what an operator has to wait for after repairing a library.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Something that happened to a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Which worker.
    pub purpose: Purpose,
    /// What.
    pub kind: IncidentKind,
    /// What is known about it, in one line.
    pub detail: String,
}

/// Kinds of incidents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IncidentKind {
    /// The process ended by itself: the library crashed, ran out of memory, or was killed.
    Died,
    /// It did not answer in time and was ended.
    TimedOut,
    /// What it answered cannot be, and it was ended.
    Garbage,
    /// It did not start.
    NotStarted,
    /// It was started again.
    Restarted,
}

impl IncidentKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Died, Self::TimedOut, Self::Garbage, Self::NotStarted, Self::Restarted];

    /// Label of the metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Died => "died",
            Self::TimedOut => "timed_out",
            Self::Garbage => "garbage",
            Self::NotStarted => "not_started",
            Self::Restarted => "restarted",
        }
    }
}

/// Told of every incident, on whatever thread it is noticed.
pub(crate) type Observer = Arc<dyn Fn(&Incident) + Send + Sync>;

/// A worker and the thread that looks after it. Dropping it ends both.
pub(crate) struct Supervised {
    shared: Arc<Shared>,
    keeper: Option<JoinHandle<()>>,
}

struct Shared {
    start: Start,
    observer: Observer,
    stage: Mutex<Stage>,
    changed: Condvar,
}

enum Stage {
    /// The keeper is at it.
    Starting,
    /// Nothing to do.
    Idle(Connection),
    /// Somebody has the connection.
    Busy,
    /// It has to be started again; whether it managed anything before it broke.
    Broken { has_served: bool },
    /// Nobody wants it any more.
    Closed,
}

impl Supervised {
    /// Starts a worker, and waits until it is ready. A worker that does not come up now is not tried again.
    pub(crate) fn start(start: Start, observer: Observer) -> Result<(Self, Capabilities), ExternalError> {
        let name = format!("{}-worker", start.purpose.name());
        let shared =
            Arc::new(Shared { start, observer, stage: Mutex::new(Stage::Starting), changed: Condvar::new() });
        let (kept, (greet, greeting)) = (shared.clone(), sync_channel(1));
        // The process ends with the thread that starts it, so one thread starts it every time.
        let keep = move || match Connection::open(&kept.start, || true) {
            Ok((connection, hello)) => {
                kept.set(Stage::Idle(connection));
                // Whoever waits for it does so without end.
                let _ = greet.send(Ok(hello.clone()));
                kept.keep(&hello);
            }
            Err(error) => {
                let _ = greet.send(Err(error));
            }
        };
        let keeper = std::thread::Builder::new().name(name).spawn(keep);
        let keeper = keeper.map_err(ExternalError::io("starting a thread"))?;
        let gone = |_| Err(ExternalError::NotStarted("its thread panicked".into()));
        let hello = greeting.recv().unwrap_or_else(gone)?;
        Ok((Self { shared, keeper: Some(keeper) }, hello))
    }

    /// Calls the library, and says how long it worked. `limit` holds for the call, and as much of it again for waiting
    /// until the worker is free or there again.
    pub(crate) fn call(
        &self,
        request: &Request,
        limit: Duration,
        cancellation: &Cancellation,
    ) -> Result<(Answer, Duration), ExternalError> {
        let wanted = || cancellation.check().is_ok();
        let mut connection = self.shared.take(limit, wanted)?;
        let started = Instant::now();
        match connection.exchange(request, limit, wanted) {
            Ok(Answer::Broken(what)) => {
                Err(self.shared.lose(connection, ExternalError::Garbage(text(&what))))
            }
            Ok(Answer::Hello { .. }) => {
                Err(self.shared.lose(connection, ExternalError::Message("a greeting for an answer".into())))
            }
            Ok(Answer::Cancelled) => {
                self.shared.give_back(connection);
                Err(ExternalError::TimedOut)
            }
            Ok(answer) => {
                let took = started.elapsed();
                self.shared.give_back(connection);
                Ok((answer, took))
            }
            Err(error) => Err(self.shared.lose(connection, error)),
        }
    }

    /// Whether it has nothing to do and could begin at once.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(*self.shared.lock(), Stage::Idle(_))
    }

    /// Ends the worker because of what it made; it is started again.
    pub(crate) fn distrust(&self, what: &str) -> ExternalError {
        self.shared.distrust(what)
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        *self.shared.lock() = Stage::Closed;
        self.shared.changed.notify_all();
        if let Some(keeper) = self.keeper.take() {
            // It cannot have panicked, and if it has there is nothing left to end.
            let _ = keeper.join();
        }
    }
}

impl Shared {
    /// A thread that panicked cannot have left a stage half made.
    fn lock(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, stage: MutexGuard<'a, Stage>, pause: Duration) -> MutexGuard<'a, Stage> {
        self.changed.wait_timeout(stage, pause).unwrap_or_else(PoisonError::into_inner).0
    }

    fn set(&self, stage: Stage) {
        let mut current = self.lock();
        if !matches!(*current, Stage::Closed) {
            *current = stage;
        }
        drop(current);
        self.changed.notify_all();
    }

    fn report(&self, kind: IncidentKind, detail: String) {
        (self.observer)(&Incident { purpose: self.start.purpose, kind, detail });
    }

    fn take(&self, limit: Duration, wanted: impl Fn() -> bool) -> Result<Connection, ExternalError> {
        let deadline = Instant::now() + limit;
        let mut stage = self.lock();
        loop {
            match std::mem::replace(&mut *stage, Stage::Busy) {
                Stage::Idle(connection) => return Ok(connection),
                other => *stage = other,
            }
            if !wanted() || matches!(*stage, Stage::Closed) {
                return Err(ExternalError::Cancelled);
            }
            if Instant::now() >= deadline {
                return Err(ExternalError::Unready(match &*stage {
                    Stage::Busy => "the worker is busy",
                    _ => "the worker is being started again",
                }));
            }
            stage = self.wait(stage, WATCH);
        }
    }

    fn give_back(&self, connection: Connection) {
        self.set(Stage::Idle(connection));
    }

    /// Ends the process and has it started again.
    fn lose(&self, mut connection: Connection, error: ExternalError) -> ExternalError {
        // An answer that is garbage is no service.
        let has_served = connection.has_served && !matches!(error, ExternalError::Garbage(_));
        let ended = connection.end();
        match &error {
            ExternalError::Closed => self.report(IncidentKind::Died, ended),
            ExternalError::TimedOut => self.report(IncidentKind::TimedOut, error.to_string()),
            ExternalError::Cancelled => {}
            _ => self.report(IncidentKind::Garbage, error.to_string()),
        }
        self.set(Stage::Broken { has_served });
        error
    }

    fn distrust(&self, what: &str) -> ExternalError {
        self.report(IncidentKind::Garbage, what.to_owned());
        let mut stage = self.lock();
        // If somebody else has it by now, it is up to them to find out.
        if let Stage::Idle(_) = &*stage {
            *stage = Stage::Broken { has_served: false };
        }
        drop(stage);
        self.changed.notify_all();
        ExternalError::Garbage(what.to_owned())
    }

    /// Looks after the worker until it is closed.
    fn keep(&self, greeting: &Capabilities) {
        let mut pause = Duration::ZERO;
        loop {
            match self.watch() {
                None => return,
                Some(true) => pause = Duration::ZERO,
                Some(false) => pause = (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE),
            }
            if !self.rest(pause) {
                return;
            }
            self.restart(greeting);
        }
    }

    /// Waits until the worker is broken, and says whether it managed anything before; `None` once it is closed.
    fn watch(&self) -> Option<bool> {
        let mut stage = self.lock();
        loop {
            let ended = match &mut *stage {
                Stage::Closed => return None,
                Stage::Broken { has_served } => return Some(*has_served),
                Stage::Idle(connection) => {
                    let has_ended = !connection.is_alive();
                    has_ended.then(|| (connection.has_served, connection.end()))
                }
                Stage::Busy | Stage::Starting => None,
            };
            match ended {
                Some((has_served, how)) => {
                    *stage = Stage::Broken { has_served };
                    self.report(IncidentKind::Died, how);
                }
                None => stage = self.wait(stage, WATCH),
            }
        }
    }

    /// Lets some time pass; false once the worker is closed.
    fn rest(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        let mut stage = self.lock();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if matches!(*stage, Stage::Closed) {
                return false;
            }
            if left.is_zero() {
                *stage = Stage::Starting;
                return true;
            }
            stage = self.wait(stage, left);
        }
    }

    fn restart(&self, greeting: &Capabilities) {
        let is_wanted = || !matches!(*self.lock(), Stage::Closed);
        match Connection::open(&self.start, is_wanted) {
            Ok((connection, hello)) if hello == *greeting => {
                self.report(IncidentKind::Restarted, String::new());
                self.set(Stage::Idle(connection));
            }
            Ok(_) => self.fail("the library is another one than before"),
            Err(ExternalError::Cancelled) => {}
            Err(error) => self.fail(&error.to_string()),
        }
    }

    fn fail(&self, why: &str) {
        self.report(IncidentKind::NotStarted, why.to_owned());
        self.set(Stage::Broken { has_served: false });
    }
}
