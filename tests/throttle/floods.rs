//! A flood of wrong passwords adds a few events, whatever its size.

use futures::StreamExt as _;

use super::*;

/// Wrong passwords for an account, on each engine. `make chaos` has ten times as many.
#[expect(clippy::disallowed_methods, reason = "a test has no other settings")]
fn failures() -> usize {
    std::env::var("FLOOD_FAILURES").map_or(1_000, |count| count.parse().unwrap())
}

/// Of the guesses at the account, each of so many is followed by one at an address without one.
const OF_OTHERS: usize = 20;
const OF_FLOODS: &str = "SELECT COUNT(*) FROM events WHERE event_type LIKE 'SignInFailures%'";

async fn until_there_are(url: &str, events: i64) {
    let deadline = Instant::now() + PATIENCE;
    while count(url, OF_FLOODS).await < events {
        assert!(Instant::now() < deadline, "{url}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(count(url, OF_FLOODS).await, events, "{url}");
}

/// As if an hour had passed since the window began.
async fn hour_passes(url: &str) {
    let sql = "UPDATE sign_in_failures SET window_began = window_began - 3600000000";
    write(url, sql).await;
}

/// Limits that are in nobody's way: every password is looked at, at the least cost that is allowed.
const BOUNDLESS: [(&str, &str); 6] = [
    PROXY,
    ("ARGON2_MEMORY_KIB", "7168"),
    ("ARGON2_PASSES", "5"),
    ("SIGN_IN_FREE_PER_DEVICE", "1000000"),
    ("SIGN_IN_FREE_PER_ACCOUNT", "1000000"),
    ("SIGN_IN_FREE_PER_NETWORK", "1000000"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_failures_adds_three_events() {
    for (server, url, _folder) in servers(&BOUNDLESS).await {
        let auditor = server.auditor("auditor@example.com").await;
        server.register(EMAIL).await;
        // A policy confirms the claim on an address after its registration.
        let all = "SELECT COUNT(*) FROM events WHERE event_type <> 'EmailClaimConfirmed'";
        let before = count(&url, all).await;
        flood(&server, &url).await;
        until_there_are(&url, 1).await;
        hour_passes(&url).await;
        until_there_are(&url, 2).await;
        hour_passes(&url).await;
        until_there_are(&url, 3).await;
        assert_eq!(count(&url, all).await, before + 3, "{url}");
        assert_told(&server, &auditor).await;
    }
}

/// Guesses at the account, and some at an address without one, of which no event may tell.
async fn flood(server: &Server, url: &str) {
    let guesses = (0..failures()).map(|n| async move {
        let ip = format!("198.51.{}.{}", n / 250, n % 250);
        // A hundred in a row would end in a pause: as if the person signed in now and then.
        if n % 50 == 0 {
            write(url, "DELETE FROM sign_in_throttles").await;
        }
        let known = status(server, &ip, EMAIL, WRONG).await;
        if n % OF_OTHERS > 0 {
            return known;
        }
        let unknown = status(server, &ip, "nobody@example.com", WRONG).await;
        known.max(unknown)
    });
    let answers: Vec<u16> = futures::stream::iter(guesses)
        .buffer_unordered(8)
        .collect()
        .await;
    assert!(
        answers.iter().all(|status| *status == 401),
        "{url}: {answers:?}"
    );
}

/// The log has the number of all failures of the account, and the export every event.
async fn assert_told(server: &Server, auditor: &str) {
    let page = server
        .get_json("/v1/audit/events?limit=10000", auditor)
        .await;
    let events = page["items"].as_array().unwrap();
    assert_eq!(events.len() as u64, page["head"].as_u64().unwrap());
    let of_floods: Vec<&Value> = events
        .iter()
        .filter(|event| event["type"].as_str().unwrap().contains("SignInFailures"))
        .map(|event| &event["data"])
        .collect();
    assert_eq!(of_floods.len(), 3, "{of_floods:?}");
    let (began, counted, ended) = (of_floods[0], of_floods[1], of_floods[2]);
    let told = |data: &Value| find(data, "failures").as_u64().unwrap();
    assert!(told(began) >= 10, "{began}");
    assert_eq!(told(counted), failures() as u64);
    assert_eq!(told(ended), 0);
    assert_eq!(find(ended, "is_over"), &json!(true));
    let export = server.command(&["events", "export"]).output().unwrap();
    assert!(export.status.success());
    let lines = String::from_utf8(export.stdout).unwrap().lines().count();
    assert_eq!(lines, events.len());
}

/// The field, wherever it is.
fn find<'a>(data: &'a Value, field: &str) -> &'a Value {
    let inner = data.as_object().unwrap();
    inner.get(field).unwrap_or_else(|| {
        let tagged = inner.values().next().unwrap();
        &tagged[field]
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_left_untold_or_half_told_is_told_once() {
    for (mut server, url, _folder) in servers(&[PROXY]).await {
        server.register(EMAIL).await;
        for n in 0..12 {
            let ip = format!("198.51.100.{n}");
            assert_eq!(status(&server, &ip, EMAIL, WRONG).await, 401);
        }
        until_there_are(&url, 1).await;
        // It died after the event and before it noted that.
        server.kill();
        write(&url, "UPDATE sign_in_failures SET is_announced = 0").await;
        server.launch().await;
        let noted = "SELECT COUNT(*) FROM sign_in_failures WHERE is_announced = 1";
        let deadline = Instant::now() + PATIENCE;
        while count(&url, noted).await < 1 {
            assert!(Instant::now() < deadline, "{url}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(count(&url, OF_FLOODS).await, 1, "{url}");
        // It was away while the window ended.
        server.kill();
        hour_passes(&url).await;
        server.launch().await;
        until_there_are(&url, 2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_mistakes_are_no_flood() {
    for (server, url, _folder) in servers(&[PROXY]).await {
        server.register(EMAIL).await;
        for _ in 0..9 {
            assert_eq!(status(&server, HOME, EMAIL, WRONG).await, 401);
        }
        hour_passes(&url).await;
        let left = "SELECT COUNT(*) FROM sign_in_failures";
        let deadline = Instant::now() + PATIENCE;
        while count(&url, left).await > 0 {
            assert!(Instant::now() < deadline, "{url}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert_eq!(count(&url, OF_FLOODS).await, 0, "{url}");
    }
}
