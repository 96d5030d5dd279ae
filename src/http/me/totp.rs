//! `/v1/me/totp`: the caller's second factor.

pub mod confirm;
pub mod disable;
pub mod enrol;
pub mod recovery_codes;
pub mod show;

use http::{HeaderName, header};
use serde::Serialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// Of every answer that holds a secret.
const NO_STORE: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// Recovery codes, shown once.
#[derive(Serialize, ToSchema)]
#[schema(as = RecoveryCodes)]
pub struct RecoveryCodesView {
    /// Ten, each `xxxxx-xxxxx-xxxxx`, each good once.
    #[schema(value_type = Vec<String>)]
    recovery_codes: Vec<Zeroizing<String>>,
}
