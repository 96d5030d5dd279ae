//! Lists: their pages hold every item once, also while others are added, and a cursor that is not the list's own
//! shows nobody anything.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eventlog::testing::TestPostgres;
use serde_json::Value;
use support::engines::{fill_with, servers};
use support::{Server, access_token};

const LISTS: [&str; 3] = ["/v1/sessions", "/v1/media", "/v1/jobs"];
/// Items of each list before anything is added.
const ITEMS: usize = 6;

async fn on_both_engines() -> Vec<Server> {
    let postgres = TestPostgres::shared()
        .unwrap()
        .fresh_database()
        .await
        .unwrap();
    // Lists longer than any that an account may have by default.
    let sessions = ("SESSIONS_PER_USER", "10000");
    let jobs = ("MEDIA_JOBS_QUEUED_PER_USER", "10000");
    vec![
        Server::start_with(&[sessions, jobs]).await,
        Server::start_with(&[("DATABASE_URL", &postgres), sessions, jobs]).await,
    ]
}

/// A file that no other is like.
fn picture(n: usize) -> Vec<u8> {
    [b"\x89PNG\r\n\x1a\n".as_slice(), &n.to_be_bytes()].concat()
}

/// Adds an item to each list of a person: their identifiers, in the order of [`LISTS`].
async fn add(server: &Server, email: &str, token: &str, n: usize) -> [String; 3] {
    let session = server.sign_in(email).await["session"]["id"].clone();
    let media = server.upload(token, "a.png", picture(n)).await;
    let job = server.job(token, &media, "metadata").await;
    [session.as_str().unwrap().to_owned(), media, job]
}

/// A person with full lists: the token, and the lists' items, newest first.
async fn person(server: &Server, email: &str) -> (String, [Vec<String>; 3]) {
    server.register(email).await;
    let signed_in = server.sign_in(email).await;
    let token = access_token(&signed_in);
    let mut items: [Vec<String>; 3] = Default::default();
    items[0].push(signed_in["session"]["id"].as_str().unwrap().to_owned());
    for n in 0..ITEMS {
        for (list, id) in items.iter_mut().zip(add(server, email, &token, n).await) {
            list.insert(0, id);
        }
    }
    (token, items)
}

fn ids(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap().iter();
    items
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect()
}

/// Follows a list to its end; between its pages `meanwhile` happens.
async fn walk(
    server: &Server,
    token: &str,
    list: &str,
    limit: usize,
    mut meanwhile: impl AsyncFnMut(),
) -> Vec<String> {
    let mut found = Vec::new();
    let mut path = format!("{list}limit={limit}");
    loop {
        let page = server.get_json(&path, token).await;
        let items = ids(&page);
        assert!(items.len() <= limit, "{path}");
        found.extend(items);
        let Some(cursor) = page["next_cursor"].as_str() else {
            assert!(page["next_cursor"].is_null());
            return found;
        };
        assert!(found.len() <= 1_000, "the list has no end: {path}");
        path = format!("{list}limit={limit}&cursor={cursor}");
        meanwhile().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_every_size_hold_each_item_once_and_newest_first() {
    for server in on_both_engines().await {
        let (token, items) = person(&server, "ada@example.com").await;
        let (_, others) = person(&server, "bob@example.com").await;
        for (list, expected) in LISTS.iter().zip(&items) {
            for limit in (1..=expected.len() + 1).chain([200]) {
                let found = walk(&server, &token, &format!("{list}?"), limit, async || {}).await;
                assert_eq!(&found, expected, "{list} limit {limit}");
            }
        }
        assert!(
            items
                .iter()
                .flatten()
                .all(|id| !others.concat().contains(id))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_told_twice_while_items_are_added() {
    for server in on_both_engines().await {
        let (token, items) = person(&server, "ada@example.com").await;
        let (server, token) = (&server, &token);
        let mut n = 100;
        for (list, expected) in LISTS.iter().zip(&items) {
            for limit in [1, 3] {
                let found = walk(server, token, &format!("{list}?"), limit, async || {
                    n += 1;
                    add(server, "ada@example.com", token, n).await;
                })
                .await;
                let once: BTreeSet<&String> = found.iter().collect();
                assert_eq!(once.len(), found.len(), "{list} limit {limit}: twice");
                let old: Vec<&String> = found.iter().filter(|id| expected.contains(id)).collect();
                let expected: Vec<&String> = expected.iter().collect();
                assert_eq!(old, expected, "{list} limit {limit}: lost");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn active_and_ended_sessions_are_lists_of_their_own() {
    for server in on_both_engines().await {
        let (token, items) = person(&server, "ada@example.com").await;
        let own = items[0].last().unwrap();
        let mut ended = BTreeSet::new();
        for id in items[0].iter().step_by(2).filter(|id| *id != own) {
            let path = format!("/v1/sessions/{id}");
            assert_eq!(server.delete(&path, &token).await.status(), 204);
            ended.insert(id.clone());
        }
        let of_state = async |state: &str| {
            let list = format!("/v1/sessions?state={state}&");
            walk(&server, &token, &list, 2, async || {}).await
        };
        let expected = |is_ended: bool| -> Vec<String> {
            let all = items[0].iter();
            all.filter(|id| ended.contains(*id) == is_ended)
                .cloned()
                .collect()
        };
        assert_eq!(of_state("active").await, expected(false));
        assert_eq!(of_state("ended").await, expected(true));
        let page = server.get_json("/v1/sessions?state=ended", &token).await;
        for session in page["items"].as_array().unwrap() {
            assert!(session["ended_at"].is_string(), "{session}");
            assert!(session["end_reason"].is_string(), "{session}");
        }
        for state in ["gone", "", "Active", "active&state=ended"] {
            let path = format!("/v1/sessions?state={state}");
            assert_eq!(server.get(&path, &token).await.status(), 400, "{state}");
        }
    }
}

/// Cursors that no list gave out.
fn forged(real: &str) -> Vec<String> {
    let id = "00000000-0000-7000-8000-000000000000";
    let encoded = [
        String::new(),
        "/".to_owned(),
        format!("/{id}"),
        format!("x/{id}"),
        format!("99999999999999999999/{id}"),
        "5/".to_owned(),
        "5/x".to_owned(),
        format!("5/{id}/{id}"),
        format!("5/{id}\0"),
        "5/' OR 1=1 --".to_owned(),
    ];
    let mut forged: Vec<String> = encoded
        .iter()
        .map(|text| URL_SAFE_NO_PAD.encode(text))
        .collect();
    forged.extend((0..real.len()).map(|end| real[..end].to_owned()));
    forged.extend(["!!!!", "%00", "%FF", "=", "..%2F..", "%F0%9F%92%A3"].map(str::to_owned));
    forged.extend([format!("{real}="), format!("{real}AA"), "A".repeat(8000)]);
    forged
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_or_cut_cursor_is_refused_as_a_problem_and_never_a_fault() {
    for server in on_both_engines().await {
        let (token, _) = person(&server, "ada@example.com").await;
        for list in LISTS {
            let page = server.get_json(&format!("{list}?limit=1"), &token).await;
            for cursor in forged(page["next_cursor"].as_str().unwrap()) {
                let path = format!("{list}?cursor={cursor}");
                let answer = server.get(&path, &token).await;
                assert_eq!(answer.status(), 400, "{path}");
                let problem: Value = answer.json().await.unwrap();
                assert_eq!(problem["type"], "/problems/malformed-request", "{path}");
            }
            for limit in ["0", "201", "-1", "x", "", "99999999999"] {
                let path = format!("{list}?limit={limit}");
                assert_eq!(server.get(&path, &token).await.status(), 400, "{path}");
            }
        }
    }
}

/// A cursor says where to go on, not whose list: at worst it is a place in the caller's own list.
#[tokio::test(flavor = "multi_thread")]
async fn with_somebody_elses_cursor_nobody_sees_anothers_items() {
    for server in on_both_engines().await {
        let (ada, of_ada) = person(&server, "ada@example.com").await;
        let (bob, of_bob) = person(&server, "bob@example.com").await;
        let ends = [i64::MIN, -1, 0, i64::MAX];
        let made_up = ends.map(|at| {
            let text = format!("{at}/ffffffff-ffff-ffff-ffff-ffffffffffff");
            URL_SAFE_NO_PAD.encode(text)
        });
        for (n, list) in LISTS.iter().enumerate() {
            let page = server.get_json(&format!("{list}?limit=2"), &bob).await;
            let foreign = page["next_cursor"].as_str().unwrap().to_owned();
            for cursor in made_up.iter().chain([&foreign]) {
                let answer = server.get(&format!("{list}?cursor={cursor}"), &ada).await;
                assert_eq!(answer.status(), 200, "{list} {cursor}");
                let seen = ids(&answer.json().await.unwrap());
                assert!(seen.iter().all(|id| of_ada[n].contains(id)), "{list}");
                assert!(seen.iter().all(|id| !of_bob[n].contains(id)), "{list}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_large_events_ends_before_its_limit_and_the_next_goes_on() {
    const LARGE: usize = 400;
    const BYTES: usize = 60_000;
    for (server, url, _folder) in servers(&[]).await {
        let auditor = server.auditor("eve@example.com").await;
        let text = "x".repeat(BYTES);
        for _ in 0..LARGE / 25 {
            fill_with(&url, 25, &text).await;
        }
        let (mut after, mut notes, mut pages) = (0, 0, 0);
        loop {
            let path = format!("/v1/audit/events?after={after}&limit=10000");
            let answer = server.get(&path, &auditor).await;
            let page = answer.bytes().await.unwrap();
            assert!(page.len() < 10 * 1024 * 1024, "{}", page.len());
            let page: Value = serde_json::from_slice(&page).unwrap();
            for (item, n) in page["items"].as_array().unwrap().iter().zip(after + 1..) {
                assert_eq!(item["position"], n);
                notes += usize::from(item["type"] == "NoteTaken");
            }
            after = page["next_after"].as_u64().unwrap();
            pages += 1;
            if after == page["head"].as_u64().unwrap() {
                break;
            }
        }
        assert_eq!(notes, LARGE);
        assert!(pages >= 3, "{pages}");
    }
}
