//! The line that is exported: CloudEvents 1.0 JSON with a fixed order of keys.
//!
//! It is the Merkle leaf, byte for byte, so what is written here never changes. An export writes hundreds of thousands
//! a second straight from the rows, so the common case copies texts and touches no allocator.

use std::borrow::Cow;
use std::fmt::Write as _;

use chrono::{DateTime, Datelike as _, SecondsFormat, Timelike as _, Utc};
use uuid::Uuid;

use crate::event::inner;
use crate::{Metadata, RecordedEvent};

/// The `source` of every exported event. It is part of the Merkle leaf, so no setting may change it.
const SOURCE: &str = "gatelog";

/// What of an event goes into its line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LineParts<'a> {
    pub position: u64,
    pub event_id: Uuid,
    pub recorded_at: DateTime<Utc>,
    pub aggregate_type: &'a str,
    pub aggregate_id: &'a str,
    pub sequence: u64,
    pub event_type: &'a str,
    pub event_version: &'a str,
    pub payload: &'a str,
    pub metadata: &'a str,
}

impl<'a> LineParts<'a> {
    /// The event that has these parts.
    pub(crate) fn to_event(self, leaf_hash: [u8; 32]) -> RecordedEvent {
        RecordedEvent {
            position: self.position,
            event_id: self.event_id,
            recorded_at: self.recorded_at,
            aggregate_type: self.aggregate_type.to_owned(),
            aggregate_id: self.aggregate_id.to_owned(),
            sequence: self.sequence,
            event_type: self.event_type.to_owned(),
            event_version: self.event_version.to_owned(),
            payload: self.payload.to_owned(),
            metadata: self.metadata.to_owned(),
            leaf_hash,
        }
    }

    pub(crate) fn of(event: &'a RecordedEvent) -> Self {
        Self {
            position: event.position,
            event_id: event.event_id,
            recorded_at: event.recorded_at,
            aggregate_type: &event.aggregate_type,
            aggregate_id: &event.aggregate_id,
            sequence: event.sequence,
            event_type: &event.event_type,
            event_version: &event.event_version,
            payload: &event.payload,
            metadata: &event.metadata,
        }
    }
}

/// The line that is exported, without a line end.
pub fn cloud_event_line(event: &RecordedEvent) -> String {
    let mut line = String::with_capacity(event.payload.len() + 512);
    write_line(&mut line, &LineParts::of(event));
    line
}

/// Appends the line of an event.
pub(crate) fn write_line(line: &mut String, event: &LineParts<'_>) {
    let subject = Text::new(event.aggregate_id);
    line.push_str("{\"specversion\":\"1.0\",\"id\":\"");
    let id = event.event_id.hyphenated();
    line.push_str(id.encode_lower(&mut Uuid::encode_buffer()));
    line.push_str("\",\"source\":\"");
    line.push_str(SOURCE);
    line.push_str("\",\"type\":\"");
    json_text(line, event.event_type);
    line.push_str("\",\"subject\":\"");
    subject.push_to(line);
    line.push_str("\",\"time\":\"");
    time(line, event.recorded_at);
    line.push_str("\",\"datacontenttype\":\"application/json\",\"data\":");
    line.push_str(inner(event.payload, event.event_type).unwrap_or(event.payload));
    line.push_str(",\"position\":");
    number(line, event.position);
    line.push_str(",\"stream\":\"");
    json_text(line, event.aggregate_type);
    line.push('/');
    subject.push_to(line);
    line.push_str("\",\"version\":");
    number(line, event.sequence);
    line.push_str(",\"eventversion\":\"");
    json_text(line, event.event_version);
    line.push('"');
    caused_by(line, event.metadata);
    line.push('}');
}

/// Whether a text stands in JSON as it is. Every byte is looked at, whatever those before it are: so it is done by
/// instructions that take many at once.
fn is_plain(text: &str) -> bool {
    let is_odd = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\' || !byte.is_ascii();
    text.bytes()
        .fold(0, |odd, byte| odd | u8::from(is_odd(byte)))
        == 0
}

/// A text as it stands in JSON, without the quotation marks around it.
struct Text<'a>(Cow<'a, str>);

impl<'a> Text<'a> {
    fn new(text: &'a str) -> Self {
        if is_plain(text) {
            return Self(Cow::Borrowed(text));
        }
        let mut quoted = serde_json::Value::from(text).to_string();
        quoted.pop();
        quoted.remove(0);
        Self(Cow::Owned(quoted))
    }

    fn push_to(&self, line: &mut String) {
        line.push_str(&self.0);
    }
}

/// Appends a text as JSON, without the quotation marks around it.
fn json_text(line: &mut String, text: &str) {
    Text::new(text).push_to(line);
}

/// Appends a number in decimal.
fn number(line: &mut String, number: u64) {
    let mut digits = [b'0'; 20];
    let mut rest = number;
    let mut length = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        length += 1;
        if rest == 0 {
            break;
        }
    }
    let written = digits.get(digits.len() - length..).unwrap_or_default();
    let text = std::str::from_utf8(written).ok();
    line.push_str(text.unwrap_or_default());
}

/// Appends a time as RFC 3339 with microseconds, in UTC.
fn time(line: &mut String, at: DateTime<Utc>) {
    let Ok(year @ 0..=9999) = u32::try_from(at.year()) else {
        let _ = write!(line, "{}", at.to_rfc3339_opts(SecondsFormat::Micros, true));
        return;
    };
    let micros = at.nanosecond() / 1000;
    if micros >= 1_000_000 {
        // A leap second, which no recorded time has.
        let _ = write!(line, "{}", at.to_rfc3339_opts(SecondsFormat::Micros, true));
        return;
    }
    let digit = |value: u32, unit: u32| b'0' + (value / unit % 10) as u8;
    let two = |value: u32| [digit(value, 10), digit(value, 1)];
    let ([y1, y2], [y3, y4]) = (two(year / 100), two(year % 100));
    let ([m1, m2], [d1, d2]) = (two(at.month()), two(at.day()));
    let ([h1, h2], [n1, n2], [s1, s2]) = (two(at.hour()), two(at.minute()), two(at.second()));
    let ([f1, f2], [f3, f4], [f5, f6]) =
        (two(micros / 10_000), two(micros / 100), two(micros % 100));
    let text = [
        y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', n1, n2, b':', s1, s2, b'.',
        f1, f2, f3, f4, f5, f6, b'Z',
    ];
    line.push_str(std::str::from_utf8(&text).unwrap_or_default());
}

/// Appends who acted and for which request.
fn caused_by(line: &mut String, metadata: &str) {
    let read: Metadata;
    let (actor, request_id) = if let Some(plain) = plain_metadata(metadata) {
        plain
    } else {
        read = serde_json::from_str(metadata).unwrap_or_default();
        (read.actor.as_deref(), read.request_id.as_deref())
    };
    if let Some(actor) = actor {
        line.push_str(",\"actor\":\"");
        json_text(line, actor);
        line.push('"');
    }
    if let Some(request_id) = request_id {
        line.push_str(",\"requestid\":\"");
        json_text(line, request_id);
        line.push('"');
    }
}

/// The actor and the request of metadata as this crate writes it, when nothing in it is escaped; else nothing.
fn plain_metadata(metadata: &str) -> Option<(Option<&str>, Option<&str>)> {
    let mut rest = metadata.strip_prefix('{')?;
    let actor = plain_field(&mut rest, "\"actor\":\"");
    if actor.is_some()
        && let Some(behind) = rest.strip_prefix(',')
    {
        rest = behind;
        let request_id = plain_field(&mut rest, "\"request_id\":\"")?;
        return (rest == "}").then_some((actor, Some(request_id)));
    }
    let request_id = match actor {
        Some(_) => None,
        None => plain_field(&mut rest, "\"request_id\":\""),
    };
    (rest == "}").then_some((actor, request_id))
}

/// Takes a field with a plain text off `rest`.
fn plain_field<'a>(rest: &mut &'a str, name: &str) -> Option<&'a str> {
    let (text, behind) = rest.strip_prefix(name)?.split_once('"')?;
    if !is_plain(text) {
        return None;
    }
    *rest = behind;
    Some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_exported_line_is_one_cloud_event_with_a_fixed_order() {
        let event = RecordedEvent {
            position: 7,
            event_id: Uuid::nil(),
            recorded_at: DateTime::from_timestamp_micros(1_700_000_000_000_001).unwrap(),
            aggregate_type: "user".to_owned(),
            aggregate_id: "u\"1".to_owned(),
            sequence: 2,
            event_type: "UserRegistered".to_owned(),
            event_version: "1.0".to_owned(),
            payload: r#"{"UserRegistered":{"b":1,"a":"\u0000"}}"#.to_owned(),
            metadata: r#"{"actor":"me"}"#.to_owned(),
            leaf_hash: [0; 32],
        };
        let expected = concat!(
            r#"{"specversion":"1.0","id":"00000000-0000-0000-0000-000000000000","source":"gatelog","#,
            r#""type":"UserRegistered","subject":"u\"1","time":"2023-11-14T22:13:20.000001Z","#,
            r#""datacontenttype":"application/json","data":{"b":1,"a":"\u0000"},"position":7,"#,
            r#""stream":"user/u\"1","version":2,"eventversion":"1.0","actor":"me"}"#,
        );
        assert_eq!(cloud_event_line(&event), expected);
        serde_json::from_str::<serde_json::Value>(&cloud_event_line(&event)).unwrap();
    }

    /// The line as it was first written down, one field after the other, by serde and chrono alone.
    fn defined(event: &RecordedEvent) -> String {
        let json = |text: &str| serde_json::Value::from(text).to_string();
        let metadata: Metadata = serde_json::from_str(&event.metadata).unwrap_or_default();
        let time = event
            .recorded_at
            .to_rfc3339_opts(SecondsFormat::Micros, true);
        let stream = format!("{}/{}", event.aggregate_type, event.aggregate_id);
        let mut line = format!(
            "{{\"specversion\":\"1.0\",\"id\":\"{}\",\"source\":\"gatelog\",\"type\":{},\"subject\":{},\
             \"time\":\"{time}\",\"datacontenttype\":\"application/json\",\"data\":{},\"position\":{},\
             \"stream\":{},\"version\":{},\"eventversion\":{}",
            event.event_id.hyphenated(),
            json(&event.event_type),
            json(&event.aggregate_id),
            event.data_text(),
            event.position,
            json(&stream),
            event.sequence,
            json(&event.event_version),
        );
        for (name, value) in [
            ("actor", metadata.actor),
            ("requestid", metadata.request_id),
        ] {
            if let Some(value) = value {
                let _ = write!(line, ",\"{name}\":{}", json(&value));
            }
        }
        line + "}"
    }

    /// What this crate writes, what it would write of odd texts, and what it never writes.
    fn metadata() -> impl Strategy<Value = String> {
        let field = || proptest::option::of(prop_oneof!["[ -~]{0,12}", any::<String>()]);
        let written = (field(), field()).prop_map(|(actor, request_id)| {
            serde_json::to_string(&Metadata { actor, request_id }).unwrap()
        });
        let odd = proptest::sample::select(vec![
            "",
            "null",
            "{",
            "{}",
            "{ }",
            "{\"actor\":null}",
            "{\"actor\":\"a\"",
            "{\"actor\":\"a\",}",
            "{\"actor\":\"a\"}}",
            "{\"actor\":\"a\",\"actor\":\"b\"}",
            "{\"request_id\":\"r\",\"actor\":\"a\"}",
            "{\"actor\": \"a\"}",
            "{\"actor\":\"a\",\"other\":1}",
            "{\"actor\":1}",
            "{\"actor\":\"\\u0061\\\"\"}",
        ]);
        prop_oneof![4 => written, 1 => odd.prop_map(str::to_owned)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn every_line_is_as_it_was_defined(
            numbers in (any::<u64>(), any::<u64>(), any::<u128>()),
            micros in prop_oneof![any::<i32>().prop_map(i64::from), -8_000_000_000_000_000_000..8_000_000_000_000_000_000_i64],
            texts in proptest::array::uniform4(prop_oneof!["[a-z.0-9-]{0,40}", any::<String>()]),
            payload in prop_oneof!["\\{\"[a-z]{0,3}\":\\{.{0,20}\\}\\}", any::<String>()],
            metadata in metadata(),
        ) {
            let (position, sequence, id) = numbers;
            let [aggregate_type, aggregate_id, event_type, event_version] = texts;
            let Some(recorded_at) = DateTime::from_timestamp_micros(micros) else { return Ok(()) };
            let event = RecordedEvent {
                position, sequence, recorded_at, aggregate_type, aggregate_id, event_type, event_version,
                payload, metadata, event_id: Uuid::from_u128(id), leaf_hash: [0; 32],
            };
            prop_assert_eq!(cloud_event_line(&event), defined(&event));
        }
    }
}
