//! Wrong requests, each with the problem that it must get.

use super::*;
use crate::support::engines::{outcome, refused};

/// A method, whether it is sent to the upload, headers, bytes, and what it gets.
type Row = (
    Method,
    bool,
    Vec<(&'static str, String)>,
    Vec<u8>,
    u16,
    &'static str,
);

fn creations() -> Vec<Row> {
    let post = |headers: &[(&'static str, &str)], status, slug| -> Row {
        let headers = headers
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        (
            Method::POST,
            false,
            headers.collect(),
            Vec::new(),
            status,
            slug,
        )
    };
    let with = |metadata: &str, status, slug| {
        post(
            &[("upload-length", "10"), ("upload-metadata", metadata)],
            status,
            slug,
        )
    };
    let long = "a".repeat(4097);
    let mut rows = vec![
        post(&[], 400, "malformed-request"),
        post(&[("upload-defer-length", "1")], 400, "malformed-request"),
        post(&[("upload-length", "2147483649")], 413, "payload-too-large"),
        post(
            &[("upload-length", "10"), ("idempotency-key", "")],
            400,
            "malformed-request",
        ),
        // An empty file is no film.
        post(&[("upload-length", "0")], 415, "unsupported-media-type"),
        with(&long, 400, "malformed-request"),
        with("filename a.mp4", 400, "malformed-request"),
        with("filename YQ==,filename YQ==", 400, "malformed-request"),
        // `../a`, nothing, and a control character.
        with("filename Li4vYQ==", 422, "validation-failed"),
        with("filename", 422, "validation-failed"),
        with("filename YQBi", 422, "validation-failed"),
    ];
    for length in ["-1", "+1", "1.0", "x", "18446744073709551616", " "] {
        rows.push(post(&[("upload-length", length)], 400, "malformed-request"));
    }
    for kind in ["video/mp4", "text/plain", "application/json"] {
        rows.push(post(
            &[("upload-length", "10"), ("content-type", kind)],
            415,
            "unsupported-media-type",
        ));
    }
    rows
}

fn pieces() -> Vec<Row> {
    let patch = |offset: &str, kind: &str, bytes: &[u8], status, slug| -> Row {
        let headers = vec![
            ("upload-offset", offset.to_owned()),
            ("content-type", kind.to_owned()),
        ];
        (Method::PATCH, true, headers, bytes.to_vec(), status, slug)
    };
    let sums = |sum: &str| -> Row {
        let mut row = patch("0", PIECE, b"ID3", 400, "malformed-request");
        row.2.push(("upload-checksum", sum.to_owned()));
        row
    };
    let mut rows = vec![
        patch("5", PIECE, b"ID3", 409, "upload-offset-mismatch"),
        patch("0", "video/mp4", b"ID3", 415, "unsupported-media-type"),
        patch("0", PIECE, &[0; 20_001], 413, "payload-too-large"),
        (
            Method::POST,
            true,
            Vec::new(),
            Vec::new(),
            405,
            "method-not-allowed",
        ),
        sums("md5 kAFQmDzST7DWlj99KOF/cg=="),
        sums("sha256 qZk+NkcGgWq6PiVxeFDCbJzQ2J0="),
        sums("sha256"),
        sums("!"),
    ];
    for offset in ["", "-1", "x", "99999999999999999999"] {
        rows.push(patch(offset, PIECE, b"ID3", 400, "malformed-request"));
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_request_gets_its_problem_and_changes_nothing() {
    for (server, url, _folder) in servers(&[]).await {
        let token = server.token(EMAIL).await;
        let tus = Tus {
            server: &server,
            token: &token,
        };
        let upload = tus.made(20_000).await;
        for (method, is_upload, headers, bytes, status, slug) in
            creations().into_iter().chain(pieces())
        {
            let path = if is_upload { &upload } else { "/v1/uploads" };
            let mut request = tus.request(method.clone(), path).body(bytes);
            for (name, value) in &headers {
                request = request.header(*name, value);
            }
            let answer = request.send().await.unwrap();
            let what = format!("{url}: {method} {headers:?}");
            assert_eq!(header(&answer, "tus-resumable"), "1.0.0", "{what}");
            let kind = header(&answer, "content-type");
            assert_eq!(kind, "application/problem+json", "{what}");
            assert_eq!(outcome(answer).await, refused(status, slug), "{what}");
        }
        assert_eq!(tus.offset(&upload).await, 0, "{url}");
        assert_eq!(tus.usage().await, [20_000, 1, 1], "{url}");
        assert_eq!(objects(&server, "uploads"), [] as [String; 0], "{url}");
        assert!(!server.log().contains("a panic"), "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_film_is_refused_with_its_first_bytes_and_forgotten() {
    for (server, url, _folder) in servers(&[]).await {
        let token = server.token(EMAIL).await;
        let tus = Tus {
            server: &server,
            token: &token,
        };
        let playlist = b"#EXTM3U\nfile:///etc/passwd\n".repeat(400);
        let upload = tus.made(1_000_000).await;
        let answer = tus.send(&upload, 0, &playlist).await;
        let expected = refused(415, "unsupported-media-type");
        assert_eq!(outcome(answer).await, expected, "{url}");
        assert_eq!(tus.head(&upload).await.status(), 404, "{url}");
        // The first bytes come in two pieces: it is seen at the end.
        let upload = tus.made(100).await;
        let half = tus.send(&upload, 0, &playlist[..50]).await;
        assert_eq!(half.status(), 204, "{url}");
        let answer = tus.send(&upload, 50, &playlist[50..100]).await;
        assert_eq!(outcome(answer).await, expected, "{url}");
        assert_eq!(tus.head(&upload).await.status(), 404, "{url}");
        assert_eq!(tus.usage().await, [0, 0, 0], "{url}");
        assert_eq!(objects(&server, ""), [] as [String; 0], "{url}");
    }
}
