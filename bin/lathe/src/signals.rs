//! The signals that ask for a stop, heard from the first moment on.
//!
//! Process 1 of a container ignores a signal that it has no handler for, so the handlers are there before anything
//! else. Until a command waits for signals itself ([`wait`]), a signal ends the process at once:
//! what is on disk is made for that. A second signal always does.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use parking_lot::Mutex;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::log::Log;

/// Tries to remove what is unfinished; its maker may put a file there meanwhile.
const REMOVAL_ATTEMPTS: usize = 10;

static STATE: OnceLock<State> = OnceLock::new();

struct State {
    log: Log,
    /// The first reason to stop.
    heard: watch::Sender<Option<&'static str>>,
    stage: Mutex<Stage>,
}

#[derive(Default)]
struct Stage {
    /// The command stops in good order when it hears of a signal.
    attended: bool,
    /// The process is about to end by a signal.
    ending: bool,
    /// Exit code of a signal that is not attended; by convention 128 and the signal's number, unless this is set.
    exit_code: Option<i32>,
    /// Removed when the process ends by a signal.
    unfinished: Option<PathBuf>,
}

/// Hears SIGINT and SIGTERM from now on. Where that is not possible they do what the system lets them do.
pub(crate) fn listen(log: Log) {
    let state = STATE.get_or_init(|| State {
        log,
        heard: watch::Sender::new(None),
        stage: Mutex::new(Stage::default()),
    });
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    let entered = runtime.enter();
    let handlers = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    drop(entered);
    let (Ok(mut interrupt), Ok(mut terminate)) = handlers else { return };
    let body = move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => state.stop("SIGINT", 130),
                    _ = terminate.recv() => state.stop("SIGTERM", 143),
                }
            }
        });
    };
    let _ = std::thread::Builder::new().name("signals".into()).spawn(body);
}

impl State {
    fn stop(&self, why: &'static str, conventional: i32) {
        let first = self.heard.borrow().is_none();
        let (unfinished, code) = {
            let mut stage = self.stage.lock();
            if first {
                self.heard.send_replace(Some(why));
            }
            if stage.attended && first {
                return;
            }
            stage.ending = true;
            let code = if stage.attended { conventional } else { stage.exit_code.unwrap_or(conventional) };
            (stage.unfinished.take(), code)
        };
        tracing::info!("{why}: ending at once");
        if let Some(path) = unfinished {
            let _ = (0..REMOVAL_ATTEMPTS).find(|_| remove(&path));
        }
        exit(code)
    }
}

fn remove(path: &Path) -> bool {
    std::fs::remove_dir_all(path).is_ok() || !path.exists()
}

/// Ends the process now, with the last lines of the log as far as they can be written.
pub(crate) fn exit(code: i32) -> ! {
    if let Some(state) = STATE.get() {
        state.log.flush();
    }
    std::process::exit(code)
}

/// Does what a signal does: `why` is a reason to stop.
pub(crate) fn stop(why: &'static str) {
    if let Some(state) = STATE.get() {
        state.stop(why, 0);
    }
}

/// A signal that is not attended ends the process with this code.
pub(crate) fn end_with(exit_code: i32) {
    if let Some(state) = STATE.get() {
        state.stage.lock().exit_code = Some(exit_code);
    }
}

/// A signal that is not attended removes this directory.
pub(crate) fn unfinished(path: Option<&Path>) {
    if let Some(state) = STATE.get() {
        state.stage.lock().unfinished = path.map(Path::to_path_buf);
    }
}

/// Does not return if the process ends by a signal: what fails meanwhile fails because of that.
pub(crate) fn stand_aside() {
    while STATE.get().is_some_and(|state| state.stage.lock().ending) {
        std::thread::park();
    }
}

/// Waits for a reason to stop and names it; one that came before counts. From the call on a first signal is left to the
/// caller, which stops in good order.
pub(crate) fn wait() -> impl Future<Output = &'static str> + Send {
    let state = STATE.get();
    if let Some(state) = state {
        state.stage.lock().attended = true;
    }
    async move {
        let Some(state) = state else { return std::future::pending().await };
        let mut heard = state.heard.subscribe();
        loop {
            let reason = *heard.borrow_and_update();
            if let Some(reason) = reason {
                return reason;
            }
            // The sender is never dropped.
            let _ = heard.changed().await;
        }
    }
}
