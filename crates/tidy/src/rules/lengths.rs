//! A file fits in a reader's head.
//!
//! Every line counts, comments and blank lines too, because that is what a reader scrolls through. The lengths of
//! functions are clippy's business (`too_many_lines`).

use crate::Violation;
use crate::source::Source;

/// Lines of a file.
pub const MAX_FILE_LINES: usize = 600;

/// Says so if the file is too long.
pub fn check(source: &Source) -> Option<Violation> {
    let lines = source.text.lines().count();
    (lines > MAX_FILE_LINES).then(|| Violation {
        file: source.file.clone(),
        line: MAX_FILE_LINES + 1,
        detail: format!("{lines} lines in the file, at most {MAX_FILE_LINES}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_end_at_the_limit() {
        let found = |lines| check(&Source::new("a.rs", "\n".repeat(lines), false));
        assert_eq!(found(600), None);
        assert_eq!(found(601).unwrap().to_string(), "a.rs:601: 601 lines in the file, at most 600");
    }
}
