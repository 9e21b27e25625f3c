//! What is shipped does not unwrap: input from outside must end in an error, and what cannot happen needs no branch.
//!
//! The exception is an item under `#[expect(clippy::expect_used, reason = ...)]`, which says why it cannot fail.

use std::ops::Range;

use crate::Violation;
use crate::source::{Source, end_of_block, line_of};

const CALLS: [&str; 2] = [".unwrap()", ".expect("];

const LINTS: [&str; 2] = ["clippy::unwrap_used", "clippy::expect_used"];

/// Unwrapping calls outside tests and outside items that say why they cannot fail.
pub fn check(source: &Source) -> Vec<Violation> {
    let exempt: Vec<Range<usize>> = exempt_items(&source.shipped).collect();
    let of = |call: &'static str| {
        let calls = source.shipped.match_indices(call).map(|(at, _)| at);
        calls.filter(|at| !exempt.iter().any(|item| item.contains(at))).map(move |at| Violation {
            file: source.file.clone(),
            line: line_of(&source.shipped, at),
            detail: format!("`{call}` outside tests"),
        })
    };
    CALLS.into_iter().flat_map(of).collect()
}

fn exempt_items(code: &str) -> impl Iterator<Item = Range<usize>> {
    code.match_indices("#[expect(").filter_map(|(start, _)| {
        let (attribute, item) = code[start..].split_once(")]")?;
        let explained = attribute.contains("reason") && LINTS.iter().any(|lint| attribute.contains(lint));
        let open = code.len() - item.len() + item.find(['{', ';'])?;
        explained.then(|| start..end_of_block(code, open))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        check(&Source::new("a.rs", text, false)).iter().map(|violation| violation.line).collect()
    }

    #[test]
    fn unwrapping_is_caught_outside_tests() {
        assert_eq!(lines("a.unwrap();\n"), [1]);
        assert_eq!(lines("a\n    .expect(\"b\");\n"), [2]);
        assert_eq!(lines("#[cfg(test)]\nmod tests { fn a() { b.unwrap(); } }\n"), [0; 0]);
        assert_eq!(lines("// a.unwrap()\nlet b = \".unwrap()\";\n"), [0; 0]);
        assert_eq!(lines("a.unwrap_or(1).expect_err(2);\n"), [0; 0]);
    }

    #[test]
    fn an_item_may_say_why_it_cannot_fail() {
        let item = "fn a() { b.expect(c) }\nfn d() { e.expect(f) }\n";
        assert_eq!(lines(&format!("#[expect(clippy::expect_used, reason = \"g\")]\n{item}")), [3]);
        assert_eq!(lines(&format!("#[expect(clippy::expect_used)]\n{item}")), [2, 3], "without a reason");
        assert_eq!(
            lines(&format!("#![allow(clippy::expect_used, reason = \"g\")]\n{item}")),
            [2, 3],
            "for a file"
        );
    }
}
