//! Whether an address has an account is told neither by the answer nor by its time.

use super::*;

/// Of each kind.
const SIGN_INS: usize = 200;
/// So many of them go to one address, each from a network of its own: under every limit.
const PER_ADDRESS: usize = 8;

/// As long as a quarter took at most: whatever else runs on the machine makes others take longer, and other work would
/// move all of them.
fn quartile(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 4].as_secs_f64()
}

/// A guess, perhaps with a token: its body but for the request's identifier, and its time.
async fn guess(server: &Server, ip: &str, email: &str, device: Option<&str>) -> (Value, Duration) {
    let began = Instant::now();
    let answer = match device {
        None => sign_in(server, ip, email, WRONG).await,
        Some(device) => sign_in_on(server, ip, email, WRONG, device).await,
    };
    assert_eq!(answer.status(), 401);
    let mut body: Value = answer.json().await.unwrap();
    let time = began.elapsed();
    assert!(body["request_id"].take().is_string());
    (body, time)
}

/// Guesses at accounts and at addresses without one, each pair of them with the token of the account or with none: what
/// was seen.
async fn assert_alike(server: &Server, url: &str, tokens: &[Option<String>]) -> String {
    let (mut unknown, mut wrong) = (Vec::new(), Vec::new());
    for n in 0..SIGN_INS {
        let (address, ip) = (n / PER_ADDRESS, format!("10.0.{}.{}", n / 200, n % 200));
        let known = format!("known{address}@example.com");
        let nobody = format!("other{address}@example.com");
        let device = tokens[address].as_deref();
        // In turns, and each is first as often as the other, so that whatever slows the machine slows both.
        let [a, b] = if n % 2 == 0 {
            let first = guess(server, &ip, &known, device).await;
            [first, guess(server, &ip, &nobody, device).await]
        } else {
            let first = guess(server, &ip, &nobody, device).await;
            let second = guess(server, &ip, &known, device).await;
            [second, first]
        };
        assert_eq!(a.0, b.0, "{url}");
        wrong.push(a.1);
        unknown.push(b.1);
    }
    let (unknown, wrong) = (quartile(&mut unknown), quartile(&mut wrong));
    let ratio = unknown / wrong;
    assert!(
        (0.95..=1.05).contains(&ratio),
        "{url}: {unknown} s, {wrong} s"
    );
    format!("{url}: {unknown:.5} s unknown, {wrong:.5} s wrong, ratio {ratio:.4}")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_address_and_a_wrong_password_are_answered_alike_and_in_the_same_time() {
    for (server, url, _folder) in servers(&[PROXY]).await {
        for n in 0..SIGN_INS / PER_ADDRESS {
            server.register(&format!("known{n}@example.com")).await;
        }
        let tokens = vec![None; SIGN_INS / PER_ADDRESS];
        println!("{}", assert_alike(&server, &url, &tokens).await);
    }
}

/// The token is good for the account, and foreign to the address without one.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_device_does_not_change_that() {
    for (server, url, _folder) in servers(&[PROXY]).await {
        let mut tokens = Vec::new();
        for n in 0..SIGN_INS / PER_ADDRESS {
            let email = format!("known{n}@example.com");
            server.register(&email).await;
            tokens.push(Some(device_token(&server, HOME, &email).await));
        }
        println!("{}", assert_alike(&server, &url, &tokens).await);
        let devices =
            "SELECT COUNT(*) FROM sign_in_throttles WHERE failures = 8 AND free_attempts = 100";
        let counted = count(&url, devices).await as usize;
        assert_eq!(counted, tokens.len(), "{url}: the tokens were good");
    }
}
