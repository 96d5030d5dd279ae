//! The whole route table, a line a route.

pub mod admin;
pub mod audit;
pub mod caller;
pub mod config;
pub mod delivery;
mod drain;
pub mod edge;
pub mod email_confirmations;
mod errors;
pub mod extract;
pub mod idempotent;
pub mod jobs;
mod layers;
pub mod links;
pub mod me;
pub mod media;
mod metrics;
pub mod oauth;
pub mod openapi;
pub mod ops;
pub mod password_resets;
pub mod problem;
pub mod problems;
pub mod reads;
pub mod recognised;
pub mod sessions;
pub mod tokens;
pub mod uploads;
pub mod users;
pub mod verify;
pub mod web;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{any, get};
use http::{HeaderValue, header};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

/// Calls whose repetition with the same `Idempotency-Key` writes nothing again.
fn idempotent_api() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(users::create::create))
        .routes(routes!(sessions::create::create))
        .routes(routes!(sessions::second_factor::create))
        .routes(routes!(me::password::change))
        .routes(routes!(me::deletion::create))
        .routes(routes!(me::email::change))
        .routes(routes!(email_confirmations::create::create))
        .routes(routes!(password_resets::create::create))
        .routes(routes!(password_resets::confirm::confirm))
        .routes(routes!(me::totp::enrol::enrol))
        .routes(routes!(me::totp::confirm::confirm))
        .routes(routes!(media::links::create))
        .routes(routes!(me::totp::recovery_codes::create))
        .routes(routes!(jobs::create::create))
        .routes(routes!(admin::service_keys::create::create))
        .routes(routes!(admin::webhooks::create::create))
        .routes(routes!(admin::webhooks::secret::rotate))
}

/// Calls that answer within the request time-out.
fn short_api() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(me::show::show, me::update::update))
        .routes(routes!(me::email::cancel))
        .routes(routes!(me::totp::show::show, me::totp::disable::disable))
        .routes(routes!(me::deletion::delete))
        .routes(routes!(me::activity::list))
        .routes(routes!(me::usage::show))
        .routes(routes!(config::show))
        .routes(routes!(sessions::list::list, sessions::revoke::revoke_many))
        .routes(routes!(
            sessions::show::show_current,
            sessions::revoke::revoke_current
        ))
        .routes(routes!(sessions::show::show, sessions::revoke::revoke))
        .routes(routes!(sessions::reauthenticate::reauthenticate))
        .routes(routes!(tokens::refresh::refresh))
        .routes(routes!(media::list::list))
        .routes(routes!(media::show::show, media::delete::delete))
        .routes(routes!(jobs::list::list))
        .routes(routes!(jobs::show::show, jobs::cancel::cancel))
        .routes(routes!(oauth::introspect::introspect))
        .routes(routes!(oauth::revoke::revoke))
        .routes(routes!(admin::service_keys::list::list))
        .routes(routes!(admin::service_keys::revoke::revoke))
        .routes(routes!(admin::webhooks::list::list))
        .routes(routes!(
            admin::webhooks::show::show,
            admin::webhooks::act::remove
        ))
        .routes(routes!(admin::webhooks::act::pause))
        .routes(routes!(admin::webhooks::act::resume))
        .routes(routes!(admin::webhooks::act::retry))
        .routes(routes!(admin::users::list::list))
        .routes(routes!(admin::users::show::show))
        .routes(routes!(admin::users::disable::disable))
        .routes(routes!(admin::users::enable::enable))
        .routes(routes!(admin::users::erase::erase))
        .routes(routes!(admin::users::roles::change))
        .routes(routes!(
            admin::users::sessions::list,
            admin::users::sessions::revoke
        ))
        .routes(routes!(admin::users::totp::reset))
        .routes(routes!(admin::sessions::revoke_all))
}

/// Calls that stream, for as long as it takes.
fn streaming_api() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(media::create::create))
        .routes(routes!(media::content::content))
        .routes(routes!(jobs::output::output))
        .routes(routes!(jobs::events::events))
        .routes(routes!(links::follow))
        .routes(routes!(me::export::export))
        .routes(routes!(audit::events::list))
        .routes(routes!(audit::live::follow))
        .routes(routes!(audit::log::checkpoint))
        .routes(routes!(audit::log::key))
        .routes(routes!(audit::log::proof))
        .routes(routes!(audit::rollbacks::list))
}

/// Resumable uploads: they stream, and speak tus.
fn upload_api() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(uploads::create::create))
        .routes(routes!(
            uploads::show::show,
            uploads::append::append,
            uploads::terminate::terminate
        ))
}

/// Only for the document: the layer of CORS answers every `OPTIONS`, and that of tus adds to it.
fn upload_options_api() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(uploads::options::options))
}

/// Only for the document: a tile's path has as many segments as it needs.
fn tile_api() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(audit::log::tile))
}

/// Only for the document: any method is taken, and the edge answers most of them.
fn verify_api() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(verify::verify))
        .routes(routes!(verify::verify_below))
}

/// The OpenAPI document.
pub fn document() -> utoipa::openapi::OpenApi {
    let api = OpenApiRouter::<Arc<App>>::with_openapi(openapi::ApiDoc::openapi());
    let api = api
        .merge(idempotent_api())
        .merge(short_api())
        .merge(streaming_api())
        .merge(upload_api())
        .merge(upload_options_api())
        .merge(tile_api())
        .merge(verify_api());
    api.into_openapi()
}

/// The public listener's service, without the edge around it.
pub fn router(app: &Arc<App>) -> Router {
    let state = Arc::clone(app);
    let api = Router::from(idempotent_api())
        .layer(from_fn_with_state(Arc::clone(&state), idempotent::layer))
        .merge(Router::from(short_api()))
        .layer(from_fn_with_state(Arc::clone(&state), layers::time_out))
        .layer(from_fn(drain::layer))
        .merge(
            Router::from(streaming_api())
                .merge(Router::from(upload_api()).layer(from_fn(uploads::tus::layer)))
                .layer(from_fn(drain::layer))
                .layer(layers::upload_pause(&app.config.network)),
        )
        .route("/v1/audit/log/tile/{*tile}", get(audit::log::tile))
        .route("/openapi.json", get(|| async { axum::Json(document()) }))
        .route("/problems/{slug}", get(problems::show))
        .route_layer(from_fn(layers::route));
    api.merge(docs())
        .fallback(web::fallback)
        .layer(from_fn(layers::no_token_in_url))
        .layer(layers::cors(&app.config.network))
        .layer(from_fn_with_state(
            Arc::clone(&state),
            uploads::options::layer,
        ))
        .merge(verifying())
        .layer(CatchPanicLayer::custom(edge::answer_panic))
        .with_state(state)
}

/// Whether a token is good, whatever the method: outside of CORS, which answers `OPTIONS` by itself.
fn verifying() -> Router<Arc<App>> {
    Router::new()
        .route("/v1/verify", any(verify::verify))
        .route("/v1/verify/", any(verify::verify))
        .route_layer(from_fn(layers::no_token_in_url))
        .route("/v1/verify/{*path}", any(verify::verify_below))
        .route_layer(from_fn(layers::route))
}

/// `/docs`, served from the binary; its page needs styles of its own.
fn docs() -> Router<Arc<App>> {
    let policy = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                  object-src 'none'; base-uri 'none'; frame-ancestors 'none'";
    let swagger = utoipa_swagger_ui::SwaggerUi::new("/docs")
        .config(utoipa_swagger_ui::Config::from("/openapi.json").try_it_out_enabled(true));
    Router::from(swagger).layer(SetResponseHeaderLayer::overriding(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(policy),
    ))
}
