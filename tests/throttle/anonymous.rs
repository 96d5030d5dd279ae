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
