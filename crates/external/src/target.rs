//! What a worker process runs.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::ExternalError;

/// What stands before a command.
const EXEC_PREFIX: &str = "exec:";

/// A shared library, which our own worker loads, or a program that is a worker itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The path of a library with the C ABI of `lathe_aggregation.h`.
    Library(PathBuf),
    /// A program that speaks the worker protocol, and its arguments: words between spaces.
    Command(Vec<String>),
}

impl Target {
    /// As the loader and the system need it: absolute, so that it is not looked for anywhere else.
    pub(crate) fn absolute(&self) -> Result<Self, ExternalError> {
        let canonical = |path: &PathBuf| {
            path.canonicalize().map_err(|source| ExternalError::NoLibrary { path: path.clone(), source })
        };
        match self {
            Self::Library(path) => Ok(Self::Library(canonical(path)?)),
            // A name without a slash is looked for as any shell does it.
            Self::Command(command) => match command.first() {
                Some(program) if program.contains('/') => {
                    canonical(&program.into())?;
                    // Not resolved: what a link is called may be what tells the program who it is.
                    let program = std::path::absolute(program)
                        .map_err(ExternalError::io("finding the path of the program"))?;
                    let program = program.to_string_lossy().into_owned();
                    Ok(Self::Command([&[program], &command[1..]].concat()))
                }
                Some(_) => Ok(self.clone()),
                None => Err(ExternalError::NotStarted("the command is empty".into())),
            },
        }
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let empty = || Err("a path, or exec: and a command, is missing".into());
        match text.strip_prefix(EXEC_PREFIX) {
            None if text.is_empty() => empty(),
            None => Ok(Self::Library(text.into())),
            Some(command) => {
                let words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
                if words.is_empty() { empty() } else { Ok(Self::Command(words)) }
            }
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Library(path) => write!(f, "{}", path.display()),
            Self::Command(command) => write!(f, "{EXEC_PREFIX}{}", command.join(" ")),
        }
    }
}
