//! A file fits in a reader's head and a function on a screen.
//!
//! Every line counts, comments and blank lines too, because that is what a reader scrolls through. Tests get more room:
//! a scenario reads better in one piece. Clippy's `too_many_lines` counts otherwise and stays off, so that there is one
//! measure.

use crate::Violation;
use crate::source::{Source, end_of_block, is_word, line_of, words};

/// Lines of a file.
pub const MAX_FILE_LINES: usize = 600;
/// Lines of a function that is shipped, from `fn` to its closing brace.
pub const MAX_FUNCTION_LINES: usize = 70;
/// Lines of a function in test code.
pub const MAX_TEST_FUNCTION_LINES: usize = 100;

/// Files and functions that are too long.
pub fn check(source: &Source) -> Vec<Violation> {
    let violation = |line, detail| Violation { file: source.file.clone(), line, detail };
    let lines = source.text.lines().count();
    let file = (lines > MAX_FILE_LINES).then(|| {
        violation(MAX_FILE_LINES + 1, format!("{lines} lines in the file, at most {MAX_FILE_LINES}"))
    });
    let functions = functions(&source.code).filter_map(|Function { name, position, lines }| {
        let is_shipped = !source.shipped[position..].starts_with(' ');
        let limit = if is_shipped { MAX_FUNCTION_LINES } else { MAX_TEST_FUNCTION_LINES };
        let line = line_of(&source.code, position);
        (lines > limit).then(|| violation(line, format!("{lines} lines in `{name}`, at most {limit}")))
    });
    file.into_iter().chain(functions).collect()
}

/// A function with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where its `fn` stands.
    pub position: usize,
    /// Its length in lines.
    pub lines: usize,
}

/// The functions with a body in `code`; nested ones are counted on their own as well.
pub fn functions(code: &str) -> impl Iterator<Item = Function<'_>> {
    words(code, "fn").filter_map(|at| {
        let signature = code[at + 2..].trim_start();
        let name = &signature[..signature.find(|letter| !is_word(letter))?];
        let start = at + 2 + (code.len() - at - 2 - signature.len());
        let open = start + end_of_signature(signature)?;
        // A pointer type has no name, a declaration no body.
        if name.is_empty() || code.as_bytes()[open] == b';' {
            return None;
        }
        let lines = code[at..end_of_block(code, open)].lines().count();
        Some(Function { name, position: at, lines })
    })
}

/// Offset of the brace or semicolon that ends a signature; those inside its brackets belong to types.
fn end_of_signature(signature: &str) -> Option<usize> {
    let mut depth = 0_usize;
    signature.bytes().position(|byte| {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && matches!(byte, b'{' | b';')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details(text: &str) -> Vec<String> {
        let source = Source::new("a.rs", text, false);
        check(&source).iter().map(ToString::to_string).collect()
    }

    fn function(lines: usize) -> String {
        format!("\nfn long(a: [u8; 2]) {{\n{}}}\n", "    { }\n".repeat(lines - 2))
    }

    #[test]
    fn files_end_at_the_limit() {
        assert_eq!(details(&"\n".repeat(600)), [""; 0]);
        assert_eq!(details(&"\n".repeat(601)), ["a.rs:601: 601 lines in the file, at most 600"]);
    }

    #[test]
    fn functions_end_at_the_limit() {
        assert_eq!(details(&function(70)), [""; 0]);
        assert_eq!(details(&function(71)), ["a.rs:2: 71 lines in `long`, at most 70"]);
    }

    #[test]
    fn tests_have_more_room() {
        let test = |lines| format!("#[cfg(test)]\nmod tests {{\n{}}}\n", function(lines));
        assert_eq!(details(&test(100)), [""; 0]);
        assert_eq!(details(&test(101)), ["a.rs:4: 101 lines in `long`, at most 100"]);
        let source = Source::new("a.rs", function(71), true);
        assert_eq!(check(&source), []);
    }

    #[test]
    fn what_only_looks_like_a_function_is_none() {
        let found = |code: &str| functions(code).map(|function| function.name.to_owned()).collect::<Vec<_>>();
        assert_eq!(found("type A = fn(u8) -> u8; struct B { c: fn() }"), [""; 0]);
        assert_eq!(found("trait A { fn a(&self); fn b() { } }"), ["b"]);
        assert_eq!(found("fn a() { fn b() {} }"), ["a", "b"]);
        assert_eq!(found("fn a(b: [u8; 2]) -> [u8; 2] {}"), ["a"]);
    }
}
