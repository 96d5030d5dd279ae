//! A bucket does all that a folder does.

use std::time::Duration;

use eventlog::SegmentStore as _;
use reqwest::Method;
use serde_json::{Value, json};

use super::bucket::{Bucket, SECRET};
use super::support::engines::{outcome, refused, servers};
use super::support::{Server, clip, until_so};
use super::{begun, content, pairs, picture, stored_in};

/// Until the bucket's objects are so.
async fn until_objects(bucket: &Bucket, what: &str, is_so: impl Fn(&[String]) -> bool) {
    until_so(what, async || is_so(&bucket.objects().await)).await;
}

async fn ranges(server: &Server, token: &str, media: &str, whole: &[u8]) {
    let path = format!("/v1/media/{media}/content");
    let ask = |method: Method, name: &'static str, value: String| {
        let request = server.request(method, &path).bearer_auth(token);
        request.header(name, value).send()
    };
    let n = whole.len();
    for (range, status, expected) in [
        ("bytes=0-9", 206, &whole[..10]),
        ("bytes=6000000-6000099", 206, &whole[6_000_000..6_000_100]),
        ("bytes=-7", 206, &whole[n - 7..]),
        ("bytes=0-1,5-6", 200, whole),
        ("bytes=99999999-", 416, &[][..]),
    ] {
        let answer = ask(Method::GET, "range", range.to_owned()).await.unwrap();
        assert_eq!(answer.status(), status, "{range}");
        if status != 416 {
            assert!(answer.bytes().await.unwrap() == expected, "{range}");
        }
    }
    let head = ask(Method::HEAD, "range", "bytes=0-1".to_owned())
        .await
        .unwrap();
    assert_eq!(head.status(), 200);
    let headers = head.headers().clone();
    assert_eq!(headers["content-length"], n.to_string());
    assert_eq!(headers["content-type"], "image/png");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    let name = headers["content-disposition"].to_str().unwrap();
    assert!(name.starts_with("attachment; filename=\"a.png\""), "{name}");
    let etag = headers["etag"].to_str().unwrap().to_owned();
    let same = ask(Method::GET, "if-none-match", etag.clone())
        .await
        .unwrap();
    assert_eq!(same.status(), 304);
    let stale = server.request(Method::GET, &path).bearer_auth(token);
    let stale = stale
        .header("range", "bytes=0-9")
        .header("if-range", "\"x\"");
    assert_eq!(stale.send().await.unwrap().status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_outputs_and_links_are_kept_in_a_bucket_on_both_engines() {
    let bucket = Bucket::start().await;
    let settings = bucket.settings("in/here");
    for (mut server, _, _folder) in servers(&pairs(&settings)).await {
        server.launch_worker().await;
        let token = server.token("ada@example.com").await;
        let large = picture(12_000_000, 1);
        let media = server.upload(&token, "a.png", large.clone()).await;
        assert!(
            content(&server, &token, &media)
                .await
                .bytes()
                .await
                .unwrap()
                == large
        );
        ranges(&server, &token, &media, &large).await;
        let objects = bucket.objects().await;
        assert!(
            objects
                .iter()
                .all(|name| name.starts_with("in/here/media/")),
            "{objects:?}"
        );
        let film = server.upload(&token, "film.mp4", clip()).await;
        let job = server.job(&token, &film, "poster").await;
        assert_eq!(server.ended(&token, &job).await["state"], "succeeded");
        let output = json!({"output": {"job": job, "name": "poster.webp"}});
        let links = format!("/v1/media/{film}/links");
        let link: Value = server
            .post(&links, &token, &output)
            .await
            .json()
            .await
            .unwrap();
        let link = link["url"].as_str().unwrap();
        let linked = server.request(Method::GET, link).send().await.unwrap();
        assert_eq!(linked.headers()["content-type"], "image/webp");
        assert!(linked.bytes().await.unwrap().starts_with(b"RIFF"));
        // One that breaks off in its third part.
        let cut = begun(&server, &token, picture(13_000_000, 2));
        let is_begun = async || !bucket.open().await.is_empty();
        until_so("the upload is under way", is_begun).await;
        cut.abort();
        for media in [media, film] {
            let path = format!("/v1/media/{media}");
            assert_eq!(server.delete(&path, &token).await.status(), 204);
        }
        until_objects(&bucket, "everything is removed", |objects| {
            objects.is_empty()
        })
        .await;
        let is_over = async || bucket.open().await.is_empty();
        until_so("the upload is given up", is_over).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_away_is_told_by_name_and_its_secret_is_not() {
    let mut bucket = Bucket::start().await;
    let settings = bucket.settings("");
    let server = Server::start_with(&pairs(&settings)).await;
    let token = server.token("ada@example.com").await;
    let media = server.upload(&token, "a.png", picture(1000, 1)).await;
    bucket.stop();
    let (status, told) = server.readyz().await;
    assert_eq!(status, 503);
    assert_eq!(
        (&told["blobs"], &told["database"]),
        (&json!("failing"), &json!("ok"))
    );
    let unavailable = refused(503, "unavailable");
    assert_eq!(
        outcome(content(&server, &token, &media).await).await,
        unavailable
    );
    for size in [1000, 12_000_000] {
        let upload = server
            .request(Method::POST, "/v1/media")
            .bearer_auth(&token);
        let answer = upload.body(picture(size, 2)).send().await.unwrap();
        assert_eq!(outcome(answer).await, unavailable);
    }
    // Deleting is a matter of the log; the content follows when the bucket is back.
    let path = format!("/v1/media/{media}");
    assert_eq!(server.delete(&path, &token).await.status(), 204);
    bucket.start_again().await;
    server.upload(&token, "b.png", picture(1000, 3)).await;
    assert_eq!(server.readyz().await.0, 200);
    let log = server.log();
    assert!(
        !log.contains(SECRET) && !log.contains("Signature="),
        "{log}"
    );
    let mut wrong = settings.clone();
    wrong[4].1 = "another".to_owned();
    let folder = tempfile::tempdir().unwrap();
    let other = Server::prepare(folder.path(), &pairs(&wrong));
    let mut child = other.command(&["serve"]).spawn().unwrap();
    let url = format!("{}/readyz", other.ops);
    let mut told = Value::Null;
    for _ in 0..600 {
        if let Ok(answer) = reqwest::get(&url).await {
            told = answer.json().await.unwrap_or_default();
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(told["blobs"], "failing", "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_and_backups_work_on_a_bucket() {
    let bucket = Bucket::start().await;
    let settings = bucket.settings("kept");
    let mut server = Server::start_with(&pairs(&settings)).await;
    let token = server.token("ada@example.com").await;
    let small = picture(5_000, 7);
    let media = server.upload(&token, "a.png", small.clone()).await;
    until_so(
        "only what was signed last is recorded",
        async || matches!(bucket.signed().await[..], [size] if size > 2),
    )
    .await;
    // A segment is whole tiles of the log, which takes thousands of events; here only its object is written and read.
    let store = stored_in(&server, &settings);
    store
        .write("log/1-2-3.ndjson.zst", small.clone())
        .await
        .unwrap();
    let part = store.read("log/1-2-3.ndjson.zst", 10..20).await.unwrap();
    assert_eq!(part, small[10..20]);
    let kept = server.data.join("backup");
    let to = kept.to_str().unwrap().to_owned();
    let made = server
        .command(&["backup", "--to", &to, "--with-blobs"])
        .status()
        .unwrap();
    assert!(made.success());
    let key = std::fs::read(server.data.join("master.key")).unwrap();
    server.kill();
    let other = bucket.settings("restored");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("master.key"), key).unwrap();
    let mut restored = Server::prepare(folder.path(), &pairs(&other));
    let done = restored
        .command(&["restore", "--from", &to])
        .status()
        .unwrap();
    assert!(done.success());
    restored.launch().await;
    let token = super::support::access_token(&restored.sign_in("ada@example.com").await);
    let answer = content(&restored, &token, &media).await;
    assert!(answer.bytes().await.unwrap() == small);
    let objects = bucket.objects().await;
    assert!(
        objects.contains(&"restored/log/1-2-3.ndjson.zst".to_owned()),
        "{objects:?}"
    );
}
