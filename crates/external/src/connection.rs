//! One worker process, from its start to its end, and the socket to it.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lathe_aggregation_abi::{
    Answer, Capabilities, CodecError, MAX_PROOF_BYTES, PROTOCOL_VERSION, Purpose, Request, read_frame,
    write_frame,
};

use crate::error::ExternalError;
use crate::isolation::KEPT_VARIABLES;
use crate::target::Target;
use crate::worker::WORKER_COMMAND;

/// Time that a system has to set itself up. leanVM takes ten seconds on an idle machine.
const SET_UP_LIMIT: Duration = Duration::from_secs(120);
/// Time to say what it is, which needs no set-up; on a busy machine a large program takes some time to load.
const HELLO_LIMIT: Duration = Duration::from_secs(60);
/// Time after the limit of a call in which one that proves may still answer, having been told that nobody waits. Ending
/// it would cost another set-up. One that verifies has none: gossip waits for it.
const GRACE: Duration = Duration::from_secs(8);
/// Pause between looks at whether the answer is still wanted.
const POLL: Duration = Duration::from_millis(20);
/// An answer holds at most one proof, or a verdict for every signature of a batch.
const MAX_ANSWER_BYTES: usize = MAX_PROOF_BYTES + 4_096;

/// What is started.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    pub(crate) program: PathBuf,
    pub(crate) target: Target,
    pub(crate) purpose: Purpose,
}

/// A running worker. Dropping it ends the process.
#[derive(Debug)]
pub(crate) struct Connection {
    process: Child,
    socket: UnixStream,
    next_id: u32,
    grace: Duration,
    /// Whether it has ever answered a request.
    pub(crate) has_served: bool,
}

impl Connection {
    /// Starts a worker and waits until it is set up, or until `wanted` says no.
    pub(crate) fn open(
        start: &Start,
        wanted: impl Fn() -> bool,
    ) -> Result<(Self, Capabilities), ExternalError> {
        let (mut connection, capabilities) = Self::greet(start, &wanted)?;
        match connection.exchange(&Request::SetUp(start.purpose), SET_UP_LIMIT, wanted)? {
            Answer::Done(_) => {
                connection.has_served = false;
                Ok((connection, capabilities))
            }
            answer => Err(ExternalError::NotStarted(words(answer))),
        }
    }

    /// Starts a worker and asks what it is; nothing is set up.
    pub(crate) fn greet(
        start: &Start,
        wanted: impl Fn() -> bool,
    ) -> Result<(Self, Capabilities), ExternalError> {
        let failed = || ExternalError::io("starting the aggregation worker");
        let (ours, theirs) = UnixStream::pair().map_err(failed())?;
        // What a library prints must not look like an answer, and belongs into the log. A program answers there.
        let output = match &start.target {
            Target::Library(_) => std::io::stderr().as_fd().try_clone_to_owned(),
            Target::Command(_) => theirs.as_fd().try_clone_to_owned(),
        };
        let kept = KEPT_VARIABLES.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        // A program may be a script that looks for others.
        let path = matches!(start.target, Target::Command(_)).then(|| std::env::var_os("PATH")).flatten();
        let process = Command::new(&start.program)
            .env_clear()
            .envs(kept)
            .envs(path.map(|path| ("PATH", path)))
            .arg(WORKER_COMMAND)
            .arg(start.target.to_string())
            .arg(start.purpose.name())
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::from(output.map_err(failed())?))
            .spawn()
            .map_err(failed())?;
        let grace = if start.purpose == Purpose::Verify { Duration::ZERO } else { GRACE };
        let mut connection = Self { process, socket: ours, next_id: 1, grace, has_served: false };
        let hello = Request::Hello { version: PROTOCOL_VERSION };
        match connection.exchange(&hello, HELLO_LIMIT, wanted) {
            Ok(Answer::Hello { version: PROTOCOL_VERSION, capabilities }) => {
                check(&capabilities)?;
                Ok((connection, capabilities))
            }
            Ok(Answer::Hello { version: found, .. }) => {
                Err(ExternalError::ProtocolVersion { expected: PROTOCOL_VERSION, found })
            }
            Ok(answer) => Err(ExternalError::NotStarted(words(answer))),
            Err(ExternalError::Closed) => Err(ExternalError::NotStarted(format!(
                "it ended ({}) before it said what it is",
                connection.end()
            ))),
            Err(error) => Err(error),
        }
    }

    /// Sends a request and waits for its answer; `limit` holds for both together. After that the worker is told that
    /// nobody waits, and has [`GRACE`] to answer all the same. After an error the connection is of no use any more.
    pub(crate) fn exchange(
        &mut self,
        request: &Request,
        limit: Duration,
        wanted: impl Fn() -> bool,
    ) -> Result<Answer, ExternalError> {
        let id = self.next_id;
        self.next_id = self.next_id.wrapping_add(1);
        let mut patient = Patient::new(&self.socket, limit, wanted)?;
        // A worker that does not take the request has gone or hangs.
        write_frame(&mut patient, id, request).map_err(|error| match error.kind() {
            ErrorKind::TimedOut => ExternalError::TimedOut,
            ErrorKind::ConnectionAborted => ExternalError::Cancelled,
            _ => ExternalError::Closed,
        })?;
        patient.cancels = Some((id, self.grace));
        let (of, answer) = read_frame(&mut patient, MAX_ANSWER_BYTES).map_err(read_error)?;
        if of != id {
            return Err(ExternalError::Message(format!("an answer to request {of} in place of {id}")));
        }
        self.has_served = true;
        Ok(answer)
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

/// Longest name or version.
const MAX_NAME_BYTES: usize = 31;

/// Checks that names are short words and that proofs have room for somebody.
fn check(capabilities: &Capabilities) -> Result<(), ExternalError> {
    for name in [&capabilities.name, &capabilities.version] {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(is_plain) {
            return Err(ExternalError::Capabilities(
                "name or version is empty, not terminated, or not of letters, digits, '.', '_' and '-'",
            ));
        }
    }
    if capabilities.max_signers == 0 || capabilities.max_components == 0 {
        return Err(ExternalError::Capabilities("proofs have room for nobody"));
    }
    Ok(())
}

/// What an answer that is no result says.
pub(crate) fn words(answer: Answer) -> String {
    match answer {
        Answer::Invalid(why) | Answer::Failed(why) | Answer::Broken(why) => text(&why),
        Answer::Unsupported(why) => format!("it cannot do that: {}", text(&why)),
        Answer::Cancelled => "it was cancelled".into(),
        Answer::Hello { .. } | Answer::Done(_) => "an answer to another question".into(),
    }
}

/// Text of the other process, for logs: one short line.
pub(crate) fn text(text: &str) -> String {
    let letters = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    letters.take(lathe_aggregation_abi::MAX_TEXT_BYTES).collect()
}

fn read_error(error: CodecError) -> ExternalError {
    let source = match error {
        CodecError::Io(source) => source,
        other => return ExternalError::Message(other.to_string()),
    };
    match source.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => ExternalError::Closed,
        ErrorKind::TimedOut => ExternalError::TimedOut,
        ErrorKind::ConnectionAborted => ExternalError::Cancelled,
        _ => ExternalError::Io { what: "reading from the other process", source },
    }
}

/// Reads and writes until a deadline, or until nobody wants the answer any more. Both are looked at before every
/// step: a process that sends or takes one byte at a time never makes a step wait.
struct Patient<'a, W> {
    socket: &'a UnixStream,
    deadline: Instant,
    wanted: W,
    /// The request that is cancelled at the deadline, once, which then is put off by so much.
    cancels: Option<(u32, Duration)>,
}

impl<'a, W: Fn() -> bool> Patient<'a, W> {
    fn new(socket: &'a UnixStream, limit: Duration, wanted: W) -> Result<Self, ExternalError> {
        let limited = socket.set_read_timeout(Some(POLL)).and_then(|()| socket.set_write_timeout(Some(POLL)));
        limited.map_err(ExternalError::io("limiting the time of a call"))?;
        Ok(Self { socket, deadline: Instant::now() + limit, wanted, cancels: None })
    }

    fn patiently(
        &mut self,
        mut step: impl FnMut(&UnixStream) -> std::io::Result<usize>,
    ) -> std::io::Result<usize> {
        loop {
            if !(self.wanted)() {
                return Err(ErrorKind::ConnectionAborted.into());
            }
            if Instant::now() >= self.deadline {
                let (request, grace) =
                    self.cancels.take().filter(|(_, grace)| !grace.is_zero()).ok_or(ErrorKind::TimedOut)?;
                self.deadline = Instant::now() + grace;
                // One that takes no more requests is ended soon.
                let _ = write_frame(&mut self.socket, 0, &Request::Cancel { request });
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
    fn at_the_deadline_a_worker_is_told_to_give_up_and_may_still_answer() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let answering = std::thread::spawn(move || {
            let cancelled = read_frame::<Request>(&mut theirs, 100).unwrap();
            write_frame(&mut theirs, 7, &Answer::Done(vec![9])).unwrap();
            cancelled
        });
        let mut patient = Patient::new(&ours, Duration::ZERO, || true).unwrap();
        patient.cancels = Some((7, GRACE));
        assert_eq!(read_frame::<Answer>(&mut patient, 100).unwrap(), (7, Answer::Done(vec![9])));
        assert_eq!(answering.join().unwrap(), (0, Request::Cancel { request: 7 }));
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

    #[test]
    fn names_are_short_plain_words() {
        let good = || Capabilities {
            name: "test".into(),
            version: "1.0".into(),
            max_signers: 1,
            max_components: 1,
            ..Capabilities::default()
        };
        assert!(check(&good()).is_ok());
        for name in ["", "a b", "a/b", "\u{e4}", "0123456789012345678901234567890+"] {
            assert!(check(&Capabilities { name: name.into(), ..good() }).is_err(), "{name}");
            assert!(check(&Capabilities { version: name.into(), ..good() }).is_err(), "{name}");
        }
        assert!(check(&Capabilities { name: "a".repeat(MAX_NAME_BYTES), ..good() }).is_ok());
        assert!(check(&Capabilities { name: "a".repeat(MAX_NAME_BYTES + 1), ..good() }).is_err());
        assert!(check(&Capabilities { max_signers: 0, ..good() }).is_err());
        assert!(check(&Capabilities { max_components: 0, ..good() }).is_err());
    }

    #[test]
    fn text_is_one_short_line() {
        assert_eq!(text("a\nb\x1b[1m\u{fffd}"), "a b [1m\u{fffd}");
        assert_eq!(text(&"a".repeat(5_000)).len(), lathe_aggregation_abi::MAX_TEXT_BYTES);
    }
}
