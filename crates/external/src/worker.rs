//! The process around a library: it reads requests from the socket that is its standard input, and answers them there.
//! What the library prints goes to the node's standard error.
//!
//! The process is made to be lost: it dumps no core, has a limit to its memory, is the first that a system short of
//! memory ends, and ends itself as soon as the node is gone, whatever the library is doing.

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rlimit::Resource;

use crate::error::ExternalError;
use crate::isolation;
use crate::library::{Library, end_process};
use crate::message::{Answer, Hello, MAX_REQUEST_BYTES, Purpose, Request, read, write};

/// The hidden subcommand that starts a worker; the path of the library and the purpose follow.
pub const WORKER_COMMAND: &str = "aggregation-worker";

/// Address space of a library that does not say how much it needs. The largest provers known take 12 GiB.
const DEFAULT_MEMORY_BYTES: u64 = 16 << 30;
/// Address space of the process without the library: code, stacks, arenas of the allocator, one request.
const OWN_MEMORY_BYTES: u64 = 1 << 30;
/// The first that the system ends when memory runs out, on Linux.
const MOST_EXPENDABLE: &str = "1000";

/// Serves until the node closes the socket. Fails, and tells the node why, if the library cannot be used.
pub fn run(library: &Path, purpose: Purpose) -> Result<(), ExternalError> {
    isolation::give_up_inheritance();
    make_expendable()?;
    let mut socket = isolation::take_socket()?;
    // Before there is a second thread, which would not be confined.
    let is_confined = isolation::confine(library);
    let requests = listen(&socket)?;
    let (library, hello) = match set_up(library, purpose) {
        Ok((library, hello)) => (library, Hello { is_confined, ..hello }),
        Err(error) => {
            // The node may have gone meanwhile; this process ends either way.
            let _ = write(&mut socket, &Answer::Failed(error.to_string().into_bytes()));
            return Err(error);
        }
    };
    let failed = || ExternalError::io("answering the node");
    write(&mut socket, &Answer::Ready(hello)).map_err(failed())?;
    while let Ok(request) = requests.recv() {
        write(&mut socket, &library.perform(&request)).map_err(failed())?;
    }
    Ok(())
}

fn set_up(path: &Path, purpose: Purpose) -> Result<(Library, Hello), ExternalError> {
    let library = Library::load(path)?;
    let hello = library.capabilities()?;
    let memory = match hello.memory_bytes {
        0 => DEFAULT_MEMORY_BYTES,
        bytes => bytes,
    };
    limit(Resource::AS, memory.saturating_add(OWN_MEMORY_BYTES))?;
    if purpose != Purpose::Describe {
        library.init(purpose)?;
    }
    Ok((library, hello))
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

/// Reads requests on a thread of its own, so that the end of the node is noticed while the library works.
fn listen(socket: &UnixStream) -> Result<Receiver<Request>, ExternalError> {
    let mut socket = socket.try_clone().map_err(ExternalError::io("sharing the socket"))?;
    let (sender, receiver): (SyncSender<Request>, _) = sync_channel(1);
    let read_on = move || {
        while let Ok(request) = read(&mut socket, MAX_REQUEST_BYTES) {
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
