//! Which crate may use which: pure never reaches shell, drivers never reach each other, only `node` knows all.
//!
//! The table is the one of `ARCHITECTURE.md`. Dependencies of tests alone are exempt.

use crate::Violation;
use crate::workspace::Crate;

/// Every crate with the crates that it may use. One that is not here is a violation itself: decide its place first.
const ARROWS: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("leansig", &[]),
    ("stark", &["leansig"]),
    ("aggregation", &["types", "leansig", "stark"]),
    ("transition", &["types"]),
    ("forkchoice", &["types", "transition"]),
    ("engine", &["types", "transition", "forkchoice"]),
    ("external", &["types", "aggregation"]),
    ("storage", &["types"]),
    ("signer", &["types", "leansig"]),
    ("network", &["types"]),
    ("execution", &["types"]),
    ("http", &["types"]),
    ("checkpoint", &["types"]),
    ("config", &["types", "leansig"]),
    ("actor", &[]),
    (
        "node",
        &[
            "types",
            "leansig",
            "aggregation",
            "transition",
            "forkchoice",
            "engine",
            "storage",
            "signer",
            "network",
            "execution",
            "external",
            "http",
            "checkpoint",
            "config",
            "actor",
        ],
    ),
    ("sim", &["types", "leansig", "aggregation", "transition", "forkchoice", "engine"]),
    (
        "spec-tests",
        // Of the node its metrics, which the fixtures of the API ask for.
        &["types", "leansig", "aggregation", "transition", "forkchoice", "engine", "network", "http", "node"],
    ),
    (
        "fuzzing",
        &[
            "types",
            "leansig",
            "aggregation",
            "transition",
            "signer",
            "network",
            "http",
            "execution",
            "config",
        ],
    ),
    ("fuzz", &["fuzzing"]),
    ("mutants", &[]),
    ("tidy", &[]),
    // An execution client to try Lathe on: a workspace of its own, which knows nothing of ours.
    ("ethrex", &[]),
];

/// The command line is not a library, so nothing can use it. It runs the network through `node`; what else it uses, its
/// subcommands read and write as files: keys, ledgers, databases, network directories, node records. The conformance
/// suite is in it so that nobody needs the source to run fixtures, and the server to serve them to a simulator.
const BINARY: (&str, &[&str]) = (
    "lathe",
    &[
        "types",
        "leansig",
        "aggregation",
        "transition",
        "storage",
        "signer",
        "network",
        "execution",
        "external",
        "http",
        "config",
        "node",
        "spec-tests",
    ],
);

/// Prefix of our own packages.
const PREFIX: &str = "lathe-";

/// Arrows of a crate that the table does not have.
pub fn check(member: &Crate) -> Vec<Violation> {
    let violation = |line, detail| Violation { file: member.manifest.clone(), line, detail };
    let Some((_, allowed)) = ARROWS.iter().chain([&BINARY]).find(|(name, _)| *name == member.name) else {
        return vec![violation(
            1,
            format!("{} has no place among the crates yet: give it one in the table", member.name),
        )];
    };
    let ours =
        member.dependencies.iter().filter_map(|(name, line)| Some((name.strip_prefix(PREFIX)?, *line)));
    ours.filter(|(name, _)| !allowed.contains(name))
        .map(|(name, line)| violation(line, format!("{} may not use {name}", member.name)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, manifest: &str) -> Vec<String> {
        check(&Crate::parse(name, "Cargo.toml", manifest)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_crossed_arrow_is_caught() {
        let manifest = "[dependencies]\nlathe-types.workspace = true\nlathe-storage.workspace = true\n";
        assert_eq!(found("engine", manifest), ["Cargo.toml:3: engine may not use storage"]);
        assert_eq!(found("node", manifest), [""; 0]);
        assert_eq!(found("types", "[dependencies.lathe-types]\n"), ["Cargo.toml:1: types may not use types"]);
    }

    #[test]
    fn tests_may_use_any_crate() {
        assert_eq!(found("engine", "[dev-dependencies]\nlathe-storage.workspace = true\n"), [""; 0]);
    }

    #[test]
    fn a_crate_without_a_place_is_caught() {
        assert!(found("attic", "")[0].contains("attic has no place"));
    }

    #[test]
    fn the_table_has_no_cycle() {
        // Each crate uses only crates above it, once the order is that of the table.
        for (index, (name, allowed)) in ARROWS.iter().enumerate() {
            for used in *allowed {
                let above = ARROWS.iter().position(|(other, _)| other == used).unwrap();
                assert!(above < index, "{name} uses {used}");
            }
        }
    }
}
