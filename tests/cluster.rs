//! Two nodes on one PostgreSQL: a token is good everywhere at once, and a revoked one nowhere any more.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use eventlog::testing::TestPostgres;
use reqwest::Method;
use serde_json::Value;
use support::{Server, access_token};

/// Two servers that share a database and its keys.
async fn nodes() -> (Server, Server) {
    let url = TestPostgres::shared()
        .unwrap()
        .fresh_database()
        .await
        .unwrap();
    let key = "5a".repeat(32);
    let settings = [("DATABASE_URL", url.as_str()), ("MASTER_KEY", key.as_str())];
    (
        Server::start_with(&settings).await,
        Server::start_with(&settings).await,
    )
}

/// Revocations in the strict test.
const ROUNDS: usize = 200;
/// Requests that each poller starts after a revocation was answered.
const AFTERWARDS: usize = 5;

/// What a client saw of a token: when it started to ask, and whether the token was accepted.
type Sighting = (Instant, bool);

/// Asks one node about a token without a pause, until it has asked some times after the revocation's answer.
async fn poll(
    client: reqwest::Client,
    base: String,
    token: String,
    answered: Arc<OnceLock<Instant>>,
) -> Vec<Sighting> {
    let mut sightings = Vec::new();
    let mut afterwards = 0;
    while afterwards < AFTERWARDS {
        let started = Instant::now();
        afterwards += usize::from(answered.get().is_some_and(|answered| started > *answered));
        let request = client.get(format!("{base}/v1/verify")).bearer_auth(&token);
        let status = request.send().await.unwrap().status();
        assert!(status == 204 || status == 401, "{status}");
        sightings.push((started, status == 204));
    }
    sightings
}

/// Those who were accepted though they asked only after the revocation had been answered.
fn accepted_too_late(sightings: &[Sighting], answered: Instant) -> usize {
    let late = sightings
        .iter()
        .filter(|(started, is_accepted)| *is_accepted && *started > answered);
    late.count()
}

/// Ends the session of `token` through `node` in one of the four ways that there are.
async fn end(node: &Server, way: usize, signed_in: &Value, keeper: &str) {
    let token = access_token(signed_in);
    let id = signed_in["session"]["id"].as_str().unwrap();
    let (path, by, status) = match way {
        0 => ("/v1/sessions/current".to_owned(), token.as_str(), 204),
        1 => (format!("/v1/sessions/{id}"), keeper, 204),
        2 => ("/v1/sessions?scope=others".to_owned(), keeper, 200),
        _ => ("/v1/sessions?scope=all".to_owned(), token.as_str(), 200),
    };
    assert_eq!(node.delete(&path, by).await.status(), status, "{path}");
}

#[tokio::test(flavor = "multi_thread")]
async fn once_a_revocation_is_answered_no_node_accepts_the_token() {
    let (here, there) = nodes().await;
    here.register("ada@example.com").await;
    let client = reqwest::Client::new();
    let mut keeper = access_token(&here.sign_in("ada@example.com").await);
    let mut accepted_before = 0;
    for round in 0..ROUNDS {
        let way = round % 4;
        let (opens, ends) = if round / 4 % 2 == 0 {
            (&here, &there)
        } else {
            (&there, &here)
        };
        let signed_in = opens.sign_in("ada@example.com").await;
        let answered = Arc::new(OnceLock::new());
        let polls: Vec<_> = [&here, &there, &here, &there]
            .map(|node| {
                tokio::spawn(poll(
                    client.clone(),
                    node.base.clone(),
                    access_token(&signed_in),
                    Arc::clone(&answered),
                ))
            })
            .into();
        end(ends, way, &signed_in, &keeper).await;
        answered.set(Instant::now()).unwrap();
        for poll in polls {
            let sightings = poll.await.unwrap();
            let late = accepted_too_late(&sightings, *answered.get().unwrap());
            assert_eq!(late, 0, "round {round}, way {way}: accepted after its end");
            accepted_before += sightings
                .iter()
                .filter(|(_, is_accepted)| *is_accepted)
                .count();
        }
        if way == 3 {
            keeper = access_token(&opens.sign_in("ada@example.com").await);
        }
    }
    // The tokens were in use on both nodes while they were revoked.
    assert!(accepted_before > 0, "no request came before");
}

#[test]
fn the_check_of_late_requests_finds_one() {
    let answered = Instant::now();
    let (before, after) = (
        answered.checked_sub(Duration::from_secs(1)).unwrap(),
        answered + Duration::from_secs(1),
    );
    assert_eq!(
        accepted_too_late(&[(before, true), (after, false)], answered),
        0
    );
    assert_eq!(
        accepted_too_late(&[(before, true), (after, true)], answered),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_died_delays_a_revocation_only_until_its_lease_is_over() {
    let (here, mut there) = nodes().await;
    let token = here.token("ada@example.com").await;
    assert_eq!(there.get("/v1/verify", &token).await.status(), 204);
    there.kill();
    let started = Instant::now();
    assert_eq!(
        here.delete("/v1/sessions/current", &token).await.status(),
        204
    );
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(here.get("/v1/verify", &token).await.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_from_one_node_can_be_waited_for_on_the_other() {
    let (here, there) = nodes().await;
    let token = here.token("ada@example.com").await;
    let upload = here
        .request(Method::POST, "/v1/media?name=a.mp4")
        .bearer_auth(&token)
        .body(support::clip());
    let response = upload.send().await.unwrap();
    let position = response.headers()["gatelog-position"].clone();
    let id = response.json::<Value>().await.unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let read = there
        .request(Method::GET, &format!("/v1/media/{id}"))
        .bearer_auth(&token);
    let read = read
        .header("gatelog-min-position", position)
        .send()
        .await
        .unwrap();
    assert_eq!(read.status(), 200);
}
