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

/// The name, address or device in the data of each event of the export, with its type.
fn texts(export: &Value) -> Vec<(String, String)> {
    let events = export["events"].as_array().unwrap().iter();
    let texts = events.flat_map(|event| {
        let kind = event["type"].as_str().unwrap().to_owned();
        let fields =
            ["email", "name", "device_name", "user_agent"].map(|name| &event["data"][name]);
        let texts = fields.into_iter().filter_map(Value::as_str);
        texts
            .map(|text| (kind.clone(), text.to_owned()))
            .collect::<Vec<_>>()
    });
    texts.collect()
}

/// What nothing but the log has any more, under a key that is the person's.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_takes_former_texts_with_them_as_well() {
    for (server, url, _folder) in servers(&[]).await {
        let body = json!({"email": EMAIL, "password": PASSWORD, "name": "Ada"});
        server.post("/v1/users", "", &body).await;
        let token = access_token(&server.sign_in(EMAIL).await);
        let name = server
            .request(reqwest::Method::PATCH, "/v1/me")
            .bearer_auth(&token)
            .json(&json!({"name": "Countess"}));
        assert_eq!(name.send().await.unwrap().status(), 200, "{url}");
        let change = json!({"email": "ada.new@example.org", "password": PASSWORD});
        server.post("/v1/me/email", &token, &change).await;
        server.delete("/v1/me/email", &token).await;
        let media = server.upload(&token, "my-holiday.mp4", clip()).await;
        server.delete(&format!("/v1/media/{media}"), &token).await;
        let body = json!({"email": EMAIL, "password": PASSWORD, "device_name": "my old laptop"});
        let forgotten = server.post("/v1/sessions", "", &body).await;
        let forgotten: Value = forgotten.json().await.unwrap();
        let id = forgotten["session"]["id"].as_str().unwrap();
        server
            .delete("/v1/sessions/current", &access_token(&forgotten))
            .await;
        // As it is once SESSION_HISTORY is over.
        write(
            &url,
            &format!("DELETE FROM sessions WHERE session_id = '{id}'"),
        )
        .await;
        let bob = server.token("bob@example.com").await;
        server.upload(&bob, "bobs-own.mp4", clip()).await;
        let export = server.get_json("/v1/me/export", &token).await;
        let expected = [
            ("UserRegistered", EMAIL),
            ("UserRegistered", "Ada"),
            ("UserNameChanged", "Countess"),
            ("EmailChangeRequested", "ada.new@example.org"),
            ("MediaStored", "my-holiday.mp4"),
            ("SessionStarted", "my old laptop"),
        ];
        let expected = expected.map(|(kind, text)| (kind.to_owned(), text.to_owned()));
        assert_eq!(texts(&export), expected, "{url}");
        let events = export["events"].as_array().unwrap();
        let last = events.last().unwrap();
        assert_eq!(last["stream"], format!("session/{id}"), "{url}");
        assert_eq!(last["data"]["ip"], "127.0.0.1", "{url}");
        let text = export.to_string();
        assert!(
            !text.contains("\"v1.") && !text.contains("bob"),
            "{url}: {text}"
        );
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
        let events = export["events"].as_array().unwrap().iter();
        let ids: Vec<&str> = events.map(|event| event["id"].as_str().unwrap()).collect();
        let distinct: std::collections::BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!((ids.len(), distinct.len()), (231, 231), "{url}");
    }
}

/// Each may read the whole log, so nobody has any number of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_person_has_so_many_exports_within_an_hour() {
    for (server, url, _folder) in servers(&[("EXPORTS_PER_HOUR", "2")]).await {
        let token = server.token(EMAIL).await;
        let other = access_token(&server.sign_in(EMAIL).await);
        for token in [&token, &other] {
            server.get_json("/v1/me/export", token).await;
        }
        for token in [&token, &other] {
            let answer = server.get("/v1/me/export", token).await;
            let wait = answer.headers()["retry-after"].to_str().unwrap();
            assert!((3_500..=3_600).contains(&wait.parse().unwrap()), "{wait}");
            assert_eq!(outcome(answer).await, refused(429, "too-many-attempts"));
        }
        let bob = server.token("bob@example.com").await;
        server.get_json("/v1/me/export", &bob).await;
        assert_eq!(events(&url, "UserRegistered").await, 2, "{url}");
    }
}
