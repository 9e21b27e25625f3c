//! Choosing between SSZ and JSON by the `Accept` header.

use axum::http::{HeaderMap, header};

/// Whether the client asks for JSON: it names it, and does not name SSZ with at least the same weight. Everything else,
/// wildcards included, gets SSZ.
pub(crate) fn wants_json(headers: &HeaderMap) -> bool {
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
    json.is_some_and(|json| json > ssz.unwrap_or(0))
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

    #[test]
    fn json_only_on_request() {
        let wants = |accept: &[&str]| {
            let mut headers = HeaderMap::new();
            accept.iter().for_each(|value| _ = headers.append(header::ACCEPT, value.parse().unwrap()));
            wants_json(&headers)
        };
        assert!(!wants(&[]));
        assert!(!wants(&["*/*"]));
        assert!(!wants(&["text/html,application/xhtml+xml,*/*;q=0.8"]));
        assert!(!wants(&["application/octet-stream"]));
        assert!(!wants(&["application/octet-stream, application/json"]));
        assert!(!wants(&["application/json;q=0.5", "application/octet-stream;q=0.9"]));
        assert!(!wants(&["application/json;q=0"]));
        assert!(!wants(&["application/json;q=NaN"]));
        assert!(wants(&["application/json"]));
        assert!(wants(&["Application/JSON; q=0.2, */*"]));
        assert!(wants(&["application/octet-stream;q=0.5, application/json"]));
    }
}
