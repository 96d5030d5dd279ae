//! Extractors that answer bad input as problem+json, field by field.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::request::Parts;
use http::{StatusCode, header};
use http_body_util::BodyExt as _;
use projections::page::Cursor;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::problem::{FieldError, Kind, Problem};
use crate::app::App;

/// The largest JSON body; every call's fields fit many times over.
pub const JSON_BODY_BYTES: usize = 64 * 1024;

/// A JSON body of type `T`.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Arc<App>) -> Result<Self, Problem> {
        require_json(&request)?;
        let bytes = read_body(request.into_body()).await?;
        parse_json(&bytes).map(Self)
    }
}

/// A JSON body that may be left out, which stands for the default. Many clients name its type all the same.
#[derive(Debug)]
pub struct OptionalJson<T>(pub T);

impl<T: DeserializeOwned + Default> FromRequest<Arc<App>> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Arc<App>) -> Result<Self, Problem> {
        if !request.headers().contains_key(header::CONTENT_TYPE) {
            return Ok(Self(T::default()));
        }
        require_json(&request)?;
        let bytes = read_body(request.into_body()).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        parse_json(&bytes).map(Self)
    }
}

fn require_json(request: &Request) -> Result<(), Problem> {
    if is_json(request.headers().get(header::CONTENT_TYPE)) {
        return Ok(());
    }
    Err(Problem::new(
        Kind::UnsupportedMediaType,
        "the body must be application/json",
    ))
}

fn is_json(value: Option<&http::HeaderValue>) -> bool {
    let Some(text) = value.and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = text.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// Reads a small body.
///
/// # Errors
/// 413 over [`JSON_BODY_BYTES`], 400 when the client stops.
pub async fn read_body(body: axum::body::Body) -> Result<bytes::Bytes, Problem> {
    let limited = http_body_util::Limited::new(body, JSON_BODY_BYTES);
    match limited.collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Problem::new(
            Kind::PayloadTooLarge,
            format!("a JSON body may have at most {JSON_BODY_BYTES} bytes"),
        )),
        Err(_) => Err(Problem::new(Kind::MalformedRequest, "the body ended early")),
    }
}

/// JSON that is broken is 400; JSON that does not fit is 422 and names the field.
fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut deserializer);
    let value = parsed.map_err(|error| match serde_json::from_slice::<IgnoredAny>(bytes) {
        Ok(IgnoredAny) => unfit(&error.path().to_string(), error.inner()),
        Err(malformed) => not_json(&malformed),
    })?;
    deserializer.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

fn not_json(error: &serde_json::Error) -> Problem {
    let place = format!("line {}, column {}", error.line(), error.column());
    Problem::new(
        Kind::MalformedRequest,
        format!("the body is not JSON ({place})"),
    )
}

/// The library's text names fields and types, and may quote a value: only its kind is told, and never what
/// stood in the body, which may be a password.
fn unfit(path: &str, error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    let quoted = |prefix: &str| {
        let rest = text.strip_prefix(prefix)?;
        rest.split('`')
            .next()
            .map(|name| name.chars().take(64).collect::<String>())
    };
    let of_path = |path: &str| {
        if path == "." {
            "(body)".to_owned()
        } else {
            path.to_owned()
        }
    };
    let error = if let Some(field) = quoted("missing field `") {
        FieldError::new(&field, "missing", "is required")
    } else if let Some(field) = quoted("unknown field `") {
        FieldError::new(&field, "unknown", "is not a field of this call")
    } else if let Some(field) = quoted("duplicate field `") {
        FieldError::new(&field, "duplicate", "stands twice")
    } else if text.starts_with("unknown variant") {
        FieldError::new(
            &of_path(path),
            "unknown_value",
            "is not one of the values that this field takes",
        )
    } else {
        FieldError::new(
            &of_path(path),
            "wrong_type",
            "is not of the type that this field takes",
        )
    };
    Problem::validation(vec![error])
}

/// An identifier in the path; one that is no UUID names nothing, so it is 404.
#[derive(Debug)]
pub struct Id<T>(pub T);

impl<T, S> FromRequestParts<S> for Id<T>
where
    T: std::str::FromStr,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path: Result<Path<String>, PathRejection> =
            Path::from_request_parts(parts, state).await;
        let Path(text) = path.map_err(|_| Problem::not_found())?;
        text.parse().map(Self).map_err(|_| Problem::not_found())
    }
}

/// Query parameters of type `T`. A token among them is refused.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<T, S> FromRequestParts<S> for Params<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        query.map(|Query(params)| Self(params)).map_err(|_| {
            Problem::new(
                Kind::MalformedRequest,
                "a query parameter is unknown or not of its form",
            )
        })
    }
}

/// `?limit=` and `?cursor=` of a list.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Paging {
    /// Items a page, 1 to 200 (default 50).
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
    /// Where the page before ended; opaque.
    pub cursor: Option<String>,
}

impl Paging {
    /// The checked limit.
    ///
    /// # Errors
    /// 400 outside 1 to 200.
    pub fn limit(&self) -> Result<usize, Problem> {
        match self.limit.unwrap_or(50) {
            limit @ 1..=200 => Ok(limit as usize),
            _ => Err(Problem::new(
                Kind::MalformedRequest,
                "limit must be from 1 to 200",
            )),
        }
    }

    /// The decoded cursor.
    ///
    /// # Errors
    /// 400 for one that this server did not make.
    pub fn cursor(&self) -> Result<Cursor, Problem> {
        let Some(text) = &self.cursor else {
            return Ok(Cursor::start());
        };
        decode_cursor(text).ok_or_else(|| {
            Problem::new(Kind::MalformedRequest, "the cursor is not one of this list")
        })
    }
}

fn decode_cursor(text: &str) -> Option<Cursor> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let text = std::str::from_utf8(&bytes).ok()?;
    let (created_at, id) = text.split_once('/')?;
    let id = id.parse::<uuid::Uuid>().ok()?.to_string();
    Some(Cursor {
        created_at: created_at.parse().ok()?,
        id,
    })
}

/// The text form of a cursor.
pub fn encode_cursor(cursor: &Cursor) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}/{}", cursor.created_at, cursor.id))
}

/// Refuses tokens in the URL of any call, before anything reads it.
pub fn refuse_token_in_url(request: &Request) -> Result<(), Problem> {
    let query = request.uri().query().unwrap_or_default();
    let is_token = |key: &str| matches!(key, "access_token" | "refresh_token" | "token" | "bearer");
    if form_urlencoded::parse(query.as_bytes()).any(|(key, _)| is_token(&key)) {
        return Err(super::caller::token_in_url());
    }
    Ok(())
}

/// 204 without a body.
pub const NO_CONTENT: StatusCode = StatusCode::NO_CONTENT;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Body {
        #[expect(dead_code, reason = "only its parsing is tested")]
        email: String,
    }

    fn problem(text: &str) -> String {
        let problem = parse_json::<Body>(text.as_bytes()).unwrap_err();
        format!("{problem:?}")
    }

    #[test]
    fn broken_json_is_malformed_and_unfit_json_names_the_field() {
        assert!(problem("{").contains("MalformedRequest"));
        assert!(problem("{\"email\":\"a\"} x").contains("MalformedRequest"));
        assert!(problem("{}").contains("\"missing\""));
        assert!(problem("{\"email\":1}").contains("wrong_type"));
        assert!(problem("{\"email\":\"a\",\"x\":1}").contains("\"unknown\""));
        assert!(problem("{\"email\":\"a\",\"email\":\"b\"}").contains("\"duplicate\""));
        assert!(problem("[]").contains("wrong_type") || problem("[]").contains("missing"));
    }

    #[test]
    fn no_value_of_the_body_is_in_the_answer() {
        assert!(!problem("{\"email\":[\"hunter2\"]}").contains("hunter2"));
        assert!(!problem("\"hunter2\"").contains("hunter2"));
    }

    #[test]
    fn a_cursor_survives_the_round_trip_and_a_foreign_one_is_refused() {
        let cursor = Cursor {
            created_at: 5,
            id: uuid::Uuid::nil().to_string(),
        };
        assert_eq!(decode_cursor(&encode_cursor(&cursor)), Some(cursor));
        for bad in ["", "x", "!!!!", "MQ"] {
            let paging = Paging {
                cursor: Some(bad.to_owned()),
                ..Paging::default()
            };
            assert!(paging.cursor().is_err(), "{bad}");
        }
    }
}
