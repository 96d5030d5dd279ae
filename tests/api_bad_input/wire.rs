//! What is wrong below JSON: bodies over the limit, and bytes that are no HTTP.

use reqwest::Method;

use crate::request::check;
use crate::support::{Server, clip};

#[tokio::test]
async fn an_upload_over_the_limit_is_refused_whether_it_says_so_or_not() {
    let server = Server::start_with(&[("UPLOAD_MAX_BYTES", "100000")]).await;
    let ada = server.token("ada@example.com").await;
    let post = || {
        server
            .request(Method::POST, "/v1/media?name=a.mp4")
            .bearer_auth(&ada)
    };
    check(
        post().body(clip()).send().await.unwrap(),
        413,
        "payload-too-large",
        "declared",
    )
    .await;
    let parts = clip()
        .chunks(10_000)
        .map(|part| Ok::<_, std::io::Error>(part.to_vec()))
        .collect::<Vec<_>>();
    let body = reqwest::Body::wrap_stream(futures::stream::iter(parts));
    check(
        post().body(body).send().await.unwrap(),
        413,
        "payload-too-large",
        "streamed",
    )
    .await;
    let left = std::fs::read_dir(server.data.join("blobs")).unwrap();
    let files = left
        .flatten()
        .filter(|entry| entry.path().is_file())
        .count();
    assert_eq!(files, 0, "nothing is left behind");
}

#[tokio::test]
async fn what_is_no_http_at_all_does_not_hurt() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let server = Server::start().await;
    let address = server.base.strip_prefix("http://").unwrap().to_owned();
    let header = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n",
        "y".repeat(600_000)
    );
    let cut = "POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    for text in [
        "\u{0}\u{1}\u{2}\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        &header,
        cut,
    ] {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        // The server may close before everything is sent.
        let _ = stream.write_all(text.as_bytes()).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(
            !answer.starts_with(b"HTTP/1.1 5"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    assert_eq!(
        server
            .request(Method::GET, "/v1/config")
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
}
