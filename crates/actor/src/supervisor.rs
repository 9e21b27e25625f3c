//! Runs the actors and brings all of them down when one ends.

use std::any::Any;
use std::collections::HashMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::timeout;
use tracing::{error, info};

use crate::shutdown::{Reason, Shutdown};

/// An actor's own error.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Time that the others have to stop once an actor has ended. The process is gone two seconds after the failure; the
/// rest of them is for leaving `main`.
pub const FAILURE_STOP: Duration = Duration::from_millis(1500);
/// Time for an orderly stop. The process is gone five seconds after the signal; the rest is for leaving `main`.
pub const ORDERLY_STOP: Duration = Duration::from_millis(4500);
/// The last resort waits this much longer than the supervisor, whose own deadline comes first if it can act at all.
const LAST_RESORT_SLACK: Duration = Duration::from_millis(300);

/// Why [`Supervisor::run`] did not end well.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// An actor ended although nobody asked it to, or ended in error while stopping.
    #[error("actor {actor} {cause}")]
    ActorEnded {
        /// Which.
        actor: &'static str,
        /// How: `ended`, `failed: ...` or `panicked: ...`.
        cause: String,
    },
    /// Actors were still running at the deadline of an orderly stop.
    #[error("still running at the stop deadline: {}", actors.join(", "))]
    Stuck {
        /// Which.
        actors: Vec<&'static str>,
    },
}

type Outcome = Result<(), BoxError>;

/// Owns the running actors.
pub struct Supervisor {
    shutdown: Shutdown,
    tasks: JoinSet<Outcome>,
    names: HashMap<Id, &'static str>,
    /// Dropped when the supervisor is done, which calls the last resort off.
    watchdog: Option<mpsc::Sender<()>>,
}

impl Supervisor {
    /// A supervisor without actors. `shutdown` stops them all.
    pub fn new(shutdown: Shutdown) -> Self {
        Self { shutdown, tasks: JoinSet::new(), names: HashMap::new(), watchdog: None }
    }

    /// Has a thread of its own call `last_resort` when a stop outlasts its deadline, which happens if the runtime
    /// itself is blocked. The binary ends the process there.
    pub fn with_last_resort(mut self, last_resort: impl FnOnce() + Send + 'static) -> Self {
        let (alive, done) = mpsc::channel::<()>();
        self.watchdog = Some(alive);
        let shutdown = self.shutdown.clone();
        self.shutdown.on_trigger(move || {
            let limit = stop_limit(&shutdown) + LAST_RESORT_SLACK;
            std::thread::spawn(move || {
                if done.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
                    error!("the stop outlasted its deadline; giving up");
                    last_resort();
                }
            });
        });
        self
    }

    /// The signal that stops the actors.
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Starts an actor as a task on the current runtime. It returns once `shutdown` is triggered, and not before.
    pub fn spawn<F, E>(&mut self, name: &'static str, actor: F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let task = self.tasks.spawn(async move { actor.await.map_err(Into::into) });
        self.names.insert(task.id(), name);
    }

    /// Starts an actor that blocks, on a thread of its own. As a thread cannot be aborted, the actor must watch its
    /// mailbox close ([`crate::Inbox::close_on`]) or the signal itself.
    pub fn spawn_thread<F, E>(&mut self, name: &'static str, actor: F)
    where
        F: FnOnce() -> Result<(), E> + Send + 'static,
        E: Into<BoxError>,
    {
        let (report, reported) = oneshot::channel();
        let body = move || {
            let outcome = match catch_unwind(AssertUnwindSafe(actor)) {
                Ok(outcome) => outcome.map_err(Into::into),
                Err(payload) => Err(Panicked(panic_message(&*payload)).into()),
            };
            // Nobody listens any more if the stop deadline has passed.
            let _ = report.send(outcome);
        };
        let started = std::thread::Builder::new().name(name.into()).spawn(body);
        let task = self.tasks.spawn(async move {
            started?;
            reported.await?
        });
        self.names.insert(task.id(), name);
    }

    /// Runs until the shutdown is triggered or an actor ends, then stops the others. `Ok` only if all of them ran
    /// until told to stop and then ended well and in time; the binary exits with zero then, and only then.
    pub async fn run(mut self) -> Result<(), Failure> {
        let shutdown = self.shutdown.clone();
        let mut failure = tokio::select! {
            biased;
            () = shutdown.wait() => None,
            // An actor may see the signal and end before this does.
            ended = self.next_ended() => ended.and_then(|(actor, outcome)| match outcome {
                Ok(()) if shutdown.is_triggered() => None,
                outcome => Some(early_end(actor, outcome)),
            }),
        };
        match &failure {
            Some(Failure::ActorEnded { actor, cause }) => {
                let reason = Reason::ActorEnded { actor, cause: cause.clone() };
                // When an orderly stop came first, the end was not uncalled for.
                shutdown.trigger(reason);
                error!(actor, "actor {actor} {cause}; stopping the process");
            }
            _ => info!(reason = shutdown.reason().map(|reason| reason.to_string()), "stopping"),
        }
        let limit = stop_limit(&shutdown);
        let drained = timeout(limit, async {
            while let Some((actor, outcome)) = self.next_ended().await {
                if let Err(cause) = outcome {
                    error!(actor, "actor {actor} {cause} while stopping");
                    failure.get_or_insert(Failure::ActorEnded { actor, cause });
                }
            }
        });
        if drained.await.is_err() {
            let mut actors: Vec<_> = self.names.values().copied().collect();
            actors.sort_unstable();
            error!(?actors, "still running at the stop deadline");
            failure.get_or_insert(Failure::Stuck { actors });
        }
        // Tasks that are stuck are aborted with the set; their threads die with the process.
        self.watchdog = None;
        failure.map_or(Ok(()), Err)
    }

    /// The next actor to end, and how; `None` when none is left.
    async fn next_ended(&mut self) -> Option<(&'static str, Result<(), String>)> {
        let (id, outcome) = match self.tasks.join_next_with_id().await? {
            Ok((id, outcome)) => (id, outcome.map_err(|error| describe(&*error))),
            Err(error) => (error.id(), Err(describe_join(error))),
        };
        Some((self.names.remove(&id).unwrap_or("unnamed"), outcome))
    }
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supervisor")
            .field("actors", &self.names.values())
            .field("shutdown", &self.shutdown)
            .finish()
    }
}

fn stop_limit(shutdown: &Shutdown) -> Duration {
    match shutdown.reason() {
        Some(Reason::ActorEnded { .. }) => FAILURE_STOP,
        _ => ORDERLY_STOP,
    }
}

fn early_end(actor: &'static str, outcome: Result<(), String>) -> Failure {
    Failure::ActorEnded { actor, cause: outcome.err().unwrap_or_else(|| "ended".into()) }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Panicked(String);

fn describe(error: &(dyn std::error::Error + Send + Sync + 'static)) -> String {
    if let Some(Panicked(message)) = error.downcast_ref() {
        return format!("panicked: {message}");
    }
    let mut text = format!("failed: {error}");
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(&format!(": {inner}"));
        source = inner.source();
    }
    text
}

fn describe_join(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(payload) => format!("panicked: {}", panic_message(&*payload)),
        Err(_) => "was aborted".into(),
    }
}

fn panic_message(payload: &(dyn Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|message| (*message).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no message".into())
}
