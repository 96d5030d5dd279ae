//! Requests that race for one upload, and connections that break.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::support::on_both_engines;

/// Begins a piece of `announced` bytes and sends only these.
async fn stalled(tus: &Tus<'_>, upload: &str, announced: usize, bytes: &[u8]) -> TcpStream {
    let address = tus.server.base.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "PATCH {upload} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nTus-Resumable: 1.0.0\r\n\
         Upload-Offset: 0\r\nContent-Type: {PIECE}\r\nContent-Length: {announced}\r\n\r\n",
        tus.token
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_before_a_connection_broke_is_kept() {
    let film = clip();
    for (server, url) in on_both_engines(&[]).await {
        let token = server.token(EMAIL).await;
        let tus = Tus {
            server: &server,
            token: &token,
        };
        let upload = tus.made(film.len()).await;
        let stream = stalled(&tus, &upload, film.len(), &film[..400_000]).await;
        drop(stream);
        let kept = "SELECT COUNT(*) FROM uploads WHERE received = 400000";
        until_count(&url, kept, 1).await;
        let rest = tus.send(&upload, 400_000, &film[400_000..]).await;
        assert_eq!(rest.status(), 204, "{url}");
        tus.has(&header(&rest, "gatelog-media-id"), &film).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_later_of_two_requests_cuts_off_the_former_and_goes_on_where_it_was() {
    let film = clip();
    for (server, url) in on_both_engines(&[]).await {
        let token = server.token(EMAIL).await;
        let tus = Tus {
            server: &server,
            token: &token,
        };
        let upload = tus.made(film.len()).await;
        let mut former = stalled(&tus, &upload, film.len(), &film[..1]).await;
        // The former has begun once the upload has a writer.
        let begun = "SELECT COUNT(*) FROM uploads WHERE writer <> ''";
        until_count(&url, begun, 1).await;
        let offset = tus.offset(&upload).await;
        assert!(offset <= 1, "{url}: {offset}");
        let mut answer = vec![0; 12];
        former.read_exact(&mut answer).await.unwrap();
        assert_eq!(answer, b"HTTP/1.1 423", "{url}");
        let rest = tus.send(&upload, offset, &film[offset..]).await;
        assert_eq!(rest.status(), 204, "{url}");
        tus.has(&header(&rest, "gatelog-media-id"), &film).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_who_send_the_same_piece_each_byte_counts_once() {
    let film = clip();
    for (server, url) in on_both_engines(&[]).await {
        let token = server.token(EMAIL).await;
        let tus = Tus {
            server: &server,
            token: &token,
        };
        let upload = tus.made(film.len()).await;
        let all = (0..12).map(|_| tus.send(&upload, 0, &film));
        let answers = futures::future::join_all(all).await;
        for answer in &answers {
            let status = answer.status().as_u16();
            assert!(matches!(status, 204 | 409 | 423), "{url}: {status}");
        }
        let offset = tus.offset(&upload).await;
        tus.send(&upload, offset, &film[offset..]).await;
        let media = header(&tus.head(&upload).await, "gatelog-media-id");
        tus.has(&media, &film).await;
        assert_eq!(tus.files().await, [media], "{url}");
        let stored = "SELECT COUNT(*) FROM events WHERE event_type = 'MediaStored'";
        assert_eq!(count(&url, stored).await, 1, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_nothing_for_too_long_is_cut_off() {
    let server = Server::start_with(&[("CLIENT_TIMEOUT", "1")]).await;
    let token = server.token(EMAIL).await;
    let tus = Tus {
        server: &server,
        token: &token,
    };
    let upload = tus.made(100_000).await;
    let mut slow = stalled(&tus, &upload, 100_000, &clip()[..10]).await;
    let mut answer = Vec::new();
    slow.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 400"), "{answer:?}");
    assert_eq!(tus.offset(&upload).await, 10, "what came is kept");
}
