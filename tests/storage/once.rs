//! The same content of one person is kept once, for as long as one file of theirs has it.

use reqwest::StatusCode;
use serde_json::Value;

use super::support::engines::servers;
use super::support::{Server, until};
use super::{content, files, picture};

#[tokio::test(flavor = "multi_thread")]
async fn the_same_file_twice_is_one_object_and_goes_with_the_last() {
    for (server, _, _folder) in servers(&[]).await {
        let blobs = server.data.join("blobs");
        let (ada, eve) = (
            server.token("ada@example.com").await,
            server.token("eve@example.com").await,
        );
        let picture = picture(300_000, 1);
        let first = server.upload(&ada, "a.png", picture.clone()).await;
        let name = files(&blobs);
        let second = server.upload(&ada, "b.png", picture.clone()).await;
        assert_ne!(first, second);
        assert_eq!(files(&blobs), name, "one object, and nothing beside it");
        let sha256 = name[0].rsplit('/').next().unwrap();
        let seen: Value = server.get_json(&format!("/v1/media/{first}"), &ada).await;
        assert_eq!(seen["sha256"], sha256);
        // Another person's is another object.
        let others = server.upload(&eve, "a.png", picture.clone()).await;
        assert_eq!(files(&blobs).len(), 2);
        let gone = server.delete(&format!("/v1/media/{first}"), &ada).await;
        assert_eq!(gone.status(), 204);
        let gone = server.delete(&format!("/v1/media/{others}"), &eve).await;
        assert_eq!(gone.status(), 204);
        until("the other person's object is gone", || {
            files(&blobs).len() == 1
        })
        .await;
        assert_eq!(files(&blobs), name);
        let answer = content(&server, &ada, &second).await;
        assert!(answer.bytes().await.unwrap() == picture);
        let gone = server.delete(&format!("/v1/media/{second}"), &ada).await;
        assert_eq!(gone.status(), 204);
        until("the object goes with the last", || files(&blobs).is_empty()).await;
    }
}

/// One deletes while another uploads the same, again and again, on two nodes: what was answered 201 is there.
async fn race(one: &Server, two: &Server, blobs: &std::path::Path, rounds: usize) {
    let token = one.token("ada@example.com").await;
    let picture = picture(50_000, 3);
    let mut media = one.upload(&token, "a.png", picture.clone()).await;
    for round in 0..rounds {
        let (deleting, uploading) = match round % 2 {
            0 => (one, two),
            _ => (two, one),
        };
        let path = format!("/v1/media/{media}");
        let (gone, made) = tokio::join!(
            async {
                // Another node may not have heard of it yet.
                loop {
                    let status = deleting.delete(&path, &token).await.status();
                    if status != StatusCode::NOT_FOUND {
                        return status;
                    }
                }
            },
            uploading.upload(&token, "b.png", picture.clone())
        );
        assert_eq!(gone, StatusCode::NO_CONTENT);
        media = made;
        let answer = content(uploading, &token, &media).await;
        assert!(answer.bytes().await.unwrap() == picture, "round {round}");
    }
    let many = (0..4).map(|_| two.upload(&token, "c.png", picture.clone()));
    let many = futures::future::join_all(many).await;
    for media in many.iter().chain([&media]) {
        let gone = two.delete(&format!("/v1/media/{media}"), &token).await;
        assert_eq!(gone.status(), 204, "{}", two.log());
    }
    until("nothing is left", || files(blobs).is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_and_uploading_the_same_at_once_loses_and_leaves_nothing() {
    let mut both = servers(&[]).await;
    let (postgres, url, folder) = both.pop().unwrap();
    let (sqlite, _, _other) = both.pop().unwrap();
    race(&sqlite, &sqlite, &sqlite.data.join("blobs"), 15).await;
    let beside = tempfile::tempdir().unwrap();
    let store = format!("file://{}", folder.path().join("blobs").display());
    for secret in ["master.key", "media-worker.secret"] {
        std::fs::copy(folder.path().join(secret), beside.path().join(secret)).unwrap();
    }
    let settings = [("DATABASE_URL", url.as_str()), ("STORAGE_URL", &store)];
    let mut second = Server::prepare(beside.path(), &settings);
    second.launch().await;
    race(&postgres, &second, &folder.path().join("blobs"), 15).await;
}
