//! An exported line is read back into the very event that it was made of, and nothing else is taken for one.
#![allow(clippy::indexing_slicing, reason = "a test fails by panicking")]

use chrono::DateTime;
use eventlog::{Metadata, RecordedEvent, cloud_event_line, leaf_hash};
use proptest::prelude::*;
use uuid::Uuid;

/// Any JSON object, in the text that serde writes, or with spaces in between.
fn data() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    let value = leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    });
    let object = prop::collection::btree_map(any::<String>(), value, 0..5)
        .prop_map(|map| serde_json::Value::Object(map.into_iter().collect()).to_string());
    (object, any::<bool>()).prop_map(|(text, is_spaced)| {
        if is_spaced {
            text.replacen('{', "{  ", 1)
        } else {
            text
        }
    })
}

fn text() -> impl Strategy<Value = String> {
    any::<String>().prop_map(|text| text.replace('\0', "_"))
}

prop_compose! {
    fn event()(
        position in 1..u64::MAX >> 1,
        id in any::<u128>(),
        micros in 0_i64..253_402_300_799_999_999,
        aggregate_type in "[a-z_]{1,12}",
        aggregate_id in text(),
        sequence in 1..u64::MAX >> 1,
        event_type in "[A-Z][A-Za-z]{0,20}",
        event_version in text(),
        data in data(),
        actor in prop::option::of(any::<String>()),
        request_id in prop::option::of(any::<String>()),
    ) -> RecordedEvent {
        let metadata = Metadata { actor, request_id };
        let mut event = RecordedEvent {
            position,
            event_id: Uuid::from_u128(id),
            recorded_at: DateTime::from_timestamp_micros(micros).unwrap_or_default(),
            aggregate_type,
            aggregate_id,
            sequence,
            payload: format!("{{\"{event_type}\":{data}}}"),
            event_type,
            event_version,
            metadata: serde_json::to_string(&metadata).unwrap_or_default(),
            leaf_hash: [0; 32],
        };
        event.leaf_hash = leaf_hash(&cloud_event_line(&event));
        event
    }
}

proptest! {
    #[test]
    fn a_line_is_read_back_into_its_event(event in event()) {
        prop_assert_eq!(RecordedEvent::from_line(&cloud_event_line(&event)), Ok(event));
    }

    /// Whatever else is taken is itself an exported line.
    #[test]
    fn a_changed_line_is_another_event_or_refused(
        event in event(),
        place in any::<prop::sample::Index>(),
        byte in 0_u8..128,
        is_inserted in any::<bool>(),
    ) {
        let line = cloud_event_line(&event);
        let mut bytes = line.clone().into_bytes();
        let place = place.index(bytes.len());
        if is_inserted {
            bytes.insert(place, byte);
        } else {
            bytes[place] = byte;
        }
        let Ok(changed) = String::from_utf8(bytes) else { return Ok(()) };
        if let Ok(read) = RecordedEvent::from_line(&changed) {
            prop_assert_eq!(cloud_event_line(&read), changed.clone());
            prop_assert_eq!(changed == line, read == event);
        }
    }
}

#[test]
fn what_an_export_would_write_in_another_way_is_refused() {
    let line = concat!(
        r#"{"specversion":"1.0","id":"00000000-0000-0000-0000-0000000000ab","source":"gatelog","#,
        r#""type":"Done","subject":"1","time":"2023-11-14T22:13:20.000001Z","#,
        r#""datacontenttype":"application/json","data":{"a":1},"position":7,"#,
        r#""stream":"user/1","version":2,"eventversion":"1.0","actor":"me"}"#,
    );
    assert!(RecordedEvent::from_line(line).is_ok());
    for (from, to) in [
        ("gatelog", "another"),
        ("\"1.0\",\"id\"", "\"1.1\",\"id\""),
        ("0000ab", "0000AB"),
        (".000001Z", ".000001000Z"),
        ("20.000001Z", "20.000001+00:00"),
        ("\"position\":7", "\"position\":07"),
        ("\"position\":7", "\"position\":-7"),
        ("\"position\":7", "\"position\": 7"),
        ("user/1", "user/2"),
        ("user/1", "us/er/1"),
        ("{\"a\":1}", "[1]"),
        ("{\"a\":1}", "{\"a\":1"),
        ("{\"a\":1}", "{\"a\":1,\n\"b\":2}"),
        ("\"me\"", "\"m\\u0065\""),
        ("\"me\"", "\"me\",\"other\":1"),
        (",\"actor\":\"me\"", ",\"actor\":null"),
        ("\"actor\":\"me\"", "\"actor\":\"me\",\"actor\":\"me\""),
        ("\"Done\"", "\"Do\\\"ne\""),
    ] {
        let other = line.replacen(from, to, 1);
        assert_ne!(other, line, "{from}");
        assert!(RecordedEvent::from_line(&other).is_err(), "{other}");
    }
    for other in ["", "{}", "[]", "null"] {
        assert!(RecordedEvent::from_line(other).is_err(), "{other}");
    }
    assert!(RecordedEvent::from_line(&format!("{line}\n")).is_err());
}

/// Appends have a lower limit by now than what older logs hold.
#[test]
fn a_line_of_a_payload_of_a_mebibyte_is_read_back_and_a_longer_one_is_refused() {
    for (bytes, is_read) in [
        (60 * 1024 + 1, true),
        (1 << 20, true),
        ((1 << 20) + 1, false),
    ] {
        let text = "x".repeat(bytes - r#"{"Done":{"a":""}}"#.len());
        let line = [
            r#"{"specversion":"1.0","id":"00000000-0000-0000-0000-0000000000ab","source":"gatelog","#,
            r#""type":"Done","subject":"1","time":"2023-11-14T22:13:20.000001Z","#,
            r#""datacontenttype":"application/json","data":{"a":""#,
            &text,
            r#""},"position":7,"stream":"user/1","version":2,"eventversion":"1.0","actor":"me"}"#,
        ];
        let read = RecordedEvent::from_line(&line.concat());
        assert_eq!(read.is_ok(), is_read, "{bytes}");
    }
}
