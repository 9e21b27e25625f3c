//! Choosing between SSZ and JSON by the `Accept` header.

use std::cmp::Ordering;

use axum::http::{HeaderMap, header};

/// How an object is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// As consensus has it.
    Ssz,
    /// For people and scripts.
    Json,
}

/// The format that the client names with the greater weight; without either, wildcards included, `default`.
pub(crate) fn format(headers: &HeaderMap, default: Format) -> Format {
    let (mut json, mut ssz) = (None, None);
    let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    for range in values.flat_map(|value| value.split(',')) {
        let mut parameters = range.split(';').map(str::trim);
        let media_type = parameters.next().unwrap_or_default();
        let weight = parameters.find_map(|parameter| parameter.strip_prefix("q=")).unwrap_or("1");
        let weight = thousandths(weight);
        if media_type.eq_ignore_ascii_case("application/json") {
            json = json.max(Some(weight));
        } else if media_type.eq_ignore_ascii_case("application/octet-stream") {
            ssz = ssz.max(Some(weight));
        }
    }
    let (json, ssz) = (json.unwrap_or(0), ssz.unwrap_or(0));
    match json.cmp(&ssz) {
        Ordering::Greater => Format::Json,
        Ordering::Less => Format::Ssz,
        Ordering::Equal => default,
    }
}

/// A quality value as a number of thousandths; 0 for what is none.
fn thousandths(weight: &str) -> u32 {
    match weight.parse::<f32>() {
        Ok(weight) if (0.0..=1.0).contains(&weight) => (weight * 1000.0) as u32,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The formats where SSZ and where JSON is the default.
    fn formats(accept: &[&str]) -> (Format, Format) {
        let mut headers = HeaderMap::new();
        accept.iter().for_each(|value| _ = headers.append(header::ACCEPT, value.parse().unwrap()));
        (format(&headers, Format::Ssz), format(&headers, Format::Json))
    }

    #[test]
    fn the_format_with_the_greater_weight_is_served() {
        let ssz = ["application/octet-stream", "application/json;q=0.5, application/octet-stream;q=0.9"];
        for accept in ssz {
            assert_eq!(formats(&[accept]), (Format::Ssz, Format::Ssz), "{accept}");
        }
        assert_eq!(formats(&["application/json;q=0.5", "application/octet-stream;q=0.9"]).1, Format::Ssz);
        let json = [
            "application/json",
            "Application/JSON; q=0.2, */*",
            "application/octet-stream;q=0.5, application/json",
        ];
        for accept in json {
            assert_eq!(formats(&[accept]), (Format::Json, Format::Json), "{accept}");
        }
    }

    #[test]
    fn without_a_preference_the_default_is_served() {
        let open = [
            "*/*",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "application/octet-stream, application/json",
            "application/json;q=0",
            "application/json;q=NaN",
        ];
        assert_eq!(formats(&[]), (Format::Ssz, Format::Json));
        for accept in open {
            assert_eq!(formats(&[accept]), (Format::Ssz, Format::Json), "{accept}");
        }
    }
}
