//! The operations listener: `/livez`, `/readyz`, `/metrics`. Never on the public one.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderValue, StatusCode, header};
use metrics_exporter_prometheus::PrometheusHandle;
use projections::webhook_sinks;
use serde_json::{Value, json};

use crate::app::App;
use crate::tails::Tails;

/// How long a dependency may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// The routes.
pub fn router(app: Arc<App>, metrics: PrometheusHandle) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route(
            "/metrics",
            get(move || std::future::ready(exposition(&metrics))),
        )
        .with_state(app)
}

fn exposition(metrics: &PrometheusHandle) -> Response {
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4");
    ([(header::CONTENT_TYPE, content_type)], metrics.render()).into_response()
}

/// Each dependency by name. The media workers and what signs the log are reported and do not make the server unready:
/// people sign in without them, jobs wait, and checkpoints are signed later.
async fn readyz(State(app): State<Arc<App>>) -> Response {
    let (database, blobs, workers) = tokio::join!(
        within(app.database.check()),
        within(app.blobs.check()),
        app.workers.report(PATIENCE),
    );
    let parked = webhook_sinks::in_state(&app.database, "parked");
    let parked = tokio::time::timeout(PATIENCE, parked).await;
    // A sink that is parked is told and makes the server not unready: nobody but its receiver misses anything.
    let parked = parked.ok().and_then(Result::ok).map(|sinks| {
        let ids = sinks.iter().map(|sink| sink.webhook_sink_id.to_string());
        ids.collect::<Vec<_>>()
    });
    let head = *app.log.watch_head().borrow();
    let signed = app.notary.latest();
    let signed = signed.map_or(0, |signed| signed.checkpoint.tree.size);
    let tails = app.tails.reports(head);
    let is_current = Tails::are_current(&tails);
    let is_ready = database && blobs && is_current;
    let word = |is_fine: bool| if is_fine { "ok" } else { "failing" };
    let body = json!({
        "ready": is_ready,
        "database": word(database),
        "blobs": word(blobs),
        "read_models": word(is_current),
        "tails": tails,
        "media_worker": word(any_is_ok(&workers)),
        "media_workers": workers,
        "media_presets_unknown": app.workers.unknown_presets(),
        "webhooks": { "parked": parked },
        "log_position": head,
        "log_checkpoint": { "position": signed, "failure": app.notary.failure() },
        "live_tokens": app.tokens.live_tokens(),
    });
    let status = if is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(body)).into_response()
}

/// One worker is enough for jobs to go on.
fn any_is_ok(workers: &[Value]) -> bool {
    let is_ok = |worker: &Value| worker.get("state").is_some_and(|state| state == "ok");
    workers.iter().any(is_ok)
}

async fn within<T, E>(check: impl Future<Output = Result<T, E>>) -> bool {
    matches!(tokio::time::timeout(PATIENCE, check).await, Ok(Ok(_)))
}
