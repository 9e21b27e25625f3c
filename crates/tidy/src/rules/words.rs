//! The project speaks of itself alone: no path of a machine that it was made on.

use crate::Violation;
use crate::source::is_word;

/// Directories that exist on somebody's machine. Spelled in parts, so that this file passes its own rule.
const PATHS: [&str; 2] = [concat!("/", "work", "/"), concat!("/", "root", "/")];

/// Absolute paths of a machine in any text file.
pub fn check(file: &str, text: &str) -> Vec<Violation> {
    let of = |path: &'static str| {
        // Inside a longer path the directory is somebody else's, such as a route or a folder of the workspace.
        let absolute = text.match_indices(path).filter(|(at, _)| {
            let before = text[..*at].chars().next_back();
            !before.is_some_and(|letter| is_word(letter) || ".-~*}/".contains(letter))
        });
        absolute.map(move |(at, _)| Violation {
            file: file.to_owned(),
            line: crate::source::line_of(text, at),
            detail: format!("`{path}` is a path of one machine"),
        })
    };
    PATHS.into_iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_paths_are_caught() {
        for path in PATHS {
            for text in [format!("\n{path}a"), format!("\n see {path}a"), format!("\n\"{path}a\"")] {
                assert_eq!(check("a.md", &text).len(), 1, "{text}");
                assert_eq!(check("a.md", &text)[0].line, 2);
            }
        }
    }

    #[test]
    fn longer_paths_are_not() {
        for path in PATHS {
            assert_eq!(check("a.md", &format!("crates{path}a ..{path}b $HOME{path}c")), []);
        }
    }
}
