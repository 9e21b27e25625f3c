//! The log: where it goes, in which form, and how much of it.

mod file;
mod filter;
mod format;
mod queue;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{ArgAction, Args, ValueEnum};
use eyre::WrapErr as _;
use lathe_node::LogSwitch;
use parking_lot::Mutex;
use tracing::warn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use file::RotatingFile;
pub(crate) use queue::Log;

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// A line for people
    #[default]
    Text,
    /// A JSON object a line, for collectors
    Json,
}

/// Options about the log, of every command.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Log")]
pub(crate) struct LogArgs {
    /// How much Lathe says: off, error, warn, info, debug or trace; or, for parts of it and for libraries, a list such
    /// as info,lathe_network=debug,libp2p=info. A node's can be changed while it runs (POST /lean/v0/admin/log_level)
    /// [default: what RUST_LOG says, else info]
    #[arg(
        long,
        short = 'l',
        value_name = "LEVEL",
        global = true,
        alias = "log",
        value_parser = level,
        overrides_with = "log_level"
    )]
    log_level: Option<String>,
    /// Say more: debug, and twice trace
    #[arg(long, short, global = true, action = ArgAction::Count)]
    verbose: u8,
    /// Form of the log
    #[arg(long, value_name = "FORMAT", global = true, default_value = "text", overrides_with = "log_format")]
    log_format: LogFormat,
    /// Write the log to this file too, without colours; full ones are kept as FILE.1, FILE.2 and so on
    #[arg(long, value_name = "FILE", global = true, overrides_with = "log_file")]
    log_file: Option<PathBuf>,
    /// Size in MiB at which the file is full
    #[arg(long, value_name = "MIB", global = true, default_value_t = 64, overrides_with = "log_file_size",
        value_parser = clap::value_parser!(u64).range(1..))]
    log_file_size: u64,
    /// Full files that are kept
    #[arg(long, value_name = "N", global = true, default_value_t = 4, overrides_with = "log_file_count")]
    log_file_count: usize,
}

/// A level or a list of directives.
fn level(text: &str) -> Result<String, String> {
    filter::directives(text).map(|_| text.to_owned())
}

/// The level of the log, which can be changed at any time.
struct Switch {
    filter: reload::Handle<EnvFilter, Registry>,
    current: Mutex<String>,
}

impl LogSwitch for Switch {
    fn level(&self) -> String {
        self.current.lock().clone()
    }

    fn set(&self, level: &str) -> Result<(), String> {
        let (directives, _) = filter::directives(level)?;
        let made = EnvFilter::try_new(directives).map_err(|error| error.to_string())?;
        let mut current = self.current.lock();
        self.filter.reload(made).map_err(|error| error.to_string())?;
        level.trim().clone_into(&mut current);
        Ok(())
    }
}

impl LogArgs {
    /// Lets the log be written as the options and the environment say, and answers with what changes its level.
    pub(crate) fn begin(&self, log: &Log) -> eyre::Result<Arc<dyn LogSwitch>> {
        let is_json = self.log_format == LogFormat::Json;
        log.speak_json(is_json);
        let file = self.file()?;
        let wanted =
            filter::Wanted::find(self.log_level.as_deref(), self.verbose, std::env::var_os("RUST_LOG"));
        let (filter, handle) = reload::Layer::new(EnvFilter::new(&wanted.directives));
        let colours = has_colours(
            std::io::stderr().is_terminal(),
            std::env::var_os("NO_COLOR").as_deref(),
            std::env::var_os("TERM").as_deref(),
        );
        let mut outputs = vec![output(log.clone(), is_json, colours)];
        outputs.extend(file.map(|file| {
            file.speak_json(is_json);
            output(file, is_json, false)
        }));
        tracing_subscriber::registry().with(filter).with(outputs).init();
        if let Some(warning) = wanted.warning {
            warn!("{warning}");
        }
        Ok(Arc::new(Switch { filter: handle, current: Mutex::new(wanted.level) }))
    }

    /// Arguments that let a child process log as we do, its file apart.
    pub(crate) fn to_options(&self) -> Vec<String> {
        let mut options: Vec<String> = Vec::new();
        if let Some(level) = &self.log_level {
            options.extend(["--log-level".into(), level.clone()]);
        }
        options.extend((0..self.verbose).map(|_| "-v".into()));
        if self.log_format == LogFormat::Json {
            options.extend(["--log-format".into(), "json".into()]);
        }
        options
    }

    fn file(&self) -> eyre::Result<Option<Log>> {
        let Some(path) = &self.log_file else { return Ok(None) };
        let opened = RotatingFile::open(path, self.log_file_size << 20, self.log_file_count);
        let file = opened.wrap_err_with(|| {
            format!(
                "--log-file {}: cannot be written; choose a file in a directory that is there",
                path.display()
            )
        })?;
        Ok(Some(Log::to(file)))
    }
}

fn output(log: Log, is_json: bool, colours: bool) -> Box<dyn Layer<Filtered> + Send + Sync> {
    let layer = tracing_subscriber::fmt::layer().log_internal_errors(false).with_writer(log);
    match is_json {
        true => layer.event_format(format::Json).boxed(),
        false => layer.with_ansi(colours).event_format(format::Line).boxed(),
    }
}

/// The subscriber below the outputs.
type Filtered = tracing_subscriber::layer::Layered<reload::Layer<EnvFilter, Registry>, Registry>;

/// Whether colours are wanted: on a terminal that knows them, unless NO_COLOR is set to anything
/// (<https://no-color.org>).
fn has_colours(
    is_terminal: bool,
    no_color: Option<&std::ffi::OsStr>,
    term: Option<&std::ffi::OsStr>,
) -> bool {
    is_terminal && no_color.is_none_or(std::ffi::OsStr::is_empty) && term.is_none_or(|term| term != "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_that_want_them() {
        let colours = |terminal, no_color: Option<&str>, term: Option<&str>| {
            has_colours(terminal, no_color.map(AsRef::as_ref), term.map(AsRef::as_ref))
        };
        assert!(colours(true, None, Some("xterm")));
        assert!(colours(true, Some(""), None));
        assert!(!colours(true, Some("1"), Some("xterm")));
        assert!(!colours(true, None, Some("dumb")));
        assert!(!colours(false, None, Some("xterm")));
    }
}
