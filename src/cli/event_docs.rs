//! `gatelog events schema`: what every event looks like, for programs and for people, from the types that are stored.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use aggregates::schema::{EventSchema, event_schemas, line_schema};
use serde_json::Value;

/// The head of `docs/events.md`.
const HEAD: &str = "# Events\n\n\
    Made by `gatelog events schema --markdown`; a test compares it with the code. `gatelog events schema` prints the\n\
    same as JSON Schema (2020-12) of the exported lines. Every line is a CloudEvents 1.0 object; below is its `data`.\n\
    Fields may be added to an event and are never changed; a new meaning is a new version (`eventversion`). *Sealed* texts\n\
    are personal: only the person's own key opens them.\n";

/// The schemas, as JSON or as a page.
pub fn schemas(markdown: bool) -> anyhow::Result<String> {
    let schemas = event_schemas();
    if markdown {
        return Ok(page(&schemas));
    }
    let by_name: BTreeMap<String, Value> = schemas
        .iter()
        .map(|event| {
            (
                format!("{}@{}", event.event_type, event.event_version),
                line_schema(event),
            )
        })
        .collect();
    Ok(serde_json::to_string_pretty(&by_name)? + "\n")
}

fn page(schemas: &[EventSchema]) -> String {
    let mut page = HEAD.to_owned();
    let mut aggregate = "";
    for event in schemas {
        if event.aggregate_type != aggregate {
            aggregate = event.aggregate_type;
            let _ = write!(page, "\n## {aggregate}\n");
        }
        let _ = write!(page, "\n### {} {}\n", event.event_type, event.event_version);
        if let Some(text) = event.data.get("description").and_then(Value::as_str) {
            let _ = write!(page, "\n{text}\n");
        }
        fields(&mut page, &event.data);
    }
    page
}

fn fields(page: &mut String, data: &Value) {
    let Some(properties) = data.get("properties").and_then(Value::as_object) else {
        return;
    };
    let required = data.get("required").and_then(Value::as_array);
    page.push_str("\n| field | | what |\n|---|---|---|\n");
    let sorted: BTreeMap<&String, &Value> = properties.iter().collect();
    for (name, schema) in sorted {
        let is_needed = required.is_some_and(|names| names.iter().any(|one| one == name));
        let optional = if is_needed { "" } else { ", optional" };
        let text = schema.get("description").and_then(Value::as_str);
        let text = text
            .unwrap_or_default()
            .replace('\n', " ")
            .replace('|', "\\|");
        let _ = writeln!(page, "| `{name}` | {}{optional} | {text} |", kind(schema));
    }
}

/// What a field holds, in a word or two.
fn kind(schema: &Value) -> String {
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
        let is_sealed = pattern.starts_with("^v1");
        return if is_sealed { "sealed" } else { "SHA-256" }.to_owned();
    }
    if let Some(format) = schema.get("format").and_then(Value::as_str)
        && matches!(format, "uuid" | "date-time")
    {
        return format.to_owned();
    }
    if let Some(items) = schema.get("items") {
        return format!("list of {}", kind(items));
    }
    if let Some(name) = schema.get("const").and_then(Value::as_str) {
        return format!("`{name}`");
    }
    for combination in ["enum", "oneOf", "anyOf"] {
        if let Some(parts) = schema.get(combination).and_then(Value::as_array) {
            let kinds = parts
                .iter()
                .filter(|part| part.get("type") != Some(&"null".into()));
            let kinds: Vec<String> = kinds.map(part_kind).collect();
            return kinds.join(" or ");
        }
    }
    match schema.get("type") {
        Some(Value::String(one)) => one.clone(),
        Some(Value::Array(several)) => {
            let several = several.iter().filter_map(Value::as_str);
            let several: Vec<&str> = several.filter(|one| *one != "null").collect();
            several.join(" or ")
        }
        _ => "any".to_owned(),
    }
}

fn part_kind(part: &Value) -> String {
    part.as_str()
        .map_or_else(|| kind(part), |name| format!("`{name}`"))
}
