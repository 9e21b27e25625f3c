//! The command line before its options are read: other clients' ways to name the command, and options from a file and
//! from the environment.
//!
//! What the command line says counts before the environment, and that before the file.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory as _};
use eyre::{WrapErr as _, bail, eyre};
use toml::Value;

use crate::Cli;

/// What every variable of the environment that stands for an option begins with.
pub(crate) const PREFIX: &str = "LATHE_";
/// The option that names a file of options.
const CONFIG_FILE: &str = "config-file";
/// Longest such file.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// The command whose options a file may hold, and what other clients call it.
const NODE: [&str; 2] = ["node", "lean_node"];

/// Reads the command line. What clap itself has to say, such as help, it says, and the process ends.
pub(crate) fn read(arguments: impl Iterator<Item = OsString>) -> eyre::Result<ArgMatches> {
    let command = command();
    let arguments = with_command(&command, arguments.collect());
    let arguments = with_file(&command, arguments, |name| std::env::var_os(name))?;
    Ok(command.get_matches_from(arguments))
}

/// The whole command line, with a variable of the environment for every option.
pub(crate) fn command() -> Command {
    let mut command = Cli::command();
    // Global options are added to the subcommands now, and not when the command line is read.
    command.build();
    with_variables(command)
}

fn with_variables(command: Command) -> Command {
    command
        .mut_args(|arg| match arg.get_long().map(variable) {
            Some(name) if !matches!(arg.get_id().as_str(), "help" | "version") => {
                arg.env(name).hide_env(true)
            }
            _ => arg,
        })
        .mut_subcommands(with_variables)
}

/// The variable of an option. Names live as long as the process, as clap wants it.
fn variable(option: &str) -> &'static str {
    Box::leak(format!("{PREFIX}{}", option.to_uppercase().replace('-', "_")).into_boxed_str())
}

/// Other clients have no command before their options (`ethlambda --genesis ...`), or have options before it
/// (`ream --data-dir ... lean_node ...`): a line that begins with an option and has no other command is a node's.
fn with_command(command: &Command, mut arguments: Vec<OsString>) -> Vec<OsString> {
    const OWN: [&str; 4] = ["-h", "--help", "-V", "--version"];
    let Some(first) = arguments.get(1).and_then(|first| first.to_str()) else { return arguments };
    if !first.starts_with('-') || OWN.contains(&first) {
        return arguments;
    }
    let is = |names: &[&str], argument: &OsString| {
        names.iter().any(|name| argument.as_os_str() == OsStr::new(name))
    };
    let others: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
    if let Some(at) = arguments.iter().position(|argument| is(&NODE, argument)) {
        let node = arguments.remove(at);
        arguments.insert(1, node);
    } else if !arguments.iter().any(|argument| is(&others, argument)) {
        arguments.insert(1, NODE[0].into());
    }
    arguments
}

/// Puts the options of the file that `--config-file` names before those of a node's command line, but for what the
/// command line or the environment says.
fn with_file(
    command: &Command,
    mut arguments: Vec<OsString>,
    environment: impl Fn(&str) -> Option<OsString>,
) -> eyre::Result<Vec<OsString>> {
    let is_node = arguments.get(1).is_some_and(|name| NODE.iter().any(|node| name == *node));
    let Some(node) = command.find_subcommand(NODE[0]).filter(|_| is_node) else { return Ok(arguments) };
    let Some(path) = value_of(&arguments, CONFIG_FILE).or_else(|| environment(variable(CONFIG_FILE))) else {
        return Ok(arguments);
    };
    let given: HashSet<&str> = arguments.iter().filter_map(|text| option(node, text)?.get_long()).collect();
    let path = Path::new(&path);
    let is_set = |arg: &Arg| {
        arg.get_long().is_some_and(|long| given.contains(long) || environment(variable(long)).is_some())
    };
    let options = options_in(node, path, is_set).wrap_err_with(|| path.display().to_string())?;
    arguments.splice(2..2, options);
    Ok(arguments)
}

/// The option that an argument names, under any of its names.
fn option<'a>(command: &'a Command, argument: &OsStr) -> Option<&'a Arg> {
    let text = argument.to_str()?;
    if let Some(name) = text.strip_prefix("--") {
        return by_name(command, name.split('=').next()?);
    }
    let short = text.strip_prefix('-')?.chars().next()?;
    command.get_arguments().find(|arg| arg.get_short() == Some(short))
}

fn by_name<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    command
        .get_arguments()
        .find(|arg| arg.get_long() == Some(name) || arg.get_all_aliases().unwrap_or_default().contains(&name))
}

fn value_of(arguments: &[OsString], name: &str) -> Option<OsString> {
    let is = format!("--{name}");
    let with = format!("{is}=");
    let mut arguments = arguments.iter();
    let mut found = None;
    while let Some(argument) = arguments.next() {
        if argument.as_os_str() == OsStr::new(&is) {
            found = arguments.next().cloned();
        } else if let Some(value) = argument.to_str().and_then(|text| text.strip_prefix(&with)) {
            found = Some(value.into());
        }
    }
    found
}

/// The options that a file holds, as arguments, without those that are set already.
fn options_in(command: &Command, path: &Path, is_set: impl Fn(&Arg) -> bool) -> eyre::Result<Vec<OsString>> {
    let advice = "cannot be read; --config-file names a TOML file of options";
    let bytes = std::fs::metadata(path).wrap_err(advice)?.len();
    if bytes > MAX_FILE_BYTES {
        bail!("{bytes} bytes are too many for a file of options");
    }
    let text = std::fs::read_to_string(path).wrap_err(advice)?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line =
            error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        eyre!("line {line}: not TOML: {}", error.message())
    })?;
    let mut options = Vec::new();
    for (key, value) in &table {
        let name = key.replace('_', "-");
        let arg = by_name(command, &name)
            .filter(|arg| arg.get_long() != Some(CONFIG_FILE))
            .ok_or_else(|| eyre!("{key}: there is no option of that name; `lathe node --help` lists them"))?;
        if is_set(arg) {
            continue;
        }
        let values = match value {
            Value::Array(values) => values.iter().collect(),
            value => vec![value],
        };
        for value in values {
            options.extend(arguments_of(arg, &name, value).wrap_err_with(|| key.clone())?);
        }
    }
    Ok(options)
}

fn arguments_of(arg: &Arg, name: &str, value: &Value) -> eyre::Result<Option<OsString>> {
    let is_switch = matches!(arg.get_action(), ArgAction::SetTrue | ArgAction::Count);
    Ok(match value {
        Value::Boolean(is_on) if is_switch => is_on.then(|| format!("--{name}").into()),
        _ if is_switch => bail!("write true or false"),
        Value::String(text) => Some(format!("--{name}={text}").into()),
        Value::Integer(number) => Some(format!("--{name}={number}").into()),
        Value::Boolean(is_on) => Some(format!("--{name}={is_on}").into()),
        _ => bail!("write a text, a number, or a list of them"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn a_line_that_begins_with_an_option_is_a_nodes() {
        let command = command();
        for (line, expected) in [
            ("lathe --genesis g --node-id a", "lathe node --genesis g --node-id a"),
            ("lathe --data-dir d lean_node --network g", "lathe lean_node --data-dir d --network g"),
            ("lathe --version", "lathe --version"),
            ("lathe -v devnet --slots 3", "lathe -v devnet --slots 3"),
            ("lathe node --genesis g", "lathe node --genesis g"),
            ("lathe", "lathe"),
        ] {
            assert_eq!(with_command(&command, words(line)), words(expected), "{line}");
        }
    }

    /// The arguments with the options of a file.
    fn with(file: &str, line: &str, environment: &[(&str, &str)]) -> Result<String, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.toml");
        std::fs::write(&path, file).unwrap();
        let mut arguments = words(line);
        arguments.extend(["--config-file".into(), path.clone().into_os_string()]);
        let find =
            |name: &str| environment.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        match with_file(&command(), arguments, find) {
            Ok(arguments) => {
                let arguments: Vec<_> =
                    arguments.iter().map(|text| text.to_string_lossy().into_owned()).collect();
                Ok(arguments[..arguments.len() - 2].join(" "))
            }
            Err(error) => {
                let text = crate::output::one_line(error.chain());
                Err(text.replace(&path.display().to_string(), "node.toml"))
            }
        }
    }

    #[test]
    fn a_file_says_what_neither_the_line_nor_the_environment_says() {
        let file = "node-id = \"lathe_0\"\napi_port = 5055\nis-aggregator = true\nresync-on-corruption = false\n\
                    bootnodes = [\"a.yaml\", \"none\"]\n";
        assert_eq!(
            with(file, "lathe node", &[]).unwrap(),
            "lathe node --api-port=5055 --bootnodes=a.yaml --bootnodes=none --is-aggregator --node-id=lathe_0"
        );
        assert_eq!(
            with(file, "lathe node --http-port 1 --nodes-path n", &[("LATHE_NODE_ID", "b")]).unwrap(),
            "lathe node --is-aggregator --http-port 1 --nodes-path n",
            "the line under whatever name"
        );
        assert_eq!(with(file, "lathe genesis", &[]).unwrap(), "lathe genesis", "a node's only");
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_place() {
        for (file, expected) in [
            ("api-port = \n", "node.toml: line 1: not TOML: "),
            ("node-id = \"a\"\nport_api = 3\n", "node.toml: port_api: there is no option of that name"),
            ("is-aggregator = \"yes\"\n", "node.toml: is-aggregator: write true or false"),
            ("api-port = 1.5\n", "node.toml: api-port: write a text, a number, or a list of them"),
        ] {
            let error = with(file, "lathe node", &[]).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
        let missing =
            with_file(&command(), words("lathe node --config-file nowhere.toml"), |_| None).unwrap_err();
        assert!(crate::output::one_line(missing.chain()).starts_with("nowhere.toml: cannot be read"));
    }

    #[test]
    fn every_option_has_a_variable() {
        let line = command();
        let node = line.find_subcommand("node").unwrap();
        let arg = by_name(node, "http-address").unwrap();
        assert_eq!(arg.get_env(), Some(OsStr::new("LATHE_HTTP_ADDRESS")));
        assert!(node.get_arguments().all(|arg| arg.get_long().is_none()
            || arg.get_env().is_some()
            || matches!(arg.get_id().as_str(), "help" | "version")));
    }
}
