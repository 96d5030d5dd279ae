//! The form of both calls: `token` and, perhaps, `token_type_hint`.

use std::sync::Arc;

use axum::extract::{FromRequest, Request};
use http::header;
use zeroize::Zeroizing;

use crate::app::App;
use crate::http::extract::read_body;
use crate::http::problem::{Kind, Problem};

/// The token that is asked about. The hint only ever made a search faster, and ours is not slow.
pub struct TokenForm {
    pub token: Zeroizing<String>,
}

impl FromRequest<Arc<App>> for TokenForm {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &Arc<App>) -> Result<Self, Problem> {
        if !is_form(request.headers().get(header::CONTENT_TYPE)) {
            return Err(Problem::new(
                Kind::UnsupportedMediaType,
                "the body must be application/x-www-form-urlencoded",
            )
            .oauth("invalid_request"));
        }
        let bytes = Zeroizing::new(read_body(request.into_body()).await?.to_vec());
        parse(&bytes)
    }
}

fn is_form(value: Option<&http::HeaderValue>) -> bool {
    let text = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// No parameter may come twice, and others than these are ignored (RFC 6749, section 3.2), but for credentials: a key
/// in the body is refused, so that it does not become a habit.
fn parse(bytes: &[u8]) -> Result<TokenForm, Problem> {
    let (mut token, mut hint) = (None, None);
    for (name, value) in form_urlencoded::parse(bytes) {
        let place = match name.as_ref() {
            "token" => &mut token,
            "token_type_hint" => &mut hint,
            "client_id" | "client_secret" | "client_assertion" => {
                return Err(bad("send the service key in the Authorization header"));
            }
            _ => continue,
        };
        if place.replace(Zeroizing::new(value.into_owned())).is_some() {
            return Err(bad("a parameter stands twice"));
        }
    }
    match token.filter(|token| !token.is_empty()) {
        Some(token) => Ok(TokenForm { token }),
        None => Err(bad("the parameter token is missing")),
    }
}

fn bad(detail: &'static str) -> Problem {
    Problem::new(Kind::MalformedRequest, detail).oauth("invalid_request")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_holds_one_token_and_may_hold_what_we_do_not_know() {
        let form = parse(b"x=1&token=abc&token_type_hint=device_code&x=2").unwrap();
        assert_eq!(form.token.as_str(), "abc");
        for bad in [
            "",
            "token=",
            "token=a&token=a",
            "token=a&token_type_hint=a&token_type_hint=b",
            "token=a&client_id=b",
            "token=a&client_secret=b",
            "\u{0}\u{ff}",
        ] {
            let problem = parse(bad.as_bytes()).err().unwrap();
            assert_eq!(problem.kind, Kind::MalformedRequest, "{bad}");
        }
    }
}
