//! What is served: checkpoint, tiles, entries and proofs, all of one tree.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use eventlog::{Frontier, Hash, leaf_hash, verify_inclusion};
use reqwest::Method;
use serde_json::Value;

use crate::support::engines::{outcome, refused};
use crate::{Audited, register};

fn root(leaves: &[Hash]) -> Hash {
    let mut tree = Frontier::default();
    leaves.iter().for_each(|leaf| tree.push(*leaf));
    tree.root()
}

/// Size and root of a checkpoint.
fn parse(note: &str) -> (usize, Hash) {
    let lines: Vec<&str> = note.lines().collect();
    let root = STANDARD.decode(lines[2]).unwrap();
    (lines[1].parse().unwrap(), root.try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn tiles_and_entries_and_the_checkpoint_are_of_the_exported_lines() {
    for audited in Audited::on_both_engines(&[]).await {
        audited.grow(300).await;
        let (size, signed_root) = parse(&audited.text("/v1/audit/log/checkpoint").await);
        let lines = audited.lines().await;
        let leaves: Vec<Hash> = lines.iter().map(|line| leaf_hash(line)).collect();
        assert!(size > 300, "it covers what this server has written");
        assert_eq!(signed_root, root(&leaves[..size]));
        let rest = size - 256;
        for (path, from, to) in [
            ("0/000".to_owned(), 0, 256),
            (format!("0/001.p/{rest}"), 256, size),
            ("0/000.p/7".to_owned(), 0, 7),
        ] {
            let tile = audited.bytes(&format!("/v1/audit/log/tile/{path}")).await;
            assert_eq!(tile, leaves[from..to].concat(), "{path}");
        }
        let top = audited.bytes("/v1/audit/log/tile/1/000.p/1").await;
        assert_eq!(top, root(&leaves[..256]));
        let mut bundle = Vec::new();
        for line in &lines[256..size] {
            bundle.extend_from_slice(&u16::try_from(line.len()).unwrap().to_be_bytes());
            bundle.extend_from_slice(line.as_bytes());
        }
        let path = format!("/v1/audit/log/tile/entries/001.p/{rest}");
        assert_eq!(audited.bytes(&path).await, bundle);
        for missing in [
            "0/001",
            "0/009",
            "1/000",
            "2/000.p/1",
            "entries/001",
            "63/000.p/1",
            "0/0",
            "x",
            "%ff/000",
            "0/%00",
        ] {
            let path = format!("/v1/audit/log/tile/{missing}");
            let answer = audited.server.get(&path, &audited.auditor).await;
            assert_eq!(answer.status(), 404, "{missing}");
        }
        let full = audited
            .server
            .get("/v1/audit/log/tile/0/000", &audited.auditor)
            .await;
        assert!(
            full.headers()["cache-control"]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
        let note = audited
            .server
            .get("/v1/audit/log/checkpoint", &audited.auditor)
            .await;
        assert_eq!(note.headers()["content-type"], "text/plain; charset=utf-8");
        assert_eq!(note.headers()["cache-control"], "no-cache");
        audited.verify_live(&audited.vkey).is_good();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_cannot_be_given_is_refused_with_the_reason() {
    for audited in Audited::on_both_engines(&[]).await {
        for bad in ["cosigned=perhaps", "cosigned=1&cosigned=2", "after=3"] {
            let path = format!("/v1/audit/log/checkpoint?{bad}");
            let answer = audited.server.get(&path, &audited.auditor).await;
            assert_eq!(
                outcome(answer).await,
                refused(400, "malformed-request"),
                "{bad}"
            );
        }
        for (position, expected) in [
            ("x", refused(400, "malformed-request")),
            ("9999999", refused(503, "read-model-behind")),
        ] {
            let path = "/v1/audit/log/checkpoint";
            let request = audited.server.request(Method::GET, path);
            let request = request.bearer_auth(&audited.auditor);
            let answer = request
                .header("gatelog-min-position", position)
                .send()
                .await;
            assert_eq!(outcome(answer.unwrap()).await, expected);
        }
        for path in ["log/key", "log/tile/0/000.p/1", "events/live?after=0"] {
            let path = format!("/v1/audit/{path}");
            let request = audited.server.request(Method::GET, &path);
            let request = request.bearer_auth(&audited.auditor);
            let answer = request.header("gatelog-min-position", 9_999_999).send();
            let told = outcome(answer.await.unwrap()).await;
            assert_eq!(told, refused(503, "read-model-behind"), "{path}");
        }
        let path = "/v1/audit/log/checkpoint?cosigned=true";
        let answer = audited.server.get(path, &audited.auditor).await;
        assert_eq!(
            outcome(answer).await,
            refused(404, "not-found"),
            "there is no witness"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_shows_that_an_event_is_in_the_log_as_soon_as_it_was_written() {
    for audited in Audited::on_both_engines(&[]).await {
        let position = register(&audited.server, "bob").await as usize;
        let (size, _) = parse(&audited.text("/v1/audit/log/checkpoint").await);
        assert!(size >= position);
        let lines = audited.lines().await;
        for index in [0, position - 1] {
            let event: Value = serde_json::from_str(&lines[index]).unwrap();
            let id = event["id"].as_str().unwrap();
            let served = audited.text(&format!("/v1/audit/events/{id}/proof")).await;
            let (code, printed) = audited.log(&["prove", "--event", id]);
            assert_eq!(code, 0, "{printed}");
            for proof in [served, printed] {
                let (head, note) = proof.split_once("\n\n").unwrap();
                let (size, root) = parse(note);
                let mut head = head.lines();
                assert_eq!(head.next(), Some("c2sp.org/tlog-proof@v1"));
                assert_eq!(head.next(), Some(&*format!("index {index}")));
                let hash = |line| STANDARD.decode(line).unwrap().try_into().unwrap();
                let path: Vec<Hash> = head.map(hash).collect();
                let holds = |line: &str| {
                    verify_inclusion(leaf_hash(line), index as u64, size as u64, &root, &path)
                };
                assert!(holds(&lines[index]) && !holds(&lines[1]));
            }
        }
        for (id, status) in [("0192f0c1-2345-7abc-8def-0123456789ab", 404), ("x", 404)] {
            let path = format!("/v1/audit/events/{id}/proof");
            assert_eq!(
                audited.server.get(&path, &audited.auditor).await.status(),
                status
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_nothing_can_be_signed_what_was_signed_is_proved_and_nothing_else_is_immutable() {
    for audited in Audited::on_both_engines(&[]).await {
        register(&audited.server, "bob").await;
        let note = audited.text("/v1/audit/log/checkpoint").await;
        let signed = audited.server.data.join("blobs/signed");
        std::fs::rename(&signed, audited.path("signed")).unwrap();
        std::fs::write(&signed, "no folder").unwrap();
        let position = register(&audited.server, "cyd").await;
        let (size, _) = parse(&note);
        let lines = audited.lines().await;
        let id = |position: usize| {
            let event: Value = serde_json::from_str(&lines[position - 1]).unwrap();
            event["id"].as_str().unwrap().to_owned()
        };
        let mut paths = vec!["/v1/audit/log/checkpoint".to_owned()];
        paths.push(format!("/v1/audit/events/{}/proof", id(position as usize)));
        for path in paths {
            let answer = audited.server.get(&path, &audited.auditor).await;
            assert_eq!(answer.status(), 503, "{path}");
        }
        let proof = format!("/v1/audit/events/{}/proof", id(1));
        assert!(audited.text(&proof).await.contains("tlog-proof"));
        for (width, cache) in [
            (size as u64, "private, max-age=31536000, immutable"),
            (position, "no-cache"),
        ] {
            let path = format!("/v1/audit/log/tile/0/000.p/{width}");
            let tile = audited.server.get(&path, &audited.auditor).await;
            assert_eq!(tile.headers()["cache-control"], cache, "{width}");
        }
        std::fs::remove_file(&signed).unwrap();
        std::fs::rename(audited.path("signed"), &signed).unwrap();
        audited.verify_live(&audited.vkey).is_good();
    }
}
