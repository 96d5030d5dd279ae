//! kill -9 of server or worker in the middle of everything: nothing acknowledged is lost, no job is stuck, and none
//! takes effect twice.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::HashMap;
use std::time::Duration;

use eventlog::testing::TestPostgres;
use reqwest::Method;
use serde_json::{Value, json};
use support::{PASSWORD, Server, clip};

/// Rounds of one kill each.
const ROUNDS: u64 = 20;

/// A small generator, so that a failing run can be repeated by its seed (SplitMix64).
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// What was acknowledged to the clients.
#[derive(Default)]
struct Acknowledged {
    positions: Vec<u64>,
    jobs: Vec<String>,
}

/// Registrations, uploads and jobs, until the server is killed under them.
async fn work(server: &Server, token: &str, round: u64, seen: &mut Acknowledged) {
    for n in 0.. {
        let body = json!({"email": format!("p{round}-{n}@example.com"), "password": PASSWORD});
        let register = server.request(Method::POST, "/v1/users").json(&body);
        if !note(register.send().await, seen).await {
            return;
        }
        // Another last byte is another file, so another job.
        let mut content = clip();
        content.extend_from_slice(&[round.to_le_bytes()[0], n as u8]);
        let upload = server
            .request(Method::POST, "/v1/media?name=a.mp4")
            .bearer_auth(token)
            .body(content);
        let Ok(answer) = upload.send().await else {
            return;
        };
        let Some(position) = position_of(&answer) else {
            return;
        };
        seen.positions.push(position);
        let Ok(media) = answer.json::<Value>().await else {
            return;
        };
        for preset in ["metadata", "poster"] {
            let path = format!("/v1/media/{}/jobs", media["id"].as_str().unwrap());
            let ask = server
                .request(Method::POST, &path)
                .bearer_auth(token)
                .json(&json!({"preset": preset}));
            let Ok(answer) = ask.send().await else { return };
            let Some(position) = position_of(&answer) else {
                return;
            };
            seen.positions.push(position);
            let Ok(job) = answer.json::<Value>().await else {
                return;
            };
            seen.jobs.push(job["id"].as_str().unwrap().to_owned());
        }
    }
}

fn position_of(answer: &reqwest::Response) -> Option<u64> {
    answer
        .headers()
        .get("gatelog-position")?
        .to_str()
        .ok()?
        .parse()
        .ok()
}

async fn note(answer: reqwest::Result<reqwest::Response>, seen: &mut Acknowledged) -> bool {
    let Some(position) = answer.ok().and_then(|answer| position_of(&answer)) else {
        return false;
    };
    seen.positions.push(position);
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_lose_nothing_leave_nothing_stuck_and_double_nothing() {
    let seed = std::process::id().into();
    println!("seed {seed}");
    let mut chance = Chance(seed);
    let folder = tempfile::tempdir().unwrap();
    let settings = [("MEDIA_JOBS_PER_USER", "4"), ("ACCESS_TOKEN_TTL", "86400")];
    let mut server = Server::prepare(folder.path(), &settings);
    server.launch().await;
    server.launch_worker().await;
    let token = server.token("ada@example.com").await;
    let mut seen = Acknowledged::default();
    for round in 0..ROUNDS {
        let moment = Duration::from_millis(50 + chance.below(900));
        // The kill itself is what ends the work.
        let _ = tokio::time::timeout(moment, work(&server, &token, round, &mut seen)).await;
        if chance.below(2) == 0 {
            server.kill();
            server.launch().await;
        } else {
            server.kill_worker();
            server.launch_worker().await;
        }
    }
    for job in &seen.jobs {
        let ended = server.ended(&token, job).await;
        assert_eq!(ended["state"], "succeeded", "seed {seed}: {ended}");
        verify_outputs(&server, &token, &ended).await;
    }
    let events = export(&server).await;
    check_log(&events, &seen, seed);
}

async fn verify_outputs(server: &Server, token: &str, job: &Value) {
    use sha2::Digest as _;
    for output in job["outputs"].as_array().unwrap() {
        let path = format!(
            "/v1/jobs/{}/outputs/{}",
            job["id"].as_str().unwrap(),
            output["name"].as_str().unwrap()
        );
        let bytes = server.get(&path, token).await.bytes().await.unwrap();
        assert_eq!(
            hex::encode(sha2::Sha256::digest(&bytes)),
            output["sha256"].as_str().unwrap()
        );
    }
}

async fn export(server: &Server) -> Vec<Value> {
    let auditor = server.auditor("eve@example.com").await;
    let request = server
        .request(Method::GET, "/v1/audit/events")
        .bearer_auth(auditor);
    let text = request
        .header("accept", "application/x-ndjson")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn check_log(events: &[Value], seen: &Acknowledged, seed: u64) {
    let positions: Vec<u64> = events
        .iter()
        .map(|event| event["position"].as_u64().unwrap())
        .collect();
    assert_eq!(
        positions,
        (1..=positions.len() as u64).collect::<Vec<_>>(),
        "seed {seed}: a gap"
    );
    let last = seen.positions.iter().max().unwrap();
    assert!(
        positions.last().unwrap() >= last,
        "seed {seed}: an acknowledged event is lost"
    );
    let ends = ["MediaJobSucceeded", "MediaJobFailed", "MediaJobCancelled"];
    let mut count: HashMap<&str, usize> = HashMap::new();
    for event in events
        .iter()
        .filter(|event| ends.contains(&event["type"].as_str().unwrap()))
    {
        *count.entry(event["subject"].as_str().unwrap()).or_default() += 1;
    }
    assert!(
        count.values().all(|times| *times == 1),
        "seed {seed}: a job ended twice: {count:?}"
    );
    assert!(
        seen.jobs.iter().all(|job| count.contains_key(job.as_str())),
        "seed {seed}: a job is stuck"
    );
    assert!(
        seen.jobs.len() > 20,
        "seed {seed}: only {} jobs were asked for",
        seen.jobs.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_of_postgres_loses_nothing_that_was_acknowledged() {
    let cluster = TestPostgres::start().unwrap();
    let url = cluster.fresh_database().await.unwrap();
    let server = Server::start_with(&[("DATABASE_URL", &url)]).await;
    let mut acknowledged = Vec::new();
    for round in 0..4 {
        let writing = async {
            for n in 0.. {
                let email = format!("p{round}-{n}@example.com");
                let body = json!({"email": email, "password": PASSWORD});
                let answer = server.post("/v1/users", "", &body).await;
                if answer.status() == 201 {
                    acknowledged.push(email);
                } else {
                    assert!(
                        matches!(answer.status().as_u16(), 503),
                        "{}",
                        answer.status()
                    );
                }
            }
        };
        let _ = tokio::time::timeout(Duration::from_millis(700), writing).await;
        cluster.kill().unwrap();
        cluster.restart().unwrap();
    }
    assert!(acknowledged.len() > 4);
    let recovered = || async {
        server
            .post(
                "/v1/users",
                "",
                &json!({"email": "x@example.com", "password": PASSWORD}),
            )
            .await
            .status()
    };
    let deadline = std::time::Instant::now() + support::PATIENCE;
    while !matches!(recovered().await.as_u16(), 201 | 409) {
        assert!(
            std::time::Instant::now() < deadline,
            "the server does not recover: {}",
            server.log()
        );
    }
    for email in acknowledged {
        server.sign_in(&email).await;
    }
}

#[tokio::test]
async fn sigterm_lets_a_request_finish_and_ends_well() {
    let mut server = Server::start().await;
    let token = server.token("ada@example.com").await;
    let parts = clip()
        .chunks(100_000)
        .map(<[u8]>::to_vec)
        .collect::<Vec<_>>();
    let slowly = futures::stream::unfold(parts.into_iter(), |mut parts| async move {
        tokio::time::sleep(Duration::from_millis(60)).await;
        parts
            .next()
            .map(|part| (Ok::<_, std::io::Error>(part), parts))
    });
    let upload = server
        .request(Method::POST, "/v1/media?name=a.mp4")
        .bearer_auth(&token);
    let upload = upload.body(reqwest::Body::wrap_stream(slowly)).send();
    let id = server.process_id();
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        std::process::Command::new("kill")
            .args(["-TERM", &id.to_string()])
            .status()
            .unwrap()
    };
    let (answer, signal) = tokio::join!(upload, stopping);
    assert!(signal.success());
    assert_eq!(answer.unwrap().status(), 201);
    assert!(server.wait().success(), "{}", server.log());
}
