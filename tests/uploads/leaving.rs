//! What becomes of uploads that nobody goes on with: their time ends, their person goes, or the server dies.

use serde_json::json;

use super::*;
use crate::support::engines::{outcome, refused, rows, write};

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_nobody_goes_on_with_is_removed() {
    let film = clip();
    for (mut server, url, _folder) in servers(&[]).await {
        let token = server.token(EMAIL).await;
        let tus = Tus {
            server: &server,
            token: &token,
        };
        let upload = tus.made(film.len()).await;
        tus.send(&upload, 0, &film[..100_000]).await;
        let stays = tus.made(film.len()).await;
        tus.send(&stays, 0, &film[..1000]).await;
        server.kill();
        let id = upload.strip_prefix("/v1/uploads/").unwrap();
        write(
            &url,
            &format!("UPDATE uploads SET expires_at = 5 WHERE upload_id = '{id}'"),
        )
        .await;
        // What a node left that died between the object and its row.
        let folder = server.data.join("blobs/uploads").join(id);
        std::fs::write(folder.join("orphan"), b"x").unwrap();
        server.launch().await;
        until_count(&url, "SELECT COUNT(*) FROM uploads", 1).await;
        let tus = Tus {
            server: &server,
            token: &token,
        };
        assert_eq!(tus.head(&upload).await.status(), 404, "{url}");
        assert_eq!(tus.usage().await, [film.len() as u64, 1, 1], "{url}");
        assert_eq!(tus.offset(&stays).await, 1000, "{url}");
        assert_eq!(objects(&server, "uploads").len(), 1, "{url}");
        let late = "UPDATE uploads SET expires_at = 5, bytes = bytes + 1";
        write(&url, late).await;
        let answer = tus.send(&stays, 1000, &film[1000..2000]).await;
        let status = outcome(answer).await;
        // Until the sweep has come by it is told why.
        let gone = [refused(410, "upload-expired"), refused(404, "not-found")];
        assert!(gone.contains(&status), "{url}: {status:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_after_the_last_byte_neither_loses_nor_doubles_the_file() {
    let film = clip();
    for (mut server, url, _folder) in servers(&[]).await {
        let token = server.token(EMAIL).await;
        let tus = Tus {
            server: &server,
            token: &token,
        };
        // One that died with every byte there, before anything was made of it.
        let unmade = tus.made(film.len() + 1).await;
        tus.send(&unmade, 0, &film).await;
        // One that died after the event, before the upload knew of it.
        let made = tus.made(film.len()).await;
        let answer = tus.send(&made, 0, &film).await;
        let media = header(&answer, "gatelog-media-id");
        server.kill();
        let cut = format!("UPDATE uploads SET bytes = {}", film.len());
        write(&url, &cut).await;
        let open = "UPDATE uploads SET state = 'open', position = NULL, finish_until = 0";
        write(&url, open).await;
        server.launch().await;
        let tus = Tus {
            server: &server,
            token: &token,
        };
        let stored = "SELECT COUNT(*) FROM uploads WHERE state = 'stored'";
        until_count(&url, stored, 2).await;
        let head = tus.head(&made).await;
        assert_eq!(header(&head, "gatelog-media-id"), media, "{url}");
        let other = header(&tus.head(&unmade).await, "gatelog-media-id");
        tus.has(&other, &film).await;
        tus.has(&media, &film).await;
        assert_eq!(tus.files().await.len(), 2, "{url}");
        let events = "SELECT COUNT(*) FROM events WHERE event_type = 'MediaStored'";
        assert_eq!(count(&url, events).await, 2, "{url}");
        until_count(&url, "SELECT COUNT(*) FROM upload_parts", 0).await;
        assert!(objects(&server, "uploads").is_empty(), "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_erased_leaves_no_upload_and_nobody_reads_what_one_was_called() {
    for (server, url, _folder) in servers(&[("DELETION_GRACE", "0")]).await {
        let token = server.token(EMAIL).await;
        let bob = server.token("bob@example.com").await;
        let tus = Tus {
            server: &server,
            token: &token,
        };
        let upload = tus.made(1_000_000).await;
        tus.send(&upload, 0, &clip()[..5000]).await;
        tus.head(&upload).await;
        let bobs = Tus {
            server: &server,
            token: &bob,
        };
        let stays = bobs.made(1000).await;
        let export = server.get_json("/v1/me/export", &token).await;
        assert_eq!(export["uploads"][0]["received"], 5000, "{url}");
        let metadata = export["uploads"][0]["metadata"].as_str().unwrap();
        assert!(metadata.starts_with("filename ZmlsbS5tcDQ="), "{url}");
        let sealed = rows(&url, "SELECT sealed_metadata FROM uploads").await;
        for row in sealed {
            let text = row.text(0).unwrap();
            assert!(!text.contains("ZmlsbS5tcDQ") && !text.contains("film"));
        }
        for secret in ["film.mp4", "ZmlsbS5tcDQ", token.as_str()] {
            assert!(!server.log().contains(secret), "{url}: {secret}");
        }
        let body = json!({"password": support::PASSWORD});
        let asked = server.post("/v1/me/deletion", &token, &body).await;
        assert_eq!(asked.status(), 202, "{url}");
        until_count(&url, "SELECT COUNT(*) FROM uploads", 1).await;
        until_count(&url, "SELECT COUNT(*) FROM media_claims", 1).await;
        let events = "SELECT COUNT(*) FROM events WHERE event_type = 'UserErased'";
        until_count(&url, events, 1).await;
        assert!(objects(&server, "uploads").is_empty(), "{url}");
        assert_eq!(bobs.offset(&stays).await, 0, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_of_a_node_that_died_is_swept() {
    for (mut server, url, _folder) in servers(&[]).await {
        let token = server.token(EMAIL).await;
        let media = server.upload(&token, "film.mp4", clip()).await;
        server.kill();
        let owner = "SELECT user_id FROM vault_person_keys";
        let owner = rows(&url, owner).await[0].text(0).unwrap();
        let lost = uuid::Uuid::from_u128(7);
        let claim = format!(
            "INSERT INTO media_claims (media_id, owner_id, bytes, created_at) \
             VALUES ('{lost}', '{owner}', 5, 5)"
        );
        write(&url, &claim).await;
        server.launch().await;
        let left = format!("SELECT COUNT(*) FROM media_claims WHERE media_id <> '{media}'");
        until_count(&url, &left, 0).await;
    }
}
