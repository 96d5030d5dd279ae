//! What happened to an account, and everything that is stored about it.

use super::*;

const AGENT: &str = "Adas-own-reader/7.1 (a name that no list knows)";

#[tokio::test(flavor = "multi_thread")]
async fn a_person_sees_what_happened_to_their_account_newest_first() {
    for (server, url, _folder) in servers(&[]).await {
        let token = server.token(EMAIL).await;
        let other = access_token(&server.sign_in(EMAIL).await);
        server.delete("/v1/sessions/current", &other).await;
        leave(&server, &token).await;
        server.delete("/v1/me/deletion", &token).await;
        server.token("bob@example.com").await;
        let page = server.get_json("/v1/me/activity", &token).await;
        let items = page["items"].as_array().unwrap();
        let types: Vec<&str> = items
            .iter()
            .map(|item| item["type"].as_str().unwrap())
            .collect();
        let expected = [
            "UserDeletionCancelled",
            "UserDeletionRequested",
            "SessionEnded",
            "SessionStarted",
            "SessionStarted",
            "UserRegistered",
        ];
        assert_eq!(types, expected, "{url}");
        assert_eq!(items[2]["end_reason"], "signed_out", "{url}");
        assert_eq!(items[2]["session_id"], items[3]["session_id"], "{url}");
        assert!(
            items.iter().all(|item| item["by"] == "person"),
            "{url}: {page}"
        );
        let mut walked = Vec::new();
        let mut path = "/v1/me/activity?limit=2".to_owned();
        loop {
            let page = server.get_json(&path, &token).await;
            walked.extend(page["items"].as_array().unwrap().clone());
            let Some(cursor) = page["next_cursor"].as_str() else {
                break;
            };
            path = format!("/v1/me/activity?limit=2&cursor={cursor}");
        }
        assert_eq!(&walked, items, "{url}: pages skip and repeat nothing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_takes_everything_with_them_that_is_stored_about_them() {
    for (server, url, _folder) in servers(&[]).await {
        let token = server.token(EMAIL).await;
        let body = json!({"email": EMAIL, "password": PASSWORD});
        let sign_in = server
            .request(reqwest::Method::POST, "/v1/sessions")
            .json(&body);
        let ended = sign_in.header("User-Agent", AGENT).send().await.unwrap();
        let ended = access_token(&ended.json().await.unwrap());
        server.delete("/v1/sessions/current", &ended).await;
        let change = json!({"email": "ada.new@example.org", "password": PASSWORD});
        server.post("/v1/me/email", &token, &change).await;
        let media = server.upload(&token, "my-holiday.mp4", clip()).await;
        let job = server.job(&token, &media, "poster").await;
        let bob = server.token("bob@example.com").await;
        server.upload(&bob, "bobs-own.mp4", clip()).await;
        let answer = server.get("/v1/me/export", &token).await;
        assert_eq!(answer.status(), 200, "{url}");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert_eq!(answer.headers()["content-type"], "application/json");
        let text = answer.text().await.unwrap();
        assert!(!text.contains("bob"), "{url}");
        let export: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            export["user"],
            server.get_json("/v1/me", &token).await,
            "{url}"
        );
        let list = |name: &str| export[name].as_array().unwrap().clone();
        let pending = &export["pending_email"]["email"];
        assert_eq!(pending, "ada.new@example.org", "{url}");
        let agents: Vec<Value> = list("sessions")
            .iter()
            .map(|session| session["user_agent"].clone())
            .collect();
        assert_eq!(agents, [Value::Null, json!(AGENT)], "{url}");
        assert_eq!(list("media")[0]["name"], "my-holiday.mp4", "{url}");
        assert_eq!(list("media")[0]["id"], media, "{url}");
        assert_eq!(list("jobs")[0]["id"], job, "{url}");
        let activity = server.get_json("/v1/me/activity", &token).await;
        assert_eq!(export["activity"], activity["items"], "{url}");
    }
}

/// More than a page of a list, and of one list in two parts.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_every_item_once_however_many_there_are() {
    for (server, url, _folder) in servers(&[("SESSIONS_PER_USER", "1000")]).await {
        server.register(EMAIL).await;
        let mut tokens = Vec::new();
        for _ in 0..23 {
            let ten = (0..10).map(|_| server.sign_in(EMAIL));
            let ten = futures::future::join_all(ten).await;
            tokens.extend(ten.iter().map(access_token));
        }
        for token in &tokens[..205] {
            server.delete("/v1/sessions/current", token).await;
        }
        let export = server.get_json("/v1/me/export", &tokens[229]).await;
        let sessions = export["sessions"].as_array().unwrap();
        let ids: std::collections::BTreeSet<&str> = sessions
            .iter()
            .map(|session| session["id"].as_str().unwrap())
            .collect();
        assert_eq!((sessions.len(), ids.len()), (230, 230), "{url}");
        let activity = export["activity"].as_array().unwrap();
        assert_eq!(activity.len(), 1 + 230 + 205, "{url}");
    }
}
