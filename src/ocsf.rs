//! Exported lines as events of the Open Cybersecurity Schema Framework, for SIEMs: classes Account Change (3001) and
//! Authentication (3002) of version 1.3.0.
//!
//! What neither class describes is left out; `docs/guides/consume-the-log.md` lists what becomes what. Personal fields
//! stay sealed: they are in `unmapped.data` as they are in the log.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

/// The version of the schema.
const VERSION: &str = "1.3.0";

const ACCOUNT_CHANGE: u64 = 3001;
const AUTHENTICATION: u64 = 3002;
/// What no activity of a class describes.
const OTHER: u64 = 99;

const INFORMATIONAL: u64 = 1;
const MEDIUM: u64 = 3;
const HIGH: u64 = 4;

/// What becomes of an event.
#[derive(Clone, Copy)]
struct Mapping {
    event_type: &'static str,
    class: u64,
    activity: u64,
    activity_name: &'static str,
    severity: u64,
    is_success: bool,
}

const fn change(event_type: &'static str, activity: u64, activity_name: &'static str) -> Mapping {
    Mapping {
        event_type,
        class: ACCOUNT_CHANGE,
        activity,
        activity_name,
        severity: INFORMATIONAL,
        is_success: true,
    }
}

const fn other(event_type: &'static str) -> Mapping {
    change(event_type, OTHER, event_type)
}

const fn authentication(
    event_type: &'static str,
    activity: u64,
    activity_name: &'static str,
) -> Mapping {
    Mapping {
        class: AUTHENTICATION,
        ..change(event_type, activity, activity_name)
    }
}

const fn failed(mapping: Mapping, severity: u64) -> Mapping {
    Mapping {
        severity,
        is_success: false,
        ..mapping
    }
}

const MAPPINGS: &[Mapping] = &[
    change("UserRegistered", 1, "Create"),
    change("UserEnabled", 2, "Enable"),
    change("PasswordChanged", 3, "Password Change"),
    change("PasswordReset", 4, "Password Reset"),
    change("UserDisabled", 5, "Disable"),
    change("UserErased", 6, "Delete"),
    change("TotpEnabled", 10, "MFA Factor Enable"),
    change("TotpDisabled", 11, "MFA Factor Disable"),
    other("UserRegistrationAbandoned"),
    other("UserNameChanged"),
    other("EmailVerified"),
    other("EmailChangeRequested"),
    other("EmailChangeCancelled"),
    other("EmailChanged"),
    other("RecoveryCodesIssued"),
    other("RecoveryCodeUsed"),
    other("UserRolesChanged"),
    other("UserDeletionRequested"),
    other("UserDeletionCancelled"),
    other("UserErasureStarted"),
    other("AdministratorAdded"),
    other("AdministratorRemoved"),
    authentication("SessionStarted", 1, "Logon"),
    authentication("SessionReauthenticated", 1, "Logon"),
    authentication("SessionRevoked", 2, "Logoff"),
    authentication("SessionExpired", 2, "Logoff"),
    failed(authentication("SignInFailuresBegan", 1, "Logon"), MEDIUM),
    failed(authentication("SignInFailuresCounted", 1, "Logon"), MEDIUM),
    failed(
        authentication("SecondFactorFailuresBegan", 1, "Logon"),
        MEDIUM,
    ),
    failed(
        authentication("SecondFactorFailuresCounted", 1, "Logon"),
        MEDIUM,
    ),
    failed(
        authentication("RefreshTokenReused", OTHER, "RefreshTokenReused"),
        HIGH,
    ),
];

/// The types of events that have a place in the schema.
pub fn event_types() -> Vec<String> {
    let types = MAPPINGS.iter().map(|mapping| mapping.event_type.to_owned());
    types.collect()
}

/// An exported line in the schema's form; nothing when it has none.
pub fn line(line: &str) -> Option<String> {
    let event: Value = serde_json::from_str(line).ok()?;
    let event_type = event.get("type")?.as_str()?;
    let mapping = MAPPINGS
        .iter()
        .find(|mapping| mapping.event_type == event_type)?;
    Some(Value::Object(convert(&event, mapping)?).to_string())
}

fn convert(event: &Value, mapping: &Mapping) -> Option<Map<String, Value>> {
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    let data = event.get("data")?;
    let time: DateTime<Utc> = text("time")?.parse().ok()?;
    let is_authentication = mapping.class == AUTHENTICATION;
    let class_name = if is_authentication {
        "Authentication"
    } else {
        "Account Change"
    };
    let converted = json!({
        "category_uid": 3,
        "category_name": "Identity & Access Management",
        "class_uid": mapping.class,
        "class_name": class_name,
        "activity_id": mapping.activity,
        "activity_name": mapping.activity_name,
        "type_uid": mapping.class * 100 + mapping.activity,
        "type_name": format!("{class_name}: {}", mapping.activity_name),
        "severity_id": mapping.severity,
        "status_id": if mapping.is_success { 1 } else { 2 },
        "time": time.timestamp_millis(),
        "metadata": {
            "version": VERSION,
            "product": {"name": "Gatelog", "vendor_name": "Gatelog"},
            "uid": text("id")?,
            "event_code": mapping.event_type,
            "sequence": event.get("position")?,
        },
        "user": user(event, data),
        "unmapped": {
            "stream": text("stream")?,
            "version": event.get("version")?,
            "eventversion": text("eventversion")?,
            "data": data,
        },
    });
    let Value::Object(mut converted) = converted else {
        return None;
    };
    if let (Some(request), Some(Value::Object(metadata))) =
        (text("requestid"), converted.get_mut("metadata"))
    {
        metadata.insert("correlation_uid".to_owned(), request.into());
    }
    if let Some(actor) = text("actor") {
        converted.insert("actor".to_owned(), actor_of(actor));
    }
    if is_authentication {
        authentication_fields(&mut converted, event, data);
    }
    Some(converted)
}

fn authentication_fields(converted: &mut Map<String, Value>, event: &Value, data: &Value) {
    let mut insert = |name: &str, value: Value| drop(converted.insert(name.to_owned(), value));
    insert("service", json!({"name": "Gatelog"}));
    insert("is_remote", true.into());
    let is_session = event
        .get("stream")
        .and_then(Value::as_str)
        .is_some_and(|stream| stream.starts_with("session/"));
    if is_session && let Some(session) = event.get("subject") {
        insert("session", json!({"uid": session}));
    }
    if let Some(Value::Array(methods)) = data.get("auth_methods") {
        insert("is_mfa", (methods.len() > 1).into());
    }
    if let Some(failures) = data.get("failures") {
        insert("count", failures.clone());
    }
    if let Some(reason) = data.get("reason") {
        insert("status_detail", reason.clone());
    }
}

/// Whose account it is: of a user's stream its name, else what the event says. A session that ends does not say whose it
/// was; its start does, and `session.uid` leads there.
fn user(event: &Value, data: &Value) -> Value {
    let text = |name: &str| event.get(name).and_then(Value::as_str);
    let of_stream = text("stream").and_then(|stream| stream.strip_prefix("user/"));
    let uid = of_stream.or_else(|| data.get("user_id").and_then(Value::as_str));
    match uid {
        Some(uid) => json!({"uid": uid, "type_id": 1}),
        None => json!({"name": "unknown", "type_id": 0}),
    }
}

fn actor_of(actor: &str) -> Value {
    match actor.strip_prefix("policy:") {
        Some(policy) => json!({"app_name": format!("Gatelog {policy}")}),
        None => json!({"user": {"uid": actor}}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every golden sample whose type has a place becomes an event with what its class requires.
    #[test]
    fn every_mapped_type_is_one_of_the_log_and_has_the_required_attributes() {
        let known = aggregates::all_event_types();
        for event_type in event_types() {
            assert!(known.contains(&event_type.as_str()), "{event_type}");
            let golden = format!(
                "{}/aggregates/golden/{event_type}@1.0.json",
                env!("CARGO_MANIFEST_DIR")
            );
            let golden: Value =
                serde_json::from_str(&std::fs::read_to_string(golden).unwrap()).unwrap();
            let event = json!({
                "specversion": "1.0", "id": "i", "source": "gatelog", "type": event_type, "subject": "s",
                "time": "2026-01-01T00:00:00.123456Z", "data": golden[&event_type], "position": 7,
                "stream": "session/s", "version": 1, "eventversion": "1.0", "actor": "policy:x", "requestid": "r",
            });
            let converted: Value =
                serde_json::from_str(&line(&event.to_string()).unwrap()).unwrap();
            for name in [
                "activity_id",
                "category_uid",
                "class_uid",
                "severity_id",
                "time",
                "type_uid",
            ] {
                assert!(converted[name].is_u64(), "{event_type}: {name}");
            }
            let class = converted["class_uid"].as_u64().unwrap();
            let activity = converted["activity_id"].as_u64().unwrap();
            assert_eq!(converted["type_uid"], class * 100 + activity);
            assert_eq!(converted["category_uid"], class / 1000);
            assert_eq!(converted["time"], 1_767_225_600_123_i64);
            assert_eq!(converted["metadata"]["version"], VERSION);
            assert!(converted["metadata"]["product"]["vendor_name"].is_string());
            let user = &converted["user"];
            assert!(
                user["uid"].is_string() || user["name"].is_string(),
                "{event_type}"
            );
            // Class 3002 takes at least one of service and dst_endpoint.
            assert_eq!(converted["service"].is_object(), class == AUTHENTICATION);
        }
    }

    #[test]
    fn what_has_no_place_is_left_out() {
        let event = json!({"type": "MediaStored", "data": {}, "time": "2026-01-01T00:00:00Z"});
        assert_eq!(line(&event.to_string()), None);
        assert_eq!(line("x"), None);
    }
}
