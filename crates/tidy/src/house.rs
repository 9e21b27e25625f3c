//! The table of crates in `ARCHITECTURE.md`: the one place that says which crate may use which.

use crate::Violation;

/// The page that holds the table.
pub const PAGE: &str = "ARCHITECTURE.md";

/// The table's head, by which it is found.
const HEAD: &str = "| crate | for what | may use |";

/// What a crate is, by the section of the table that it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Decides, and does nothing.
    Pure,
    /// Does, and decides nothing.
    Shell,
    /// Puts the others together.
    Wiring,
    /// Is there for tests.
    Tests,
}

impl Group {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "pure" => Self::Pure,
            "shell" => Self::Shell,
            "wiring" => Self::Wiring,
            "tests" => Self::Tests,
            _ => return None,
        })
    }

    /// Whether a crate of this group may use one of `other` at all, whatever its row says.
    pub fn may_reach(self, other: Self) -> bool {
        match self {
            Self::Pure | Self::Shell => other == Self::Pure,
            Self::Wiring | Self::Tests => true,
        }
    }
}

/// A crate's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The name of its directory.
    pub name: String,
    /// The section that it stands in.
    pub group: Group,
    /// The crates of ours that it uses.
    pub uses: Vec<String>,
    /// The line of the page, from 1.
    pub line: usize,
}

/// The whole table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct House {
    /// Its rows, from top to bottom.
    pub rows: Vec<Row>,
}

impl House {
    /// Finds the table in the page's text and reads it.
    pub fn parse(text: &str) -> Result<Self, Violation> {
        let violation = |line, detail| Violation { file: PAGE.into(), line, detail };
        let head = text.lines().position(|line| line == HEAD);
        let head = head.ok_or_else(|| violation(1, format!("no table that begins with `{HEAD}`")))?;
        let mut group = None;
        let mut rows = Vec::new();
        for (index, line) in text.lines().enumerate().skip(head + 2) {
            let Some(cells) = cells(line) else { break };
            let [first, _, uses] = cells.as_slice() else {
                return Err(violation(index + 1, format!("{} cells instead of 3", cells.len())));
            };
            if let Some((_, name)) = first.split_once("**") {
                let name = name.split("**").next().unwrap_or_default();
                let known = Group::named(name);
                let unknown = || violation(index + 1, format!("`{name}` is no group of crates"));
                group = Some(known.ok_or_else(unknown)?);
                continue;
            }
            let name = first.trim_matches('`').rsplit('/').next().unwrap_or_default();
            let homeless = || violation(index + 1, format!("{name} stands in no group"));
            let uses = uses.split(',').map(|name| name.trim().trim_matches('`'));
            rows.push(Row {
                name: name.to_owned(),
                group: group.ok_or_else(homeless)?,
                uses: uses.filter(|name| !name.is_empty()).map(str::to_owned).collect(),
                line: index + 1,
            });
        }
        Ok(Self { rows })
    }

    /// The row of a crate.
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }
}

/// The cells of a table's line, `None` where the table has ended.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(str::trim).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(rows: &str) -> String {
        format!("# Page\n\n{HEAD}\n|---|---|---|\n{rows}\n\nMore.\n")
    }

    #[test]
    fn rows_stand_in_groups() {
        let text =
            page("| **pure**: no clock | | |\n| `a` | x | |\n| **wiring** | | |\n| `b/c` | y | a, d |");
        let row = |name: &str, group, uses: &[&str], line| Row {
            name: name.into(),
            group,
            uses: uses.iter().map(ToString::to_string).collect(),
            line,
        };
        let rows = vec![row("a", Group::Pure, &[], 6), row("c", Group::Wiring, &["a", "d"], 8)];
        assert_eq!(House::parse(&text), Ok(House { rows }));
    }

    #[test]
    fn a_table_that_cannot_be_read_is_no_table() {
        let error = |text: &str| House::parse(text).unwrap_err().to_string();
        assert!(error("# Page\n").contains("ARCHITECTURE.md:1: no table"));
        assert_eq!(error(&page("| `a` | x | |")), "ARCHITECTURE.md:5: a stands in no group");
        assert_eq!(error(&page("| **attic** | | |")), "ARCHITECTURE.md:5: `attic` is no group of crates");
        assert_eq!(error(&page("| **pure** | |")), "ARCHITECTURE.md:5: 2 cells instead of 3");
    }

    #[test]
    fn what_decides_reaches_nothing_that_does() {
        assert!(Group::Pure.may_reach(Group::Pure) && !Group::Pure.may_reach(Group::Shell));
        assert!(Group::Shell.may_reach(Group::Pure) && !Group::Shell.may_reach(Group::Shell));
        assert!(Group::Wiring.may_reach(Group::Tests) && Group::Tests.may_reach(Group::Wiring));
    }
}
