//! `/v1/audit/log`: the log as C2SP tlog-tiles has it: the signed checkpoint, tiles of hashes and bundles of entries;
//! and the proof that an event is in it.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, header};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::app::App;
use crate::http::caller::Auditor;
use crate::http::extract::{Id, Params};
use crate::http::problem::{Kind, Problem, ProblemBody};
use crate::http::reads::{InlineRead, min_position};
use crate::notary::checkpoint::Proof;
use crate::notary::files::entries;
use crate::notary::tile_path::{TileKind, TilePath};
use crate::notary::{NotaryError, Signed};

/// What never changes: what was signed is never contradicted.
const IMMUTABLE: &str = "private, max-age=31536000, immutable";
/// What is another in a second.
const NO_CACHE: &str = "no-cache";

/// Which checkpoint.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// The last one that the witness has signed as well, which may be some seconds older.
    cosigned: Option<bool>,
}

/// The signed checkpoint (C2SP tlog-checkpoint). It covers at least what this node has written, and the position of
/// `Gatelog-Min-Position`.
#[utoipa::path(
    get, path = "/v1/audit/log/checkpoint", tag = "audit", operation_id = "show_log_checkpoint",
    params(Wanted),
    responses(
        (status = 200, body = String, content_type = "text/plain"),
        (status = 400, body = ProblemBody, content_type = "application/problem+json", description = "malformed-request"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "forbidden"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "read-model-behind"),
    ),
    security(("bearer" = []), ("service_key_bearer" = [])),
)]
pub async fn checkpoint(
    State(app): State<Arc<App>>,
    _: Auditor,
    _: InlineRead,
    Params(wanted): Params<Wanted>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let cosigned = app.notary.cosigned();
    if wanted.cosigned == Some(true) {
        let cosigned = cosigned.ok_or_else(Problem::not_found)?;
        return Ok(text(cosigned.note.clone()));
    }
    let signed = signed(&app, &headers, app.log.last_written()).await?;
    let same = cosigned.filter(|cosigned| cosigned.checkpoint == signed.checkpoint);
    Ok(text(same.unwrap_or(signed).note.clone()))
}

/// The public key that the log's checkpoints are signed with, as `<name>+<id>+<key>` (C2SP signed-note).
#[utoipa::path(
    get, path = "/v1/audit/log/key", tag = "audit", operation_id = "show_log_key",
    responses(
        (status = 200, body = String, content_type = "text/plain"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "forbidden"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "read-model-behind"),
    ),
    security(("bearer" = []), ("service_key_bearer" = [])),
)]
pub async fn key(
    State(app): State<Arc<App>>,
    _: Auditor,
    _: InlineRead,
) -> Result<Response, Problem> {
    let signed = app.notary.covering(0).await?;
    Ok(text(format!("{}\n", signed.key)))
}

/// A tile (C2SP tlog-tiles): `<L>/<N>[.p/<W>]` for hashes, `entries/<N>[.p/<W>]` for the events' lines, each with its
/// length in 16 bits before it. The parameter spans several segments of the path.
#[utoipa::path(
    get, path = "/v1/audit/log/tile/{tile}", tag = "audit", operation_id = "show_log_tile",
    params(("tile" = String, Path, description = "Such as `0/x001/234`, `1/000.p/17` or `entries/000`")),
    responses(
        (status = 200, body = String, content_type = "application/octet-stream"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "forbidden"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "read-model-behind"),
    ),
    security(("bearer" = []), ("service_key_bearer" = [])),
)]
pub async fn tile(
    State(app): State<Arc<App>>,
    _: Auditor,
    _: InlineRead,
    Id(tile): Id<String>,
) -> Result<Response, Problem> {
    let path = TilePath::parse(&tile).ok_or_else(Problem::not_found)?;
    let content = match path.kind {
        TileKind::Entries => entries(&app.log, path.index, path.width).await?,
        TileKind::Hashes(level) => {
            let hashes = app
                .notary
                .tree()
                .tile(level, path.index, path.width)
                .await?;
            hashes.map(|hashes| hashes.concat())
        }
    };
    let content = content.ok_or_else(Problem::not_found)?;
    let octets = HeaderValue::from_static("application/octet-stream");
    let signed = app.notary.latest();
    let signed = signed.map_or(0, |signed| signed.checkpoint.tree.size);
    let is_signed = path.end().is_some_and(|end| end <= signed);
    let cache = HeaderValue::from_static(if is_signed { IMMUTABLE } else { NO_CACHE });
    let headers = [
        (header::CONTENT_TYPE, octets),
        (header::CACHE_CONTROL, cache),
    ];
    Ok((headers, content).into_response())
}

/// The proof that an event is in the log (C2SP tlog-proof), with the signed checkpoint that it leads to.
#[utoipa::path(
    get, path = "/v1/audit/events/{id}/proof", tag = "audit", operation_id = "show_event_proof",
    params(("id" = Uuid, Path, description = "The event")),
    responses(
        (status = 200, body = String, content_type = "text/plain"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json", description = "invalid-token"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json", description = "forbidden"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json", description = "not-found"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json", description = "read-model-behind"),
    ),
    security(("bearer" = []), ("service_key_bearer" = [])),
)]
pub async fn proof(
    State(app): State<Arc<App>>,
    _: Auditor,
    _: InlineRead,
    Id(id): Id<Uuid>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let tree = app.notary.tree();
    let position = tree.position_of(id).await?.ok_or_else(Problem::not_found)?;
    let signed = signed(&app, &headers, position).await?;
    let (index, size) = (position.saturating_sub(1), signed.checkpoint.tree.size);
    let hashes = tree.inclusion_proof(index, size).await?;
    let proof = Proof {
        index,
        hashes: hashes.ok_or_else(Problem::not_found)?,
        note: signed.note.clone(),
    };
    Ok(text(proof.text()))
}

/// A checkpoint over what the caller asks for, and over a position.
async fn signed(app: &App, headers: &HeaderMap, position: u64) -> Result<Arc<Signed>, Problem> {
    let asked = min_position(headers)?.unwrap_or(0);
    Ok(app.notary.covering(asked.max(position)).await?)
}

fn text(text: String) -> Response {
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    let cache = HeaderValue::from_static(NO_CACHE);
    (
        [
            (header::CONTENT_TYPE, plain),
            (header::CACHE_CONTROL, cache),
        ],
        text,
    )
        .into_response()
}

impl From<NotaryError> for Problem {
    fn from(error: NotaryError) -> Self {
        match error {
            NotaryError::Database(error) => error.into(),
            NotaryError::NotYet => Self::new(
                Kind::ReadModelBehind,
                "no signed checkpoint covers that position yet",
            ),
            NotaryError::Behind { .. }
            | NotaryError::Differs(_)
            | NotaryError::Refused(_)
            | NotaryError::Store(_) => Self::unavailable(error),
            NotaryError::Damaged | NotaryError::File(_) => Self::internal(error),
        }
    }
}
