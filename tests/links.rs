//! Signed links: what they open, for whom, how long, and that their secret is kept.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use reqwest::{Method, Response};
use serde_json::{Value, json};
use support::{Server, clip};

/// A file of Ada's.
struct Shelf {
    server: Server,
    token: String,
    media: String,
}

impl Shelf {
    async fn new() -> Self {
        let mut server = Server::start().await;
        server.launch_worker().await;
        let token = server.token("ada@example.com").await;
        let media = server.upload(&token, "clip.mp4", clip()).await;
        Self {
            server,
            token,
            media,
        }
    }

    async fn ask(&self, body: &Value) -> Response {
        let path = format!("/v1/media/{}/links", self.media);
        self.server.post(&path, &self.token, body).await
    }

    /// The path of a link.
    async fn link(&self, body: &Value) -> String {
        let answer = self.ask(body).await;
        assert_eq!(answer.status(), 201);
        assert_eq!(answer.headers()["cache-control"], "no-store");
        let link: Value = answer.json().await.unwrap();
        link["url"].as_str().unwrap().to_owned()
    }

    /// As a browser's player asks: without a token.
    async fn open(&self, path: &str) -> Response {
        let request = self.server.request(Method::GET, path);
        request.send().await.unwrap()
    }

    async fn status(&self, path: &str) -> u16 {
        self.open(path).await.status().as_u16()
    }

    async fn done(&self, preset: &str) -> String {
        let job = self.server.job(&self.token, &self.media, preset).await;
        let seen = self.server.ended(&self.token, &job).await;
        assert_eq!(seen["state"], "succeeded", "{seen}");
        job
    }
}

/// The segment that is the proof.
fn sealed(path: &str) -> &str {
    path.split('/').nth(3).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_delivers_the_file_without_a_token_and_inert() {
    let shelf = Shelf::new().await;
    let link = shelf.link(&json!({})).await;
    let whole = shelf.open(&link).await;
    assert_eq!(whole.status(), 200);
    let header = |name: &str| whole.headers()[name].to_str().unwrap();
    assert_eq!(header("content-type"), "video/mp4");
    assert!(header("cache-control").contains("private"));
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert!(header("content-security-policy").contains("sandbox"));
    assert_eq!(whole.bytes().await.unwrap(), clip());
    let part = shelf.server.request(Method::GET, &link);
    let part = part.header("range", "bytes=4-7").send().await.unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(&part.bytes().await.unwrap()[..], b"ftyp");
    for method in [Method::POST, Method::DELETE, Method::PUT] {
        let answer = shelf.server.request(method, &link).send().await.unwrap();
        assert_eq!(answer.status(), 405, "it is for reading alone");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_an_output_opens_that_output_and_nothing_else() {
    let shelf = Shelf::new().await;
    let (poster, metadata) = (shelf.done("poster").await, shelf.done("metadata").await);
    let output = json!({"output": {"job": poster, "name": "poster.webp"}});
    let link = shelf.link(&output).await;
    let answer = shelf.open(&link).await;
    assert_eq!(answer.headers()["content-type"], "image/webp");
    for name in [
        "content",
        "metadata.json",
        "",
        "..%2Fcontent",
        "poster.webp%00",
    ] {
        let path = link.replace("poster.webp", name);
        assert_eq!(shelf.status(&path).await, 404, "{name}");
    }
    let content = shelf.link(&json!({})).await;
    assert_eq!(
        shelf
            .status(&content.replace("/content", "/poster.webp"))
            .await,
        404
    );
    for output in [
        json!({"job": metadata, "name": "poster.webp"}),
        json!({"job": poster, "name": "../content"}),
        json!({"job": shelf.media, "name": "poster.webp"}),
    ] {
        let answer = shelf.ask(&json!({"output": output})).await;
        assert_eq!(answer.status(), 404, "{output}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_to_a_playlist_covers_everything_that_it_leads_to() {
    let shelf = Shelf::new().await;
    let job = shelf.done("hls").await;
    let output = json!({"output": {"job": job, "name": "master.m3u8"}});
    let link = shelf.link(&output).await;
    let (folder, _) = link.rsplit_once('/').unwrap();
    let master = shelf.open(&link).await.text().await.unwrap();
    let variants: Vec<&str> = master
        .lines()
        .filter(|line| line.ends_with(".m3u8"))
        .collect();
    assert_eq!(variants, ["v360p.m3u8", "v720p.m3u8"]);
    for variant in variants {
        let playlist = shelf.open(&format!("{folder}/{variant}")).await;
        let playlist = playlist.text().await.unwrap();
        let segments = playlist
            .lines()
            .find(|line| line.ends_with(".m4s"))
            .unwrap();
        let part = shelf
            .server
            .request(Method::GET, &format!("{folder}/{segments}"));
        let part = part.header("range", "bytes=0-99").send().await.unwrap();
        assert_eq!(part.status(), 206, "{segments}");
    }
    // A player that knows nothing but the link reads the whole film.
    let output = std::process::Command::new("ffprobe")
        .args(["-v", "error", "-count_packets", "-of", "json"])
        .args(["-show_entries", "stream=codec_name,nb_read_packets"])
        .arg(format!("{}{link}", shelf.server.base))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
    let streams = seen["streams"].as_array().unwrap();
    assert_eq!(streams.len(), 4, "{seen}");
    assert!(
        streams
            .iter()
            .all(|stream| stream["nb_read_packets"] != "0"),
        "{seen}"
    );
    for name in ["content", "poster.webp", "v1080p.m4s"] {
        assert_eq!(
            shelf.status(&format!("{folder}/{name}")).await,
            404,
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_expired_and_foreign_links_open_nothing() {
    let shelf = Shelf::new().await;
    let link = shelf.link(&json!({"expires_in": 10})).await;
    let made = std::time::Instant::now();
    assert_eq!(shelf.status(&link).await, 200);
    let proof = sealed(&link);
    for (place, letter) in proof.char_indices() {
        let other = if letter == 'A' { 'B' } else { 'A' };
        let mut forged = proof.to_owned();
        forged.replace_range(place..=place, &other.to_string());
        let path = link.replace(proof, &forged);
        assert_eq!(shelf.status(&path).await, 404, "letter {place}");
    }
    // Two files' links, put together from halves.
    let media = shelf.server.upload(&shelf.token, "b.mp4", clip()).await;
    let path = format!("/v1/media/{media}/links");
    let other: Value = shelf
        .server
        .post(&path, &shelf.token, &json!({}))
        .await
        .json()
        .await
        .unwrap();
    let other = sealed(other["url"].as_str().unwrap());
    let mixed = format!("{}{}", &other[..40], &proof[40..]);
    assert_eq!(shelf.status(&link.replace(proof, &mixed)).await, 404);
    // Nobody makes a link to somebody else's file.
    let bob = shelf.server.token("bob@example.com").await;
    let answer = shelf.server.post(&path, &bob, &json!({})).await;
    assert_eq!(answer.status(), 404);
    for seconds in [0, 9, 43_201, u32::MAX] {
        let answer = shelf.ask(&json!({"expires_in": seconds})).await;
        assert_eq!(answer.status(), 422, "{seconds}");
    }
    let deadline = made + support::PATIENCE;
    while shelf.status(&link).await == 200 {
        assert!(std::time::Instant::now() < deadline, "it never ends");
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    assert_eq!(shelf.status(&link).await, 404);
    assert!(made.elapsed().as_secs() >= 8, "it ended too early");
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_the_file_ends_its_links_and_no_log_line_has_one() {
    let shelf = Shelf::new().await;
    let job = shelf.done("metadata").await;
    let output = json!({"output": {"job": job, "name": "metadata.json"}});
    let links = [shelf.link(&json!({})).await, shelf.link(&output).await];
    for link in &links {
        assert_eq!(shelf.status(link).await, 200);
    }
    let path = format!("/v1/media/{}", shelf.media);
    let answer = shelf.server.delete(&path, &shelf.token).await;
    assert_eq!(answer.status(), 204);
    for link in &links {
        assert_eq!(shelf.status(link).await, 404);
        let odd = link.replace("/links/", "/link%73/");
        assert_ne!(shelf.status(&odd).await, 500);
    }
    let log = shelf.server.log();
    assert!(log.contains("/v1/links/.../"), "the calls are logged");
    for link in &links {
        let (claim, signature) = sealed(link).split_at(54);
        assert!(!log.contains(claim) && !log.contains(signature), "{link}");
    }
}
