//! What commands tell their user.

use std::error::Error;
use std::io::Write as _;

/// Prints a line of the result. A reader that went away is no failure of ours.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// An error and its causes on one line, outermost first. Errors that already quote their cause are not repeated.
pub(crate) fn one_line<'a>(causes: impl Iterator<Item = &'a (dyn Error + 'static)>) -> String {
    let mut line = String::new();
    for cause in causes {
        let text = cause.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if line.contains(&text) {
            continue;
        }
        if !line.is_empty() {
            line.push_str(": ");
        }
        line.push_str(&text);
    }
    line
}

#[cfg(test)]
mod tests {
    #[test]
    fn errors_fit_on_one_line() {
        let report =
            eyre::eyre!("port\n  in use").wrap_err("cannot listen (port in use)\r\n").wrap_err("no node");
        assert_eq!(super::one_line(report.chain()), "no node: cannot listen (port in use)");
    }
}
