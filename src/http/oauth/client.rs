//! Which service calls: its key as a bearer token, or with Basic authentication (RFC 6749, section 2.3.1).

use std::sync::Arc;

use aggregates::service_key::ServiceKeyScope;
use axum::extract::FromRequestParts;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, header};
use projections::service_keys::ServiceKeyRow;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::app::{Acting, App};
use crate::http::caller::{bearer, invalid_token, request_id};
use crate::http::problem::{Kind, Problem};
use crate::http::recognised::{self, Principal};
use crate::service_keys::{self, Presented};

/// A service with a good key.
#[derive(Debug)]
pub struct Client {
    key: ServiceKeyRow,
    request_id: Uuid,
}

impl Client {
    /// For the events that follow from the call.
    pub fn acting(&self) -> Acting {
        Acting {
            actor: Some(format!("service-key:{}", self.key.service_key_id)),
            request_id: Some(self.request_id),
        }
    }

    /// # Errors
    /// 403 unless the key has this scope.
    pub fn require(&self, scope: ServiceKeyScope) -> Result<(), Problem> {
        if self.key.scopes.contains(&scope) {
            return Ok(());
        }
        let challenge =
            format!("Bearer realm=\"gatelog\", error=\"insufficient_scope\", scope=\"{scope}\"");
        let problem = Problem::new(
            Kind::Forbidden,
            format!("this call needs a service key with the scope {scope}"),
        );
        let challenge = HeaderValue::try_from(challenge).map_err(Problem::internal)?;
        Err(problem
            .oauth("insufficient_scope")
            .header(header::WWW_AUTHENTICATE, challenge))
    }
}

impl FromRequestParts<Arc<App>> for Client {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let sent = sent(&parts.headers)?;
        let key = match service_keys::check(&app.database, sent.key()).await? {
            Presented::Good(key) => {
                recognised::note(&parts.extensions, Principal::service(&key, None));
                Some(key)
            }
            Presented::Ended(key, reason) => {
                let principal = Principal::service(&key, Some(reason));
                recognised::note(&parts.extensions, principal);
                None
            }
            Presented::Unknown => None,
        };
        Ok(Self {
            key: sent.accept(key)?,
            request_id: request_id(parts)?,
        })
    }
}

/// What a service sends to prove who it is.
enum Sent {
    Bearer(Zeroizing<String>),
    Basic(Uuid, Zeroizing<String>),
}

impl Sent {
    fn key(&self) -> &str {
        match self {
            Self::Bearer(key) | Self::Basic(_, key) => key,
        }
    }

    fn accept(self, found: Option<ServiceKeyRow>) -> Result<ServiceKeyRow, Problem> {
        match self {
            Self::Bearer(_) => found.ok_or_else(|| invalid_token().oauth("invalid_token")),
            Self::Basic(id, _) => found
                .filter(|row| Uuid::from(row.service_key_id) == id)
                .ok_or_else(invalid_client),
        }
    }
}

fn sent(headers: &HeaderMap) -> Result<Sent, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err(invalid_client());
    };
    let text = value.to_str().map_err(|_| invalid_client())?;
    match text.split_once(' ') {
        Some((scheme, pair)) if scheme.eq_ignore_ascii_case("basic") => {
            basic(pair.trim()).ok_or_else(invalid_client)
        }
        _ => {
            let key = bearer(headers).map_err(|_| invalid_client())?;
            Ok(Sent::Bearer(key.to_owned().into()))
        }
    }
}

fn basic(text: &str) -> Option<Sent> {
    let bytes = Zeroizing::new(STANDARD.decode(text).ok()?);
    let text = std::str::from_utf8(&bytes).ok()?;
    let (id, key) = text.split_once(':')?;
    let key = Zeroizing::new(form_decoded(key));
    Some(Sent::Basic(form_decoded(id).parse().ok()?, key))
}

/// Both parts are form-encoded before they are put together. Identifiers and keys have nothing to encode, but a client
/// may encode it all the same.
fn form_decoded(text: &str) -> String {
    let mut pairs = form_urlencoded::parse(text.as_bytes());
    pairs
        .next()
        .map_or_else(String::new, |(name, _)| name.into_owned())
}

fn invalid_client() -> Problem {
    let challenge = HeaderValue::from_static("Basic realm=\"gatelog\", charset=\"UTF-8\"");
    Problem::new(
        Kind::InvalidClient,
        "this call needs a good service key, as a bearer token or with Basic authentication",
    )
    .oauth("invalid_client")
    .header(header::WWW_AUTHENTICATE, challenge)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0197abcd-1200-7000-8000-000000000001";

    fn sent_as(value: &str) -> Result<Sent, Problem> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        sent(&headers)
    }

    #[test]
    fn basic_authentication_is_read_plain_and_form_encoded() {
        for pair in [
            format!("{ID}:abc"),
            format!("{}:%61bc", ID.replace('-', "%2D")),
        ] {
            let Sent::Basic(id, key) =
                sent_as(&format!("basic {}", STANDARD.encode(pair))).unwrap()
            else {
                unreachable!("it is Basic")
            };
            assert_eq!((id.to_string().as_str(), key.as_str()), (ID, "abc"));
        }
        assert_eq!(sent_as("Bearer abc").unwrap().key(), "abc");
    }

    #[test]
    fn what_is_neither_is_no_client() {
        let no_colon = format!("Basic {}", STANDARD.encode(ID));
        let no_id = format!("Basic {}", STANDARD.encode("gateway:abc"));
        for bad in ["Basic", "Basic !", "Digest abc", &no_colon, &no_id] {
            let problem = sent_as(bad).err().unwrap();
            assert_eq!(problem.kind, Kind::InvalidClient, "{bad}");
        }
    }
}
