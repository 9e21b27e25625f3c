//! What a shell and `man` want to know of the command line: completions and pages, made from it.

use std::path::PathBuf;

use clap::Args;
use clap_complete::Shell;
use eyre::{WrapErr as _, bail};

use crate::command_line;
use crate::output::say;

/// Print completions for a shell
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell; for bash: lathe completions bash > /etc/bash_completion.d/lathe
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Write manual pages
#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// Directory for lathe.1, lathe-node.1 and so on, such as /usr/local/share/man/man1
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Prints completions.
pub(crate) fn completions(args: &CompletionsArgs) {
    clap_complete::generate(args.shell, &mut command_line::command(), "lathe", &mut std::io::stdout());
}

/// Writes the pages.
pub(crate) fn man(args: &ManArgs) -> eyre::Result<()> {
    if !args.out.is_dir() {
        bail!("--out {}: not a directory; make it first", args.out.display());
    }
    clap_mangen::generate_to(command_line::command(), &args.out)
        .wrap_err_with(|| format!("--out {}: a page cannot be written", args.out.display()))?;
    say(&format!(
        "wrote the pages to {}; read one with: man {}/lathe.1",
        args.out.display(),
        args.out.display()
    ));
    Ok(())
}

/// Every command with its help, as the page of the book.
#[cfg(test)]
fn reference() -> String {
    let mut page = String::from(
        "# The command line\n\nMade from the program: `cargo test -p lathe reference` compares, and `LATHE_BLESS=1` before it rewrites.\n",
    );
    add(&mut page, &command_line::command(), "lathe");
    page
}

#[cfg(test)]
fn add(page: &mut String, command: &clap::Command, name: &str) {
    let mut shown = command.clone().bin_name(name).term_width(100).disable_help_subcommand(true);
    let help = shown.render_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    page.push_str(&format!("\n## `{name}`\n\n```text\n{}\n```\n", help.join("\n").trim_end()));
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        if subcommand.get_name() != "help" {
            add(page, subcommand, &format!("{name} {}", subcommand.get_name()));
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Command;

    use super::*;

    #[test]
    fn the_reference_in_the_book_is_that_of_this_program() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");
        let made = reference();
        if std::env::var_os("LATHE_BLESS").is_some() {
            std::fs::write(path, &made).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            written == made,
            "docs/cli.md is old; make it new: LATHE_BLESS=1 cargo test -p lathe reference"
        );
    }

    #[test]
    fn examples_fit_a_terminal_of_80_columns() {
        fn check(command: &Command) {
            let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            for line in examples.lines() {
                assert!(line.chars().count() <= 80, "{}: {line}", command.get_name());
            }
            command.get_subcommands().for_each(check);
        }
        check(&command_line::command());
    }

    #[test]
    fn completions_and_pages_are_made() {
        let mut bash = Vec::new();
        clap_complete::generate(Shell::Bash, &mut command_line::command(), "lathe", &mut bash);
        assert!(String::from_utf8(bash).unwrap().contains("--checkpoint-sync-url"));
        let dir = tempfile::tempdir().unwrap();
        man(&ManArgs { out: dir.path().into() }).unwrap();
        let page = std::fs::read_to_string(dir.path().join("lathe-node.1")).unwrap();
        assert!(page.contains("network\\-dir"), "{page}");
    }
}
