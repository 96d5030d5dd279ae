//! Strangers do not lock a person out of a device that signed in before, wherever it is.

use super::device::Device;
use super::support::access_token;
use super::*;

const ELSEWHERE: &str = "198.51.100.99";
/// Of the counters: that of all devices of an account has so many free ones in these tests, and no other has.
const OF_ALL_DEVICES: &str =
    "SELECT COALESCE(MAX(failures), 0) FROM sign_in_throttles WHERE free_attempts = 100";

/// Strangers from networks that did nothing before guess at the account until it is shut to them.
async fn attack(server: &Server, url: &str) {
    write(url, "DELETE FROM sign_in_throttles WHERE account = ''").await;
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
async fn a_device_that_signed_in_before_is_let_in_from_any_network_while_strangers_are_not() {
    for (server, url, _folder) in servers(&STRICT).await {
        server.register(EMAIL).await;
        let device = device_token(&server, HOME, EMAIL).await;
        attack(&server, &url).await;
        assert_eq!(status(&server, HOME, EMAIL, PASSWORD).await, 429, "{url}");
        for ip in [HOME, "2001:db8::1", ELSEWHERE] {
            let wrong = status_on(&server, ip, EMAIL, WRONG, &device).await;
            assert_eq!(wrong, 401, "{url} {ip}");
        }
        let answer = sign_in_on(&server, "2001:db8::2", EMAIL, PASSWORD, &device).await;
        assert_eq!(answer.status(), 201, "{url}");
        let answer: Value = answer.json().await.unwrap();
        let renewed = answer["device_token"].as_str().unwrap();
        assert_ne!(renewed, device, "{url}: a new one at each sign-in");
        // A right password has ended the row of failures.
        assert_eq!(status(&server, ELSEWHERE, EMAIL, PASSWORD).await, 201);
        attack(&server, &url).await;
        for device in [&device, renewed] {
            let right = status_on(&server, HOME, EMAIL, PASSWORD, device).await;
            assert_eq!(right, 201, "{url}");
            attack(&server, &url).await;
        }
    }
}

/// Whoever shuts the network that they share with somebody learns nothing of who has an account.
#[tokio::test(flavor = "multi_thread")]
async fn in_a_network_that_is_shut_accounts_are_answered_as_addresses_without_one() {
    for (server, url, _folder) in servers(&STRICT).await {
        server.register(EMAIL).await;
        let device = device_token(&server, HOME, EMAIL).await;
        for n in 1..=3 {
            let email = format!("other{n}@example.com");
            assert_eq!(status(&server, HOME, &email, WRONG).await, 401, "{url}");
        }
        hold(&url).await;
        let mut bodies = Vec::new();
        for email in [EMAIL, "other4@example.com"] {
            for device in [None, Some("5a".repeat(32))] {
                let answer = match &device {
                    None => sign_in(&server, HOME, email, WRONG).await,
                    Some(device) => sign_in_on(&server, HOME, email, WRONG, device).await,
                };
                assert_eq!(answer.status(), 429, "{url} {email} {device:?}");
                let mut body: Value = answer.json().await.unwrap();
                body["request_id"].take();
                bodies.push(body);
            }
        }
        assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
        let right = status_on(&server, HOME, EMAIL, PASSWORD, &device).await;
        assert_eq!(right, 201, "{url}: its owner is let in");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bearer_of_a_token_may_not_guess_without_end_either() {
    for (server, url, _folder) in servers(&[PROXY]).await {
        server.register(EMAIL).await;
        let stolen = device_token(&server, HOME, EMAIL).await;
        let other = device_token(&server, HOME, EMAIL).await;
        for n in 0..10 {
            let ip = format!("198.51.100.{n}");
            let guess = status_on(&server, &ip, EMAIL, WRONG, &stolen).await;
            assert_eq!(guess, 401, "{url}");
        }
        hold(&url).await;
        let answer = sign_in_on(&server, HOME, EMAIL, PASSWORD, &stolen).await;
        assert!((540..=600).contains(&retry_after(&answer)), "{url}");
        assert_eq!(outcome(answer).await, refused(429, "too-many-attempts"));
        // It is the bearer's own doing; strangers and other devices are not meant.
        let right = status_on(&server, HOME, EMAIL, PASSWORD, &other).await;
        assert_eq!(right, 201, "{url}");
        assert_eq!(status(&server, ELSEWHERE, EMAIL, PASSWORD).await, 201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_guesses_with_one_token_at_once_are_no_more_than_ten() {
    for (server, url, _folder) in servers(&[PROXY, ("SIGN_IN_FREE_PER_NETWORK", "1000")]).await {
        server.register(EMAIL).await;
        let device = device_token(&server, HOME, EMAIL).await;
        let began = Instant::now();
        let asked = (0..50).map(|n| {
            let (server, device, ip) = (&server, &device, format!("198.51.100.{n}"));
            async move { status_on(server, &ip, EMAIL, WRONG, device).await }
        });
        let answers = futures::future::join_all(asked).await;
        let looked_at = answers.iter().filter(|status| **status == 401).count();
        let seconds = began.elapsed().as_secs();
        let delayed = (0..50_u32).take_while(|n| (2_u64 << n) - 1 <= seconds);
        assert!(
            (10..=10 + delayed.count()).contains(&looked_at),
            "{url}: {answers:?}"
        );
        assert!(answers.iter().all(|status| matches!(status, 401 | 429)));
        assert_eq!(count(&url, OF_ALL_DEVICES).await as usize, looked_at);
    }
}

/// Whoever knew the password once may have many tokens. Together they are worth a hundred guesses.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_hundred_failures_in_a_row_the_tokens_of_an_account_are_as_none() {
    for (server, url, _folder) in servers(&STRICT).await {
        server.register(EMAIL).await;
        let mut tokens = Vec::new();
        for _ in 0..3 {
            tokens.push(device_token(&server, HOME, EMAIL).await);
        }
        let guess = status_on(&server, HOME, EMAIL, WRONG, &tokens[0]).await;
        assert_eq!(guess, 401, "{url}");
        let all = "UPDATE sign_in_throttles SET failures = 99 WHERE free_attempts = 100";
        write(&url, all).await;
        let guess = status_on(&server, HOME, EMAIL, WRONG, &tokens[1]).await;
        assert_eq!(guess, 401, "{url}");
        assert_eq!(count(&url, OF_ALL_DEVICES).await, 100, "{url}");
        // Nobody is shut out by that alone.
        for n in 1..=3 {
            let ip = format!("198.51.100.{n}");
            let guess = status_on(&server, &ip, EMAIL, WRONG, &tokens[2]).await;
            assert_eq!(guess, 401, "{url}: as a stranger's");
        }
        hold(&url).await;
        let right = status_on(&server, ELSEWHERE, EMAIL, PASSWORD, &tokens[2]).await;
        assert_eq!(right, 429, "{url}: the account is shut to strangers");
        assert_eq!(count(&url, OF_ALL_DEVICES).await, 100, "{url}");
        pass(&url, 86_400).await;
        let right = status_on(&server, ELSEWHERE, EMAIL, PASSWORD, &tokens[2]).await;
        assert_eq!(right, 201, "{url}: the next day");
    }
}

/// One that is another account's, was changed, or is none of ours.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_good_is_as_none() {
    const OTHER: &str = "bob@example.com";
    for (server, url, _folder) in servers(&STRICT).await {
        server.register(EMAIL).await;
        server.register(OTHER).await;
        let own = device_token(&server, HOME, EMAIL).await;
        let foreign = device_token(&server, HOME, OTHER).await;
        let last = if own.ends_with('0') { "1" } else { "0" };
        let changed = format!("{}{last}", &own[..63]);
        let older = format!("{}00000000{}", &own[..24], &own[32..]);
        let bad = [foreign, changed, older, "5a".repeat(32), "0".repeat(64)];
        for (n, token) in bad.iter().enumerate() {
            let ip = format!("203.0.113.{n}");
            for email in [EMAIL, "nobody@example.com"] {
                let answer = sign_in_on(&server, &ip, email, WRONG, token).await;
                assert_eq!(outcome(answer).await, refused(401, "invalid-credentials"));
                write(&url, "UPDATE sign_in_throttles SET delay = 0").await;
            }
        }
        assert_eq!(count(&url, OF_ALL_DEVICES).await, 0, "{url}");
        let of_accounts =
            "SELECT failures FROM sign_in_throttles WHERE free_attempts = 3 AND account <> ''";
        let counted = rows(&url, of_accounts).await;
        let counted: Vec<i64> = counted.iter().map(|row| row.int(0).unwrap()).collect();
        assert_eq!(counted, [5, 5], "{url}: counted as strangers");
        write(&url, "DELETE FROM sign_in_throttles").await;
        attack(&server, &url).await;
        for token in &bad {
            let right = status_on(&server, HOME, EMAIL, PASSWORD, token).await;
            assert_eq!(right, 429, "{url}: no way around the attack");
        }
        assert_eq!(status_on(&server, HOME, EMAIL, PASSWORD, &own).await, 201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_token_is_refused_whoever_it_is_for() {
    for (server, url, _folder) in servers(&[PROXY]).await {
        server.register(EMAIL).await;
        for token in ["", "abc", &"g".repeat(64), &"0".repeat(63), &"0".repeat(65)] {
            for email in [EMAIL, "nobody@example.com"] {
                let answer = sign_in_on(&server, HOME, email, PASSWORD, token).await;
                assert_eq!(answer.status(), 422, "{url}");
                let body: Value = answer.json().await.unwrap();
                assert_eq!(body["errors"][0]["field"], "device_token", "{url}");
                let shown = body.to_string();
                assert!(token.is_empty() || !shown.contains(token), "{shown}");
            }
        }
        let left = "SELECT COUNT(*) FROM sign_in_throttles";
        assert_eq!(count(&url, left).await, 0, "{url}: nothing is counted");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_leaves_no_row_of_its_account_with_a_token_or_without() {
    for (server, url, _folder) in servers(&[PROXY]).await {
        server.register(EMAIL).await;
        let device = device_token(&server, HOME, EMAIL).await;
        let right = status_on(&server, HOME, EMAIL, PASSWORD, &device).await;
        assert_eq!(right, 201, "{url}");
        let left = "SELECT COUNT(*) FROM sign_in_throttles WHERE account <> '' OR failures > 0";
        assert_eq!(count(&url, left).await, 0, "{url}");
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
async fn with_a_second_factor_a_device_gets_its_token_only_after_both() {
    for (server, url, _folder) in servers(&STRICT).await {
        let token = server.token(EMAIL).await;
        let pending = server.post("/v1/me/totp", &token, &json!({})).await;
        let pending: Value = pending.json().await.unwrap();
        let device = Device::new(pending["secret"].as_str().unwrap());
        let body = json!({"code": device.code(0).await});
        let answer = server.post("/v1/me/totp/confirm", &token, &body).await;
        assert_eq!(answer.status(), 200);
        write(&url, "UPDATE vault_totp SET last_step = 0").await;
        let answer = sign_in(&server, ELSEWHERE, EMAIL, PASSWORD).await;
        assert_eq!(answer.status(), 202);
        let challenge: Value = answer.json().await.unwrap();
        assert!(challenge.get("device_token").is_none(), "{url}: half of it");
        let body = json!({"challenge": challenge["challenge"], "code": device.code(0).await});
        let request = server.request(Method::POST, "/v1/sessions/second-factor");
        let request = request.header("x-forwarded-for", ELSEWHERE).json(&body);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 201, "{url}");
        let answer: Value = answer.json().await.unwrap();
        let known = answer["device_token"].as_str().unwrap();
        attack(&server, &url).await;
        let right = status_on(&server, HOME, EMAIL, PASSWORD, known).await;
        assert_eq!(right, 202, "{url}: the code is asked for again");
    }
}
