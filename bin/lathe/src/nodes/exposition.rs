//! Reads the Prometheus text format: as much of it as our own nodes write.

use std::collections::BTreeMap;

/// The samples of one scrape.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Exposition(Vec<Line>);

#[derive(Clone, Debug, PartialEq)]
struct Line {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Exposition {
    /// Parses `text`; lines that make no sense are skipped, as a later version may write what we do not know.
    pub(super) fn parse(text: &str) -> Self {
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(parse_line).collect())
    }

    /// The sum of a metric over all its labels; `None` if it is absent.
    pub(super) fn sum(&self, name: &str) -> Option<f64> {
        let mut values = self.named(name).map(|line| line.value).peekable();
        values.peek()?;
        Some(values.sum())
    }

    /// The metric's values by one of its labels, summed over the others; zeros left out.
    pub(super) fn by_label(&self, name: &str, label: &str) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        for line in self.named(name).filter(|line| line.value > 0.0) {
            if let Some(key) = line.labels.get(label) {
                *sums.entry(key.clone()).or_default() += line.value as u64;
            }
        }
        sums
    }

    /// The `quantile` of a histogram, interpolated within its bucket; `None` while it is empty.
    pub(super) fn quantile(&self, name: &str, quantile: f64) -> Option<f64> {
        let name = format!("{name}_bucket");
        let mut buckets: Vec<(f64, f64)> = self
            .named(&name)
            .filter_map(|line| Some((line.labels.get("le")?.parse().ok()?, line.value)))
            .collect();
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let rank = quantile * buckets.last()?.1;
        let (mut lower, mut below) = (0.0, 0.0);
        for (bound, cumulative) in buckets {
            if cumulative > 0.0 && cumulative >= rank {
                let within = if cumulative > below { (rank - below) / (cumulative - below) } else { 1.0 };
                // Beyond the last finite bound nothing is known but that bound.
                return Some(if bound.is_finite() { lower + (bound - lower) * within } else { lower });
            }
            (lower, below) = (bound, cumulative);
        }
        None
    }

    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Line> {
        self.0.iter().filter(move |line| line.name == name)
    }
}

fn parse_line(line: &str) -> Option<Line> {
    let (series, value) = line.rsplit_once(' ')?;
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, parse_labels(labels.strip_suffix('}')?)?),
        None => (series, BTreeMap::new()),
    };
    Some(Line { name: name.into(), labels, value: value.parse().ok()? })
}

/// Label values of ours hold no quotes and no commas.
fn parse_labels(text: &str) -> Option<BTreeMap<String, String>> {
    text.split(',')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (key, value) = pair.split_once('=')?;
            Some((key.into(), value.trim_matches('"').into()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# HELP a Something.
# TYPE a counter
a{duty=\"proposal\",reason=\"late\"} 2
a{duty=\"attestation\",reason=\"late\"} 1
a{duty=\"attestation\",reason=\"other\"} 0
b 1.5
nonsense
h_bucket{le=\"0.01\"} 50
h_bucket{le=\"0.02\"} 99
h_bucket{le=\"+Inf\"} 100
h_sum 1
h_count 100
";

    #[test]
    fn sums_and_groups() {
        let scrape = Exposition::parse(TEXT);
        assert_eq!(scrape.sum("a"), Some(3.0));
        assert_eq!(scrape.sum("b"), Some(1.5));
        assert_eq!(scrape.sum("c"), None);
        assert_eq!(scrape.by_label("a", "reason"), BTreeMap::from([("late".into(), 3)]));
    }

    #[test]
    fn quantiles_are_interpolated_and_stay_within_what_is_known() {
        let scrape = Exposition::parse(TEXT);
        assert_eq!(scrape.quantile("h", 0.5), Some(0.01));
        assert_eq!(scrape.quantile("h", 0.25), Some(0.005));
        assert_eq!(scrape.quantile("h", 0.99), Some(0.02));
        assert_eq!(scrape.quantile("h", 1.0), Some(0.02));
        assert_eq!(scrape.quantile("b", 0.5), None);
        assert_eq!(
            Exposition::parse("h_bucket{le=\"1\"} 0\nh_bucket{le=\"+Inf\"} 0").quantile("h", 0.5),
            None
        );
    }
}
