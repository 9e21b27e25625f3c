//! Names that a file should not contain, and which ones were probably meant.

/// Letters of a name that are looked at: names from a file may be long, and no known one is.
const LONGEST: usize = 64;

/// The known name that `unknown` is a misspelling of, if it resembles one. Case and the kind of separator do not count.
pub(crate) fn nearest<'a>(unknown: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |name: &str| -> Vec<char> {
        let letters = name.chars().filter(|c| !matches!(c, '_' | '-' | ' '));
        letters.take(LONGEST).map(|c| c.to_ascii_lowercase()).collect()
    };
    let wanted = plain(unknown);
    let distances = known.iter().map(|name| (distance(&wanted, &plain(name)), *name));
    let (distance, name) = distances.min_by_key(|(distance, _)| *distance)?;
    // A third of the letters may be wrong.
    (distance * 3 <= wanted.len().max(3)).then_some(name)
}

/// Letters to insert, remove or replace to turn one into the other.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn misspelt_names_are_recognised_and_others_are_not() {
        const KNOWN: &[&str] = &["GENESIS_TIME", "GENESIS_VALIDATORS", "VALIDATOR_COUNT"];
        for (unknown, meant) in [
            ("GENESIS_TIEM", Some("GENESIS_TIME")),
            ("genesis_time", Some("GENESIS_TIME")),
            ("genesisTime", Some("GENESIS_TIME")),
            ("GENESIS-VALIDATOR", Some("GENESIS_VALIDATORS")),
            ("VALIDATORS_COUNT", Some("VALIDATOR_COUNT")),
            ("SOMETHING_ELSE", None),
            ("", None),
            ("G", None),
        ] {
            assert_eq!(nearest(unknown, KNOWN), meant, "{unknown}");
        }
        assert_eq!(nearest(&"x".repeat(1 << 20), KNOWN), None);
    }
}
