//! What keeps the faults of a library inside its process: it is given nothing that it does not need.
//!
//! This isolates faults, not malice. A library runs as the node's user, and whoever wants to do harm from inside the
//! process finds ways around most of it; a library that is not trusted needs a user or a machine of its own.

#![cfg_attr(target_os = "linux", allow(unsafe_code, reason = "the system's own calls, on numbers alone"))]

use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::error::ExternalError;

/// Of the node's environment the worker gets these variables: where shared objects and temporary files are, how many
/// threads to use, and what a panic tells.
pub(crate) const KEPT_VARIABLES: [&str; 4] =
    ["LD_LIBRARY_PATH", "RAYON_NUM_THREADS", "RUST_BACKTRACE", "TMPDIR"];

/// Where shared objects, certificates of the system, devices and facts about the machine are.
#[cfg(target_os = "linux")]
const READABLE: [&str; 10] =
    ["/usr", "/lib", "/lib64", "/etc", "/opt", "/nix", "/proc", "/sys", "/run", "/dev"];

/// Gives up what a process inherits: privileges to be gained, the terminal's session, descriptors. From here on the
/// process ends with the thread that started it, whatever it is doing.
#[cfg(target_os = "linux")]
pub(crate) fn give_up_inheritance() {
    const YES: libc::c_ulong = 1;
    const NO: libc::c_ulong = 0;
    // After standard input, output and error.
    const FIRST_INHERITED: libc::c_long = 3;
    // Each is a further precaution: where the system refuses one, the others still hold.
    // SAFETY: all of these take numbers. The descriptors that are closed are nobody's: nothing was opened so far.
    unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, YES, NO, NO, NO);
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong);
        libc::setsid();
        libc::syscall(
            libc::SYS_close_range,
            FIRST_INHERITED,
            libc::c_long::from(u32::MAX),
            0 as libc::c_long,
        );
    }
}

/// See the other one: other systems have other means.
#[cfg(not(target_os = "linux"))]
pub(crate) fn give_up_inheritance() {}

/// Takes the socket to the node off the standard input, so that a library which reads or writes there meets nothing.
pub(crate) fn take_socket() -> Result<UnixStream, ExternalError> {
    let failed = || ExternalError::io("taking the socket from standard input");
    let socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().map_err(failed())?);
    replace_stdin(&File::open("/dev/null").map_err(failed())?.into())?;
    Ok(socket)
}

#[cfg(target_os = "linux")]
fn replace_stdin(with: &OwnedFd) -> Result<(), ExternalError> {
    use std::os::fd::AsRawFd as _;
    // SAFETY: it takes two numbers; the first is of an open descriptor, and nobody else uses the second.
    if unsafe { libc::dup2(with.as_raw_fd(), libc::STDIN_FILENO) } == -1 {
        let source = std::io::Error::last_os_error();
        return Err(ExternalError::Io { what: "taking the socket from standard input", source });
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn replace_stdin(_: &OwnedFd) -> Result<(), ExternalError> {
    Ok(())
}

/// Takes away all files but those of the system, of the system's `own` directories, and temporary ones; connections by
/// TCP; and signals to other processes. Says whether the system does that: Linux does since 5.13, if it was built to.
#[cfg(target_os = "linux")]
pub(crate) fn confine<'a>(own: impl IntoIterator<Item = &'a Path>) -> bool {
    use landlock::{
        ABI, Access as _, AccessFs, AccessNet, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
        RulesetError, RulesetStatus, Scope, path_beneath_rules,
    };
    let restrict = || -> Result<RulesetStatus, RulesetError> {
        let abi = ABI::V6;
        let readable = READABLE.map(Path::new).into_iter().chain(own);
        let writable = [std::env::temp_dir(), "/dev".into()];
        let status = Ruleset::default()
            .handle_access(AccessFs::from_all(abi))?
            .handle_access(AccessNet::from_all(abi))?
            .scope(Scope::from_all(abi))?
            .create()?
            .add_rules(path_beneath_rules(readable, AccessFs::from_read(abi)))?
            .add_rules(path_beneath_rules(writable, AccessFs::from_all(abi)))?
            .restrict_self()?;
        Ok(status.ruleset)
    };
    restrict().is_ok_and(|status| status != RulesetStatus::NotEnforced)
}

/// Says that the system does not.
#[cfg(not(target_os = "linux"))]
pub(crate) fn confine<'a>(_: impl IntoIterator<Item = &'a Path>) -> bool {
    false
}
