//! `/v1/me/totp`: the caller's second factor.

pub mod confirm;
pub mod disable;
pub mod enrol;
pub mod recovery_codes;
pub mod show;

use aggregates::session::RevokeReason;
use http::{HeaderName, header};
use serde::Serialize;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::app::App;
use crate::http::caller::Caller;
use crate::http::problem::Problem;
use crate::revocation;

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

/// Ends every other session of the caller's, if they asked for that; the position of the last event.
async fn end_others(
    app: &App,
    caller: &Caller,
    are_to_end: bool,
    position: Option<u64>,
) -> Result<Option<u64>, Problem> {
    if !are_to_end {
        return Ok(position);
    }
    let (reason, keep) = (RevokeReason::RevokedOthers, Some(caller.session_id));
    let acting = caller.acting();
    let ended = revocation::revoke_all(app, caller.user_id, keep, reason, &acting).await?;
    Ok(ended.position.max(position))
}
