//! Delivering a stored file: ranges, validators, and headers that keep a browser from running it.

use std::ops::Range;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_range_header::StartPosition;

use super::problem::{Kind, Problem};
use crate::app::App;

/// What is delivered.
#[derive(Debug)]
pub struct File<'a> {
    /// Where the blob store has it.
    pub object: &'a str,
    /// Size.
    pub bytes: u64,
    /// SHA-256, hexadecimal; the validator.
    pub sha256: &'a str,
    /// Our own finding, never the uploader's word.
    pub content_type: &'a str,
    /// The name to save it under.
    pub name: &'a str,
}

/// Answers `GET` and `HEAD` of a file, with `Range`, `If-Range` and `If-None-Match` (RFC 9110).
///
/// # Errors
/// 416 for a range outside the file; the store's failures.
pub async fn deliver(
    app: &App,
    method: &Method,
    request: &HeaderMap,
    file: &File<'_>,
) -> Result<Response, Problem> {
    let etag = format!("\"{}\"", file.sha256);
    let mut answer = if matches(request.get(header::IF_NONE_MATCH), &etag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else if method == Method::HEAD {
        // RFC 9110, section 14.2: a range is for GET alone.
        head(app, file).await?
    } else {
        match range(request, file.bytes, &etag)? {
            Some(range) => partial(app, file, range).await?,
            None => whole(app, file).await?,
        }
    };
    let headers = answer.headers_mut();
    let text = |text: &str| HeaderValue::from_str(text).map_err(Problem::internal);
    headers.insert(header::ETAG, text(&etag)?);
    headers.insert(header::CONTENT_TYPE, text(file.content_type)?);
    headers.insert(header::CONTENT_DISPOSITION, text(&disposition(file.name))?);
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-cache"),
    );
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; sandbox"),
    );
    Ok(answer)
}

/// What `GET` of the whole says, without the content.
async fn head(app: &App, file: &File<'_>) -> Result<Response, Problem> {
    if app.blobs.size(file.object).await?.is_none() {
        return Err(Problem::not_found());
    }
    let mut answer = StatusCode::OK.into_response();
    answer
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(file.bytes));
    Ok(answer)
}

async fn whole(app: &App, file: &File<'_>) -> Result<Response, Problem> {
    let stream = app.blobs.get(file.object, None).await?;
    let mut answer = Body::from_stream(stream).into_response();
    answer
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(file.bytes));
    Ok(answer)
}

async fn partial(app: &App, file: &File<'_>, range: Range<u64>) -> Result<Response, Problem> {
    let content_range = format!("bytes {}-{}/{}", range.start, range.end - 1, file.bytes);
    let length = range.end - range.start;
    let stream = app.blobs.get(file.object, Some(range)).await?.boxed();
    let mut answer = (StatusCode::PARTIAL_CONTENT, Body::from_stream(stream)).into_response();
    let value = HeaderValue::from_str(&content_range).map_err(Problem::internal)?;
    answer.headers_mut().insert(header::CONTENT_RANGE, value);
    answer
        .headers_mut()
        .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Ok(answer)
}

/// The one range asked for; `None` for the whole file. Several ranges, other units and a stale `If-Range` are
/// answered with the whole file, as RFC 9110 allows.
fn range(request: &HeaderMap, bytes: u64, etag: &str) -> Result<Option<Range<u64>>, Problem> {
    let Some(value) = request
        .get(header::RANGE)
        .and_then(|value| value.to_str().ok())
    else {
        return Ok(None);
    };
    // RFC 9110, section 13.1.5: one validator, compared strongly.
    if request
        .get(header::IF_RANGE)
        .is_some_and(|validator| validator != etag)
    {
        return Ok(None);
    }
    let Ok(mut parsed) = http_range_header::parse_range_header(value) else {
        return Ok(None);
    };
    if parsed.ranges.len() > 1 {
        return Ok(None);
    }
    // RFC 9110, section 14.1.2: a suffix longer than the file is the whole of it; the library refuses it.
    for range in &mut parsed.ranges {
        if let StartPosition::FromLast(suffix) = &mut range.start {
            *suffix = bytes.min(*suffix);
        }
    }
    let ranges = parsed.validate(bytes).map_err(|_| unsatisfiable(bytes))?;
    Ok(ranges.first().map(|range| *range.start()..*range.end() + 1))
}

fn unsatisfiable(bytes: u64) -> Problem {
    let problem = Problem::new(
        Kind::RangeNotSatisfiable,
        "the range lies outside the content",
    );
    match HeaderValue::from_str(&format!("bytes */{bytes}")) {
        Ok(value) => problem.header(header::CONTENT_RANGE, value),
        Err(_) => problem,
    }
}

fn matches(value: Option<&HeaderValue>, etag: &str) -> bool {
    let Some(text) = value.and_then(|value| value.to_str().ok()) else {
        return false;
    };
    text.split(',')
        .map(str::trim)
        .any(|tag| tag == etag || tag == "*" || tag.strip_prefix("W/") == Some(etag))
}

/// RFC 6266: an ASCII fallback, and the whole name in RFC 8187's form.
fn disposition(name: &str) -> String {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || " ._-()".contains(*c);
    let fallback: String = name
        .chars()
        .map(|c| if is_plain(&c) { c } else { '_' })
        .collect();
    let encoded: String = name
        .bytes()
        .map(|byte| match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'_' | b'-' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect();
    format!("attachment; filename=\"{fallback}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(value: &'static str) -> Result<Option<Range<u64>>, Kind> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_static(value));
        range(&headers, 10, "\"x\"").map_err(|problem| problem.kind)
    }

    #[test]
    fn one_range_is_served_and_the_odd_ones_are_the_whole_file() {
        assert_eq!(ask("bytes=2-4"), Ok(Some(2..5)));
        assert_eq!(ask("bytes=-3"), Ok(Some(7..10)));
        assert_eq!(ask("bytes=-11"), Ok(Some(0..10)));
        assert_eq!(ask("bytes=5-"), Ok(Some(5..10)));
        assert_eq!(ask("bytes=0-1,3-4"), Ok(None));
        assert_eq!(ask("lines=1-2"), Ok(None));
        assert_eq!(ask("bytes=10-"), Err(Kind::RangeNotSatisfiable));
    }

    #[test]
    fn a_name_cannot_break_out_of_its_header() {
        let value = disposition("a\";\r\nX: y \u{e9}.mp4");
        assert!(!value.contains('\r') && !value.contains('\n'));
        assert!(
            value.starts_with("attachment; filename=\"a____X_ y _.mp4\";"),
            "{value}"
        );
        assert!(value.ends_with("%C3%A9.mp4"), "{value}");
    }
}
