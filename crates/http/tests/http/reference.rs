//! The page of the book that lists the API, made from its description.

use std::fmt::Write as _;

use serde_json::Value;

const DESCRIPTION: &str = include_str!("../../src/openapi.json");

fn reference() -> String {
    let description: Value = serde_json::from_str(DESCRIPTION).unwrap();
    let mut page = String::from(
        "# The API\n\nMade from the description that a node serves at `/openapi.json`: `cargo test -p lathe-http reference` \
         compares, and\n`LATHE_BLESS=1` before it rewrites. Errors are JSON, `{\"error\": \"...\"}`; a slash at the end of \
         a path makes no\ndifference; long text is sent in gzip to those who take it.\n",
    );
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let summary = operation["summary"].as_str().unwrap_or_default();
            let _ = write!(page, "\n## `{} {path}`\n\n{summary}\n", method.to_uppercase());
            if let Some(more) = operation["description"].as_str() {
                let _ = write!(page, "\n{more}\n");
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = parameter["name"].as_str().or(parameter["$ref"].as_str()).unwrap_or_default();
                let name = name.rsplit('/').next().unwrap_or_default();
                let text = parameter["description"].as_str().unwrap_or_default();
                let _ = write!(page, "\n- {}", format!("`{name}` {text}").trim_end());
            }
            if operation["parameters"].is_array() {
                page.push('\n');
            }
            let answers = operation["responses"].as_object().unwrap();
            page.push_str("\n| status | type | |\n|---|---|---|\n");
            for (status, answer) in answers {
                let types =
                    answer["content"].as_object().into_iter().flat_map(|content| content.keys().cloned());
                let types = types.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                let text = answer["description"].as_str().unwrap_or_default();
                let _ = writeln!(page, "| {status} | {types} | {text} |");
            }
        }
    }
    page
}

#[test]
fn the_reference_in_the_book_is_that_of_this_server() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/api.md");
    let made = reference();
    if std::env::var_os("LATHE_BLESS").is_some() {
        std::fs::write(path, &made).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == made,
        "docs/api.md is old; make it new: LATHE_BLESS=1 cargo test -p lathe-http reference"
    );
}
