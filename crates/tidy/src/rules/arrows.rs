//! Which crate may use which: pure never reaches shell, drivers never reach each other, only `node` knows all.
//!
//! The table is the one of `ARCHITECTURE.md`, and says exactly what the manifests say: an arrow that is not in it is
//! crossed, one that nobody uses is struck. Dependencies of tests alone are exempt.

use crate::Violation;
use crate::house::{House, PAGE, Row};
use crate::workspace::Crate;

/// Prefix of our own packages.
const PREFIX: &str = "lathe-";

/// Where the manifests and the table disagree.
pub fn check(house: &House, crates: &[Crate]) -> Vec<Violation> {
    let members = crates.iter().filter(|member| !member.stands_alone);
    let mut violations: Vec<Violation> = members.flat_map(|member| check_manifest(house, member)).collect();
    violations.extend(house.rows.iter().flat_map(|row| check_row(house, row, crates)));
    violations
}

/// Arrows of a crate that the table does not have.
fn check_manifest(house: &House, member: &Crate) -> Vec<Violation> {
    let violation = |line, detail| Violation { file: member.manifest.clone(), line, detail };
    let Some(row) = house.row(&member.name) else {
        let detail = format!("{} has no place among the crates yet: give it one in {PAGE}", member.name);
        return vec![violation(1, detail)];
    };
    ours(member)
        .filter(|(name, _)| !row.uses.iter().any(|used| used == name))
        .map(|(name, line)| violation(line, format!("{} may not use {name}", member.name)))
        .collect()
}

/// Arrows of the table that no manifest has, or that no table may have.
fn check_row(house: &House, row: &Row, crates: &[Crate]) -> Vec<Violation> {
    let violation = |detail| Violation { file: PAGE.into(), line: row.line, detail };
    let Some(member) = crates.iter().find(|member| member.name == row.name) else {
        return vec![violation(format!("there is no crate {}", row.name))];
    };
    let wrong = |used: &String| match house.row(used) {
        None => Some(format!("{} uses {used}, which has no row", row.name)),
        Some(other) if !row.group.may_reach(other.group) => {
            Some(format!("{} is {:?} and {used} is {:?}", row.name, row.group, other.group))
        }
        Some(_) if !ours(member).any(|(name, _)| name == used) => {
            Some(format!("{} does not use {used}", row.name))
        }
        Some(_) => None,
    };
    row.uses.iter().filter_map(wrong).map(violation).collect()
}

/// The crates of ours that a manifest names, with its lines.
fn ours(member: &Crate) -> impl Iterator<Item = (&str, usize)> {
    member.dependencies.iter().filter_map(|(name, line)| Some((name.strip_prefix(PREFIX)?, *line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "| crate | for what | may use |\n|---|---|---|\n| **pure** | | |\n| `types` | | |\n\
                         | `engine` | | types |\n| **shell** | | |\n| `storage` | | types |\n";

    fn member(name: &str, dependencies: &str) -> Crate {
        let manifest = format!("crates/{name}/Cargo.toml");
        Crate::parse(name, &manifest, &format!("[dependencies]\n{dependencies}\n"))
    }

    /// What is wrong if one crate's manifest is another than the table says, or one more line stands in the table.
    fn found(changed: Crate, more_rows: &str) -> Vec<String> {
        let types = "lathe-types.workspace = true";
        let mut crates = vec![member("types", ""), member("engine", types), member("storage", types)];
        crates.retain(|member| member.name != changed.name);
        crates.push(changed);
        let house = House::parse(&format!("{TABLE}{more_rows}")).unwrap();
        check(&house, &crates).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_crossed_arrow_is_caught() {
        assert_eq!(found(member("types", ""), ""), [""; 0]);
        let crossed = member("engine", "lathe-types.workspace = true\nlathe-storage.workspace = true");
        assert_eq!(found(crossed, ""), ["crates/engine/Cargo.toml:3: engine may not use storage"]);
        let itself = Crate::parse("types", "a", "[dependencies.lathe-types]\n");
        assert_eq!(found(itself, ""), ["a:1: types may not use types"]);
    }

    #[test]
    fn an_arrow_that_nobody_uses_is_caught() {
        assert_eq!(found(member("engine", ""), ""), ["ARCHITECTURE.md:5: engine does not use types"]);
    }

    #[test]
    fn tests_may_use_any_crate() {
        let text = "[dependencies]\nlathe-types.workspace = true\n[dev-dependencies]\nlathe-storage.workspace = true\n";
        assert_eq!(found(Crate::parse("engine", "a", text), ""), [""; 0]);
    }

    #[test]
    fn crates_and_rows_belong_together() {
        assert!(found(member("attic", ""), "")[0].contains("attic has no place"));
        let row = "| `cellar` | | |\n";
        assert_eq!(found(member("types", ""), row), ["ARCHITECTURE.md:8: there is no crate cellar"]);
        let alone = Crate::parse("attic", "a", "[workspace]\n[dependencies]\nlathe-types = \"1\"\n");
        assert_eq!(found(alone, ""), [""; 0], "a workspace of its own");
    }

    #[test]
    fn the_table_itself_may_not_say_everything() {
        let storage = member("network", "lathe-storage.workspace = true");
        let row = "| `network` | | storage |\n";
        assert_eq!(found(storage, row), ["ARCHITECTURE.md:8: network is Shell and storage is Shell"]);
        let stranger = member("network", "lathe-attic.workspace = true");
        let row = "| `network` | | attic |\n";
        assert_eq!(found(stranger, row), ["ARCHITECTURE.md:8: network uses attic, which has no row"]);
    }
}
