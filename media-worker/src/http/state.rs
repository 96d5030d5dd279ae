//! What the worker says about itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use crate::api::{DrainStatus, Health, Preset, PresetInfo, ServiceLimits};
use crate::jobs::LIGHT_SLOTS;
use crate::presets;
use crate::service::Service;

/// `GET /v1/health`.
pub(super) async fn health(State(service): State<Arc<Service>>) -> Json<Health> {
    Json(Health {
        draining: service.jobs.is_draining(),
        sandbox: service.sandbox,
        ffmpeg_version: service.shop.ffmpeg_version.clone(),
    })
}

/// `GET /v1/limits`.
pub(super) async fn limits(State(service): State<Arc<Service>>) -> Json<ServiceLimits> {
    let (slots, policy) = (service.jobs.slots(), &service.shop.policy);
    let room = slots.room();
    let recipes = Preset::ALL.iter().flat_map(|name| {
        let versions = 1..=name.version();
        versions.map(|version| {
            let outputs = presets::outputs(*name, version, service.shop.has_avif);
            PresetInfo {
                name: *name,
                version,
                outputs: outputs.into_iter().map(str::to_owned).collect(),
            }
        })
    });
    Json(ServiceLimits {
        slots: count(slots.general()),
        light_slots: count(LIGHT_SLOTS),
        free: count(room.free()),
        free_general: Some(count(room.general)),
        free_soon: count(room.soon),
        presets: recipes.collect(),
        max_input_bytes: policy.max_input_bytes,
        max_duration_seconds: policy.max_duration_seconds,
        max_pixels: policy.max_pixels,
        max_side_pixels: policy.max_side_pixels,
        max_streams: policy.max_streams,
        ffmpeg_version: service.shop.ffmpeg_version.clone(),
        sandbox: service.sandbox,
    })
}

/// `POST /v1/drain`: no new jobs from now on.
pub(super) async fn drain(State(service): State<Arc<Service>>) -> Json<DrainStatus> {
    service.jobs.drain();
    Json(DrainStatus {
        unfinished: count(service.jobs.unfinished()),
    })
}

/// `GET /metrics`, in the Prometheus text format.
pub(super) async fn metrics(State(service): State<Arc<Service>>) -> impl IntoResponse {
    let (slots, jobs) = (service.jobs.slots(), service.jobs.unfinished());
    metrics::gauge!("media_worker_slots_free").set(f64::from(count(slots.room().free())));
    metrics::gauge!("media_worker_jobs_unfinished").set(f64::from(count(jobs)));
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4")],
        service.metrics.render(),
    )
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
