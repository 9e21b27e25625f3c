//! What commands tell their user.

use std::io::Write as _;

/// Prints a line of the result. A reader that went away is no failure of ours.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A message on one line, whatever its sources put into it.
pub fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn messages_fit_on_one_line() {
        assert_eq!(super::one_line("a:\n  b\r\n\tc"), "a: b c");
    }
}
