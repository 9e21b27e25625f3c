//! One worker process, from its start to its end, and the socket to it.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::error::ExternalError;
use crate::isolation::KEPT_VARIABLES;
use crate::message::{Answer, Hello, MAX_ANSWER_BYTES, Purpose, Request, frame, read, text};
use crate::worker::WORKER_COMMAND;

/// Time that a library has to set itself up. leanVM takes ten seconds on an idle machine.
const SET_UP_LIMIT: Duration = Duration::from_secs(120);
/// Pause between looks at whether the answer is still wanted.
const POLL: Duration = Duration::from_millis(20);

/// What is started.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) program: PathBuf,
    pub(crate) library: PathBuf,
    pub(crate) purpose: Purpose,
}

/// A running worker. Dropping it ends the process.
#[derive(Debug)]
pub(crate) struct Connection {
    process: Child,
    socket: UnixStream,
    /// Whether it has ever answered a request.
    pub(crate) has_served: bool,
}

/// The path as the loader needs it: absolute, so that it is not looked for anywhere else.
pub(crate) fn absolute(library: &Path) -> Result<PathBuf, ExternalError> {
    library.canonicalize().map_err(|source| ExternalError::NoLibrary { path: library.to_owned(), source })
}

impl Connection {
    /// Starts a worker and waits until its library is set up, or until `wanted` says no.
    pub(crate) fn open(start: &Start, wanted: impl Fn() -> bool) -> Result<(Self, Hello), ExternalError> {
        let failed = || ExternalError::io("starting the aggregation worker");
        let (ours, theirs) = UnixStream::pair().map_err(failed())?;
        // Whatever the library prints must not look like an answer, and belongs into the log.
        let errors = std::io::stderr().as_fd().try_clone_to_owned().map_err(failed())?;
        let kept = KEPT_VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        let process = Command::new(&start.program)
            .env_clear()
            .envs(kept)
            .arg(WORKER_COMMAND)
            .arg(&start.library)
            .arg(start.purpose.name())
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::from(errors))
            .spawn()
            .map_err(failed())?;
        let mut connection = Self { process, socket: ours, has_served: false };
        match connection.receive(SET_UP_LIMIT, wanted)? {
            Answer::Ready(hello) => {
                hello.check()?;
                Ok((connection, hello))
            }
            Answer::Failed(why) => Err(ExternalError::NotStarted(text(&why))),
            other => Err(ExternalError::Message(format!("{other:?} for a greeting"))),
        }
    }

    /// Sends a request and waits for its answer; `limit` holds for both together. After an error the connection is of
    /// no use any more.
    pub(crate) fn exchange(
        &mut self,
        request: &Request,
        limit: Duration,
        wanted: impl Fn() -> bool,
    ) -> Result<Answer, ExternalError> {
        let mut patient = Patient::new(&self.socket, limit, wanted)?;
        // A worker that does not take the request has gone or hangs.
        patient.write_all(&frame(request)).map_err(|error| match error.kind() {
            ErrorKind::TimedOut => ExternalError::TimedOut,
            ErrorKind::ConnectionAborted => ExternalError::Cancelled,
            _ => ExternalError::Closed,
        })?;
        let answer = read(&mut patient, MAX_ANSWER_BYTES)?;
        self.has_served = true;
        Ok(answer)
    }

    fn receive(&mut self, limit: Duration, wanted: impl Fn() -> bool) -> Result<Answer, ExternalError> {
        read(&mut Patient::new(&self.socket, limit, wanted)?, MAX_ANSWER_BYTES)
    }

    /// Whether the process still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// How the process ended; it is ended by this, if it has not.
    pub(crate) fn end(&mut self) -> String {
        // It may have ended before, which is as good.
        let _ = self.process.kill();
        match self.process.wait() {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.end();
    }
}

/// Reads and writes until a deadline, or until nobody wants the answer any more. Both are looked at before every
/// step: a process that sends or takes one byte at a time never makes a step wait.
struct Patient<'a, W> {
    socket: &'a UnixStream,
    deadline: Instant,
    wanted: W,
}

impl<'a, W: Fn() -> bool> Patient<'a, W> {
    fn new(socket: &'a UnixStream, limit: Duration, wanted: W) -> Result<Self, ExternalError> {
        let limited = socket.set_read_timeout(Some(POLL)).and_then(|()| socket.set_write_timeout(Some(POLL)));
        limited.map_err(ExternalError::io("limiting the time of a call"))?;
        Ok(Self { socket, deadline: Instant::now() + limit, wanted })
    }

    fn patiently(
        &self,
        mut step: impl FnMut(&UnixStream) -> std::io::Result<usize>,
    ) -> std::io::Result<usize> {
        loop {
            if !(self.wanted)() {
                return Err(ErrorKind::ConnectionAborted.into());
            }
            if Instant::now() >= self.deadline {
                return Err(ErrorKind::TimedOut.into());
            }
            match step(self.socket) {
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                outcome => return outcome,
            }
        }
    }
}

impl<W: Fn() -> bool> Read for Patient<'_, W> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.patiently(|mut socket| socket.read(buffer))
    }
}

impl<W: Fn() -> bool> Write for Patient<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.patiently(|mut socket| socket.write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that sends or takes one byte at a time never lets a step wait, so waiting is not what ends it.
    #[test]
    fn no_step_is_taken_after_the_deadline_even_if_it_could_be() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(&[1]).unwrap();
        let mut patient = Patient::new(&ours, Duration::ZERO, || true).unwrap();
        let late = Err(ErrorKind::TimedOut);
        assert_eq!(patient.read(&mut [0]).map_err(|error| error.kind()), late);
        assert_eq!(patient.write(&[0]).map_err(|error| error.kind()), late);
        // In time both are.
        let mut patient = Patient::new(&ours, SET_UP_LIMIT, || true).unwrap();
        assert_eq!((patient.read(&mut [0]).unwrap(), patient.write(&[0]).unwrap()), (1, 1));
    }

    #[test]
    fn nothing_is_sent_or_read_for_nobody() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(&[1]).unwrap();
        let mut patient = Patient::new(&ours, SET_UP_LIMIT, || false).unwrap();
        let aborted = Err(ErrorKind::ConnectionAborted);
        assert_eq!(patient.read(&mut [0]).map_err(|error| error.kind()), aborted);
        assert_eq!(patient.write(&[0]).map_err(|error| error.kind()), aborted);
    }
}
