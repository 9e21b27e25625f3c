//! Reading arguments that may hold a password: what is wrong with one is said without repeating it.

use std::ffi::OsStr;
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, Command};

/// Parses a URL. The library would repeat the whole argument in its error.
#[derive(Clone)]
pub(crate) struct Quiet<T>(PhantomData<T>);

/// A parser of `T` that keeps passwords to itself.
pub(crate) fn quiet<T>() -> Quiet<T> {
    Quiet(PhantomData)
}

impl<T> TypedValueParser for Quiet<T>
where
    T: FromStr + Clone + Send + Sync + 'static,
    T::Err: fmt::Display,
{
    type Value = T;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<T, clap::Error> {
        let name = arg.map(ToString::to_string).unwrap_or_default();
        let failed = |why: String| {
            clap::Error::raw(ErrorKind::ValueValidation, format!("{name}: {why}\n")).with_cmd(command)
        };
        let text = value.to_str().ok_or_else(|| failed("not UTF-8 text".into()))?;
        text.parse().map_err(|error: T::Err| failed(error.to_string().replace(text, &redacted(text))))
    }
}

/// A URL without the name and password in it.
fn redacted(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    match rest.rsplit_once('@') {
        Some((_, host)) if scheme.is_empty() => format!("***@{host}"),
        Some((_, host)) => format!("{scheme}://***@{host}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use lathe_node::{CheckpointServer, Endpoint};

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[arg(long, value_parser = quiet::<CheckpointServer>())]
        checkpoint: Option<CheckpointServer>,
        #[arg(long, value_parser = quiet::<Endpoint>())]
        endpoint: Option<Endpoint>,
    }

    #[test]
    fn a_password_is_not_repeated() {
        for option in ["--checkpoint", "--endpoint"] {
            let error =
                Cli::try_parse_from(["x", option, "http://me:secret@host:1"]).unwrap_err().to_string();
            assert!(error.contains(option), "{error}");
            assert!(!error.contains("secret") && !error.contains("me:"), "{error}");
        }
        let good = Cli::try_parse_from(["x", "--checkpoint", "http://host:1", "--endpoint", "http://host:2"])
            .unwrap();
        assert_eq!(good.checkpoint.unwrap().to_string(), "http://host:1");
        assert_eq!(good.endpoint.unwrap().to_string(), "http://host:2/");
        assert_eq!(redacted("me:secret@host"), "***@host");
        assert_eq!(redacted("http://host"), "http://host");
    }
}
