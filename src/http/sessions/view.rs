//! A session as its owner sees it.

use aggregates::session::ExpireReason;
use aggregates::values::{AuthMethod, SessionId};
use chrono::{DateTime, Utc};
use projections::sessions::SessionRow;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::app::App;
use crate::http::problem::Problem;
use crate::keyring::PersonKey;

/// A session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    /// `UUIDv7`.
    pub id: Uuid,
    /// Whether it is the one that asks.
    pub current: bool,
    /// On what it was opened.
    pub device: DeviceView,
    /// The address that it was opened from.
    pub ip: Option<String>,
    /// Opened when.
    pub created_at: DateTime<Utc>,
    /// Last seen, to the minute.
    pub last_seen_at: DateTime<Utc>,
    /// The absolute end.
    pub expires_at: DateTime<Utc>,
    /// How the person proved who they are, at the beginning and since.
    #[schema(value_type = Vec<String>)]
    pub auth_methods: Vec<AuthMethod>,
    /// When they last did, in whichever way.
    pub auth_time: DateTime<Utc>,
    /// When they last did by a second factor.
    pub second_factor_time: Option<DateTime<Utc>>,
    /// When it ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why it ended.
    pub end_reason: Option<String>,
}

/// A device, as far as its `User-Agent` tells.
#[derive(Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Device)]
pub struct DeviceView {
    /// The name that the person gave it.
    pub name: Option<String>,
    /// For example `Firefox`.
    pub browser: Option<String>,
    /// For example `Linux`.
    pub os: Option<String>,
    /// `pc`, `smartphone`, `mobilephone`, `appliance`, `crawler` or `unknown`.
    pub kind: String,
}

/// Opens the sealed fields of a session.
///
/// # Errors
/// A field does not open.
pub fn view(
    app: &App,
    key: &PersonKey,
    row: &SessionRow,
    current: SessionId,
) -> Result<SessionView, Problem> {
    let open = |field: &str, sealed: &Option<String>| {
        let open = |text: &String| key.open(row.start_event_id, field, text);
        sealed.as_ref().map(open).transpose()
    };
    let user_agent = user_agent(key, row)?;
    let seen = app.last_seen.get(row.session_id).max(row.last_seen_at);
    Ok(SessionView {
        id: row.session_id.into(),
        current: row.session_id == current,
        device: device(
            open("device_name", &row.device_name)?,
            user_agent.as_deref(),
        ),
        ip: open("ip", &row.ip)?,
        created_at: row.created_at,
        last_seen_at: seen.unwrap_or(row.created_at),
        expires_at: row.expires_at,
        auth_methods: row.auth_methods.clone(),
        auth_time: row.auth_time,
        second_factor_time: row.second_factor_at,
        ended_at: row
            .ended_at
            .or((row.tokens_end <= crate::ports::clock::now()).then_some(row.tokens_end)),
        end_reason: end_reason(row),
    })
}

/// What the device said of itself when the session was opened.
///
/// # Errors
/// It does not open.
pub fn user_agent(key: &PersonKey, row: &SessionRow) -> Result<Option<String>, Problem> {
    let open = |text: &String| key.open(row.start_event_id, "user_agent", text);
    Ok(row.user_agent.as_ref().map(open).transpose()?)
}

/// A session past the end of its tokens counts as expired, also before the policy has noted it.
fn end_reason(row: &SessionRow) -> Option<String> {
    let is_over = row.tokens_end <= crate::ports::clock::now();
    let reason = if row.tokens_end < row.expires_at {
        ExpireReason::Idle
    } else {
        ExpireReason::AbsoluteEnd
    };
    row.end_reason
        .clone()
        .or(is_over.then(|| reason.to_string()))
}

fn device(name: Option<String>, user_agent: Option<&str>) -> DeviceView {
    let parsed = user_agent.and_then(|text| woothee::parser::Parser::new().parse(text));
    let known = |text: &str| (text != "UNKNOWN" && !text.is_empty()).then(|| text.to_owned());
    match parsed {
        Some(agent) => DeviceView {
            name,
            browser: known(agent.name),
            os: known(agent.os),
            kind: known(agent.category).unwrap_or_else(|| "unknown".to_owned()),
        },
        None => DeviceView {
            name,
            kind: "unknown".to_owned(),
            ..DeviceView::default()
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_agent_tells_browser_system_and_kind() {
        let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";
        let seen = device(Some("desk".to_owned()), Some(firefox));
        let expected = DeviceView {
            name: Some("desk".to_owned()),
            browser: Some("Firefox".to_owned()),
            os: Some("Linux".to_owned()),
            kind: "pc".to_owned(),
        };
        assert_eq!(seen, expected);
        assert_eq!(device(None, Some("\u{1}nonsense")).kind, "unknown");
        assert_eq!(device(None, None).kind, "unknown");
    }
}
