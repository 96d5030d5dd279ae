//! A log that was set back under its receivers.

use serde_json::{Value, json};

use crate::support::Server;
use crate::support::engines::{fill, lose_after, outcome, refused, servers, write};
use crate::{ADMIN, Receiver, SETTINGS, WEBHOOKS, act, create, shown, until};

/// Ends the server, once everything is signed, and takes what follows on a position out of the log.
async fn restore(server: &mut Server, url: &str, size: u64) {
    server.kill();
    let signed = server.command(&["log", "checkpoint"]).output().unwrap();
    assert!(signed.status.success(), "{signed:?}");
    lose_after(url, size).await;
    write(url, "UPDATE webhook_deliveries SET lease_until = 0").await;
}

async fn accept_and_launch(server: &mut Server) {
    let accept = ["log", "accept-rollback", "--reason", "the disk died"];
    let accepted = server.command(&accept).output().unwrap();
    assert!(accepted.status.success(), "{accepted:?}");
    server.launch().await;
}

fn position(line: &str) -> u64 {
    let event: Value = serde_json::from_str(line).unwrap();
    event["position"].as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn other_events_in_the_place_of_lost_ones_are_another_message() {
    for (mut server, url, _folder) in servers(&SETTINGS).await {
        let receiver = Receiver::start().await;
        let admin = server.admin(ADMIN).await;
        let body = json!({"name": "siem", "url": receiver.url});
        let sink = create(&server, &admin, &body).await;
        let is_idle = async || shown(&server, &admin, &sink).await["events_behind"] == 0;
        until("it has all", is_idle).await;
        fill(&url, 3).await;
        let is_note = |line: &str| line.contains("\"NoteTaken\"");
        let notes = async || receiver.lines().iter().filter(|line| is_note(line)).count();
        until("the notes", async || notes().await == 3).await;
        let before = receiver.received().pop().unwrap();
        let kept = position(before.body.lines().next().unwrap()) - 1;
        until("noted", async || {
            shown(&server, &admin, &sink).await["events_behind"] == 0
        })
        .await;
        restore(&mut server, &url, kept).await;
        let back = format!("UPDATE webhook_deliveries SET position = {kept}");
        write(&url, &back).await;
        fill(&url, 3).await;
        accept_and_launch(&mut server).await;
        until("the other notes", async || notes().await == 6).await;
        let received = receiver.received();
        let after = received.iter().rfind(|one| is_note(&one.body)).unwrap();
        let range = |id: &str| id.rsplit_once('.').unwrap().0.to_owned();
        assert_eq!(range(&after.id), range(&before.id));
        assert_ne!(after.body, before.body);
        assert_ne!(after.id, before.id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_beyond_the_log_is_not_made_and_is_parked_when_the_log_goes_back() {
    for (mut server, url, _folder) in servers(&SETTINGS).await {
        let receiver = Receiver::start().await;
        let admin = server.admin(ADMIN).await;
        let body = json!({"name": "siem", "url": receiver.url, "after": 1_000_000});
        let answer = server.post(WEBHOOKS, &admin, &body).await;
        assert_eq!(outcome(answer).await, refused(409, "position-beyond-head"));
        let sink = create(
            &server,
            &admin,
            &json!({"name": "siem", "url": receiver.url}),
        )
        .await;
        fill(&url, 20).await;
        until("all", async || {
            shown(&server, &admin, &sink).await["events_behind"] == 0
        })
        .await;
        let has = receiver
            .lines()
            .iter()
            .map(|line| position(line))
            .max()
            .unwrap();
        restore(&mut server, &url, has - 20).await;
        accept_and_launch(&mut server).await;
        until("parked", async || {
            shown(&server, &admin, &sink).await["state"] == "parked"
        })
        .await;
        let view = shown(&server, &admin, &sink).await;
        let reason = view["last_error"].as_str().unwrap();
        assert!(reason.contains("was set back"), "{reason}");
        // As long as it is so, trying again does not help.
        act(&server, &admin, &sink, "retry").await;
        until("parked again", async || {
            shown(&server, &admin, &sink).await["state"] == "parked"
        })
        .await;
    }
}
