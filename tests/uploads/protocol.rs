//! The protocol, as it is meant.

use super::*;
use crate::support::engines::{outcome, refused};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_comes_in_pieces_and_becomes_media_once() {
    let film = clip();
    for (server, url, _folder) in servers(&[]).await {
        let token = server.token(EMAIL).await;
        let tus = Tus {
            server: &server,
            token: &token,
        };
        let answer = tus.announce(film.len()).await;
        assert_eq!(answer.status(), 201, "{url}");
        assert_eq!(header(&answer, "upload-offset"), "0");
        assert_eq!(header(&answer, "tus-resumable"), "1.0.0");
        assert!(header(&answer, "upload-expires").ends_with(" GMT"));
        let upload = header(&answer, "location");
        let mut last = None;
        for (n, piece) in film.chunks(300_000).enumerate() {
            let answer = tus.send(&upload, n * 300_000, piece).await;
            assert_eq!(answer.status(), 204, "{url}");
            let offset: usize = header(&answer, "upload-offset").parse().unwrap();
            assert_eq!(offset, n * 300_000 + piece.len());
            assert_eq!(
                answer.headers().contains_key("gatelog-media-id"),
                offset == film.len()
            );
            last = Some(answer);
        }
        let last = last.unwrap();
        let media = header(&last, "gatelog-media-id");
        tus.has(&media, &film).await;
        let head = tus.head(&upload).await;
        assert_eq!(header(&head, "cache-control"), "no-store");
        assert_eq!(header(&head, "upload-length"), film.len().to_string());
        let metadata = header(&head, "upload-metadata");
        assert_eq!(metadata, "filename ZmlsbS5tcDQ=,kind ZmlsbQ==", "{url}");
        let again = tus.send(&upload, film.len(), b"").await;
        assert_eq!(again.status(), 204, "{url}");
        for answer in [head, again] {
            assert_eq!(header(&answer, "gatelog-media-id"), media, "{url}");
            let position = header(&last, "gatelog-position");
            assert_eq!(header(&answer, "gatelog-position"), position, "{url}");
        }
        assert_eq!(tus.files().await, [media], "{url}");
        assert_eq!(count(&url, "SELECT COUNT(*) FROM upload_parts").await, 0);
        assert!(objects(&server, "uploads").is_empty(), "{url}");
        let end = tus.request(Method::DELETE, &upload).send().await.unwrap();
        assert_eq!(outcome(end).await, refused(409, "upload-complete"), "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_comes_with_its_announcement_and_a_checksum() {
    let film = clip();
    for (server, url, _folder) in servers(&[]).await {
        let token = server.token(EMAIL).await;
        let tus = Tus {
            server: &server,
            token: &token,
        };
        let digest = base64(&Sha256::digest(&film));
        let whole = |key: &str| {
            let request = tus.request(Method::POST, "/v1/uploads");
            request
                .header("upload-length", film.len())
                .header("upload-metadata", "filename ZmlsbS5tcDQ=")
                .header("upload-checksum", format!("sha256 {digest}"))
                .header("idempotency-key", key)
                .header("content-type", PIECE)
                .body(film.clone())
        };
        let answer = whole("one").send().await.unwrap();
        assert_eq!(answer.status(), 201, "{url}");
        assert_eq!(header(&answer, "upload-offset"), film.len().to_string());
        let media = header(&answer, "gatelog-media-id");
        tus.has(&media, &film).await;
        let again = whole("one").send().await.unwrap();
        assert_eq!(again.status(), 201, "{url}");
        assert_eq!(header(&again, "location"), header(&answer, "location"));
        assert_eq!(tus.files().await, [media], "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_piece_that_is_not_what_its_checksum_says_is_thrown_away() {
    let film = clip();
    for (server, url, _folder) in servers(&[]).await {
        let token = server.token(EMAIL).await;
        let tus = Tus {
            server: &server,
            token: &token,
        };
        let upload = tus.made(film.len()).await;
        let wrong = base64(&Sha256::digest(b"something else"));
        let piece = tus.piece(&upload, 0, &film[..200_000]);
        let piece = piece.header("upload-checksum", format!("sha256 {wrong}"));
        let answer = piece.send().await.unwrap();
        assert_eq!(header(&answer, "tus-resumable"), "1.0.0", "{url}");
        let expected = refused(460, "checksum-mismatch");
        assert_eq!(outcome(answer).await, expected, "{url}");
        assert_eq!(tus.offset(&upload).await, 0, "{url}");
        assert!(objects(&server, "uploads").is_empty(), "{url}");
        let right = base64(&Sha256::digest(&film[..200_000]));
        let piece = tus.piece(&upload, 0, &film[..200_000]);
        let piece = piece.header("upload-checksum", format!("sha256 {right}"));
        assert_eq!(piece.send().await.unwrap().status(), 204, "{url}");
        let rest = tus.send(&upload, 200_000, &film[200_000..]).await;
        tus.has(&header(&rest, "gatelog-media-id"), &film).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_given_up_with_all_that_it_had() {
    for (server, url, _folder) in servers(&[]).await {
        let (token, bob) = (
            server.token(EMAIL).await,
            server.token("bob@example.com").await,
        );
        let tus = Tus {
            server: &server,
            token: &token,
        };
        let bob = Tus {
            server: &server,
            token: &bob,
        };
        let upload = tus.made(1_000_000).await;
        assert_eq!(tus.usage().await, [1_000_000, 1, 1], "{url}");
        tus.send(&upload, 0, &clip()[..5000]).await;
        let others = [Method::HEAD, Method::PATCH, Method::DELETE];
        for method in others {
            let request = bob.request(method.clone(), &upload);
            let request = request
                .header("upload-offset", 5000)
                .header("content-type", PIECE);
            assert_eq!(
                request.send().await.unwrap().status(),
                404,
                "{method} {url}"
            );
        }
        assert_eq!(objects(&server, "uploads").len(), 1, "{url}");
        let end = || tus.request(Method::DELETE, &upload).send();
        assert_eq!(end().await.unwrap().status(), 204, "{url}");
        assert_eq!(end().await.unwrap().status(), 404, "{url}");
        assert_eq!(tus.head(&upload).await.status(), 404, "{url}");
        assert_eq!(tus.usage().await, [0, 0, 0], "{url}");
        assert!(objects(&server, "uploads").is_empty(), "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_may_use_the_headers_and_anyone_may_ask_what_there_is() {
    let settings = [("CORS_ORIGINS", "https://app.example.com")];
    let server = Server::start_with(&settings).await;
    let ask = server.request(Method::OPTIONS, "/v1/uploads").send();
    let able = ask.await.unwrap();
    assert!(able.status().is_success());
    assert_eq!(header(&able, "tus-version"), "1.0.0");
    assert_eq!(header(&able, "tus-max-size"), (2_u64 << 30).to_string());
    let extensions = "creation,creation-with-upload,termination,expiration,checksum";
    assert_eq!(header(&able, "tus-extension"), extensions);
    let config = server.get_json("/v1/config", "").await;
    assert_eq!(config["upload"]["open_uploads"], 10);
    assert_eq!(config["upload"]["quota_bytes"], 10_u64 << 30);
    let preflight = server
        .request(Method::OPTIONS, "/v1/uploads/x")
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "PATCH");
    let preflight = preflight.send().await.unwrap();
    let allowed = header(&preflight, "access-control-allow-headers");
    for name in [
        "tus-resumable",
        "upload-offset",
        "upload-length",
        "upload-metadata",
        "upload-checksum",
    ] {
        assert!(allowed.contains(name), "{allowed}");
    }
    let answer = server
        .request(Method::HEAD, "/v1/uploads/x")
        .header("origin", "https://app.example.com")
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 412);
    assert_eq!(header(&answer, "tus-version"), "1.0.0");
    let exposed = header(&answer, "access-control-expose-headers");
    assert!(exposed.contains("upload-offset") && exposed.contains("gatelog-media-id"));
}

pub fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
