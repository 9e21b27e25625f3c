//! Execution clients for development networks and tests, as child processes on loopback: what `make el` installs.
//!
//! ethrex keeps its chain in memory, so a restart is what a wiped client looks like; EthereumJS keeps a data directory,
//! so a restart is a restart. Neither knows any peer. A process whose parent is gone ends by itself.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use crate::fork::Fork;

/// Where the clients are installed, if not in the cache directory of the user.
const HOME_VARIABLE: &str = "LATHE_EL_DIR";
/// Makes Node.js stop when standard input closes, before anything else runs.
const NODE_LEASH: &str =
    "data:text/javascript,process.stdin.resume();process.stdin.on('end',()=>process.exit(0))";
/// Time that a process has to stop in good order.
const STOP_LIMIT: Duration = Duration::from_secs(3);
/// Pause between looks at a process.
const POLL: Duration = Duration::from_millis(20);
/// Time for a connection within this machine.
const CONNECT_LIMIT: Duration = Duration::from_millis(200);

/// A key of the accounts that [`genesis`] gives ether to. Everybody knows it: it belongs on no other network.
pub const FUNDED_KEY: [u8; 32] = [0x46; 32];
/// Chain id of [`genesis`].
pub const CHAIN_ID: u64 = 3_151_908;

/// An execution client that runs without a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Program {
    /// ethrex: every fork, in memory.
    Ethrex,
    /// EthereumJS: up to Prague, on disk.
    EthereumJs,
}

/// Why a client does not run.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// It is not there.
    #[error("{} is not installed ({path}); run `make el`", program.name())]
    NotInstalled {
        /// Which.
        program: Program,
        /// What was looked for.
        path: PathBuf,
    },
    /// It does not know the fork.
    #[error("{} does not know {fork:?}", program.name())]
    UnknownFork {
        /// Which.
        program: Program,
        /// The fork.
        fork: Fork,
    },
    /// The operating system refused.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why not.
        source: io::Error,
    },
    /// It ended, or nobody listens although time is up.
    #[error("{name} does not come up; see {log}")]
    NotReady {
        /// Its name.
        name: String,
        /// Its log.
        log: PathBuf,
    },
}

impl Program {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ethrex => "ethrex",
            Self::EthereumJs => "ethereumjs",
        }
    }

    /// Whether it follows a chain of this fork.
    pub fn knows(self, fork: Fork) -> bool {
        match self {
            Self::Ethrex => true,
            // Its Osaka is another one.
            Self::EthereumJs => fork <= Fork::Prague,
        }
    }

    /// What is started, if it is installed.
    pub fn locate(self) -> Result<PathBuf, DevError> {
        let path = match self {
            Self::Ethrex => home().join("ethrex/debug/ethrex-dev"),
            Self::EthereumJs => home().join("ethereumjs/node_modules/@ethereumjs/client/dist/esm/bin/cli.js"),
        };
        if path.is_file() { Ok(path) } else { Err(DevError::NotInstalled { program: self, path }) }
    }
}

fn home() -> PathBuf {
    if let Some(home) = std::env::var_os(HOME_VARIABLE) {
        return home.into();
    }
    PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache/lathe-el")
}

/// The genesis of a development chain on which `fork` and all before it are active from the start, in geth's format.
pub fn genesis(fork: Fork) -> &'static str {
    match fork {
        Fork::Cancun => include_str!("../../../el/genesis/cancun.json"),
        Fork::Prague => include_str!("../../../el/genesis/prague.json"),
        Fork::Osaka => include_str!("../../../el/genesis/osaka.json"),
    }
}

/// A client with its directory and its ports, running or not. Dropping it stops it.
#[derive(Debug)]
pub struct DevClient {
    name: String,
    program: Program,
    dir: PathBuf,
    rpc: SocketAddr,
    engine: SocketAddr,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    process: Child,
    /// Closing it stops the process; the system closes it if this process dies.
    leash: Option<ChildStdin>,
}

impl DevClient {
    /// Starts a client on free ports. `dir` holds its files from start to start.
    pub fn start(program: Program, fork: Fork, name: &str, dir: &Path) -> Result<Self, DevError> {
        program.locate()?;
        if !program.knows(fork) {
            return Err(DevError::UnknownFork { program, fork });
        }
        let failed = |source| DevError::Io { what: dir.display().to_string(), source };
        let dir = std::path::absolute(dir).map_err(failed)?;
        fs::create_dir_all(&dir).map_err(failed)?;
        fs::write(dir.join("genesis.json"), genesis(fork)).map_err(failed)?;
        // A secret that is worth nothing: whoever reads it here may as well talk to the port.
        fs::write(dir.join("jwt.hex"), "5a".repeat(32)).map_err(failed)?;
        let [rpc, engine] = free_addresses().map_err(failed)?;
        let mut client = Self { name: name.into(), program, dir, rpc, engine, running: None };
        client.run()?;
        Ok(client)
    }

    /// Starts it again after [`Self::kill`] or [`Self::stop`], on the same ports.
    pub fn run(&mut self) -> Result<(), DevError> {
        self.stop();
        let failed = |what: String| move |source| DevError::Io { what, source };
        let log = self.log();
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(failed(log.display().to_string()))?;
        let errors = output.try_clone().map_err(failed(log.display().to_string()))?;
        let mut command = self.command(&self.program.locate()?);
        // EthereumJS leaves files wherever it is started.
        command.current_dir(&self.dir).stdin(Stdio::piped()).stdout(output).stderr(errors);
        let mut process = command.spawn().map_err(failed(self.name.clone()))?;
        self.running = Some(Running { leash: process.stdin.take(), process });
        Ok(())
    }

    fn command(&self, path: &Path) -> Command {
        let file = |name: &str| self.dir.join(name);
        match self.program {
            Program::Ethrex => {
                let mut command = Command::new(path);
                command.arg("--genesis").arg(file("genesis.json")).arg("--jwt-secret").arg(file("jwt.hex"));
                command.args(["--http", &self.rpc.to_string(), "--authrpc", &self.engine.to_string()]);
                command.arg("--stop-with-stdin").env("RUST_LOG", "warn");
                command
            }
            Program::EthereumJs => {
                let mut command = Command::new("node");
                command.arg("--import").arg(NODE_LEASH).arg(path);
                command
                    .arg("--gethGenesis")
                    .arg(file("genesis.json"))
                    .arg("--jwtSecret")
                    .arg(file("jwt.hex"));
                command.arg("--dataDir").arg(file("data")).args(["--sync", "none", "--isSingleNode"]);
                command.args(["--rpc", "--rpcAddr", "127.0.0.1", "--rpcPort", &self.rpc.port().to_string()]);
                command.args(["--rpcEngine", "--rpcEngineAddr", "127.0.0.1"]);
                command.args(["--rpcEnginePort", &self.engine.port().to_string()]);
                command.args(["--discDns", "false", "--discV4", "false", "--maxPeers", "0"]);
                command.args(["--extIP", "127.0.0.1", "--logFile", "false"]);
                command
            }
        }
    }

    /// Waits until the Engine API accepts connections, for at most `limit`.
    pub fn wait_until_ready(&mut self, limit: Duration) -> Result<(), DevError> {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline && self.is_running() {
            if TcpStream::connect_timeout(&self.engine, CONNECT_LIMIT).is_ok() {
                return Ok(());
            }
            std::thread::sleep(POLL);
        }
        Err(DevError::NotReady { name: self.name.clone(), log: self.log() })
    }

    /// Whether the process runs.
    pub fn is_running(&mut self) -> bool {
        self.running.as_mut().is_some_and(|running| matches!(running.process.try_wait(), Ok(None)))
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            // It may have ended before, which is as good.
            let _ = running.process.kill();
            let _ = running.process.wait();
        }
    }

    /// Ends it in good order if it does so in time, else as [`Self::kill`] does.
    pub fn stop(&mut self) {
        let Some(running) = &mut self.running else { return };
        running.leash = None;
        let deadline = Instant::now() + STOP_LIMIT;
        while Instant::now() < deadline && self.is_running() {
            std::thread::sleep(POLL);
        }
        self.kill();
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which program it is.
    pub fn program(&self) -> Program {
        self.program
    }

    /// Process id while it runs, for signals.
    pub fn process_id(&self) -> Option<u32> {
        self.running.as_ref().map(|running| running.process.id())
    }

    /// Where `eth_*` is served to everybody.
    pub fn rpc(&self) -> SocketAddr {
        self.rpc
    }

    /// Where the Engine API is served.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.engine)
    }

    /// File with the secret of the Engine API.
    pub fn secret_file(&self) -> PathBuf {
        self.dir.join("jwt.hex")
    }

    /// Its log.
    pub fn log(&self) -> PathBuf {
        self.dir.join("log")
    }
}

impl Drop for DevClient {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Two free ports; both are held until both are known.
fn free_addresses() -> io::Result<[SocketAddr; 2]> {
    let [first, second] = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    Ok([first?.local_addr()?, second?.local_addr()?])
}
