//! Quotas hold however many requests race for the last of them, and come back when something goes.

use super::*;
use crate::support::engines::{outcome, refused};

/// Files of 600 bytes in a quota of 6000.
const FILE: usize = 600;
const QUOTA: &str = "6000";
const FIT: usize = 10;

fn film() -> Vec<u8> {
    clip()[..FILE].to_vec()
}

/// A whole file, its length announced or not.
async fn post(tus: &Tus<'_>, is_announced: bool) -> Response {
    let path = "/v1/media?name=film.mp4";
    let request = tus
        .server
        .request(Method::POST, path)
        .bearer_auth(tus.token);
    let request = if is_announced {
        request.body(film())
    } else {
        let parts = [Ok::<_, std::io::Error>(film())];
        request.body(reqwest::Body::wrap_stream(futures::stream::iter(parts)))
    };
    request.send().await.unwrap()
}

/// Fifty at once, by whichever way: how many came in.
async fn race(nodes: &[&Tus<'_>]) -> usize {
    let all = (0..50).map(|n| async move {
        let tus = nodes[n % nodes.len()];
        match n % 3 {
            0 => tus.announce(FILE).await,
            1 => post(tus, true).await,
            _ => post(tus, false).await,
        }
    });
    let mut taken = 0;
    for answer in futures::future::join_all(all).await {
        if answer.status() == 201 {
            taken += 1;
        } else {
            assert_eq!(outcome(answer).await, refused(413, "quota-exceeded"));
        }
    }
    taken
}

/// Two servers that share a database, its keys and a blob store.
async fn nodes(url: &str, blobs: &std::path::Path, settings: &[(&str, &str)]) -> (Server, Server) {
    let storage = format!("file://{}", blobs.display());
    let master = "5a".repeat(32);
    let shared = [
        ("DATABASE_URL", url),
        ("STORAGE_URL", &storage),
        ("MASTER_KEY", &master),
    ];
    let all = [&shared, settings].concat();
    (
        Server::start_with(&all).await,
        Server::start_with(&all).await,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_at_once_do_not_exceed_the_bytes_and_what_goes_comes_back() {
    let settings = [("MEDIA_QUOTA_BYTES", QUOTA), ("UPLOADS_PER_USER", "100")];
    for (server, url, _folder) in servers(&settings).await {
        let token = server.token(EMAIL).await;
        let tus = Tus {
            server: &server,
            token: &token,
        };
        // One whose length is not announced claims what is left, so others may be refused that would fit.
        let mut taken = race(&[&tus]).await;
        assert!((1..=FIT).contains(&taken), "{url}: {taken}");
        while post(&tus, true).await.status() == 201 {
            taken += 1;
        }
        assert_eq!(taken, FIT, "{url}");
        let full = [(FIT * FILE) as u64, FIT as u64];
        assert_eq!(tus.usage().await[..2], full, "{url}");
        // Another person's quota is their own.
        let bob = server.token("bob@example.com").await;
        server.upload(&bob, "a.mp4", film()).await;
        for media in tus.files().await {
            let gone = server.delete(&format!("/v1/media/{media}"), &token).await;
            assert_eq!(gone.status(), 204, "{url}");
        }
        let open = count(&url, "SELECT COUNT(*) FROM uploads").await as usize;
        until_count(&url, "SELECT COUNT(*) FROM media_claims", open as i64 + 1).await;
        let left = [(open * FILE) as u64, open as u64, open as u64];
        assert_eq!(tus.usage().await, left, "{url}");
        for _ in open..FIT {
            assert_eq!(post(&tus, false).await.status(), 201, "{url}");
        }
        let more = post(&tus, false).await;
        assert_eq!(outcome(more).await, refused(413, "quota-exceeded"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_at_once_on_two_nodes_do_not_exceed_the_files() {
    let cluster = eventlog::testing::TestPostgres::shared().unwrap();
    let url = cluster.fresh_database().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let settings = [("MEDIA_QUOTA_FILES", "10"), ("UPLOADS_PER_USER", "100")];
    let (one, two) = nodes(&url, folder.path(), &settings).await;
    let token = one.token(EMAIL).await;
    let nodes = [&one, &two].map(|server| Tus {
        server,
        token: &token,
    });
    // One whose length is not announced claims 2 of the 10 GiB until it is there.
    let mut taken = race(&[&nodes[0], &nodes[1]]).await;
    assert!((1..=10).contains(&taken), "{taken}");
    while post(&nodes[1], true).await.status() == 201 {
        taken += 1;
    }
    assert_eq!(taken, 10);
}

/// A body whose length is not announced, and that does not end.
fn trickle(tus: &Tus<'_>) -> tokio::task::JoinHandle<()> {
    use futures::StreamExt as _;
    let begun = futures::stream::iter([Ok::<_, std::io::Error>(film())]);
    let body = reqwest::Body::wrap_stream(begun.chain(futures::stream::pending()));
    let request = tus.server.request(Method::POST, "/v1/media?name=film.mp4");
    let request = request.bearer_auth(tus.token).body(body);
    tokio::spawn(async move {
        let _ = request.send().await;
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_of_unknown_length_take_no_more_than_the_quota_and_give_it_back() {
    let settings = [("MEDIA_QUOTA_BYTES", QUOTA), ("UPLOADS_PER_USER", "2")];
    for (server, url, _folder) in servers(&settings).await {
        let token = server.token(EMAIL).await;
        let tus = Tus {
            server: &server,
            token: &token,
        };
        assert_eq!(post(&tus, true).await.status(), 201, "{url}");
        let begun = trickle(&tus);
        let claimed = "SELECT COUNT(*) FROM media_claims WHERE bytes = 5400";
        until_count(&url, claimed, 1).await;
        assert_eq!(tus.usage().await[0], 6000, "{url}: all that was left");
        for is_announced in [true, false] {
            let more = post(&tus, is_announced).await;
            assert_eq!(outcome(more).await, refused(413, "quota-exceeded"), "{url}");
        }
        begun.abort();
        until_count(&url, claimed, 0).await;
        // What does not fit into what is left is refused, whatever an upload may have.
        let path = "/v1/media?name=film.mp4";
        let parts = [Ok::<_, std::io::Error>(clip()[..5401].to_vec())];
        let body = reqwest::Body::wrap_stream(futures::stream::iter(parts));
        let request = tus.server.request(Method::POST, path).bearer_auth(&token);
        let large = request.body(body).send().await.unwrap();
        assert_eq!(
            outcome(large).await,
            refused(413, "quota-exceeded"),
            "{url}"
        );
        assert_eq!(post(&tus, false).await.status(), 201, "{url}");
        assert_eq!(tus.usage().await[0], 1200, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_plain_uploads_are_under_way_at_once() {
    let server = Server::start_with(&[("UPLOADS_PER_USER", "3")]).await;
    let token = server.token(EMAIL).await;
    let tus = Tus {
        server: &server,
        token: &token,
    };
    let begun = [(); 3].map(|()| trickle(&tus));
    let all = async || tus.usage().await[1] == 3;
    until_so("three are under way", all).await;
    let more = post(&tus, true).await;
    assert_eq!(outcome(more).await, refused(413, "quota-exceeded"));
    begun.iter().for_each(tokio::task::JoinHandle::abort);
    let none = async || tus.usage().await[1] == 0;
    until_so("their claims are given up", none).await;
    assert_eq!(post(&tus, true).await.status(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_was_made_on_one_node_is_gone_on_with_on_the_other() {
    let cluster = eventlog::testing::TestPostgres::shared().unwrap();
    let url = cluster.fresh_database().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = nodes(&url, folder.path(), &[]).await;
    let film = clip();
    let bob = one.token("bob@example.com").await;
    let nodes = [&one, &two].map(|server| Tus {
        server,
        token: &bob,
    });
    let upload = nodes[0].made(film.len()).await;
    let mut offset = 0;
    let mut last = None;
    for (n, piece) in film.chunks(200_000).enumerate() {
        let answer = nodes[n % 2].send(&upload, offset, piece).await;
        assert_eq!(answer.status(), 204);
        offset += piece.len();
        last = Some(answer);
    }
    let media = header(&last.unwrap(), "gatelog-media-id");
    for node in &nodes {
        node.has(&media, &film).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_uploads_are_open_at_once() {
    let settings = [("UPLOADS_PER_USER", "3")];
    for (server, url, _folder) in servers(&settings).await {
        let token = server.token(EMAIL).await;
        let tus = Tus {
            server: &server,
            token: &token,
        };
        let all = (0..20).map(|_| tus.announce(FILE));
        let all = futures::future::join_all(all).await;
        let made: Vec<_> = all.iter().filter(|made| made.status() == 201).collect();
        assert_eq!(made.len(), 3, "{url}");
        let upload = header(made[0], "location");
        assert_eq!(tus.send(&upload, 0, &film()).await.status(), 204, "{url}");
        assert_eq!(tus.announce(FILE).await.status(), 201, "{url}: one is done");
        let more = tus.announce(FILE).await;
        assert_eq!(outcome(more).await, refused(413, "quota-exceeded"));
        let far = tus.announce(1 << 30).await;
        assert_eq!(outcome(far).await, refused(413, "quota-exceeded"));
    }
}
