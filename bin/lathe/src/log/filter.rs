//! How much is said: what the options, the environment and an operator at run time mean by a level.
//!
//! A level alone is ours: at debug Lathe says more, and libraries say no more than before. A library's own level is
//! asked for by its name. Whatever stands in the environment, the log never falls silent without a word.

use std::ffi::OsString;

use tracing_subscriber::EnvFilter;

/// What libraries say: only that something is wrong. Two aggregators often make the same aggregate, which gossipsub
/// warns of and which is as it should be.
const LIBRARIES: &str = "warn,libp2p_gossipsub=error";
/// What is said by default.
const DEFAULT_LEVEL: &str = "info";
/// How every part of ours begins.
const OURS: &str = "lathe";

/// What is wanted of the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// As it was asked for.
    pub level: String,
    /// As the library understands it.
    pub directives: String,
    /// What is to be said of what was asked.
    pub warning: Option<String>,
}

impl Wanted {
    /// The option counts before the number of `-v`, and that before RUST_LOG.
    pub(super) fn find(option: Option<&str>, verbose: u8, environment: Option<OsString>) -> Self {
        let given = option.map(str::to_owned).or(match verbose {
            0 => None,
            1 => Some("debug".into()),
            _ => Some("trace".into()),
        });
        if let Some((level, (directives, _))) =
            given.and_then(|level| Some((level.clone(), directives(&level).ok()?)))
        {
            return Self { level, directives, warning: None };
        }
        let text = environment.map(|text| text.to_string_lossy().trim().to_owned());
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Self::default_with(None) };
        match directives(&text) {
            Ok((directives, true)) => Self { level: text, directives, warning: None },
            Ok((directives, false)) => {
                let warning =
                    format!("RUST_LOG={text}: names nothing of Lathe, which says what it says by default");
                Self { level: text, directives, warning: Some(warning) }
            }
            Err(error) => Self::default_with(Some(format!("RUST_LOG={text}: {error}; the default is used"))),
        }
    }

    fn default_with(warning: Option<String>) -> Self {
        Self { level: DEFAULT_LEVEL.into(), directives: ours(DEFAULT_LEVEL), warning }
    }
}

/// Directives of the library for a level, or for a list of levels and `part=level`, and whether the list says anything
/// of ours; if not, our default is part of the answer.
pub(super) fn directives(text: &str) -> Result<(String, bool), String> {
    let mut parts: Vec<String> = Vec::new();
    let mut names_ours = false;
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        if let Some(level) = level(part) {
            names_ours = true;
            parts.insert(0, ours(level));
        } else if !part.contains(['=', '[']) && !part.starts_with(OURS) {
            return Err(format!(
                "`{part}` is no level; write off, error, warn, info, debug or trace, or part=level"
            ));
        } else {
            names_ours |= part.starts_with(OURS);
            parts.push(part.to_owned());
        }
    }
    if parts.is_empty() {
        return Err("no level; write off, error, warn, info, debug or trace".into());
    }
    if !names_ours {
        parts.insert(0, ours(DEFAULT_LEVEL));
    } else if !parts.iter().any(|part| part.starts_with(LIBRARIES) || level(part).is_some()) {
        parts.insert(0, LIBRARIES.into());
    }
    let joined = parts.join(",");
    EnvFilter::try_new(&joined).map_err(|error| error.to_string())?;
    Ok((joined, names_ours))
}

fn level(text: &str) -> Option<&'static str> {
    const LEVELS: [(&str, &str); 7] = [
        ("off", "off"),
        ("error", "error"),
        ("warn", "warn"),
        ("warning", "warn"),
        ("info", "info"),
        ("debug", "debug"),
        ("trace", "trace"),
    ];
    LEVELS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, level)| *level)
}

/// A level for what is ours.
fn ours(level: &str) -> String {
    match level {
        "off" | "error" => level.into(),
        "warn" => LIBRARIES.into(),
        _ => format!("{LIBRARIES},{OURS}={level}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_environment(text: &str) -> Wanted {
        Wanted::find(None, 0, Some(text.into()))
    }

    #[test]
    fn a_level_is_ours_and_libraries_have_their_own() {
        let said = |text| directives(text).map(|(directives, _)| directives);
        assert_eq!(said("debug").unwrap(), "warn,libp2p_gossipsub=error,lathe=debug");
        assert_eq!(said("WARN").unwrap(), LIBRARIES);
        assert_eq!(said("off").unwrap(), "off");
        assert_eq!(said("h2=trace, debug").unwrap(), "warn,libp2p_gossipsub=error,lathe=debug,h2=trace");
        assert_eq!(said("lathe_network=debug").unwrap(), "warn,libp2p_gossipsub=error,lathe_network=debug");
        for bad in ["", " , ", "loud", "ddebug", "lathe=loud", "info,loud"] {
            assert!(said(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_environment_never_silences_the_log_without_a_word() {
        for empty in ["", "  "] {
            assert_eq!(of_environment(empty), Wanted::default_with(None));
        }
        for bad in ["ddebug", "lathe=loud", ",,"] {
            let wanted = of_environment(bad);
            assert_eq!(wanted.directives, ours(DEFAULT_LEVEL), "{bad}");
            assert!(wanted.warning.unwrap().starts_with(&format!("RUST_LOG={bad}: ")), "{bad}");
        }
        // Only a library is named, so ours goes on as by default.
        let wanted = of_environment("h2=debug");
        assert_eq!(wanted.directives, format!("{},h2=debug", ours(DEFAULT_LEVEL)));
        assert!(wanted.warning.unwrap().contains("names nothing of Lathe"));
        assert_eq!(of_environment("off").warning, None, "asked for in so many words");
    }

    #[test]
    fn options_count_before_the_environment() {
        let directives = |option, verbose| Wanted::find(option, verbose, Some("error".into())).directives;
        assert_eq!(directives(Some("trace"), 1), ours("trace"));
        assert_eq!(directives(None, 1), ours("debug"));
        assert_eq!(directives(None, 3), ours("trace"));
        assert_eq!(directives(None, 0), "error");
    }
}
