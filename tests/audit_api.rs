//! The audit interface: what it exports, which events a filter takes, who may read it, and that the lines are the
//! leaves of the Merkle tree.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeSet;

use eventlog::{Database, Value as Cell};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use support::{PASSWORD, Server, access_token, clip};

const EMAIL: &str = "ada.lovelace@example.com";
const NAME: &str = "Countess Lovelace";
const FILE: &str = "my-holiday.mp4";
const DEVICE: &str = "difference engine";
/// The identifier that the client gave its upload.
const REQUEST: &str = "0192f0c1-2345-7abc-8def-0123456789ab";
/// More events than one read of a stream takes from the database.
const REFRESHES: usize = 600;

/// A server with a history, the auditor's token, and what must not be found in the log.
struct Audited {
    server: Server,
    database: Database,
    auditor: String,
    user: String,
    user_id: String,
    secrets: Vec<String>,
}

/// One on each engine.
async fn on_both_engines() -> Vec<Audited> {
    let mut audited = Vec::new();
    for (server, url) in support::on_both_engines(&[]).await {
        audited.push(with_history(server, &url).await);
    }
    audited
}

async fn with_history(server: Server, url: &str) -> Audited {
    let body = json!({"email": EMAIL, "password": PASSWORD, "name": NAME});
    let answer = server.post("/v1/users", "", &body).await;
    let user_id = answer.json::<Value>().await.unwrap()["id"].clone();
    let body = json!({"email": EMAIL, "password": PASSWORD, "device_name": DEVICE});
    let answer = server.post("/v1/sessions", "", &body).await;
    let mut signed_in: Value = answer.json().await.unwrap();
    let mut secrets: Vec<String> = [EMAIL, NAME, FILE, DEVICE, PASSWORD, "argon2", "127.0.0.1"]
        .map(str::to_owned)
        .into();
    for n in 0..REFRESHES {
        if n % 100 == 0 {
            for name in ["access_token", "refresh_token"] {
                secrets.push(signed_in[name].as_str().unwrap().to_owned());
            }
        }
        let body = json!({"refresh_token": signed_in["refresh_token"]});
        let answer = server.post("/v1/tokens/refresh", "", &body).await;
        assert_eq!(answer.status(), 200);
        signed_in = answer.json().await.unwrap();
    }
    let user = access_token(&signed_in);
    let upload = server
        .request(Method::POST, &format!("/v1/media?name={FILE}"))
        .bearer_auth(&user)
        .header("x-request-id", REQUEST)
        .body(clip());
    let media: Value = upload.send().await.unwrap().json().await.unwrap();
    let job = server
        .job(&user, media["id"].as_str().unwrap(), "poster")
        .await;
    let cancelled = server.delete(&format!("/v1/jobs/{job}"), &user).await;
    assert_eq!(cancelled.status(), 204);
    let auditor = server.auditor("eve@example.org").await;
    support::log::settled_head(&server, &auditor).await;
    Audited {
        auditor,
        database: Database::open(url).await.unwrap(),
        server,
        user,
        user_id: user_id.as_str().unwrap().to_owned(),
        secrets,
    }
}

impl Audited {
    async fn ask(&self, query: &str, accept: &str) -> Response {
        let path = format!("/v1/audit/events{query}");
        let request = self.server.request(Method::GET, &path);
        let request = request.bearer_auth(&self.auditor).header("accept", accept);
        request.send().await.unwrap()
    }

    async fn page(&self, query: &str) -> Value {
        let answer = self.ask(query, "application/json").await;
        assert_eq!(answer.status(), 200, "{query}");
        answer.json().await.unwrap()
    }

    async fn lines(&self, query: &str) -> Vec<String> {
        let answer = self.ask(query, "application/x-ndjson").await;
        assert_eq!(answer.status(), 200, "{query}");
        assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
        let text = answer.text().await.unwrap();
        assert!(text.is_empty() || text.ends_with('\n'), "{query}");
        text.lines().map(str::to_owned).collect()
    }

    async fn events(&self) -> Vec<Value> {
        let parse = |line: &String| serde_json::from_str(line).unwrap();
        self.lines("").await.iter().map(parse).collect()
    }
}

/// The texts between `"items":[` and its end, as they stand in the answer.
fn raw_items(body: &str) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Page<'a> {
        #[serde(borrow)]
        items: Vec<&'a serde_json::value::RawValue>,
    }
    let page: Page<'_> = serde_json::from_str(body).unwrap();
    page.items
        .iter()
        .map(|item| item.get().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn json_and_ndjson_tell_the_same_events_byte_for_byte() {
    for audited in on_both_engines().await {
        let answer = audited.ask("?limit=10000", "application/json").await;
        let body = answer.text().await.unwrap();
        let items = raw_items(&body);
        let lines = audited.lines("").await;
        assert!(items.len() > REFRESHES);
        // What was appended between the two answers is at the end.
        assert_eq!(lines[..items.len()], items);
        let page: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(page["head"], items.len());
        let some = audited.lines("?limit=501").await;
        assert_eq!(some, lines[..501]);
        let rest = audited.lines("?after=501").await;
        assert_eq!(rest[0], lines[501]);
        assert_eq!(rest.len(), lines.len() - 501);
    }
}

fn is_taken(event: &Value, filter: &[(&str, &Value)]) -> bool {
    filter
        .iter()
        .all(|(name, value)| !value.is_null() && event[*name] == **value)
}

/// The query of a filter.
fn query(filter: &[(&str, &Value)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("limit", "10000");
    for (name, value) in filter {
        // Not every event has an actor.
        query.append_pair(name, value.as_str().unwrap_or("nobody"));
    }
    format!("?{}", query.finish())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_filter_takes_exactly_its_events_alone_and_together_with_the_others() {
    for audited in on_both_engines().await {
        let events = audited.events().await;
        let last = &events[events.len() - 1];
        let mut tried = BTreeSet::new();
        for event in &events {
            let part = |name: &'static str| (name, &event[name]);
            let filters = [
                vec![part("type")],
                vec![part("subject")],
                vec![part("stream")],
                vec![part("actor")],
                vec![part("actor"), part("type"), part("subject")],
                vec![part("type"), part("subject")],
                vec![part("type"), part("subject"), part("stream")],
                vec![part("stream"), ("type", &last["type"])],
                vec![part("subject"), ("stream", &last["stream"])],
            ];
            for filter in filters {
                let query = query(&filter);
                if !tried.insert(query.clone()) {
                    continue;
                }
                let expected: Vec<&Value> = events
                    .iter()
                    .filter(|event| is_taken(event, &filter))
                    .collect();
                let page = audited.page(&query).await;
                let items: Vec<&Value> = page["items"].as_array().unwrap().iter().collect();
                assert_eq!(items, expected, "{query}");
                assert_eq!(page["next_after"], page["head"], "{query}");
                assert_eq!(audited.lines(&query).await.len(), expected.len(), "{query}");
            }
        }
        assert!(tried.len() > 20, "{tried:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_fits_nothing_takes_nothing_whatever_stands_in_it() {
    for audited in on_both_engines().await {
        let values = [
            "Nothing",
            "",
            "%25",
            "session",
            "user%2F",
            "%27%20OR%201%3D1%20--",
            "%F0%9F%92%A3",
        ];
        for name in ["type", "subject", "stream", "actor"] {
            for value in values {
                let page = audited.page(&format!("?{name}={value}")).await;
                assert_eq!(page["items"], json!([]), "{name}={value}");
                assert_eq!(page["next_after"], page["head"], "{name}={value}");
            }
            let with_nul = format!("?{name}=User%00Registered");
            let answer = audited.ask(&with_nul, "application/json").await;
            assert_eq!(answer.status(), 400, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_any_size_walk_through_everything_exactly_once() {
    for audited in on_both_engines().await {
        let head = audited.page("?limit=1").await["head"].as_u64().unwrap();
        for limit in [1, 7, 250, head, 10_000] {
            let mut after = if limit == 1 { head - 20 } else { 0 };
            let mut expected = after;
            while after < head {
                let page = audited.page(&format!("?after={after}&limit={limit}")).await;
                let items = page["items"].as_array().unwrap();
                assert!(items.len() as u64 <= limit);
                for item in items {
                    expected += 1;
                    assert_eq!(item["position"], expected, "limit {limit}");
                }
                after = page["next_after"].as_u64().unwrap();
                assert_eq!(after, expected, "limit {limit}");
            }
        }
        let at_head = audited.page(&format!("?after={head}")).await;
        assert_eq!(at_head["items"], json!([]));
        assert_eq!(at_head["next_after"], head);
        // A filter's pages go on behind the last event that they took.
        let (mut after, mut count) = (0, 0);
        loop {
            let query = format!("?type=TokensIssued&limit=100&after={after}");
            let page = audited.page(&query).await;
            count += page["items"].as_array().unwrap().len();
            after = page["next_after"].as_u64().unwrap();
            if page["next_after"] == page["head"] {
                break;
            }
        }
        let all = audited.events().await;
        let issued = all.iter().filter(|event| event["type"] == "TokensIssued");
        assert_eq!(count, issued.count());
        assert!(count >= REFRESHES);
    }
}

#[tokio::test]
async fn a_parameter_that_is_not_of_its_form_is_refused_and_never_a_fault() {
    let server = Server::start().await;
    let auditor = server.auditor("eve@example.org").await;
    for query in [
        "limit=0",
        "limit=10001",
        "limit=-1",
        "limit=4294967296",
        "limit=ten",
        "limit=",
        "limit=1&limit=2",
        "after=-1",
        "after=9223372036854775808",
        "after=18446744073709551616",
        "after=x",
        "types=UserRegistered",
        "since=yesterday",
        "until=2026-01-01",
        "since=2026-01-01T00:00:00%2B25:00",
        "actor=a%00b",
        "format=xml",
        "cursor=x",
    ] {
        let answer = server
            .get(&format!("/v1/audit/events?{query}"), &auditor)
            .await;
        assert_eq!(answer.status(), 400, "{query}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["type"], "/problems/malformed-request", "{query}");
    }
    for limit in [1, 10_000] {
        let path = format!("/v1/audit/events?limit={limit}");
        assert_eq!(server.get(&path, &auditor).await.status(), 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_event_is_a_cloud_event_with_the_extensions_of_the_log() {
    for audited in on_both_engines().await {
        let events = audited.events().await;
        let mut ids = BTreeSet::new();
        let mut time = chrono::DateTime::UNIX_EPOCH.fixed_offset();
        for event in &events {
            assert_eq!(event["specversion"], "1.0");
            assert_eq!(event["source"], "gatelog");
            assert_eq!(event["datacontenttype"], "application/json");
            assert!(event["data"].is_object(), "{event}");
            assert!(
                ids.insert(event["id"].as_str().unwrap().to_owned()),
                "{event}"
            );
            let text = event["time"].as_str().unwrap();
            let at = chrono::DateTime::parse_from_rfc3339(text).unwrap();
            assert!(text.ends_with('Z') && at >= time, "{event}");
            time = at;
            let (kind, id) = event["stream"].as_str().unwrap().split_once('/').unwrap();
            assert!(!kind.is_empty() && event["subject"] == id, "{event}");
            assert!(event["version"].as_u64().unwrap() >= 1, "{event}");
            // CloudEvents 1.0, section 3.1: an attribute's name.
            let is_name = |name: &String| {
                name.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            };
            assert!(event.as_object().unwrap().keys().all(is_name), "{event}");
        }
        let stored = |event: &&Value| event["type"] == "MediaStored";
        let stored = events.iter().find(stored).unwrap();
        assert_eq!(stored["requestid"], REQUEST);
        assert_eq!(stored["actor"], audited.user_id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_takes_what_was_recorded_from_it_on_and_before_its_end() {
    for audited in on_both_engines().await {
        let events = audited.events().await;
        let times: BTreeSet<&str> = events
            .iter()
            .map(|event| event["time"].as_str().unwrap())
            .collect();
        let times: Vec<&str> = times.into_iter().collect();
        let step = times.len() / 7;
        for pair in times
            .chunks(step)
            .map(|chunk| [chunk[0], chunk[chunk.len() - 1]])
        {
            let [since, until] = pair;
            let is_in = |event: &&Value| {
                let time = event["time"].as_str().unwrap();
                since <= time && time < until
            };
            let expected: Vec<&Value> = events.iter().filter(is_in).collect();
            let query = format!("?since={since}&until={until}&limit=10000");
            let page = audited.page(&query).await;
            let items: Vec<&Value> = page["items"].as_array().unwrap().iter().collect();
            assert_eq!(items, expected, "{query}");
            assert_eq!(page["next_after"], page["head"], "{query}");
            assert_eq!(audited.lines(&query).await.len(), expected.len(), "{query}");
            // A nanosecond later the first are too early.
            let later = since.replace('Z', "001Z");
            let page = audited.page(&format!("?since={later}&limit=1")).await;
            assert_ne!(page["items"][0]["time"], since);
        }
        for (query, expected) in [
            ("since=1970-01-01T00:00:00Z", events.len()),
            ("until=1970-01-01T00:00:00Z", 0),
            ("since=+262000-01-01T00:00:00Z", 0),
            ("since=9999-12-31T23:59:59Z", 0),
            ("until=9999-12-31T23:59:59Z", events.len()),
            ("until=9999-12-31T23:59:59Z&after=5", events.len() - 5),
        ] {
            let query = format!("?{}&limit=10000", query.replace('+', "%2B"));
            let page = audited.page(&query).await;
            assert_eq!(page["items"].as_array().unwrap().len(), expected, "{query}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_siem_gets_ocsf_of_what_has_a_place_in_it_and_nothing_personal() {
    for audited in on_both_engines().await {
        let lines = audited.lines("?format=ocsf").await;
        let page = audited.page("?format=ocsf&limit=10000").await;
        let of = |line: &String| serde_json::from_str::<Value>(line).unwrap();
        let events: Vec<Value> = lines.iter().map(of).collect();
        assert_eq!(page["items"].as_array().unwrap()[..], events[..]);
        let classes: BTreeSet<u64> = events
            .iter()
            .map(|one| one["class_uid"].as_u64().unwrap())
            .collect();
        assert_eq!(classes, BTreeSet::from([3001, 3002]));
        for secret in &audited.secrets {
            assert!(!lines.join("\n").contains(secret), "{secret}");
        }
        let other = audited.lines("?format=ocsf&type=MediaStored").await;
        assert_eq!(other, [] as [String; 0]);
    }
}

fn leaf(line: &str) -> [u8; 32] {
    Sha256::digest([&[0], line.as_bytes()].concat()).into()
}

/// RFC 6962, section 2.1, as it is written there.
fn naive_root(leaves: &[[u8; 32]]) -> [u8; 32] {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            let nodes = [naive_root(left), naive_root(right)].concat();
            Sha256::digest([&[1], nodes.as_slice()].concat()).into()
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_exported_lines_are_the_leaves_of_the_stored_tree() {
    for audited in on_both_engines().await {
        let none: [Cell; 0] = [];
        let read = async |sql: &str| audited.database.query(sql, &none).await.unwrap();
        let head = read("SELECT position, root FROM log_head").await;
        let size = usize::try_from(head[0].int(0).unwrap()).unwrap();
        let root = head[0].bytes(1).unwrap();
        let stored = read("SELECT leaf_hash FROM events ORDER BY position").await;
        let lines = audited.lines("").await;
        assert!(size > REFRESHES && lines.len() >= size);
        let leaves: Vec<[u8; 32]> = lines.iter().map(|line| leaf(line)).collect();
        for (n, row) in stored.iter().enumerate().take(size) {
            assert_eq!(row.bytes(0).unwrap(), leaves[n], "{}", lines[n]);
        }
        assert_eq!(naive_root(&leaves[..size]).as_slice(), root);
        let mut changed = leaves[..size].to_vec();
        changed[size / 2][0] ^= 1;
        assert_ne!(naive_root(&changed).as_slice(), root, "one bit shows");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_personal_and_no_secret_is_exported_and_only_auditors_may_read() {
    for audited in on_both_engines().await {
        let text = audited.lines("").await.join("\n").to_lowercase();
        for secret in &audited.secrets {
            assert!(!text.contains(&secret.to_lowercase()), "{secret}");
        }
        assert!(
            text.contains(&audited.user_id),
            "the search finds what is there"
        );
        for accept in ["application/json", "application/x-ndjson"] {
            for (token, status, slug) in [
                ("", 401, "invalid-token"),
                (&"0".repeat(64), 401, "invalid-token"),
                (&audited.user, 403, "forbidden"),
            ] {
                let request = audited.server.request(Method::GET, "/v1/audit/events");
                let request = request.header("accept", accept);
                let request = if token.is_empty() {
                    request
                } else {
                    request.bearer_auth(token)
                };
                let answer = request.send().await.unwrap();
                assert_eq!(answer.status(), status);
                let challenge = answer.headers().contains_key("www-authenticate");
                assert_eq!(challenge, status == 401);
                let problem: Value = answer.json().await.unwrap();
                assert_eq!(problem["type"], format!("/problems/{slug}"));
            }
        }
    }
}
