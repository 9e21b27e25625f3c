//! The process around a proof system: it reads requests from the socket that is its standard input, and answers them
//! there. What a library prints goes to the node's standard error.
//!
//! The process is made to be lost: it dumps no core, has a limit to its memory, is the first that a system short of
//! memory ends, and ends itself as soon as the node is gone, whatever the library is doing. A program takes the place
//! of this process once that is arranged, and inherits it.

use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, sync_channel};

use lathe_aggregation_abi::{Answer, MAX_FRAME_BYTES, Request, read_frame, serve_requests, write_frame};
use rlimit::Resource;

use crate::error::ExternalError;
use crate::isolation;
use crate::library::{Library, end_process};
use crate::target::Target;

/// The hidden subcommand that starts a worker; what it runs and the purpose follow.
pub const WORKER_COMMAND: &str = "aggregation-worker";

/// Address space of a library that does not say how much it needs. The largest provers known take 12 GiB.
pub(crate) const DEFAULT_MEMORY_BYTES: u64 = 16 << 30;
/// Address space of the process without the library: code, stacks, arenas of the allocator, one request.
const OWN_MEMORY_BYTES: u64 = 1 << 30;
/// Requests that wait: a node sends the next one when it has the answer, and a cancellation beside it.
const WAITING: usize = 4;
/// Tells a program whether the system keeps it from the files of the node, for its capabilities.
const CONFINED_VARIABLE: &str = "LATHE_WORKER_CONFINED";
/// The first that the system ends when memory runs out, on Linux.
const MOST_EXPENDABLE: &str = "1000";

/// Serves until the node closes the socket. Fails, and tells the node why, if the library cannot be used.
pub fn run(target: &Target) -> Result<(), ExternalError> {
    isolation::give_up_inheritance();
    make_expendable()?;
    match target {
        Target::Library(library) => serve_library(library),
        Target::Command(command) => become_program(command),
    }
}

fn serve_library(path: &Path) -> Result<(), ExternalError> {
    let mut socket = isolation::take_socket()?;
    // Before there is a second thread, which would not be confined.
    let is_confined = isolation::confine(path.parent());
    if let Err(error) = Library::load(path, is_confined) {
        // The node asks first, and may have gone meanwhile; this process ends either way.
        if let Ok((id, _)) = read_frame::<Request>(&mut socket, MAX_FRAME_BYTES) {
            let _ = write_frame(&mut socket, id, &Answer::Failed(error.to_string()));
        }
        return Err(error);
    }
    let requests = listen(&socket)?;
    serve_requests::<Library>(requests, socket).map_err(ExternalError::io("answering the node"))
}

/// Reads requests on a thread of its own, so that the end of the node is noticed while the library works.
fn listen(socket: &UnixStream) -> Result<Receiver<(u32, Request)>, ExternalError> {
    let mut socket = socket.try_clone().map_err(ExternalError::io("sharing the socket"))?;
    let (sender, receiver) = sync_channel(WAITING);
    let read_on = move || {
        while let Ok(request) = read_frame::<Request>(&mut socket, MAX_FRAME_BYTES) {
            if sender.send(request).is_err() {
                break;
            }
        }
        end_process()
    };
    let spawned = std::thread::Builder::new().name("node".into()).spawn(read_on);
    spawned.map_err(ExternalError::io("starting a thread"))?;
    Ok(receiver)
}

/// Lets the program take the place of this process.
fn become_program(command: &[String]) -> Result<(), ExternalError> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(ExternalError::NotStarted("the command is empty".into()));
    };
    limit_memory(DEFAULT_MEMORY_BYTES)?;
    let own = own_files(Path::new(program), arguments);
    let is_confined = isolation::confine(own.iter().map(PathBuf::as_path));
    let source = Command::new(program)
        .args(arguments)
        .env(CONFINED_VARIABLE, if is_confined { "1" } else { "0" })
        .exec();
    Err(ExternalError::NotStarted(format!("{program}: {source}")))
}

/// What a program and its scripts need to read beside the system's directories: what lies beside them, and where the
/// program is in an environment of its own, its libraries. The same for what the program is a link to.
fn own_files(program: &Path, arguments: &[String]) -> Vec<PathBuf> {
    let programs = [Some(program.to_owned()), program.canonicalize().ok()];
    let mut own = Vec::new();
    for directory in programs.iter().flatten().filter(|it| it.is_absolute()).filter_map(|it| it.parent()) {
        own.push(directory.to_owned());
        let prefix = directory.parent().unwrap_or(directory);
        own.extend(["lib", "lib64", "pyvenv.cfg"].map(|name| prefix.join(name)));
    }
    let scripts = arguments.iter().map(Path::new).filter(|path| path.is_absolute() && path.is_file());
    own.extend(scripts.filter_map(Path::parent).map(Path::to_owned));
    own
}

/// Lowers the limit of the address space, for good.
pub(crate) fn limit_memory(bytes: u64) -> Result<(), ExternalError> {
    limit(Resource::AS, bytes.saturating_add(OWN_MEMORY_BYTES))
}

fn make_expendable() -> Result<(), ExternalError> {
    limit(Resource::CORE, 0)?;
    // Other systems do not have it, and then choose for themselves.
    let _ = std::fs::write("/proc/self/oom_score_adj", MOST_EXPENDABLE);
    Ok(())
}

/// Lowers a limit for good; one that is lower already stays.
fn limit(resource: Resource, value: u64) -> Result<(), ExternalError> {
    let failed = || ExternalError::io("limiting the worker's resources");
    let (_, hard) = resource.get().map_err(failed())?;
    let value = value.min(hard);
    resource.set(value, value).map_err(failed())
}
