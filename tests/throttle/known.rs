//! Strangers do not lock a person out of where they signed in before.

use super::device::Device;
use super::support::access_token;
use super::*;

const ELSEWHERE: &str = "198.51.100.99";

/// Strangers guess at the account until it is shut to them.
async fn attack(server: &Server, url: &str) {
    for n in 1..=3 {
        let ip = format!("198.51.100.{n}");
        assert_eq!(status(server, &ip, EMAIL, WRONG).await, 401, "{url}");
    }
    hold(url).await;
    assert_eq!(status(server, ELSEWHERE, EMAIL, PASSWORD).await, 429);
}

const STRICT: [(&str, &str); 3] = [
    PROXY,
    ("SIGN_IN_FREE_PER_ACCOUNT", "3"),
    ("SIGN_IN_FREE_PER_NETWORK", "3"),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_known_network_is_let_in_while_strangers_are_not() {
    for (server, url, _folder) in servers(&STRICT).await {
        server.register(EMAIL).await;
        assert_eq!(status(&server, HOME, EMAIL, PASSWORD).await, 201);
        attack(&server, &url).await;
        assert_eq!(status(&server, HOME, EMAIL, WRONG).await, 401, "{url}");
        assert_eq!(status(&server, HOME, EMAIL, PASSWORD).await, 201, "{url}");
        // A right password has ended the row of failures.
        assert_eq!(status(&server, ELSEWHERE, EMAIL, PASSWORD).await, 201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_in_the_same_network_shut_it_to_themselves_only() {
    for (server, url, _folder) in servers(&STRICT).await {
        server.register(EMAIL).await;
        assert_eq!(status(&server, HOME, EMAIL, PASSWORD).await, 201);
        for n in 1..=3 {
            let email = format!("other{n}@example.com");
            assert_eq!(status(&server, HOME, &email, WRONG).await, 401, "{url}");
        }
        hold(&url).await;
        assert_eq!(
            status(&server, HOME, "other4@example.com", WRONG).await,
            429
        );
        assert_eq!(status(&server, HOME, EMAIL, PASSWORD).await, 201, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_network_may_not_guess_without_end_either() {
    for (server, url, _folder) in servers(&[PROXY]).await {
        server.register(EMAIL).await;
        assert_eq!(status(&server, HOME, EMAIL, PASSWORD).await, 201);
        for _ in 0..10 {
            assert_eq!(status(&server, HOME, EMAIL, WRONG).await, 401, "{url}");
        }
        hold(&url).await;
        assert_eq!(status(&server, HOME, EMAIL, PASSWORD).await, 429, "{url}");
        // It is the network's own doing; strangers and other known ones are not meant.
        assert_eq!(status(&server, ELSEWHERE, EMAIL, PASSWORD).await, 201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_is_known_for_ninety_days() {
    for (server, url, _folder) in servers(&STRICT).await {
        server.register(EMAIL).await;
        assert_eq!(status(&server, HOME, EMAIL, PASSWORD).await, 201);
        pass(&url, 89 * 86_400).await;
        attack(&server, &url).await;
        assert_eq!(status(&server, HOME, EMAIL, WRONG).await, 401, "{url}");
        let forget = "UPDATE sign_in_throttles SET known_until = 1 WHERE known_until > 0";
        write(&url, forget).await;
        assert_eq!(status(&server, HOME, EMAIL, PASSWORD).await, 429, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_holder_of_a_session_is_counted_alone() {
    for (server, url, _folder) in servers(&STRICT).await {
        server.register(EMAIL).await;
        let sign = async || {
            let answer = sign_in(&server, HOME, EMAIL, PASSWORD).await;
            access_token(&answer.json().await.unwrap())
        };
        let (mut thief, owner) = (sign().await, sign().await);
        attack(&server, &url).await;
        const PATH: &str = "/v1/sessions/current/reauthenticate";
        let proof = json!({"password": PASSWORD});
        let answer = server.post(PATH, &thief, &proof).await;
        assert_eq!(answer.status(), 200, "{url}: strangers are not in the way");
        thief = access_token(&answer.json().await.unwrap());
        for n in 0..10 {
            let answer = server.post(PATH, &thief, &json!({"password": WRONG})).await;
            assert_eq!(outcome(answer).await, refused(403, "wrong-password"), "{n}");
        }
        hold(&url).await;
        let answer = server.post(PATH, &thief, &proof).await;
        assert!((540..=600).contains(&retry_after(&answer)), "{url}");
        assert_eq!(outcome(answer).await, refused(429, "too-many-attempts"));
        let change = json!({"current_password": PASSWORD, "new_password": "Other-horse-78"});
        let put = async |token: &str| {
            let request = server.request(Method::PUT, "/v1/me/password");
            let request = request.bearer_auth(token).json(&change);
            request.send().await.unwrap().status()
        };
        assert_eq!(put(&thief).await, 429, "{url}: one count for both ways");
        assert_eq!(put(&owner).await, 204, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_second_factor_a_network_is_known_only_after_both() {
    for (server, url, _folder) in servers(&[PROXY]).await {
        let token = server.token(EMAIL).await;
        let pending = server.post("/v1/me/totp", &token, &json!({})).await;
        let pending: Value = pending.json().await.unwrap();
        let device = Device::new(pending["secret"].as_str().unwrap());
        let body = json!({"code": device.code(0).await});
        let answer = server.post("/v1/me/totp/confirm", &token, &body).await;
        assert_eq!(answer.status(), 200);
        write(&url, "UPDATE vault_totp SET last_step = 0").await;
        let known = "SELECT COUNT(*) FROM sign_in_throttles WHERE known_until > 0";
        assert_eq!(count(&url, known).await, 1, "{url}: before the factor");
        let answer = sign_in(&server, ELSEWHERE, EMAIL, PASSWORD).await;
        assert_eq!(answer.status(), 202);
        let challenge: Value = answer.json().await.unwrap();
        assert_eq!(count(&url, known).await, 1, "{url}: half of it");
        let body = json!({"challenge": challenge["challenge"], "code": device.code(0).await});
        let request = server.request(Method::POST, "/v1/sessions/second-factor");
        let request = request.header("x-forwarded-for", ELSEWHERE).json(&body);
        assert_eq!(request.send().await.unwrap().status(), 201, "{url}");
        assert_eq!(count(&url, known).await, 2, "{url}: both");
    }
}
