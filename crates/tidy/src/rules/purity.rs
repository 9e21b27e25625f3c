//! The core knows no clock, no thread, no socket, no disk, no entropy and no metrics: it is a function of its inputs,
//! so that the simulator can replay it and the fixtures can judge it.

use crate::Violation;
use crate::house::{Group, House};
use crate::source::{Source, line_of, words};
use crate::workspace::Crate;

/// What replays the core must be as pure, although it is there for tests.
const AS_PURE: [&str; 1] = ["sim"];

/// The crates that decide and do not do.
pub fn pure_crates(house: &House) -> Vec<&str> {
    let pure = house.rows.iter().filter(|row| row.group == Group::Pure).map(|row| row.name.as_str());
    pure.chain(AS_PURE).collect()
}

/// Libraries that bring in what the core must not know.
const LIBRARIES: [&str; 8] =
    ["axum", "futures", "getrandom", "libp2p", "prometheus", "redb", "tokio", "tracing"];

/// Names that reach for the world. Entropy comes from the caller as a generator.
const NAMES: [&str; 20] = [
    "Instant",
    "OsRng",
    "SysRng",
    "SystemTime",
    "ThreadRng",
    "axum",
    "from_os_rng",
    "from_rng_os",
    "getrandom",
    "libp2p",
    "make_rng",
    "prometheus",
    "rand::random",
    "rand::rng",
    "std::fs",
    "std::net",
    "std::thread",
    "thread_rng",
    "tokio",
    "tracing",
];

/// Libraries of a pure crate that it must not have. The caller picks the [`pure_crates`].
pub fn check_manifest(member: &Crate) -> Vec<Violation> {
    let impure = member.dependencies.iter().filter(|(name, _)| LIBRARIES.contains(&name.as_str()));
    let violation = |(name, line): &(String, usize)| Violation {
        file: member.manifest.clone(),
        line: *line,
        detail: format!("`{name}` in the pure crate {}", member.name),
    };
    impure.map(violation).collect()
}

/// Names in what a pure crate ships that it must not know. The caller picks the files of
/// [`pure_crates`].
pub fn check_source(source: &Source) -> Vec<Violation> {
    let of = |name: &'static str| {
        words(&source.shipped, name).map(move |at| Violation {
            file: source.file.clone(),
            line: line_of(&source.shipped, at),
            detail: format!("`{name}` in a pure crate"),
        })
    };
    NAMES.into_iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<(usize, String)> {
        check_source(&Source::new("a.rs", text, false))
            .into_iter()
            .map(|violation| (violation.line, violation.detail))
            .collect()
    }

    #[test]
    fn every_name_is_caught_and_only_as_a_name() {
        for name in NAMES {
            assert_eq!(
                found(&format!("\nuse a::{name};")),
                [(2, format!("`{name}` in a pure crate"))],
                "{name}"
            );
            assert_eq!(found(&format!("// {name}\nlet a = \"{name}\"; x{name}();")), [], "{name}");
        }
    }

    #[test]
    fn tests_may_know_the_world() {
        assert_eq!(found("#[cfg(test)]\nmod tests { use std::time::Instant; }"), []);
    }

    #[test]
    fn a_generator_from_the_caller_is_pure() {
        assert_eq!(
            found("fn keygen(rng: &mut impl rand::CryptoRng, seed: u64) { rand::rngs::StdRng::new(seed) }"),
            []
        );
    }

    #[test]
    fn libraries_are_caught() {
        let member = Crate::parse("engine", "Cargo.toml", "[dependencies]\nserde = \"1\"\ntokio = \"1\"\n");
        let found: Vec<String> = check_manifest(&member).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["Cargo.toml:3: `tokio` in the pure crate engine"]);
    }

    #[test]
    fn the_table_says_which_crates_are_pure() {
        let text = "| crate | for what | may use |\n|---|---|---|\n| **pure** | | |\n| `types` | | |\n\
                    | **shell** | | |\n| `http` | | types |\n";
        assert_eq!(pure_crates(&House::parse(text).unwrap()), ["types", "sim"]);
    }
}
