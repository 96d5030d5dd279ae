//! A flood of wrong passwords adds a few events, whatever its size.

use futures::StreamExt as _;

use super::*;

const FAILURES: usize = 10_000;
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

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_failures_add_three_events() {
    let settings = [PROXY, ("SIGN_IN_FREE_PER_ACCOUNT", "90")];
    let server = Server::start_with(&settings).await;
    let url = format!("sqlite://{}", server.data.join("gatelog.db").display());
    let auditor = server.auditor("auditor@example.com").await;
    server.register(EMAIL).await;
    // A policy confirms the claim on an address after its registration.
    let all = "SELECT COUNT(*) FROM events WHERE event_type <> 'EmailClaimConfirmed'";
    let before = count(&url, all).await;
    let guesses = (0..FAILURES).map(|n| {
        let (server, ip) = (&server, format!("198.51.{}.{}", n / 250 % 250, n % 250));
        let email = if n % 2 == 0 {
            EMAIL
        } else {
            "nobody@example.com"
        };
        async move { status(server, &ip, email, WRONG).await }
    });
    let answers: Vec<u16> = futures::stream::iter(guesses)
        .buffer_unordered(32)
        .collect()
        .await;
    let looked_at = answers.iter().filter(|status| **status == 401).count();
    assert!(looked_at >= 180, "{looked_at}");
    assert!(answers.iter().all(|status| matches!(status, 401 | 429)));
    until_there_are(&url, 1).await;
    hour_passes(&url).await;
    until_there_are(&url, 2).await;
    hour_passes(&url).await;
    until_there_are(&url, 3).await;
    assert_eq!(count(&url, all).await, before + 3);
    let page = server
        .get_json("/v1/audit/events?limit=10000", &auditor)
        .await;
    let events = page["items"].as_array().unwrap();
    assert_eq!(events.len() as u64, page["head"].as_u64().unwrap());
    let told: Vec<&Value> = events
        .iter()
        .filter(|event| event["type"].as_str().unwrap().contains("SignInFailures"))
        .collect();
    let data = |n: usize| &told[n]["data"];
    let (began, counted, ended) = (data(0), data(1), data(2));
    assert!(began.to_string().contains("failures"), "{began}");
    let failures = |data: &Value| find(data, "failures").as_u64().unwrap();
    assert!(failures(began) >= 10);
    let of_ada = looked_at as u64 / 2;
    assert!(
        failures(counted).abs_diff(of_ada) <= 10,
        "{counted} {looked_at}"
    );
    assert_eq!(failures(ended), 0);
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
