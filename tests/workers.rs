//! Several workers, and who gets them: jobs of a dead one go on at another, what is known to be hopeless troubles none,
//! and nobody's long queue holds another person up.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeSet;

use aggregates::media_job::Preset;
use aggregates::values::UserId;
use chrono::{DateTime, Utc};
use eventlog::{Database, Engine};
use projections::media_jobs::{JobRow, LANES, Turns, Wanted, due, overdue};
use serde_json::{Value, json};
use support::{Process, Server, clip};

/// A server with these workers, all of them running.
async fn server_with(sockets: &[&str]) -> (Server, Vec<Process>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    let urls: Vec<String> = sockets
        .iter()
        .map(|socket| format!("unix:{path}/{socket}"))
        .collect();
    let settings = [
        ("MEDIA_WORKER_URL", urls.join(",")),
        ("MEDIA_JOBS_PER_USER", "10".to_owned()),
    ];
    let settings = settings
        .each_ref()
        .map(|(key, value)| (*key, value.as_str()));
    let mut server = Server::prepare(folder.path(), &settings);
    server.launch().await;
    let workers = sockets
        .iter()
        .map(|socket| server.spawn_worker_named(socket))
        .collect();
    support::until("every worker listens", || {
        server.worker_log().matches("started").count() >= sockets.len()
    })
    .await;
    (server, workers, folder)
}

async fn events(server: &Server, auditor: &str, job: &str) -> Vec<Value> {
    let path = format!("/v1/audit/events?subject={job}");
    let page = server.get_json(&path, auditor).await;
    page["items"].as_array().unwrap().clone()
}

/// The workers that a job was dispatched to, in order.
fn workers_of(events: &[Value]) -> Vec<String> {
    let dispatched = events
        .iter()
        .filter(|event| event["type"] == "MediaJobDispatched");
    dispatched
        .map(|event| event["data"]["worker"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_workers_get_jobs_and_a_dead_ones_go_on_at_the_other() {
    let (server, mut workers, _folder) = server_with(&["a.sock", "b.sock"]).await;
    let token = server.token("ada@example.com").await;
    let auditor = server.auditor("eve@example.com").await;
    let media = server.upload(&token, "clip.mp4", clip()).await;
    // The probe comes first, the previews keep both busy, the film comes last.
    let film = server.job(&token, &media, "web-video").await;
    let mut jobs = Vec::new();
    for seek_ms in 0..4 {
        let body = json!({"preset": "preview", "options": {"seek_ms": seek_ms * 100}});
        let path = format!("/v1/media/{media}/jobs");
        let asked = server.post(&path, &token, &body).await;
        let asked: Value = asked.json().await.unwrap();
        jobs.push(asked["id"].as_str().unwrap().to_owned());
    }
    jobs.push(film);
    let deadline = std::time::Instant::now() + support::PATIENCE;
    let mut seen = BTreeSet::new();
    while seen.len() < 2 {
        assert!(std::time::Instant::now() < deadline, "only {seen:?}");
        for job in &jobs {
            seen.extend(workers_of(&events(&server, &auditor, job).await));
        }
    }
    workers.remove(0).kill();
    for job in &jobs {
        let ended = server.ended(&token, job).await;
        assert_eq!(ended["state"], "succeeded", "{ended}");
        let last = workers_of(&events(&server, &auditor, job).await).pop();
        let is_retried = ended["attempt"] != 1;
        let is_other = last.unwrap().ends_with("b.sock");
        assert!(is_other || !is_retried, "{ended}");
    }
    let ready = server.readyz().await.1;
    assert_eq!(ready["media_worker"], "ok", "{ready}");
    let states: Vec<&str> = ready["media_workers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|worker| worker["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["failing", "ok"], "{ready}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stays_away_has_its_circuit_opened_and_is_told_of() {
    let (server, mut workers, _folder) = server_with(&["a.sock"]).await;
    workers.remove(0).kill();
    let token = server.token("ada@example.com").await;
    let media = server.upload(&token, "clip.mp4", clip()).await;
    let job = server.job(&token, &media, "poster").await;
    let is_open = async || server.readyz().await.1["media_workers"][0]["circuit"] == "open";
    support::until_so("the circuit opens", is_open).await;
    let metrics = reqwest::get(format!("{}/metrics", server.ops)).await;
    let metrics = metrics.unwrap().text().await.unwrap();
    let line = metrics
        .lines()
        .find(|line| line.starts_with("gatelog_media_worker_circuit{"));
    assert!(line.unwrap().ends_with(" 2"), "{line:?}");
    let seen = server.get_json(&format!("/v1/jobs/{job}"), &token).await;
    assert_eq!(
        (&seen["state"], &seen["attempt"]),
        (&json!("queued"), &json!(0))
    );
}

/// Two seconds of sound alone.
fn sound() -> Vec<u8> {
    let output = std::process::Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-f", "lavfi", "-i"])
        .args(["sine=duration=2", "-f", "wav", "-"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_probe_has_shown_to_be_hopeless_is_given_to_no_worker() {
    let (server, _workers, _folder) = server_with(&["a.sock"]).await;
    let token = server.token("ada@example.com").await;
    let mut broken = clip();
    broken.truncate(40_000);
    for (content, preset, code) in [
        (sound(), "hls", "no_video_stream"),
        (broken, "web-video", "corrupt_input"),
    ] {
        let media = server.upload(&token, "file", content).await;
        let job = server.job(&token, &media, preset).await;
        let ended = server.ended(&token, &job).await;
        assert_eq!(ended["error"]["code"], code, "{ended}");
        assert_eq!(ended["attempt"], 0, "no worker had it: {ended}");
        let probe = server.job(&token, &media, "metadata").await;
        let probe = server.ended(&token, &probe).await;
        assert_eq!(probe["attempt"], 1, "it was probed first: {probe}");
    }
}

/// Rows of jobs that were never events: `count` of a person and preset.
async fn enqueue(database: &Database, owner: UserId, preset: &str, lane: u32, count: u32) {
    let sql = format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) \
         INSERT INTO media_jobs (job_id, media_id, owner_id, preset, preset_version, options, input_sha256, \
           input_bytes, state, attempt, not_before, deadline_at, outputs, created_at, lane) \
         SELECT '00000000-0000-7000-{lane}000-' || SUBSTR('{owner}', 35) || SUBSTR('0000000000' || i, -10, 10), \
           '{owner}', '{owner}', '{preset}', 1, '{{}}', '', 1, 'queued', 0, 0, 9000000000000000, '[]', i, {lane} \
         FROM n"
    );
    let sql = if database.engine() == Engine::Postgres {
        sql.replace(
            "SUBSTR('0000000000' || i, -10, 10)",
            "LPAD(i::text, 10, '0')",
        )
    } else {
        sql
    };
    database.execute(vec![(sql, Vec::new())]).await.unwrap();
}

fn person(n: u32) -> UserId {
    format!("00000000-0000-7000-8000-0000000000{n:02}")
        .parse()
        .unwrap()
}

async fn look(database: &Database, turns: &mut Turns, limit: usize) -> Vec<JobRow> {
    let all = Preset::ALL.iter().map(|preset| (*preset, 1));
    look_for(database, turns, limit, &all.collect::<Vec<_>>()).await
}

async fn look_for(
    database: &Database,
    turns: &mut Turns,
    limit: usize,
    recipes: &[(Preset, u32)],
) -> Vec<JobRow> {
    let wanted = Wanted {
        now: DateTime::<Utc>::from_timestamp(1_000_000, 0).unwrap(),
        per_owner: 2,
        limit,
        lanes: LANES,
        recipes,
        offered: &[],
    };
    due(database, wanted, turns).await.unwrap()
}

fn named(rows: &[JobRow]) -> Vec<(UserId, &str)> {
    rows.iter()
        .map(|row| (row.owner, row.preset.as_str()))
        .collect()
}

/// How a query is answered.
async fn plan(database: &Database, sql: &str) -> String {
    let explain = match database.engine() {
        Engine::Sqlite => "EXPLAIN QUERY PLAN",
        Engine::Postgres => "EXPLAIN",
    };
    let column = usize::from(database.engine() == Engine::Sqlite) * 3;
    let params: [eventlog::Value; 0] = [];
    let rows = database.query(&format!("{explain} {sql}"), &params).await;
    let lines = rows.unwrap();
    let lines = lines.iter().map(|row| row.text(column).unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_queue_of_one_person_delays_nobody_and_costs_no_scan() {
    for (mut server, url) in support::on_both_engines(&[]).await {
        server.kill();
        let database = Database::open(&url).await.unwrap();
        let [ada, bob, cy] = [1, 2, 3].map(person);
        enqueue(&database, ada, "hls", 3, 10_000).await;
        enqueue(&database, bob, "hls", 3, 3).await;
        enqueue(&database, cy, "poster", 0, 1).await;
        enqueue(&database, bob, "preview", 1, 1).await;
        if database.engine() == Engine::Postgres {
            let analyze = ("ANALYZE media_jobs".to_owned(), Vec::new());
            database.execute(vec![analyze]).await.unwrap();
        }
        let mut turns = Turns::default();
        // The quick ones first; then each in turn. Bob's preview is one of his two.
        let expected = [
            (cy, "poster"),
            (bob, "preview"),
            (ada, "hls"),
            (bob, "hls"),
            (ada, "hls"),
        ];
        assert_eq!(named(&look(&database, &mut turns, 100).await), expected);
        // What no worker knows waits, and holds nobody else's up.
        let known = [(Preset::Hls, 2), (Preset::Poster, 1)];
        let rows = look_for(&database, &mut Turns::default(), 1, &known).await;
        assert_eq!(named(&rows), [(cy, "poster")]);
        // With room for one, each look serves another person.
        let done = "DELETE FROM media_jobs WHERE lane < 3";
        let done = (done.to_owned(), Vec::new());
        database.execute(vec![done]).await.unwrap();
        let mut turns = Turns::default();
        for owner in [ada, bob, ada, bob] {
            let rows = look(&database, &mut turns, 1).await;
            assert_eq!(named(&rows), [(owner, "hls")]);
        }
        for sql in [
            "SELECT owner_id FROM media_jobs WHERE state = 'queued' AND lane = 3 AND owner_id > '' \
             ORDER BY owner_id LIMIT 1"
                .to_owned(),
            format!(
                "SELECT job_id, input_sha256 FROM media_jobs WHERE state = 'queued' AND lane = 3 \
                 AND owner_id = '{ada}' AND not_before <= 1 AND deadline_at > 1 \
                 AND (preset = 'metadata' OR NOT EXISTS (SELECT 1 FROM media_jobs p \
                 WHERE p.media_id = media_jobs.media_id AND p.preset = 'metadata' \
                 AND p.state IN ('queued', 'running'))) \
                 ORDER BY created_at, job_id LIMIT 2"
            ),
        ] {
            let plan = plan(&database, &sql).await;
            // PostgreSQL may prefer another index, as long as it gives the order, too.
            let is_sqlite = database.engine() == Engine::Sqlite;
            assert!(!is_sqlite || plan.contains("media_jobs_queued"), "{plan}");
            for costly in ["TEMP B-TREE", "Sort", "Seq Scan", "SCAN media_jobs"] {
                assert!(!plan.contains(costly), "{plan}");
            }
        }
        database.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_its_deadline_a_job_is_to_be_ended_whether_it_waits_or_runs() {
    for (mut server, url) in support::on_both_engines(&[]).await {
        server.kill();
        let database = Database::open(&url).await.unwrap();
        enqueue(&database, person(1), "poster", 0, 1).await;
        enqueue(&database, person(2), "hls", 3, 1).await;
        let late = "UPDATE media_jobs SET deadline_at = 5, \
             state = CASE lane WHEN 0 THEN 'running' ELSE state END";
        let late = vec![(late.to_owned(), Vec::new())];
        database.execute(late).await.unwrap();
        let at = |micros| DateTime::<Utc>::from_timestamp_micros(micros).unwrap();
        assert_eq!(overdue(&database, at(4), 9).await.unwrap(), []);
        assert_eq!(overdue(&database, at(5), 9).await.unwrap().len(), 2);
        database.close().await;
    }
}
