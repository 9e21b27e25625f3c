//! A line of prose fits a screen: comments and Markdown, which `rustfmt` leaves alone.
//!
//! Tables and code stay as they are, and so does what has no blank to break at.

use crate::Violation;
use crate::source::Source;

/// Columns of a line of prose.
pub const MAX_COLUMNS: usize = 120;

/// Comments of a Rust file that are too wide.
pub fn check_comments(source: &Source) -> Vec<Violation> {
    let lines = source.text.lines().zip(source.code.lines()).enumerate();
    let comments = lines.filter(|(_, (text, code))| code.trim().is_empty() && text.trim().starts_with("//"));
    check(&source.file, comments.map(|(index, (text, _))| (index, text)))
}

/// Lines of a Markdown file that are too wide.
pub fn check_markdown(file: &str, text: &str) -> Vec<Violation> {
    let mut in_code = false;
    let prose = text.lines().enumerate().filter(|(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    });
    check(file, prose)
}

fn check<'a>(file: &str, lines: impl Iterator<Item = (usize, &'a str)>) -> Vec<Violation> {
    let wide = lines.filter(|(_, line)| line.chars().count() > MAX_COLUMNS && can_be_broken(line));
    wide.map(|(index, line)| Violation {
        file: file.to_owned(),
        line: index + 1,
        detail: format!("{} columns, at most {MAX_COLUMNS}", line.chars().count()),
    })
    .collect()
}

/// Whether there is a blank to break at, behind the marks that a line begins with.
fn can_be_broken(line: &str) -> bool {
    let prose = line.trim_start_matches(|letter: char| letter.is_whitespace() || "/!-*>#".contains(letter));
    !prose.starts_with('|') && prose.contains(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comments(text: &str) -> Vec<usize> {
        let source = Source::new("a.rs", text, false);
        check_comments(&source).iter().map(|violation| violation.line).collect()
    }

    fn markdown(text: &str) -> Vec<String> {
        check_markdown("a.md", text).iter().map(ToString::to_string).collect()
    }

    /// A line of so many columns, blanks among them.
    fn line(start: &str, columns: usize) -> String {
        let words = "é ".repeat(columns);
        start.chars().chain(words.chars()).take(columns - 1).chain(['.']).collect()
    }

    #[test]
    fn comments_end_at_the_limit() {
        for start in ["//", "//!", "    ///"] {
            assert_eq!(comments(&format!("\n{}\n", line(start, 120))), [0; 0]);
            assert_eq!(comments(&format!("\n{}\n", line(start, 121))), [2]);
        }
        assert_eq!(comments(&format!("let a = 1; {}\n", line("//", 121))), [0; 0], "a line of code");
        assert_eq!(comments(&line("/// |", 121)), [0; 0], "a table");
    }

    #[test]
    fn prose_ends_at_the_limit() {
        assert_eq!(markdown(&line("- a", 120)), [""; 0]);
        assert_eq!(markdown(&line("- a", 121)), ["a.md:1: 121 columns, at most 120"]);
        let wide = line("", 121);
        assert_eq!(markdown(&format!("```text\n{wide}\n```\n| {wide} |\n")), [""; 0]);
        assert_eq!(markdown(&format!("```\n```\n{wide}\n")).len(), 1);
    }

    #[test]
    fn what_has_no_blank_is_left_alone() {
        assert_eq!(markdown(&format!("- {}", "a".repeat(200))), [""; 0]);
        assert_eq!(comments(&format!("// {}\n", "a".repeat(200))), [0; 0]);
    }
}
