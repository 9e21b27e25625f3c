//! The progress bar of key generation. Silent where nobody watches.

use indicatif::{ProgressBar, ProgressStyle};

/// Shows how much of the keys is made, if standard error is a terminal.
pub(crate) struct KeyProgress(ProgressBar);

impl KeyProgress {
    /// A bar that appears with the first news.
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::new(0);
        let style = ProgressStyle::with_template("{msg} [{bar:40}] {percent}% {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
        bar.set_message("making keys");
        Self(bar)
    }

    /// Takes in that `done` of `total` steps are done. Threads may report out of order; the bar only moves forward.
    pub(crate) fn set(&self, done: u64, total: u64) {
        self.0.set_length(total);
        if done > self.0.position() {
            self.0.set_position(done);
        }
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
