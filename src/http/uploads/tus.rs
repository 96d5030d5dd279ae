//! The headers of tus 1.0.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::http::problem::{Kind, Problem};
use crate::http::reads::POSITION;
use crate::uploads::Upload;
use crate::uploads::checksum::Checksum;
use crate::uploads::finish::Finished;

/// The version of a request and of its answer.
pub const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
/// The versions that the server speaks.
pub const VERSION: HeaderName = HeaderName::from_static("tus-version");
/// The extensions that it has.
pub const EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
/// The largest upload.
pub const MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
/// The algorithms of checksums.
pub const CHECKSUM_ALGORITHM: HeaderName = HeaderName::from_static("tus-checksum-algorithm");
/// How long an upload is.
pub const LENGTH: HeaderName = HeaderName::from_static("upload-length");
/// What the client says of the file.
pub const METADATA: HeaderName = HeaderName::from_static("upload-metadata");
/// Where the upload goes on.
pub const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
/// What a piece must come to.
pub const CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
/// When the upload is given up.
pub const EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
/// The file that the upload has become; not of tus.
pub const MEDIA_ID: HeaderName = HeaderName::from_static("gatelog-media-id");

/// The only version.
pub const V1: HeaderValue = HeaderValue::from_static("1.0.0");
/// The type of a piece.
pub const PIECE: &str = "application/offset+octet-stream";

/// Refuses other versions, and names the version on every answer.
pub async fn layer(request: Request, next: Next) -> Response {
    let is_v1 = request.headers().get(RESUMABLE) == Some(&V1);
    let mut response = if is_v1 {
        next.run(request).await
    } else {
        let text = "the header Tus-Resumable must be 1.0.0";
        Problem::new(Kind::TusVersion, text)
            .header(VERSION, V1)
            .into_response()
    };
    response.headers_mut().insert(RESUMABLE, V1);
    response
}

/// A number in a header.
///
/// # Errors
/// 400 when it is missing or none.
pub fn number(headers: &HeaderMap, name: &HeaderName) -> Result<u64, Problem> {
    let text = headers.get(name).and_then(|value| value.to_str().ok());
    let digits = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number = digits.and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| {
        Problem::new(
            Kind::MalformedRequest,
            format!("the header {name} must be a number"),
        )
    })
}

/// Whether the body is a piece of an upload.
pub fn is_piece(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value == PIECE)
}

/// The length that the body has by its own account.
pub fn declared(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get(header::CONTENT_LENGTH)?;
    value.to_str().ok()?.parse().ok()
}

/// The checksum of a piece.
///
/// # Errors
/// 400 for one of another algorithm or form.
pub fn checksum(headers: &HeaderMap) -> Result<Option<Checksum>, Problem> {
    let Some(value) = headers.get(CHECKSUM) else {
        return Ok(None);
    };
    let checksum = value.to_str().ok().and_then(Checksum::parse);
    checksum.map(Some).ok_or_else(|| {
        Problem::new(
            Kind::MalformedRequest,
            "Upload-Checksum must be sha256 or sha1 and the digest in Base64",
        )
    })
}

/// The headers that say how far an upload is.
pub fn progress(upload: &Upload, finished: Option<Finished>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(OFFSET, HeaderValue::from(upload.received));
    if let Ok(expires) = HeaderValue::from_str(&http_date(upload.expires_at)) {
        headers.insert(EXPIRES, expires);
    }
    if let Some(finished) = finished {
        if let Ok(media) = HeaderValue::from_str(&finished.media_id.to_string()) {
            headers.insert(MEDIA_ID, media);
        }
        if let Some(position) = finished.position {
            headers.insert(POSITION, HeaderValue::from(position));
        }
    }
    headers
}

/// RFC 9110, section 5.6.7.
fn http_date(time: DateTime<Utc>) -> String {
    time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
