//! JSON Schema (2020-12) of the data of every event, derived from the types that are stored.
//!
//! Fields may be added to an event later on, so no schema forbids further ones.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::administrators::AdministratorsEvent;
use crate::domain_event::Versions;
use crate::email_claim::EmailClaimEvent;
use crate::forgotten_sessions::ForgottenSessionsEvent;
use crate::media::MediaEvent;
use crate::media_job::MediaJobEvent;
use crate::service_key::ServiceKeyEvent;
use crate::session::SessionEvent;
use crate::upcasters::FormerSessionEvent;
use crate::user::UserEvent;
use crate::webhook_sink::WebhookSinkEvent;

/// The schema of one type and version of event.
#[derive(Debug, Clone, PartialEq)]
pub struct EventSchema {
    /// The kind of stream that has it.
    pub aggregate_type: &'static str,
    /// For example `UserRegistered`.
    pub event_type: String,
    /// For example `1.0`.
    pub event_version: &'static str,
    /// What its `data` is.
    pub data: Value,
}

/// The schemas of all events that this version of the domain writes or may find in a log, aggregate by aggregate.
pub fn event_schemas() -> Vec<EventSchema> {
    [
        of::<UserEvent>("user"),
        of::<EmailClaimEvent>("email_claim"),
        of::<SessionEvent>("session"),
        former::<FormerSessionEvent>("session", "1.0"),
        of::<MediaEvent>("media"),
        of::<MediaJobEvent>("media_job"),
        of::<AdministratorsEvent>("administrators"),
        of::<ServiceKeyEvent>("service_key"),
        of::<WebhookSinkEvent>("webhook_sink"),
        of::<ForgottenSessionsEvent>("forgotten_sessions"),
    ]
    .concat()
}

/// Of the events that are written today.
fn of<E: JsonSchema + Versions>(aggregate_type: &'static str) -> Vec<EventSchema> {
    variants::<E>(aggregate_type, E::version_of)
}

/// Of events of an older version, which logs still hold.
fn former<E: JsonSchema>(aggregate_type: &'static str, version: &'static str) -> Vec<EventSchema> {
    variants::<E>(aggregate_type, |_| version)
}

/// The variants of an enum whose JSON is `{"<type>": {…}}`.
fn variants<E: JsonSchema>(
    aggregate_type: &'static str,
    version: impl Fn(&str) -> &'static str,
) -> Vec<EventSchema> {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let schema = settings.into_generator().into_root_schema_for::<E>();
    let variants = schema.get("oneOf").and_then(Value::as_array);
    let variants = variants.into_iter().flatten();
    variants
        .filter_map(|variant| {
            let properties = variant.get("properties")?.as_object()?;
            let (event_type, data) = properties.iter().next()?;
            Some(EventSchema {
                aggregate_type,
                event_type: event_type.clone(),
                event_version: version(event_type),
                data: described(data, variant.get("description")),
            })
        })
        .collect()
}

/// The schema with the variant's own description.
fn described(data: &Value, description: Option<&Value>) -> Value {
    let mut whole = Map::new();
    if let Some(description) = description {
        whole.insert("description".to_owned(), description.clone());
    }
    if let Some(data) = data.as_object() {
        whole.extend(data.clone());
    }
    Value::Object(whole)
}

/// The schema of an exported line, with `data` as an event's own schema says.
pub fn line_schema(event: &EventSchema) -> Value {
    let text = json!({"type": "string"});
    let number = json!({"type": "integer", "minimum": 1});
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("{}@{}", event.event_type, event.event_version),
        "type": "object",
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "format": "uuid"},
            "source": {"const": "gatelog"},
            "type": {"const": event.event_type},
            "subject": text,
            "time": {"type": "string", "format": "date-time"},
            "datacontenttype": {"const": "application/json"},
            "data": event.data,
            "position": number,
            "stream": {"type": "string", "pattern": format!("^{}/", event.aggregate_type)},
            "version": number,
            "eventversion": {"const": event.event_version},
            "actor": text,
            "requestid": text,
        },
        "required": [
            "specversion", "id", "source", "type", "subject", "time", "datacontenttype", "data", "position", "stream",
            "version", "eventversion",
        ],
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_event_type_has_one_schema_and_every_schema_an_event_type() {
        let schemas = event_schemas();
        let named: BTreeSet<&str> = schemas.iter().map(|one| one.event_type.as_str()).collect();
        let known: BTreeSet<&str> = crate::all_event_types().into_iter().collect();
        assert_eq!(named, known);
        let versions: BTreeSet<_> = schemas
            .iter()
            .map(|one| (&one.event_type, one.event_version))
            .collect();
        assert_eq!(schemas.len(), versions.len());
        for schema in &schemas {
            assert!(
                schema.data["description"].is_string(),
                "{}",
                schema.event_type
            );
            assert!(
                schema.data["required"]
                    .as_array()
                    .unwrap()
                    .contains(&json!("at")),
                "{}",
                schema.event_type
            );
        }
    }
}
