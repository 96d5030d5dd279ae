//! The OpenAPI 3.1 document: generated from the code, served at `/openapi.json`, committed as `docs/openapi.json`.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

/// The frame that the routes fill.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Gatelog",
        description = "Signing people in and processing their media, with every decision an event in one verifiable log.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "accounts", description = "People"),
        (name = "sessions", description = "Signing in, sessions, tokens"),
        (name = "two-factor", description = "The second factor"),
        (name = "media", description = "Files and jobs"),
        (name = "audit", description = "The log"),
        (name = "administration", description = "Accounts of others, and service keys"),
    ),
    modifiers(&Bearer),
)]
pub struct ApiDoc;

struct Bearer;

const BEARER: &str = "An opaque token of 64 lower-case hexadecimal characters. Where the account must have a second factor \
    (`second_factor_required` of the account), all calls but those that lead to one, see and end sessions, or change the \
    password or the address or delete the account, answer 403: `second-factor-required` until it is on, \
    `reauthentication-required` until it was proved in the session.";

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(BEARER))
            .build();
        let components = openapi.components.get_or_insert_with(Default::default);
        components.add_security_scheme("bearer", SecurityScheme::Http(scheme));
        for (name, scheme, description) in [
            (
                "service_key_bearer",
                HttpAuthScheme::Bearer,
                "A service key of 64 lower-case hexadecimal characters",
            ),
            (
                "service_key_basic",
                HttpAuthScheme::Basic,
                "A service key's identifier as the user name, and the key as the password",
            ),
        ] {
            let builder = HttpBuilder::new().scheme(scheme);
            let scheme = builder.description(Some(description)).build();
            components.add_security_scheme(name, SecurityScheme::Http(scheme));
        }
    }
}
