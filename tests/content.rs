//! Delivering files: ranges and validators as RFC 9110 says, and headers that keep a browser from running what
//! somebody uploaded.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use reqwest::{Method, Response};
use serde_json::Value;
use support::{Server, clip};

/// What a file of somebody's is delivered from.
struct Delivery {
    server: Server,
    token: String,
    path: String,
    content: Vec<u8>,
    etag: String,
}

/// Ten bytes are enough for a picture, by its first eight.
async fn ten_bytes() -> Delivery {
    let server = Server::start().await;
    let token = server.token("ada@example.com").await;
    let content = b"\x89PNG\r\n\x1a\n89".to_vec();
    let id = server.upload(&token, "a.png", content.clone()).await;
    let seen = server.get_json(&format!("/v1/media/{id}"), &token).await;
    Delivery {
        path: format!("/v1/media/{id}/content"),
        etag: format!("\"{}\"", seen["sha256"].as_str().unwrap()),
        server,
        token,
        content,
    }
}

impl Delivery {
    async fn ask(&self, method: Method, headers: &[(&str, &str)]) -> Response {
        let request = self.server.request(method, &self.path);
        let request = request.bearer_auth(&self.token);
        let asked = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        asked.send().await.unwrap()
    }

    /// Status, `Content-Range` and body.
    async fn part(&self, headers: &[(&str, &str)]) -> (u16, String, Vec<u8>) {
        let answer = self.ask(Method::GET, headers).await;
        let status = answer.status().as_u16();
        let range = text(&answer, "content-range");
        let length = text(&answer, "content-length");
        let body = answer.bytes().await.unwrap().to_vec();
        assert_eq!(length, body.len().to_string(), "{headers:?}");
        (status, range, body)
    }

    fn whole(&self) -> (u16, String, Vec<u8>) {
        (200, String::new(), self.content.clone())
    }
}

fn text(answer: &Response, name: &str) -> String {
    let value = answer.headers().get(name);
    value.map_or(String::new(), |value| value.to_str().unwrap().to_owned())
}

#[tokio::test]
async fn one_range_is_delivered_as_asked_for() {
    let file = ten_bytes().await;
    for (range, start, end) in [
        ("bytes=0-0", 0, 1),
        ("bytes=2-4", 2, 5),
        ("bytes=5-", 5, 10),
        ("bytes=9-9", 9, 10),
        ("bytes=-3", 7, 10),
        ("bytes=-10", 0, 10),
        ("bytes=0-9", 0, 10),
        ("bytes=4-1000", 4, 10),
        ("bytes=0-18446744073709551615", 0, 10),
        // RFC 9110, section 14.1.2: a suffix longer than the file is the whole of it.
        ("bytes=-11", 0, 10),
        ("bytes=-18446744073709551615", 0, 10),
    ] {
        let expected = format!("bytes {start}-{}/10", end - 1);
        let body = file.content[start..end].to_vec();
        let seen = file.part(&[("range", range)]).await;
        assert_eq!(seen, (206, expected, body), "{range}");
    }
}

#[tokio::test]
async fn a_range_outside_the_file_is_not_satisfiable_and_tells_the_size() {
    let file = ten_bytes().await;
    for range in ["bytes=10-", "bytes=10-12", "bytes=18446744073709551615-"] {
        let answer = file.ask(Method::GET, &[("range", range)]).await;
        assert_eq!(answer.status(), 416, "{range}");
        assert_eq!(text(&answer, "content-range"), "bytes */10", "{range}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["type"], "/problems/range-not-satisfiable");
    }
}

/// RFC 9110, section 14.2: a server may ignore `Range`; several ranges would need a multipart answer.
#[tokio::test]
async fn several_ranges_and_what_is_no_range_get_the_whole_file() {
    let file = ten_bytes().await;
    for range in [
        "bytes=0-1,3-4",
        "bytes=0-1,0-1,0-1,0-1",
        "lines=1-2",
        "bytes",
        "bytes=",
        "bytes=x-y",
        "bytes=1--2",
        "bytes=-",
        "bytes=99999999999999999999-",
        "",
    ] {
        assert_eq!(
            file.part(&[("range", range)]).await,
            file.whole(),
            "{range}"
        );
    }
}

#[tokio::test]
async fn a_range_holds_only_for_the_version_that_if_range_names() {
    let file = ten_bytes().await;
    let part = (206, "bytes 0-1/10".to_owned(), file.content[..2].to_vec());
    let asked = async |tag: &str| {
        file.part(&[("range", "bytes=0-1"), ("if-range", tag)])
            .await
    };
    assert_eq!(asked(&file.etag).await, part);
    // RFC 9110, section 13.1.5: compared strongly, one validator, and no "any".
    for other in [
        "\"other\"".to_owned(),
        format!("W/{}", file.etag),
        "*".to_owned(),
        format!("\"other\", {}", file.etag),
        "Tue, 24 Nov 2026 13:00:00 GMT".to_owned(),
        file.etag.trim_matches('"').to_owned(),
    ] {
        assert_eq!(asked(&other).await, file.whole(), "{other}");
    }
}

#[tokio::test]
async fn a_file_that_the_client_has_is_not_sent_again() {
    let file = ten_bytes().await;
    let weak = format!("W/{}", file.etag);
    let among = format!("\"other\", {}", file.etag);
    for tag in [file.etag.as_str(), "*", &weak, &among] {
        for method in [Method::GET, Method::HEAD] {
            let headers = [("if-none-match", tag), ("range", "bytes=0-1")];
            let answer = file.ask(method, &headers).await;
            assert_eq!(answer.status(), 304, "{tag}");
            assert_eq!(text(&answer, "etag"), file.etag);
            assert!(!text(&answer, "cache-control").is_empty());
            assert!(answer.bytes().await.unwrap().is_empty());
        }
    }
    for tag in ["\"other\"", "other", ""] {
        let seen = file.part(&[("if-none-match", tag)]).await;
        assert_eq!(seen, file.whole(), "{tag}");
    }
}

#[tokio::test]
async fn head_answers_the_headers_of_get_and_no_body() {
    let file = ten_bytes().await;
    let get = file.ask(Method::GET, &[]).await;
    let head = file.ask(Method::HEAD, &[]).await;
    assert_eq!(head.status(), 200);
    for name in [
        "content-length",
        "content-type",
        "content-disposition",
        "content-security-policy",
        "x-content-type-options",
        "etag",
        "accept-ranges",
        "cache-control",
    ] {
        assert!(!text(&get, name).is_empty(), "{name}");
        assert_eq!(text(&get, name), text(&head, name), "{name}");
    }
    assert!(head.bytes().await.unwrap().is_empty());
    let none = file.server.request(Method::HEAD, &file.path);
    assert_eq!(none.send().await.unwrap().status(), 401);
}

/// The parameters of a `Content-Disposition`: the quoted name and the extended one, decoded (RFC 6266, RFC 8187).
fn names(value: &str) -> (String, String) {
    let rest = value.strip_prefix("attachment; filename=\"").unwrap();
    let (quoted, rest) = rest.split_once('"').unwrap();
    let extended = rest.strip_prefix("; filename*=UTF-8''").unwrap();
    let is_attr_char = |c: char| c.is_ascii_alphanumeric() || "!#$&+-.^_`|~%".contains(c);
    assert!(extended.chars().all(is_attr_char), "{value}");
    // A form's decoding is percent-decoding, where a plus stands for itself.
    let encoded = extended.replace('+', "%2B");
    let decoded = form_urlencoded::parse(encoded.as_bytes()).next();
    (quoted.to_owned(), decoded.unwrap().0.into_owned())
}

#[tokio::test]
async fn a_hostile_name_stays_a_name_and_arrives_whole() {
    let server = Server::start().await;
    let token = server.token("ada@example.com").await;
    let upload = async |name: &str| {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("name", name)
            .finish();
        let request = server.request(Method::POST, &format!("/v1/media?{query}"));
        let request = request.bearer_auth(&token).body(clip());
        request.send().await.unwrap()
    };
    for name in [
        "plain.mp4",
        "a\"; filename=\"evil.exe",
        "a'b'c.mp4",
        "50%25 off; x=y.mp4",
        "été 🎬 映画.mp4",
        " spaces .mp4 ",
        "a+b&c=d.mp4",
        "<script>.mp4",
        "filename*=UTF-8''x.mp4",
    ] {
        let stored: Value = upload(name).await.json().await.unwrap();
        assert_eq!(stored["name"], name);
        let path = format!("/v1/media/{}/content", stored["id"].as_str().unwrap());
        let answer = server.get(&path, &token).await;
        let (quoted, extended) = names(&text(&answer, "content-disposition"));
        assert_eq!(extended, name);
        let is_safe = |c: char| c.is_ascii_graphic() || c == ' ';
        assert!(quoted.chars().all(is_safe), "{quoted:?}");
        assert!(!quoted.contains(['"', '\\', '%', ';', '<']), "{quoted:?}");
    }
    for name in [
        "a\r\nSet-Cookie: x=y",
        "a\nb",
        "a\0b",
        "\u{7f}",
        "\u{202e}4pm.exe",
        "../../etc/passwd",
        "a\\b",
        "..",
        "",
        &"x".repeat(256),
    ] {
        let answer = upload(name).await;
        assert_eq!(answer.status(), 422, "{name:?}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["errors"][0]["field"], "name", "{name:?}");
    }
}

/// What every delivery carries: no browser sniffs it, runs it or frames it.
fn assert_inert(answer: &Response) {
    assert_eq!(text(answer, "x-content-type-options"), "nosniff");
    let policy = text(answer, "content-security-policy");
    assert_eq!(policy, "default-src 'none'; sandbox");
    assert!(text(answer, "content-disposition").starts_with("attachment;"));
    assert_eq!(text(answer, "x-frame-options"), "DENY");
}

#[tokio::test]
async fn a_page_or_a_drawing_is_never_served_as_one() {
    let server = Server::start().await;
    let token = server.token("ada@example.com").await;
    let upload = async |content: Vec<u8>, content_type: &str| {
        let request = server.request(Method::POST, "/v1/media?name=index.html");
        let request = request.bearer_auth(&token).body(content);
        let request = request.header("content-type", content_type);
        request.send().await.unwrap()
    };
    let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
    for content in [
        "<!doctype html><script>alert(1)</script>",
        svg,
        "\u{feff}<?xml version=\"1.0\"?><svg/>",
        "#EXTM3U\nfile:///etc/passwd",
        "%PDF-1.7",
        "plain text",
        "",
    ] {
        for content_type in ["text/html", "image/svg+xml", "video/mp4"] {
            let answer = upload(content.into(), content_type).await;
            assert_eq!(answer.status(), 415, "{content}");
        }
    }
    for (magic, expected) in [
        (b"GIF89a".as_slice(), "image/gif"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\0\0\0\x18ftypmp42", "video/mp4"),
        (b"ID3", "audio/mpeg"),
    ] {
        let content = [magic, svg.as_bytes()].concat();
        let stored: Value = upload(content, "text/html").await.json().await.unwrap();
        assert_eq!(stored["content_type"], expected);
        let path = format!("/v1/media/{}/content", stored["id"].as_str().unwrap());
        let request = server.request(Method::GET, &path).bearer_auth(&token);
        for range in ["", "bytes=6-"] {
            let asked = request.try_clone().unwrap().header("range", range);
            let answer = asked.send().await.unwrap();
            assert_eq!(text(&answer, "content-type"), expected);
            assert_inert(&answer);
        }
    }
}

#[tokio::test]
async fn what_a_job_made_is_delivered_by_the_same_rules() {
    let mut server = Server::start().await;
    server.launch_worker().await;
    let token = server.token("ada@example.com").await;
    let other = server.token("bob@example.com").await;
    let media = server.upload(&token, "clip.mp4", clip()).await;
    for (preset, name, content_type) in [
        ("metadata", "metadata.json", "application/json"),
        ("poster", "poster.webp", "image/webp"),
    ] {
        let job = server.job(&token, &media, preset).await;
        assert_eq!(server.ended(&token, &job).await["state"], "succeeded");
        let path = format!("/v1/jobs/{job}/outputs/{name}");
        let answer = server.get(&path, &token).await;
        assert_eq!(text(&answer, "content-type"), content_type);
        assert_inert(&answer);
        assert_eq!(names(&text(&answer, "content-disposition")).1, name);
        let whole = answer.bytes().await.unwrap();
        let suffix = server.request(Method::GET, &path).bearer_auth(&token);
        let suffix = suffix.header("range", "bytes=-5").send().await.unwrap();
        assert_eq!(suffix.status(), 206);
        assert_eq!(suffix.bytes().await.unwrap(), whole[whole.len() - 5..]);
        let beyond = server.request(Method::GET, &path).bearer_auth(&token);
        let range = format!("bytes={}-", whole.len());
        let beyond = beyond.header("range", range).send().await.unwrap();
        assert_eq!(beyond.status(), 416);
        assert_eq!(server.get(&path, &other).await.status(), 404);
        let head = server.request(Method::HEAD, &path).bearer_auth(&other);
        assert_eq!(head.send().await.unwrap().status(), 404);
        for stray in [
            "..%2F..%2Fmaster.key",
            "%2e%2e",
            "x",
            "%00",
            "poster.webp%00",
        ] {
            let path = format!("/v1/jobs/{job}/outputs/{stray}");
            assert_eq!(server.get(&path, &token).await.status(), 404, "{stray}");
        }
    }
}

#[tokio::test]
async fn somebody_elses_file_is_not_there_in_any_way() {
    let file = ten_bytes().await;
    let other = file.server.token("bob@example.com").await;
    let own = file.path.trim_end_matches("/content").to_owned();
    for path in [&file.path, &own] {
        for method in [Method::GET, Method::HEAD] {
            let request = file.server.request(method, path).bearer_auth(&other);
            let request = request.header("range", "bytes=99-");
            let request = request.header("if-none-match", &file.etag);
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 404, "{path}");
            assert!(text(&answer, "etag").is_empty());
            assert!(text(&answer, "content-range").is_empty());
        }
    }
    assert_eq!(file.server.delete(&own, &other).await.status(), 404);
    assert_eq!(file.part(&[]).await, file.whole(), "it is still there");
}
