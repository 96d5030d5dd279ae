//! The schemas of the events and `docs/events.md`: they are what the code says, every golden sample and every line of a
//! live server is valid under its own and under no other one.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use reqwest::Method;
use serde_json::{Value, json};
use support::Server;

fn printed(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_gatelog"))
        .args(["events", "schema"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn schemas() -> BTreeMap<String, Value> {
    serde_json::from_str(&printed(&[])).unwrap()
}

fn golden() -> BTreeMap<String, Value> {
    let folder = format!("{}/aggregates/golden", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(folder).unwrap();
    files
        .map(|file| {
            let path = file.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            (name, serde_json::from_str(&text).unwrap())
        })
        .collect()
}

/// A line with this data.
fn line(name: &str, data: &Value, schema: &Value) -> Value {
    let (event_type, version) = name.split_once('@').unwrap();
    let kind = schema["properties"]["stream"]["pattern"]
        .as_str()
        .unwrap()
        .trim_start_matches('^');
    json!({
        "specversion": "1.0", "id": "0192f0c1-2345-8abc-8def-0123456789ab", "source": "gatelog", "type": event_type,
        "subject": "s", "time": "2026-01-01T00:00:00.000001Z", "datacontenttype": "application/json", "data": data,
        "position": 1, "stream": format!("{kind}s"), "version": 1, "eventversion": version,
    })
}

#[test]
fn the_page_of_the_events_is_what_the_code_says() {
    let page =
        std::fs::read_to_string(format!("{}/docs/events.md", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let hint = "write it anew: gatelog events schema --markdown > docs/events.md";
    assert!(page == printed(&["--markdown"]), "{hint}");
}

#[test]
fn every_golden_sample_is_valid_under_its_schema_and_wrong_ones_are_not() {
    let (schemas, golden) = (schemas(), golden());
    let names = |all: &BTreeMap<String, Value>| all.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(
        names(&schemas),
        names(&golden),
        "a schema for each type and version"
    );
    for (name, schema) in &schemas {
        let validator = jsonschema::draft202012::new(schema).unwrap();
        let event_type = name.split('@').next().unwrap();
        let data = &golden[name][event_type];
        let good = line(name, data, schema);
        let errors: Vec<String> = validator
            .iter_errors(&good)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        let mut more = data.clone();
        more["field_of_a_later_version"] = json!({"any": ["thing"]});
        assert!(validator.is_valid(&line(name, &more, schema)), "{name}");
        for field in schema["properties"]["data"]["required"].as_array().unwrap() {
            let field = field.as_str().unwrap();
            let mut less = data.clone();
            less.as_object_mut().unwrap().remove(field);
            assert!(
                !validator.is_valid(&line(name, &less, schema)),
                "{name} without {field}"
            );
            let mut wrong = data.clone();
            wrong[field] = json!({"not": "it"});
            assert!(
                !validator.is_valid(&line(name, &wrong, schema)),
                "{name} with another {field}"
            );
        }
        let mut other = good.clone();
        other["type"] = json!("Another");
        assert!(!validator.is_valid(&other), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_of_a_live_server_is_valid_under_its_schema() {
    let server = Server::start().await;
    server.token("ada@example.com").await;
    let auditor = server.auditor("eve@example.com").await;
    let request = server
        .request(Method::GET, "/v1/audit/events")
        .bearer_auth(&auditor);
    let answer = request
        .header("accept", "application/x-ndjson")
        .send()
        .await
        .unwrap();
    let text = answer.text().await.unwrap();
    let schemas = schemas();
    assert!(text.lines().count() > 5);
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let name = format!(
            "{}@{}",
            line["type"].as_str().unwrap(),
            line["eventversion"].as_str().unwrap()
        );
        let validator = jsonschema::draft202012::new(&schemas[&name]).unwrap();
        let errors: Vec<String> = validator
            .iter_errors(&line)
            .map(|error| error.to_string())
            .collect();
        assert!(errors.is_empty(), "{line}: {errors:?}");
    }
}
