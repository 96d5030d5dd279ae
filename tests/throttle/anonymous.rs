//! Calls without a token, for each network.

use super::*;

async fn register(server: &Server, ip: &str, n: u8, password: &str) -> Response {
    let body = json!({"email": format!("person{n}@example.com"), "password": password});
    let request = server.request(Method::POST, "/v1/users");
    let request = request.header("x-forwarded-for", ip).json(&body);
    request.send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_registers_so_many_accounts_in_an_hour() {
    let settings = [PROXY, ("ANONYMOUS_REQUESTS_PER_HOUR", "3")];
    for (server, url, _folder) in servers(&settings).await {
        for n in 1..=9 {
            let answer = register(&server, HOME, n, "short").await;
            assert_eq!(answer.status(), 422, "{url}: a mistake does not count");
        }
        for n in 1..=3 {
            assert_eq!(register(&server, HOME, n, PASSWORD).await.status(), 201);
        }
        let answer = register(&server, HOME, 4, PASSWORD).await;
        assert!((3540..=3600).contains(&retry_after(&answer)), "{url}");
        assert_eq!(outcome(answer).await, refused(429, "too-many-attempts"));
        let taken = register(&server, HOME, 1, PASSWORD).await;
        assert_eq!(taken.status(), 429, "{url}: nor is told who is registered");
        let other = register(&server, "2001:db8::1", 4, PASSWORD).await;
        assert_eq!(other.status(), 201, "{url}");
        let hour = "UPDATE anonymous_requests SET window_began = window_began - 3600000000";
        write(&url, hour).await;
        assert_eq!(register(&server, HOME, 5, PASSWORD).await.status(), 201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_registrations_do_not_overrun_the_limit() {
    let settings = [PROXY, ("ANONYMOUS_REQUESTS_PER_HOUR", "5")];
    for (server, url, _folder) in servers(&settings).await {
        let asked = (0..30).map(|n| register(&server, HOME, n, PASSWORD));
        let answers = futures::future::join_all(asked).await;
        let made = answers.iter().filter(|answer| answer.status() == 201);
        assert_eq!(made.count(), 5, "{url}");
        assert!(
            answers
                .iter()
                .all(|a| matches!(a.status().as_u16(), 201 | 429))
        );
    }
}

/// A call without a token from somewhere.
async fn call(server: &Server, ip: &str, path: &str, body: &Value) -> Response {
    let request = server.request(Method::POST, path);
    let request = request.header("x-forwarded-for", ip).json(body);
    request.send().await.unwrap()
}

/// So many calls of a kind are answered as ever, the next are refused until the hour is over.
async fn assert_three_an_hour(server: &Server, url: &str, calls: &[(&str, Value)], as_ever: u16) {
    let next = calls.iter().cycle();
    for (path, body) in next.clone().take(3) {
        let answer = call(server, HOME, path, body).await;
        assert_eq!(answer.status(), as_ever, "{url} {path}");
    }
    for (path, body) in calls {
        let answer = call(server, HOME, path, body).await;
        assert!((3540..=3600).contains(&retry_after(&answer)), "{url}");
        assert_eq!(outcome(answer).await, refused(429, "too-many-attempts"));
        let other = call(server, "2001:db8::1", path, body).await;
        assert_eq!(other.status(), as_ever, "{url} {path}");
    }
    let hour = "UPDATE anonymous_requests SET window_began = window_began - 3600000000";
    write(url, hour).await;
    for (path, body) in next.take(3) {
        let answer = call(server, HOME, path, body).await;
        assert_eq!(answer.status(), as_ever, "{url} {path}");
    }
}

const THREE: [(&str, &str); 2] = [PROXY, ("ANONYMOUS_REQUESTS_PER_HOUR", "3")];

#[tokio::test(flavor = "multi_thread")]
async fn a_network_asks_for_so_many_resets_in_an_hour() {
    const PATH: &str = "/v1/password-resets";
    for (server, url, _folder) in servers(&THREE).await {
        server.register(EMAIL).await;
        for _ in 0..9 {
            let mistake = call(&server, HOME, PATH, &json!({"email": "none"})).await;
            assert_eq!(mistake.status(), 422, "{url}: a mistake does not count");
        }
        let known = (PATH, json!({"email": EMAIL}));
        let unknown = (PATH, json!({"email": "nobody@example.com"}));
        assert_three_an_hour(&server, &url, &[known, unknown], 202).await;
    }
}

/// One limit for both, so that a link is not guessed at in two places.
#[tokio::test(flavor = "multi_thread")]
async fn a_network_uses_so_many_mailed_links_in_an_hour() {
    let token = "5a".repeat(32);
    let confirmation = ("/v1/email-confirmations", json!({"token": token}));
    let reset = json!({"token": token, "new_password": "Other-staple-8"});
    let reset = ("/v1/password-resets/confirm", reset);
    for (server, url, _folder) in servers(&THREE).await {
        let one = std::slice::from_ref(&confirmation);
        assert_three_an_hour(&server, &url, one, 410).await;
        write(&url, "DELETE FROM anonymous_requests").await;
        assert_three_an_hour(&server, &url, std::slice::from_ref(&reset), 410).await;
        write(&url, "DELETE FROM anonymous_requests").await;
        let both = [reset.clone(), confirmation.clone()];
        assert_three_an_hour(&server, &url, &both, 410).await;
    }
}
