//! A message that comes again has its lines and its identifier, whatever happened between the tries.

use std::io::Write as _;
use std::process::Stdio;
use std::sync::atomic::Ordering;

use eventlog::SCAN_POSITIONS;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::engines::{fill, servers, write};
use crate::support::{PASSWORD, Server};
use crate::{ADMIN, Receiver, SETTINGS, act, create, exported, shown, until};

/// Writes to the log of a server that is down.
fn register_offline(server: &Server, email: &str) {
    let arguments = ["admin", "create", "--email", email, "--role", "auditor"];
    let mut command = server.command(&arguments);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    writeln!(child.stdin.take().unwrap(), "{PASSWORD}").unwrap();
    assert!(child.wait().unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_sender_was_killed_before_the_answer_comes_again_as_it_was() {
    for types in [json!([]), json!(["UserRegistered", "SessionStarted"])] {
        for (mut server, url, _folder) in servers(&SETTINGS).await {
            let receiver = Receiver::start().await;
            receiver.holds.store(true, Ordering::SeqCst);
            let admin = server.admin(ADMIN).await;
            let auditor = server.auditor("eve@example.com").await;
            let body =
                json!({"name": "siem", "url": receiver.url, "after": 0, "event_types": types});
            create(&server, &admin, &body).await;
            for round in 1..=3 {
                until("it is sent", async || receiver.received().len() >= round).await;
                server.kill();
                // What is in the log by now, and what has been looked at, is not what it was.
                register_offline(&server, &format!("user{round}@example.com"));
                write(&url, "UPDATE webhook_deliveries SET lease_until = 0").await;
                if round == 3 {
                    receiver.holds.store(false, Ordering::SeqCst);
                }
                server.launch().await;
            }
            let mut expected = exported(&server, &auditor, "").await;
            if types != json!([]) {
                let is_wanted = |line: &String| {
                    let event: Value = serde_json::from_str(line).unwrap();
                    types.as_array().unwrap().contains(&event["type"])
                };
                expected.retain(is_wanted);
            }
            let tries = receiver.received();
            let repeated = tries[0].body.lines().count() * 3;
            let all = repeated + expected.len();
            until("the rest", async || receiver.lines().len() >= all).await;
            for again in &receiver.received()[..4] {
                assert_eq!((&again.id, &again.body), (&tries[0].id, &tries[0].body));
            }
            assert_eq!(receiver.lines()[repeated..all], expected);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_whose_search_begins_elsewhere_comes_again_as_it_was() {
    for (server, url, _folder) in servers(&SETTINGS).await {
        fill(&url, SCAN_POSITIONS as usize + 100).await;
        let receiver = Receiver::start().await;
        receiver.answer(500);
        let admin = server.admin(ADMIN).await;
        let auditor = server.auditor("eve@example.com").await;
        let token = server.token("ada@example.com").await;
        for name in ["Ada", "Augusta Ada"] {
            let request = server.request(Method::PATCH, "/v1/me").bearer_auth(&token);
            let changed = request.json(&json!({"name": name})).send().await.unwrap();
            assert_eq!(changed.status(), 200);
        }
        let expected = exported(&server, &auditor, "?type=UserNameChanged").await;
        let event: Value = serde_json::from_str(&expected[0]).unwrap();
        let first = event["position"].as_u64().unwrap();
        let body = json!({
            "name": "crm", "url": receiver.url, "event_types": ["UserNameChanged"], "after": first - 1,
        });
        let sink = create(&server, &admin, &body).await;
        until("parked", async || {
            shown(&server, &admin, &sink).await["state"] == "parked"
        })
        .await;
        let tries = receiver.received().len();
        // From here a step ends between the two.
        let back = first - SCAN_POSITIONS;
        write(
            &url,
            &format!("UPDATE webhook_deliveries SET position = {back}"),
        )
        .await;
        receiver.answer(200);
        act(&server, &admin, &sink, "retry").await;
        until("again", async || receiver.received().len() > tries).await;
        let received = receiver.received();
        let (first, again) = (&received[0], &received[tries]);
        assert_eq!((&again.id, &again.body), (&first.id, &first.body));
        assert_eq!(first.body.lines().collect::<Vec<_>>(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_was_archived_between_two_tries_comes_again_as_it_was() {
    for (server, _url, _folder) in servers(&SETTINGS).await {
        let receiver = Receiver::start().await;
        receiver.answer(500);
        let admin = server.admin(ADMIN).await;
        server.register("ada@example.com").await;
        let mut signed_in = server.sign_in("ada@example.com").await;
        // Some hundred stay out of the archive, for the policies.
        for _ in 0..1_000 {
            let body = json!({"refresh_token": signed_in["refresh_token"]});
            let answer = server.post("/v1/tokens/refresh", "", &body).await;
            signed_in = answer.json().await.unwrap();
        }
        let body = json!({"name": "siem", "url": receiver.url, "after": 100});
        let sink = create(&server, &admin, &body).await;
        until("it is sent", async || !receiver.received().is_empty()).await;
        until("parked", async || {
            shown(&server, &admin, &sink).await["state"] == "parked"
        })
        .await;
        until("the first tile is archived", async || {
            let archive = ["log", "archive", "--before", "300"];
            // It may have to wait for a policy. The message begins in the archive and ends in the table.
            server.command(&archive).output().unwrap();
            let segments = server.data.join("blobs/log");
            std::fs::read_dir(segments).is_ok_and(|mut found| found.next().is_some())
        })
        .await;
        let tries = receiver.received().len();
        receiver.answer(200);
        act(&server, &admin, &sink, "retry").await;
        until("again", async || receiver.received().len() > tries).await;
        let received = receiver.received();
        let (first, again) = (&received[0], &received[tries]);
        assert_eq!(first.body.lines().count(), 256);
        assert_eq!((&again.id, &again.body), (&first.id, &first.body));
    }
}
