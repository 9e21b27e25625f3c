//! The node processes: started with a pipe to this one, so that none outlives it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use eyre::WrapErr as _;

/// Time that nodes have to stop in good order; a node promises five seconds.
const STOP_LIMIT: Duration = Duration::from_secs(6);
/// Pause between looks at a stopping process.
const STOP_POLL: Duration = Duration::from_millis(20);

/// One node process.
struct Node {
    name: String,
    process: Child,
    /// Closing it tells the node to stop; the system closes it if this process dies.
    leash: Option<ChildStdin>,
    log: PathBuf,
    ended: bool,
}

/// All node processes. Dropping it stops them.
#[derive(Default)]
pub(super) struct Children(Vec<Node>);

impl Children {
    /// Starts `lathe node` for `name` in the network directory `dir`, logging to `<dir>/logs/<name>.log`.
    pub(super) fn start(&mut self, dir: &Path, name: &str, options: &[&str]) -> eyre::Result<()> {
        let logs = dir.join("logs");
        std::fs::create_dir_all(&logs).wrap_err_with(|| format!("{}: cannot be made", logs.display()))?;
        let log = logs.join(format!("{name}.log"));
        let output = File::options().create(true).append(true).open(&log);
        let output = output.wrap_err_with(|| format!("{}: cannot be written", log.display()))?;
        let program = std::env::current_exe().wrap_err("cannot find the path of this program")?;
        let mut command = Command::new(program);
        // What the environment says was said to us, and we say what is the nodes' to know.
        std::env::vars_os()
            .filter(|(name, _)| name.as_encoded_bytes().starts_with(crate::command_line::PREFIX.as_bytes()))
            .for_each(|(name, _)| _ = command.env_remove(name));
        let mut process = command
            .arg("node")
            .arg("--network-dir")
            .arg(dir)
            .args(["--node-id", name, "--stop-with-stdin"])
            .args(options)
            .stdin(Stdio::piped())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .wrap_err_with(|| format!("{name} does not start"))?;
        let leash = process.stdin.take();
        self.0.push(Node { name: name.into(), process, leash, log, ended: false });
        Ok(())
    }

    /// How each node that has ended since the last look did so.
    pub(super) fn ended(&mut self) -> eyre::Result<Vec<String>> {
        let mut ended = Vec::new();
        for node in self.0.iter_mut().filter(|node| !node.ended) {
            if let Some(status) = node.process.try_wait()? {
                node.ended = true;
                ended.push(format!(
                    "{} ended ({status}): {}; see {}",
                    node.name,
                    node.last_words(),
                    node.log.display()
                ));
            }
        }
        Ok(ended)
    }

    /// Whether any node still runs.
    pub(super) fn any_left(&self) -> bool {
        self.0.iter().any(|node| !node.ended)
    }

    /// Tells every node to stop, waits, and ends those that do not. True if all ended well.
    pub(super) fn stop(&mut self) -> bool {
        for node in &mut self.0 {
            node.leash = None;
        }
        let deadline = Instant::now() + STOP_LIMIT;
        let ended: Vec<bool> = self.0.iter_mut().map(|node| node.wait(deadline)).collect();
        self.0.clear();
        ended.into_iter().all(|well| well)
    }
}

impl Node {
    fn wait(&mut self, deadline: Instant) -> bool {
        while Instant::now() < deadline {
            match self.process.try_wait() {
                Ok(Some(status)) => return ExitStatus::success(&status),
                Ok(None) => std::thread::sleep(STOP_POLL),
                Err(_) => break,
            }
        }
        // It may have ended in between, which is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
        false
    }

    /// The last error in the log, or its last line.
    fn last_words(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let error = log.lines().rev().find(|line| line.starts_with("error:"));
        let last = log.lines().rev().find(|line| !line.trim().is_empty());
        error.or(last).unwrap_or("it logged nothing").to_owned()
    }
}

impl Drop for Children {
    fn drop(&mut self) {
        self.stop();
    }
}
