//! `GET /v1/config`: the rules in force, for anyone.

use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::config::{MediaConfig, Registration};

/// What a client needs to know before it has an account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PublicConfig)]
pub struct PublicConfig {
    /// `open`, `verify_first` or `closed`.
    registration: &'static str,
    /// The rules for a new password.
    password: PasswordRules,
    /// Limits of uploads.
    upload: UploadLimits,
    /// Presets of media jobs.
    media_presets: Vec<&'static str>,
}

/// The rules for a new password; lengths in characters.
#[derive(Debug, Serialize, ToSchema)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a list of independent rules, as JSON"
)]
pub struct PasswordRules {
    /// `composition` or `nist`. By either, common and easily guessed ones and those with the address or name in
    /// them are refused.
    policy: &'static str,
    min_length: usize,
    max_length: usize,
    require_uppercase: bool,
    require_lowercase: bool,
    require_digit: bool,
    require_symbol: bool,
}

/// Limits of uploads.
#[derive(Debug, Serialize, ToSchema)]
pub struct UploadLimits {
    /// The largest file.
    max_bytes: u64,
    /// What the files of one account may have together, in bytes.
    quota_bytes: u64,
    /// Files that one account may have.
    quota_files: u64,
    /// Resumable uploads that one account may have open at once.
    open_uploads: u64,
    /// Seconds without a piece after which a resumable upload is given up.
    expires_in: i64,
}

impl UploadLimits {
    /// Those of the settings.
    pub fn of(media: &MediaConfig) -> Self {
        Self {
            max_bytes: media.upload_max_bytes,
            quota_bytes: media.quota_bytes,
            quota_files: media.quota_files,
            open_uploads: media.uploads_per_user,
            expires_in: media.upload_expiry_seconds,
        }
    }
}

/// The rules in force.
#[utoipa::path(
    get, path = "/v1/config", tag = "accounts", operation_id = "show_config",
    responses((status = 200, body = PublicConfig)),
)]
pub async fn show(State(app): State<Arc<App>>) -> axum::Json<PublicConfig> {
    let passwords = &app.config.passwords;
    let policy = &passwords.policy;
    axum::Json(PublicConfig {
        registration: match app.config.tokens.registration {
            Registration::Open => "open",
            Registration::VerifyFirst => "verify_first",
            Registration::Closed => "closed",
        },
        password: PasswordRules {
            policy: passwords.profile.as_str(),
            min_length: policy.min,
            max_length: policy.max,
            require_uppercase: policy.require_upper,
            require_lowercase: policy.require_lower,
            require_digit: policy.require_digit,
            require_symbol: policy.require_symbol,
        },
        upload: UploadLimits::of(&app.config.media),
        media_presets: aggregates::media_job::Preset::ALL
            .iter()
            .map(|preset| preset.as_str())
            .collect(),
    })
}
