//! Whether an address has an account is told neither by the answer nor by its time.

use super::*;

/// Of each kind.
const SIGN_INS: usize = 400;
/// So many of them go to one address, each from a network of its own: under every limit.
const PER_ADDRESS: usize = 8;

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

/// A guess: its body but for the request's identifier, and its time.
async fn guess(server: &Server, ip: &str, email: &str) -> (Value, Duration) {
    let began = Instant::now();
    let answer = sign_in(server, ip, email, WRONG).await;
    assert_eq!(answer.status(), 401);
    let mut body: Value = answer.json().await.unwrap();
    let time = began.elapsed();
    assert!(body["request_id"].take().is_string());
    (body, time)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_address_and_a_wrong_password_are_answered_alike_and_in_the_same_time() {
    for (server, url, _folder) in servers(&[PROXY]).await {
        for n in 0..SIGN_INS / PER_ADDRESS {
            server.register(&format!("known{n}@example.com")).await;
        }
        let (mut unknown, mut wrong) = (Vec::new(), Vec::new());
        for n in 0..SIGN_INS {
            let (address, ip) = (n / PER_ADDRESS, format!("10.0.{}.{}", n / 200, n % 200));
            let known = format!("known{address}@example.com");
            let nobody = format!("other{address}@example.com");
            // In turns, and each is first as often as the other, so that whatever slows the machine slows both.
            let [a, b] = if n % 2 == 0 {
                let first = guess(&server, &ip, &known).await;
                [first, guess(&server, &ip, &nobody).await]
            } else {
                let first = guess(&server, &ip, &nobody).await;
                let second = guess(&server, &ip, &known).await;
                [second, first]
            };
            assert_eq!(a.0, b.0, "{url}");
            wrong.push(a.1);
            unknown.push(b.1);
        }
        let (unknown, wrong) = (median(&mut unknown), median(&mut wrong));
        let ratio = unknown / wrong;
        assert!(
            (0.95..=1.05).contains(&ratio),
            "{url}: {unknown} s, {wrong} s"
        );
        println!("{url}: {unknown:.5} s unknown, {wrong:.5} s wrong, ratio {ratio:.4}");
    }
}
