//! Answers in gzip, for clients that take it: metrics, the page and long lists shrink to a tenth.
//!
//! What a client may have kept (answers with an entity tag) goes as it is, and so do event streams and SSZ.

use std::io::Write as _;

use axum::body::{Body, HttpBody as _, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Shorter answers fit a packet or two as they are.
const MIN_BYTES: u64 = 1024;
/// Longer ones take milliseconds, which a thread that serves others must not spend.
const MAX_BYTES_IN_PLACE: usize = 64 << 10;

/// Compresses the answer, if that is wanted and worth it.
pub(crate) async fn gzip(request: Request, next: Next) -> Response {
    let is_wanted = takes_gzip(request.headers());
    let response = next.run(request).await;
    if !is_wanted || !is_worth_it(&response) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // Its length is known, so it is in memory already.
    let Ok(plain) = to_bytes(body, usize::MAX).await else {
        return crate::routes::failure(StatusCode::INTERNAL_SERVER_ERROR, "internal error");
    };
    let packed = match plain.len() > MAX_BYTES_IN_PLACE {
        true => {
            let plain = plain.clone();
            tokio::task::spawn_blocking(move || pack(&plain)).await.ok().flatten()
        }
        false => pack(&plain),
    };
    parts.headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    match packed {
        Some(packed) => {
            parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            parts.headers.remove(header::CONTENT_LENGTH);
            Response::from_parts(parts, Body::from(packed))
        }
        None => Response::from_parts(parts, Body::from(plain)),
    }
}

fn pack(plain: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::fast());
    encoder.write_all(plain).ok()?;
    encoder.finish().ok()
}

fn is_worth_it(response: &Response) -> bool {
    let headers = response.headers();
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_text = content_type.starts_with("application/json")
        || content_type.starts_with("text/") && !content_type.starts_with("text/event-stream");
    let is_long = response.body().size_hint().exact().is_some_and(|bytes| bytes >= MIN_BYTES);
    is_text
        && is_long
        && !headers.contains_key(header::ETAG)
        && !headers.contains_key(header::CONTENT_ENCODING)
}

/// Whether `Accept-Encoding` names gzip, and not to refuse it.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Ok(1.0), str::parse::<f32>);
        is_gzip && weight.is_ok_and(|weight| weight > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_for_those_who_name_it() {
        let takes = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, text.parse().unwrap());
            takes_gzip(&headers)
        };
        for text in ["gzip", "deflate, GZIP", "br;q=1.0, gzip;q=0.5", "gzip;q=1"] {
            assert!(takes(text), "{text}");
        }
        for text in ["", "*", "br", "gzip;q=0", "gzip;q=0.0", "gzip;q=much"] {
            assert!(!takes(text), "{text}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn what_is_packed_comes_out_as_it_was() {
        let plain = "lean_head_slot 3\n".repeat(100);
        let packed = pack(plain.as_bytes()).unwrap();
        assert!(packed.len() < plain.len() / 10);
        let mut back = Vec::new();
        std::io::copy(&mut flate2::read::GzDecoder::new(packed.as_slice()), &mut back).unwrap();
        assert_eq!(back, plain.as_bytes());
    }
}
