//! Limits and delays.

use super::*;

/// The delay that follows the last failure of the account from one network, in seconds.
async fn delay(url: &str) -> i64 {
    count(url, "SELECT MAX(delay) FROM sign_in_throttles").await / 1_000_000
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failure_beyond_the_free_ones_doubles_the_delay_up_to_its_limit() {
    let settings = [
        PROXY,
        ("SIGN_IN_FREE_PER_DEVICE", "3"),
        ("SIGN_IN_MAX_DELAY", "9"),
    ];
    for (server, url, _folder) in servers(&settings).await {
        server.register(EMAIL).await;
        let mut delays = Vec::new();
        for _ in 0..8 {
            assert_eq!(status(&server, HOME, EMAIL, WRONG).await, 401, "{url}");
            delays.push(delay(&url).await);
            pass(&url, *delays.last().unwrap()).await;
        }
        assert_eq!(delays, [0, 0, 1, 2, 4, 8, 9, 9], "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn until_the_delay_is_over_nobody_is_told_whether_a_password_is_right() {
    let settings = [PROXY, ("SIGN_IN_FREE_PER_DEVICE", "2")];
    for (server, url, _folder) in servers(&settings).await {
        server.register(EMAIL).await;
        let mut bodies = Vec::new();
        for email in [EMAIL, "nobody@example.com", "no address"] {
            for _ in 0..2 {
                assert_eq!(status(&server, HOME, email, WRONG).await, 401, "{url}");
            }
            hold(&url).await;
            for password in [PASSWORD, WRONG] {
                let answer = sign_in(&server, HOME, email, password).await;
                assert_eq!(answer.status(), 429, "{url} {email}");
                assert!((540..=600).contains(&retry_after(&answer)), "{url}");
                let mut body: Value = answer.json().await.unwrap();
                assert_eq!(body["type"], "/problems/too-many-attempts");
                body["request_id"].take();
                bodies.push(body);
            }
        }
        assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
        pass(&url, 600).await;
        assert_eq!(status(&server, HOME, EMAIL, PASSWORD).await, 201, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_hundred_failures_in_a_row_an_account_rests_for_a_day() {
    for (server, url, _folder) in servers(&[PROXY]).await {
        server.register(EMAIL).await;
        assert_eq!(status(&server, HOME, EMAIL, WRONG).await, 401);
        let all = "UPDATE sign_in_throttles SET failures = 99 WHERE free_attempts = 20";
        write(&url, all).await;
        assert_eq!(status(&server, HOME, EMAIL, WRONG).await, 401);
        let answer = sign_in(&server, "203.0.113.2", EMAIL, PASSWORD).await;
        assert_eq!(answer.status(), 429, "{url}");
        assert!((86_300..=86_400).contains(&retry_after(&answer)), "{url}");
        pass(&url, 86_400).await;
        assert_eq!(status(&server, HOME, EMAIL, WRONG).await, 401, "{url}");
        assert_eq!(delay(&url).await, 0, "{url}: the count began anew");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_guessed_at_from_many_networks_no_more_than_from_one() {
    let settings = [PROXY, ("SIGN_IN_FREE_PER_ACCOUNT", "3")];
    for (server, url, _folder) in servers(&settings).await {
        server.register(EMAIL).await;
        for email in [EMAIL, "nobody@example.com"] {
            for n in 1..=3 {
                let ip = format!("198.51.100.{n}");
                assert_eq!(status(&server, &ip, email, WRONG).await, 401, "{url}");
            }
            hold(&url).await;
            let answer = sign_in(&server, "198.51.100.4", email, PASSWORD).await;
            assert_eq!(answer.status(), 429, "{url}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_is_64_bits_of_an_ipv6_address() {
    let settings = [PROXY, ("SIGN_IN_FREE_PER_NETWORK", "3")];
    for (server, url, _folder) in servers(&settings).await {
        let guess = async |ip: &str, n: u8| {
            let email = format!("person{n}@example.com");
            status(&server, ip, &email, WRONG).await
        };
        for n in 1..=3 {
            assert_eq!(guess(&format!("2001:db8:1:2::{n}"), n).await, 401, "{url}");
        }
        hold(&url).await;
        assert_eq!(guess("2001:db8:1:2:ffff::1", 4).await, 429, "{url}");
        assert_eq!(guess("2001:db8:1:3::1", 5).await, 401, "{url}");
        assert_eq!(guess("198.51.100.1", 6).await, 401, "{url}");
        pass(&url, 3600).await;
        for n in 7..=9 {
            let ip = format!("2001:db8:1:2::{n}");
            assert_eq!(guess(&ip, n).await, 401, "{url}: a new hour");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_guesses_at_once_are_no_more_than_ten() {
    for (server, url, _folder) in servers(&[PROXY]).await {
        server.register(EMAIL).await;
        let began = Instant::now();
        let asked = (0..50).map(|_| status(&server, HOME, EMAIL, WRONG));
        let answers = futures::future::join_all(asked).await;
        let seconds = began.elapsed().as_secs();
        let looked_at = answers.iter().filter(|status| **status == 401).count();
        // After the free ones one may be looked at after a second, the next after two more.
        let delayed = (0..50_u32).take_while(|n| (2_u64 << n) - 1 <= seconds);
        assert!(looked_at >= 10, "{url}: {answers:?}");
        assert!(looked_at <= 10 + delayed.count(), "{url}: {answers:?}");
        assert!(answers.iter().all(|status| matches!(status, 401 | 429)));
        let charged = "SELECT failures FROM sign_in_throttles WHERE free_attempts = 20";
        assert_eq!(count(&url, charged).await as usize, looked_at, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn right_passwords_count_against_nobody_and_begin_the_count_anew() {
    let settings = [
        PROXY,
        ("SIGN_IN_FREE_PER_DEVICE", "3"),
        ("SIGN_IN_FREE_PER_ACCOUNT", "3"),
        ("SIGN_IN_FREE_PER_NETWORK", "8"),
    ];
    for (server, url, _folder) in servers(&settings).await {
        server.register(EMAIL).await;
        for _ in 0..7 {
            assert_eq!(status(&server, HOME, EMAIL, PASSWORD).await, 201, "{url}");
        }
        for _ in 0..3 {
            for _ in 0..2 {
                assert_eq!(status(&server, HOME, EMAIL, WRONG).await, 401, "{url}");
            }
            assert_eq!(status(&server, HOME, EMAIL, PASSWORD).await, 201, "{url}");
        }
        let left = "SELECT failures FROM sign_in_throttles";
        let left = rows(&url, left).await;
        let left: Vec<i64> = left.iter().map(|row| row.int(0).unwrap()).collect();
        assert_eq!(left, [6], "{url}: the network's, which are not forgiven");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn right_passwords_at_the_same_moment_are_all_let_in() {
    for (server, url, _folder) in servers(&[PROXY]).await {
        for n in 0..20 {
            server.register(&format!("person{n}@example.com")).await;
        }
        for _ in 0..3 {
            let emails: Vec<String> = (0..20).map(|n| format!("person{n}@example.com")).collect();
            let asked = emails
                .iter()
                .map(|email| status(&server, HOME, email, PASSWORD));
            let answers = futures::future::join_all(asked).await;
            assert!(answers.iter().all(|s| *s == 201), "{url}: {answers:?}");
        }
    }
}
