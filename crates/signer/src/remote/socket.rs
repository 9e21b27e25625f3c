//! Where a signer listens: a socket file on this machine, or TCP.

use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Type};

/// `unix:PATH` or `HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignerAddress {
    /// A socket file that its owner alone can use.
    Unix(PathBuf),
    /// A TCP port. Whoever connects needs the token, and nothing is encrypted: loopback, or a tunnel.
    Tcp(String),
}

impl FromStr for SignerAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Self::Unix(path.strip_prefix("//").unwrap_or(path).into()));
        }
        let host = text.strip_prefix("tcp://").unwrap_or(text);
        match host.rsplit_once(':') {
            Some((name, port)) if !name.is_empty() && !name.contains('/') && port.parse::<u16>().is_ok() => {
                Ok(Self::Tcp(host.to_owned()))
            }
            _ => Err("write unix:PATH or HOST:PORT, such as unix:signer.sock or 127.0.0.1:9700".into()),
        }
    }
}

impl fmt::Display for SignerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(host) => write!(f, "{host}"),
        }
    }
}

/// Wait before a listener whose queue is full is asked again.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(10);

/// One side of a connection.
#[derive(Debug)]
pub(super) enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Socket {
    pub(super) fn connect(address: &SignerAddress, within: Duration) -> io::Result<Self> {
        match address {
            SignerAddress::Unix(path) => connect_file(path, within).map(Self::Unix),
            SignerAddress::Tcp(host) => {
                let address = host.to_socket_addrs()?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
                let stream = TcpStream::connect_timeout(&address, within)?;
                stream.set_nodelay(true)?;
                Ok(Self::Tcp(stream))
            }
        }
    }

    fn set_timeouts(&self, within: Duration) -> io::Result<()> {
        let within = Some(within);
        match self {
            Self::Unix(stream) => {
                stream.set_read_timeout(within).and_then(|()| stream.set_write_timeout(within))
            }
            Self::Tcp(stream) => {
                stream.set_read_timeout(within).and_then(|()| stream.set_write_timeout(within))
            }
        }
    }
}

/// Connects to a socket file. A listener that hangs, and whose queue of connections is full, would make a plain call
/// wait for as long as it hangs.
fn connect_file(path: &Path, within: Duration) -> io::Result<UnixStream> {
    let deadline = Instant::now() + within;
    let address = SockAddr::unix(path)?;
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    loop {
        match socket.connect(&address) {
            Ok(()) => break,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if Instant::now() >= deadline {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                thread::sleep(ASK_AGAIN_AFTER);
            }
            Err(error) => return Err(error),
        }
    }
    socket.set_nonblocking(false)?;
    Ok(OwnedFd::from(socket).into())
}

/// A connection that is given up at a deadline, however slowly the other side goes on.
#[derive(Debug)]
pub(super) struct Timed {
    socket: Socket,
    deadline: Instant,
}

impl Timed {
    pub(super) fn new(socket: Socket, within: Duration) -> Self {
        Self { socket, deadline: Instant::now() + within }
    }

    /// From now on the other side has this long.
    pub(super) fn allow(&mut self, within: Duration) {
        self.deadline = Instant::now() + within;
    }

    fn wait(&self) -> io::Result<()> {
        match self.deadline.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => self.socket.set_timeouts(left),
        }
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wait()?;
        match &mut self.socket {
            Socket::Unix(stream) => stream.read(buffer),
            Socket::Tcp(stream) => stream.read(buffer),
        }
    }
}

impl Write for Timed {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.wait()?;
        match &mut self.socket {
            Socket::Unix(stream) => stream.write(buffer),
            Socket::Tcp(stream) => stream.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a signer listens on.
#[derive(Debug)]
pub(super) enum Listener {
    Unix(UnixListener, PathBuf),
    Tcp(TcpListener),
}

impl Listener {
    pub(super) fn bind(address: &SignerAddress) -> io::Result<Self> {
        match address {
            SignerAddress::Unix(path) => Ok(Self::Unix(bind_private(path)?, path.clone())),
            SignerAddress::Tcp(host) => TcpListener::bind(host.as_str()).map(Self::Tcp),
        }
    }

    pub(super) fn accept(&self) -> io::Result<Socket> {
        match self {
            Self::Unix(listener, _) => listener.accept().map(|(stream, _)| Socket::Unix(stream)),
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                Ok(Socket::Tcp(stream))
            }
        }
    }

    pub(super) fn address(&self) -> io::Result<String> {
        match self {
            Self::Unix(_, path) => Ok(format!("unix:{}", path.display())),
            Self::Tcp(listener) => listener.local_addr().map(|address| address.to_string()),
        }
    }
}

/// A socket file that nobody else can use, not even for a moment: it gets its name after its permissions. One that a
/// signer has left behind is replaced; a file of another kind is somebody's, and stays.
fn bind_private(path: &Path) -> io::Result<UnixListener> {
    if is_socket(path)? && is_listening(path) {
        return Err(io::Error::new(io::ErrorKind::AddrInUse, "another signer listens there"));
    }
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    if is_socket(&new)? {
        fs::remove_file(&new)?;
    }
    let listener = UnixListener::bind(&new)?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600))?;
    fs::rename(&new, path)?;
    Ok(listener)
}

/// Whether somebody has a socket file open, if only to hang.
fn is_listening(path: &Path) -> bool {
    connect_file(path, Duration::ZERO).map_or_else(|error| error.kind() == io::ErrorKind::TimedOut, |_| true)
}

/// Whether there is a socket file; an error if there is something else.
fn is_socket(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => Ok(true),
        Ok(_) => {
            let why = format!("{} is no socket and is not overwritten; choose another path", path.display());
            Err(io::Error::new(io::ErrorKind::AlreadyExists, why))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_files_or_ports() {
        let parse = |text: &str| text.parse::<SignerAddress>();
        assert_eq!(parse("unix:a/b.sock"), Ok(SignerAddress::Unix("a/b.sock".into())));
        assert_eq!(parse("unix:///run/b.sock"), Ok(SignerAddress::Unix("/run/b.sock".into())));
        assert_eq!(parse("unix:////run/b.sock"), Ok(SignerAddress::Unix("//run/b.sock".into())));
        assert_eq!(parse("127.0.0.1:9700"), Ok(SignerAddress::Tcp("127.0.0.1:9700".into())));
        assert_eq!(parse("tcp://host:1"), Ok(SignerAddress::Tcp("host:1".into())));
        for text in ["", "unix:", "host", ":1", "http://host:1", "host:x"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_listener_that_hangs_is_waited_for_no_longer_than_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.sock");
        // Accepts nothing, until its queue is full.
        let _hangs = UnixListener::bind(&path).unwrap();
        let address = SignerAddress::Unix(path.clone());
        let mut waiting = Vec::new();
        let error = loop {
            match Socket::connect(&address, Duration::from_millis(50)) {
                Ok(socket) => waiting.push(socket),
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(!waiting.is_empty());
        // It is there all the same, and keeps its place.
        let error = Listener::bind(&address).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_file_that_is_no_socket_is_never_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let [path, beside] = ["key", "a.sock.new"].map(|name| dir.path().join(name));
        for taken in [&path, &beside] {
            fs::write(taken, "a secret key").unwrap();
        }
        for wanted in [path.clone(), dir.path().join("a.sock")] {
            let error = Listener::bind(&SignerAddress::Unix(wanted)).err().unwrap();
            assert!(error.to_string().ends_with("is no socket and is not overwritten; choose another path"));
        }
        for taken in [&path, &beside] {
            assert_eq!(fs::read(taken).unwrap(), b"a secret key");
        }
        // What a signer has left behind is.
        let left = dir.path().join("left.sock");
        drop(UnixListener::bind(&left).unwrap());
        let listener = Listener::bind(&SignerAddress::Unix(left.clone())).unwrap();
        assert_eq!(listener.address().unwrap(), format!("unix:{}", left.display()));
    }
}
