//! The one signal that tells every actor to stop.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// Why the process stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Somebody asked for it: a signal, an operator, a finished run.
    Requested(String),
    /// An actor ended on its own.
    ActorEnded {
        /// Which.
        actor: &'static str,
        /// How.
        cause: String,
    },
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested(why) => f.write_str(why),
            Self::ActorEnded { actor, cause } => write!(f, "actor {actor} {cause}"),
        }
    }
}

type Hook = Box<dyn FnOnce() + Send>;

struct Shared {
    reason: watch::Sender<Option<Reason>>,
    /// Run once on trigger; `None` afterwards.
    hooks: Mutex<Option<Vec<Hook>>>,
}

/// The signal to stop. Clones share it; the first trigger gives the reason, later ones change nothing.
#[derive(Clone)]
pub struct Shutdown(Arc<Shared>);

impl Shutdown {
    /// A signal that is not triggered.
    pub fn new() -> Self {
        Self(Arc::new(Shared { reason: watch::Sender::new(None), hooks: Mutex::new(Some(Vec::new())) }))
    }

    /// Tells everybody to stop. False if somebody did so before.
    pub fn trigger(&self, reason: Reason) -> bool {
        let first = self.0.reason.send_if_modified(|current| {
            let first = current.is_none();
            current.get_or_insert(reason);
            first
        });
        if first {
            let hooks = self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner).take();
            for hook in hooks.into_iter().flatten() {
                hook();
            }
        }
        first
    }

    /// Whether it is time to stop.
    pub fn is_triggered(&self) -> bool {
        self.0.reason.borrow().is_some()
    }

    /// Why, once triggered.
    pub fn reason(&self) -> Option<Reason> {
        self.0.reason.borrow().clone()
    }

    /// Completes when triggered, at once if that was before. Safe to cancel.
    pub async fn wait(&self) {
        // The sender lives in `self`, so the channel cannot close while this waits.
        let _ = self.0.reason.subscribe().wait_for(Option::is_some).await;
    }

    /// Runs `hook` on the triggering thread, or here and now if that was before. It must not block.
    pub fn on_trigger(&self, hook: impl FnOnce() + Send + 'static) {
        let mut hooks = self.0.hooks.lock().unwrap_or_else(PoisonError::into_inner);
        match hooks.as_mut() {
            Some(hooks) => hooks.push(Box::new(hook)),
            None => {
                drop(hooks);
                hook();
            }
        }
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown").field("reason", &self.reason()).finish()
    }
}
