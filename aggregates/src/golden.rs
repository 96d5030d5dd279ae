//! What is stored, byte for byte: one golden file for each event type and version.
//!
//! A golden file is never changed and never taken away, because events like it stand in logs. A
//! new field has a default and is left out of JSON while it has it, so the old file stays true.

mod samples;

use std::collections::BTreeSet;
use std::path::PathBuf;

use cqrs_es::DomainEvent;
use cqrs_es::persist::SerializedEvent;
use serde_json::{Value, json};

/// The versions after the first. The newest one of a type is what is written.
const LATER: &[(&str, &str)] = &[("SessionExpired", "2.0")];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn file_name<E: DomainEvent>(event: &E) -> String {
    format!("{}@{}.json", event.event_type(), event.event_version())
}

fn read<E: DomainEvent>(event: &E) -> String {
    let path = folder().join(file_name(event));
    std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!(
            "{}: {error}; it should be\n{}",
            path.display(),
            pretty(event)
        )
    })
}

fn pretty<E: DomainEvent>(event: &E) -> String {
    serde_json::to_string_pretty(event).unwrap() + "\n"
}

fn check<E: DomainEvent>(samples: &[E], types: &[&str]) {
    let names: Vec<String> = samples.iter().map(DomainEvent::event_type).collect();
    assert_eq!(names, types, "one sample for each type");
    for sample in samples {
        let golden = read(sample);
        assert_eq!(pretty(sample), golden, "{}", file_name(sample));
        assert_eq!(&serde_json::from_str::<E>(&golden).unwrap(), sample);
        check_tag(sample, &golden);
        assert_eq!(&with_unknown_field(sample, &golden), sample);
    }
}

/// The stored type is the tag around the data, so a reader can tell it without decoding the rest.
fn check_tag<E: DomainEvent>(sample: &E, golden: &str) {
    let golden: Value = serde_json::from_str(golden).unwrap();
    let tags: Vec<_> = golden.as_object().unwrap().keys().cloned().collect();
    assert_eq!(tags, [sample.event_type()]);
    assert!(golden[&tags[0]].is_object());
}

/// The sample as a later version might write it.
fn with_unknown_field<E: DomainEvent>(sample: &E, golden: &str) -> E {
    let mut golden: Value = serde_json::from_str(golden).unwrap();
    golden[sample.event_type()]["field_of_a_later_version"] = json!({"any": ["thing"]});
    serde_json::from_value(golden).unwrap()
}

#[test]
fn user_events_are_stored_like_their_golden_files() {
    check(&samples::user(), crate::user::EVENT_TYPES);
}

#[test]
fn email_claim_events_are_stored_like_their_golden_files() {
    check(&samples::email_claim(), crate::email_claim::EVENT_TYPES);
}

#[test]
fn session_events_are_stored_like_their_golden_files() {
    check(&samples::session(), crate::session::EVENT_TYPES);
}

#[test]
fn media_events_are_stored_like_their_golden_files() {
    check(&samples::media(), crate::media::EVENT_TYPES);
}

#[test]
fn media_job_events_are_stored_like_their_golden_files() {
    check(&samples::media_job(), crate::media_job::EVENT_TYPES);
}

#[test]
fn administrators_events_are_stored_like_their_golden_files() {
    check(
        &samples::administrators(),
        crate::administrators::EVENT_TYPES,
    );
}

#[test]
fn service_key_events_are_stored_like_their_golden_files() {
    check(&samples::service_key(), crate::service_key::EVENT_TYPES);
}

#[test]
fn webhook_sink_events_are_stored_like_their_golden_files() {
    check(&samples::webhook_sink(), crate::webhook_sink::EVENT_TYPES);
}

#[test]
fn forgotten_sessions_events_are_stored_like_their_golden_files() {
    check(
        &samples::forgotten_sessions(),
        crate::forgotten_sessions::EVENT_TYPES,
    );
}

#[test]
fn every_event_type_has_a_name_of_its_own_and_a_golden_file_and_no_file_is_left_over() {
    let types = crate::all_event_types();
    let first = types.iter().map(|name| format!("{name}@1.0.json"));
    let later = LATER
        .iter()
        .map(|(name, version)| format!("{name}@{version}.json"));
    let wanted: BTreeSet<String> = first.chain(later).collect();
    assert_eq!(wanted.len(), types.len() + LATER.len());
    let files = std::fs::read_dir(folder()).unwrap();
    let found: BTreeSet<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(found, wanted);
}

/// Every version that is not the newest one is brought into it, and into nothing else.
#[test]
fn older_versions_are_read_as_the_newest() {
    let upcast = |kind: &str, golden: Value| {
        let (name, version) = kind.split_once('@').unwrap();
        let stored = SerializedEvent {
            aggregate_id: String::new(),
            sequence: 1,
            aggregate_type: "session".to_owned(),
            event_type: name.to_owned(),
            event_version: version.to_owned(),
            payload: golden,
            metadata: Value::Null,
        };
        crate::upcasters().iter().fold(stored, |event, upcaster| {
            if upcaster.can_upcast(&event.event_type, &event.event_version) {
                return upcaster.upcast(event);
            }
            event
        })
    };
    for (name, version) in LATER {
        let golden = |version: &str| -> Value {
            let file = folder().join(format!("{name}@{version}.json"));
            serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
        };
        let newest = upcast(&format!("{name}@1.0"), golden("1.0"));
        assert_eq!(newest.event_version, *version);
        assert_eq!(newest.payload, golden(version));
        let same = upcast(&format!("{name}@{version}"), golden(version));
        assert_eq!(same.payload, golden(version));
    }
    let idle = json!({"SessionExpired": {"at": "2026-01-01T00:00:00Z", "is_idle": true}});
    let newest = upcast("SessionExpired@1.0", idle).payload;
    assert_eq!(newest["SessionExpired"]["reason"], "idle");
}

/// What an old event lacks is absent or empty, not an error.
#[test]
fn optional_facts_may_be_missing() {
    let at = "2026-01-01T00:00:00Z";
    let changed = json!({"UserNameChanged": {"at": at}}).to_string();
    let cancelled = json!({"MediaJobCancelled": {"at": at}}).to_string();
    let succeeded = json!({"MediaJobSucceeded": {"attempt": 1, "at": at}}).to_string();
    assert!(serde_json::from_str::<crate::user::UserEvent>(&changed).is_ok());
    for job in [cancelled, succeeded] {
        assert!(
            serde_json::from_str::<crate::media_job::MediaJobEvent>(&job).is_ok(),
            "{job}"
        );
    }
}

/// An event that this version does not know stops the reader; it is never taken for another one.
#[test]
fn an_unknown_event_is_not_read() {
    let unknown = json!({"UserTurnedIntoAFrog": {"at": "2026-01-01T00:00:00Z"}}).to_string();
    assert!(serde_json::from_str::<crate::user::UserEvent>(&unknown).is_err());
}
