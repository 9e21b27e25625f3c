//! Rust source with everything blanked out that is not code.
//!
//! A small lexer: it knows comments, strings, characters and lifetimes, so that a brace or a word inside them does not
//! count. Blanks keep their place, so positions and line numbers stay true.

/// A Rust file.
#[derive(Clone, Debug)]
pub struct Source {
    /// Path relative to the workspace.
    pub file: String,
    /// The text as it is.
    pub text: String,
    /// The same with comments, strings and characters blanked out.
    pub code: String,
    /// [`Self::code`] with items under `#[cfg(test)]` blanked out as well; all blank for a file of tests.
    pub shipped: String,
}

impl Source {
    /// Reads `text`; `is_test` says that the whole file is test code.
    pub fn new(file: impl Into<String>, text: impl Into<String>, is_test: bool) -> Self {
        let text = text.into();
        let code = blank_all_but_code(&text);
        let shipped = if is_test { blank(&code, 0, code.len()) } else { blank_tests(&code) };
        Self { file: file.into(), text, code, shipped }
    }

    /// Modules that this file declares under `#[cfg(test)]` without a body: their files are test code.
    pub fn test_modules(&self) -> Vec<TestModule> {
        self.code.match_indices(TEST_ATTRIBUTE).filter_map(|(at, _)| self.test_module_at(at)).collect()
    }

    /// The module behind the attributes at `at`.
    fn test_module_at(&self, mut at: usize) -> Option<TestModule> {
        let mut path = None;
        while self.code[at..].starts_with("#[") {
            let end = at + self.code[at..].find(']')?;
            // Strings are blank in the code, but not in the text.
            if self.code[at..].starts_with("#[path") {
                path = self.text[at..end].split('"').nth(1).map(str::to_owned);
            }
            at = end + 1;
            at += self.code[at..].len() - self.code[at..].trim_start().len();
        }
        let declaration = self.code[at..].strip_prefix("mod ")?;
        let name = declaration.split(|letter: char| !is_word(letter)).next()?;
        let in_own_file = declaration[name.len()..].trim_start().starts_with(';');
        in_own_file.then(|| TestModule { name: name.to_owned(), path })
    }
}

/// A module of tests in a file of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestModule {
    /// Its name.
    pub name: String,
    /// Its file, if the declaration names one.
    pub path: Option<String>,
}

const TEST_ATTRIBUTE: &str = "#[cfg(test)]";

/// Line of the byte at `position`, from 1.
pub(crate) fn line_of(text: &str, position: usize) -> usize {
    text.as_bytes()[..position].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// Whether `letter` can be part of an identifier.
pub(crate) fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// Positions at which `word` stands alone, not as part of a longer identifier.
pub(crate) fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word).map(|(at, _)| at).filter(move |at| {
        let before = code[..*at].chars().next_back();
        let after = code[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// Position just past the brace that closes the one at `open`, or the end of the text.
pub(crate) fn end_of_block(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'{' => depth += 1,
            b'}' if depth <= 1 => return offset + 1,
            b'}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

fn blank(text: &str, start: usize, end: usize) -> String {
    let (head, rest) = text.split_at(start);
    let (gone, tail) = rest.split_at(end - start);
    [head, &blanks(gone), tail].concat()
}

/// As many bytes, all spaces but for the line ends.
fn blanks(text: &str) -> String {
    text.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect()
}

fn blank_tests(code: &str) -> String {
    let mut shipped = code.to_owned();
    while let Some(start) = shipped.find(TEST_ATTRIBUTE) {
        let after = start + TEST_ATTRIBUTE.len();
        let open = shipped[after..].find(['{', ';']).map_or(shipped.len(), |offset| after + offset);
        shipped = blank(&shipped, start, end_of_item(&shipped, open));
    }
    shipped
}

fn end_of_item(code: &str, open: usize) -> usize {
    if code.as_bytes().get(open) == Some(&b'{') { end_of_block(code, open) } else { code.len().min(open + 1) }
}

fn blank_all_but_code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let skipped = match length_of_non_code(rest, code.chars().next_back()) {
            0 => {
                let letter = rest.chars().next().map_or(1, char::len_utf8);
                code.push_str(&rest[..letter]);
                letter
            }
            len => {
                code.push_str(&blanks(&rest[..len]));
                len
            }
        };
        rest = &rest[skipped..];
    }
    code
}

/// Length of the comment, string or character at the start of `rest`; zero if code stands there.
fn length_of_non_code(rest: &str, before: Option<char>) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return length_of_block_comment(rest);
    }
    if rest.starts_with('"') {
        return length_of_quoted(rest, '"');
    }
    if rest.starts_with('\'') && is_character(rest) {
        return length_of_quoted(rest, '\'');
    }
    if rest.starts_with(['r', 'b', 'c']) && !before.is_some_and(is_word) {
        return length_of_prefixed(rest);
    }
    0
}

/// A quote opens a character, not a lifetime, if a backslash or exactly one letter and a quote follow.
fn is_character(rest: &str) -> bool {
    let mut letters = rest.chars().skip(1);
    letters.next() == Some('\\') || letters.next() == Some('\'')
}

fn length_of_block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

fn length_of_quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in rest.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return at + quote.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// `r"…"`, `r#"…"#`, `b"…"`, `b'…'`, `br"…"`, `c"…"`.
fn length_of_prefixed(rest: &str) -> usize {
    let prefix = rest.len() - rest.trim_start_matches(['r', 'b', 'c']).len();
    let body = &rest[prefix..];
    let hashes = body.len() - body.trim_start_matches('#').len();
    let is_raw = rest[..prefix].contains('r');
    if prefix > 2 || (hashes > 0 && !is_raw) {
        return 0;
    }
    if is_raw && body[hashes..].starts_with('"') {
        let close = format!("\"{}", "#".repeat(hashes));
        let from = prefix + hashes + 1;
        return rest[from..].find(&close).map_or(rest.len(), |at| from + at + close.len());
    }
    match body.chars().next() {
        Some(quote @ '"') => prefix + length_of_quoted(body, quote),
        Some(quote @ '\'') if is_character(body) => prefix + length_of_quoted(body, quote),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        Source::new("a.rs", text, false).code.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_strings_and_characters_are_not_code() {
        assert_eq!(code("a // b {\nc"), "a c");
        assert_eq!(code("a /* b /* c */ d */ e"), "a e");
        assert_eq!(code(r#"a "b \" {" c"#), "a c");
        assert_eq!(code(r##"a r#"b " {"# c br"{" d b"{" e"##), "a c d e");
        assert_eq!(code(r"a '{' b '\'' c b'{' d"), "a b c d");
        assert_eq!(code("fn a<'b>(c: &'b str) {}"), "fn a<'b>(c: &'b str) {}");
        assert_eq!(code("r#type bar(c)"), "r#type bar(c)");
        assert_eq!(code("\"unended {"), "");
    }

    #[test]
    fn positions_are_kept() {
        let source = Source::new("a.rs", "x\n/* é\n */ y", false);
        assert_eq!(source.code.len(), source.text.len());
        assert_eq!(line_of(&source.code, source.code.find('y').unwrap()), 3);
    }

    #[test]
    fn test_items_are_not_shipped() {
        let source = Source::new(
            "a.rs",
            "a\n#[cfg(test)]\nmod tests { b { } }\nc\n#[cfg(test)]\nmod more;\n#[cfg(test)]\nuse x;\nd",
            false,
        );
        assert_eq!(source.shipped.split_whitespace().collect::<Vec<_>>(), ["a", "c", "d"]);
        assert_eq!(source.test_modules(), [TestModule { name: "more".into(), path: None }]);
        let source =
            Source::new("a.rs", "#[cfg(test)]\n#[path = \"b.rs\"]\nmod c;\n#[cfg(test)]\nmod d{}", false);
        assert_eq!(source.test_modules(), [TestModule { name: "c".into(), path: Some("b.rs".into()) }]);
        assert!(Source::new("a.rs", "a", true).shipped.trim().is_empty());
    }

    #[test]
    fn words_stand_alone() {
        assert_eq!(words("tokio tokio_util my_tokio tokio::x", "tokio").collect::<Vec<_>>(), [0, 26]);
    }

    #[test]
    fn blocks_end_at_their_brace() {
        assert_eq!(end_of_block("{ { } } }", 0), 7);
        assert_eq!(end_of_block("{ {", 0), 3);
    }
}
