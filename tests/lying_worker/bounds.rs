//! However much somebody asks for, and whatever their files do, others get their share.

use serde_json::{Value, json};

use super::liar::{Liar, PICTURE, Trick, bring_back, take_away};
use super::server_of;
use super::support;
use super::support::engines::{outcome, refused};

#[tokio::test(flavor = "multi_thread")]
async fn what_one_person_asks_for_is_bounded_in_jobs_places_and_bytes() {
    let url = Liar::with_trick(Trick::Nothing).serve().await;
    let bytes = support::clip().len() + PICTURE.len() + 1;
    let quota = bytes.to_string();
    let settings = [
        ("MEDIA_WORKER_URL", url.as_str()),
        ("MEDIA_JOBS_QUEUED_PER_USER", "3"),
        ("MEDIA_QUOTA_BYTES", quota.as_str()),
    ];
    for (server, url, _folder) in support::engines::servers(&settings).await {
        let token = server.token("ada@example.com").await;
        let media = server.upload(&token, "a.mp4", support::clip()).await;
        let path = format!("/v1/media/{media}/jobs");
        let ask = async |seek_ms: u64| {
            let body = json!({"preset": "poster", "options": {"seek_ms": seek_ms}});
            server.post(&path, &token, &body).await
        };
        let far = ask(7_200_001).await;
        assert_eq!(
            outcome(far).await,
            refused(422, "validation-failed"),
            "{url}"
        );
        let first: Value = ask(0).await.json().await.unwrap();
        let first = first["id"].as_str().unwrap();
        assert_eq!(server.ended(&token, first).await["state"], "succeeded");
        let usage = server.get_json("/v1/me/usage", &token).await;
        assert_eq!(usage["bytes"], bytes - 1, "{url}: {usage}");
        assert_eq!(usage["output_bytes"], PICTURE.len(), "{url}: {usage}");
        // While the store is away everything waits, and only so much may.
        let store = server.data.join("blobs");
        take_away(&store);
        let asked = futures::future::join_all((1..=20).map(ask)).await;
        let (taken, more): (Vec<_>, Vec<_>) =
            asked.into_iter().partition(|one| one.status() == 202);
        assert_eq!(taken.len(), 3, "{url}");
        for one in more {
            assert!(one.headers().contains_key("retry-after"), "{url}");
            assert_eq!(outcome(one).await, refused(429, "too-many-jobs"), "{url}");
        }
        assert_eq!(ask(0).await.status(), 202, "{url}: what is done is no more");
        // The first of them fills the quota; then nothing more is made, and nothing more is taken.
        bring_back(&store);
        let mut states = Vec::new();
        for one in taken {
            let job: Value = one.json().await.unwrap();
            let ended = server.ended(&token, job["id"].as_str().unwrap()).await;
            states.push((ended["state"].clone(), ended["error"]["code"].clone()));
        }
        assert!(
            states.contains(&(json!("succeeded"), Value::Null)),
            "{states:?}"
        );
        assert!(
            states.contains(&(json!("failed"), json!("quota_exceeded"))),
            "{states:?}"
        );
        assert_eq!(outcome(ask(30).await).await, refused(413, "quota-exceeded"));
        // What was made goes with its file, and so does what counts.
        assert_eq!(
            server
                .delete(&format!("/v1/media/{media}"), &token)
                .await
                .status(),
            204
        );
        let is_empty = async || server.get_json("/v1/me/usage", &token).await["bytes"] == 0;
        support::until_so("nothing counts", is_empty).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_has_more_than_two_jobs_running_and_another_person_gets_a_turn() {
    let server = server_of(Liar::with_trick(Trick::NeverEnds)).await;
    let (ada, bob) = (
        server.token("ada@example.com").await,
        server.token("bob@example.com").await,
    );
    let mut of_ada = Vec::new();
    for n in 0..6_u8 {
        let content = [support::clip().as_slice(), &[n]].concat();
        let media = server.upload(&ada, "a.mp4", content).await;
        of_ada.push(server.job(&ada, &media, "poster").await);
    }
    let media = server.upload(&bob, "b.mp4", support::clip()).await;
    let of_bob = server.job(&bob, &media, "poster").await;
    let running = async |token: &str| -> Vec<String> {
        let page = server.get_json("/v1/jobs", token).await;
        let items = page["items"].as_array().unwrap().iter();
        items
            .filter(|job| job["state"] == "running")
            .map(|job| job["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let wait = async |token: &str, wanted: &[&String]| {
        let deadline = std::time::Instant::now() + support::PATIENCE;
        loop {
            let seen = running(token).await;
            assert!(seen.len() <= 2, "{seen:?}");
            if wanted.iter().all(|job| seen.contains(job)) {
                return;
            }
            assert!(std::time::Instant::now() < deadline, "{seen:?}");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    wait(&ada, &[&of_ada[0], &of_ada[1]]).await;
    wait(&bob, &[&of_bob]).await;
    // The next of the queue follows as soon as one is over, in the order of their asking.
    for n in 0..4 {
        let path = format!("/v1/jobs/{}", of_ada[n]);
        assert_eq!(server.delete(&path, &ada).await.status(), 204);
        wait(&ada, &[&of_ada[n + 1], &of_ada[n + 2]]).await;
    }
    assert_eq!(running(&bob).await, [of_bob]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_short_of_disk_for_one_input_goes_on_with_smaller_ones() {
    let server = server_of(Liar::with_trick(Trick::DiskLow)).await;
    let token = server.token("ada@example.com").await;
    let media = server.upload(&token, "a.mp4", support::clip()).await;
    let large = server.job(&token, &media, "poster").await;
    for n in 0..5_u8 {
        let mut smaller = support::clip();
        smaller.truncate(smaller.len() - 1 - usize::from(n));
        let media = server.upload(&token, "b.mp4", smaller).await;
        let job = server.job(&token, &media, "poster").await;
        assert_eq!(server.ended(&token, &job).await["state"], "succeeded");
    }
    let seen = server.get_json(&format!("/v1/jobs/{large}"), &token).await;
    assert_eq!(seen["state"], "queued", "{seen}");
    assert!(
        seen["attempt"].as_u64().unwrap() <= 2,
        "it goes round: {seen}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_crashes_what_works_on_it_is_given_to_no_worker_again() {
    let server = server_of(Liar::with_trick(Trick::Crashes)).await;
    let token = server.token("ada@example.com").await;
    let media = server.upload(&token, "a.mp4", support::clip()).await;
    for (preset, attempts) in [("poster", 2), ("preview", 0), ("metadata", 0)] {
        let job = server.job(&token, &media, preset).await;
        let ended = server.ended(&token, &job).await;
        assert_eq!(ended["error"]["code"], "crashed", "{ended}");
        assert_eq!(ended["error"]["retryable"], false, "{ended}");
        assert_eq!(ended["attempt"], attempts, "{ended}");
    }
    let of_it = |line: &&str| line.contains("keeps crashing") && line.contains(&media);
    assert_eq!(server.log().lines().filter(of_it).count(), 1);
    let metrics = reqwest::get(format!("{}/metrics", server.ops)).await;
    let metrics = metrics.unwrap().text().await.unwrap();
    let counted = "gatelog_media_poison_total{code=\"crashed\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
    let other = server.upload(&token, "b.mp4", support::clip()).await;
    let job = server.job(&token, &other, "poster").await;
    let ended = server.ended(&token, &job).await;
    assert_eq!(ended["attempt"], 2, "another file has its tries: {ended}");
}
