//! Passwords: the rules for a new one, changing it, and what its hash is made with; on both engines.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::{Duration, Instant};

use eventlog::testing::TestPostgres;
use eventlog::{Database, Value as Cell};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use support::{PASSWORD, PATIENCE, Server, access_token};

const EMAIL: &str = "ada@example.com";
const NEW: &str = "Battery-staple-8";

/// A server on each engine, with the URL of its database. Not yet launched.
async fn prepared(settings: &[(&str, &str)]) -> Vec<(Server, String, tempfile::TempDir)> {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sqlite = format!("sqlite://{}", one.path().join("gatelog.db").display());
    let postgres = TestPostgres::shared()
        .unwrap()
        .fresh_database()
        .await
        .unwrap();
    let on = |folder: &tempfile::TempDir, url: &str| {
        let mut all = vec![("DATABASE_URL", url)];
        all.extend_from_slice(settings);
        Server::prepare(folder.path(), &all)
    };
    let servers = (on(&one, &sqlite), on(&two, &postgres));
    vec![(servers.0, sqlite, one), (servers.1, postgres, two)]
}

async fn servers(settings: &[(&str, &str)]) -> Vec<(Server, String, tempfile::TempDir)> {
    let mut servers = prepared(settings).await;
    for (server, _, _) in &mut servers {
        server.launch().await;
    }
    servers
}

/// The same database and folder with other settings.
async fn restarted(mut server: Server, url: &str, settings: &[(&str, &str)]) -> Server {
    server.kill();
    let mut all = vec![("DATABASE_URL", url)];
    all.extend_from_slice(settings);
    let mut other = Server::prepare(&server.data, &all);
    other.launch().await;
    other
}

async fn rows(url: &str, sql: &str) -> Vec<eventlog::Row> {
    let params: [Cell; 0] = [];
    let database = Database::open(url).await.unwrap();
    let rows = database.query(sql, &params).await.unwrap();
    database.close().await;
    rows
}

async fn count(url: &str, sql: &str) -> i64 {
    rows(url, sql).await[0].int(0).unwrap()
}

async fn sign_in(server: &Server, password: &str) -> u16 {
    let body = json!({"email": EMAIL, "password": password});
    server
        .post("/v1/sessions", "", &body)
        .await
        .status()
        .as_u16()
}

async fn change(server: &Server, token: &str, body: &Value) -> Response {
    let request = server.request(Method::PUT, "/v1/me/password");
    request.bearer_auth(token).json(body).send().await.unwrap()
}

fn from_to(current: &str, new: &str) -> Value {
    json!({"current_password": current, "new_password": new})
}

async fn codes(answer: Response) -> Vec<(String, String)> {
    assert_eq!(answer.status(), 422);
    let body: Value = answer.json().await.unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let errors = body["errors"].as_array().unwrap().iter();
    errors
        .map(|error| (text(&error["field"]), text(&error["code"])))
        .collect()
}

async fn codes_of(server: &Server, email: &str, name: &str, password: &str) -> Vec<String> {
    let body = json!({"email": email, "name": name, "password": password});
    let answer = server.post("/v1/users", "", &body).await;
    let codes = codes(answer).await;
    assert!(codes.iter().all(|(field, _)| field == "password"));
    codes.into_iter().map(|(_, code)| code).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_that_a_new_password_breaks_is_told_at_once() {
    let server = Server::start().await;
    let of = |password: &'static str| codes_of(&server, EMAIL, "Ada Lovelace", password);
    assert_eq!(
        of("abc").await,
        [
            "too_short",
            "no_uppercase",
            "no_digit",
            "no_symbol",
            "too_common"
        ]
    );
    assert_eq!(of("Password1!").await, ["too_common"]);
    assert_eq!(
        of("Qwertyuiop[1").await,
        ["too_common"],
        "a row of keys that is on no list"
    );
    assert_eq!(of("x9-ADA@example.com-Kq").await, ["contains_identity"]);
    assert_eq!(of("x9-ada lovelace-Kq").await, ["contains_identity"]);
    let long = format!("Correct-horse-7{}", "\u{e9}\u{301}".repeat(250));
    assert_eq!(codes_of(&server, EMAIL, "Ada", &long).await, ["too_long"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_the_same_however_a_keyboard_composes_it_and_is_never_cut() {
    for (server, url, _folder) in servers(&[]).await {
        let long = "staple-".repeat(34);
        let composed = format!("Cafe\u{301}-7{long}X");
        assert!(composed.chars().count() > 240);
        let body = json!({"email": EMAIL, "password": composed});
        assert_eq!(
            server.post("/v1/users", "", &body).await.status(),
            201,
            "{url}"
        );
        assert_eq!(sign_in(&server, &composed).await, 201);
        assert_eq!(sign_in(&server, &format!("Caf\u{e9}-7{long}X")).await, 201);
        assert_eq!(sign_in(&server, &format!("Caf\u{e9}-7{long}Y")).await, 401);
        assert_eq!(sign_in(&server, &format!("Caf\u{e9}-7{long}")).await, 401);
        assert_eq!(sign_in(&server, &"x".repeat(60_000)).await, 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_rules_are_in_force_and_told_to_anyone() {
    let rules = |server: &Server| {
        let request = server.request(Method::GET, "/v1/config");
        async move { request.send().await.unwrap().json::<Value>().await.unwrap()["password"].clone() }
    };
    let server = Server::start_with(&[("PASSWORD_POLICY", "nist")]).await;
    let told = rules(&server).await;
    assert_eq!(
        (&told["policy"], &told["min_length"]),
        (&json!("nist"), &json!(15))
    );
    assert_eq!(
        (&told["max_length"], &told["require_digit"]),
        (&json!(256), &json!(false))
    );
    assert_eq!(
        codes_of(&server, EMAIL, "Ada", "Correct-horse7").await,
        ["too_short"]
    );
    assert_eq!(
        codes_of(&server, EMAIL, "Ada", "aaaaaaaaaaaaaaaa").await,
        ["too_common"]
    );
    let body = json!({"email": EMAIL, "password": "correct horse battery"});
    assert_eq!(server.post("/v1/users", "", &body).await.status(), 201);
    let server =
        Server::start_with(&[("PASSWORD_MIN_LENGTH", "12"), ("PASSWORD_REQUIRE", "digit")]).await;
    let told = rules(&server).await;
    assert_eq!(
        (&told["min_length"], &told["require_digit"]),
        (&json!(12), &json!(true))
    );
    assert_eq!(
        (&told["policy"], &told["require_symbol"]),
        (&json!("composition"), &json!(false))
    );
    assert_eq!(
        codes_of(&server, EMAIL, "Ada", "horsestaple").await,
        ["too_short", "no_digit"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_counts_at_once_and_ends_every_other_session() {
    for (server, url, _folder) in servers(&[]).await {
        server.register(EMAIL).await;
        let mine = access_token(&server.sign_in(EMAIL).await);
        let other = access_token(&server.sign_in(EMAIL).await);
        let answer = change(&server, &mine, &from_to(PASSWORD, NEW)).await;
        assert_eq!(answer.status(), 204, "{url}");
        let position: u64 = answer.headers()["gatelog-position"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        // The policy may be quicker at ending the other session, so the last event of this call is one of two.
        let changed = "SELECT position FROM events WHERE event_type = 'PasswordChanged'";
        assert!(position as i64 >= count(&url, changed).await, "{url}");
        assert_eq!(
            server.get("/v1/verify", &other).await.status(),
            401,
            "{url}"
        );
        assert_eq!(server.get("/v1/verify", &mine).await.status(), 204, "{url}");
        assert_eq!(sign_in(&server, PASSWORD).await, 401);
        assert_eq!(sign_in(&server, NEW).await, 201);
        let ended = server.get_json("/v1/sessions?state=ended", &mine).await;
        assert_eq!(ended["items"][0]["end_reason"], "password_changed");
        assert_eq!(
            count(&url, "SELECT COUNT(*) FROM vault_passwords").await,
            1,
            "the former hash is gone"
        );
        let payloads = rows(
            &url,
            "SELECT CAST(payload AS TEXT) FROM events WHERE event_type = 'PasswordChanged'",
        )
        .await;
        assert_eq!(payloads.len(), 1, "{url}");
        let payload = payloads[0].text(0).unwrap();
        assert!(
            !payload.contains("argon2") && !payload.contains(NEW),
            "{payload}"
        );
        assert!(!server.log().contains(NEW) && !server.log().contains(PASSWORD));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_sessions_stay_when_the_person_says_so() {
    let server = Server::start().await;
    server.register(EMAIL).await;
    let mine = access_token(&server.sign_in(EMAIL).await);
    let other = access_token(&server.sign_in(EMAIL).await);
    let mut body = from_to(PASSWORD, NEW);
    body["revoke_other_sessions"] = json!(false);
    assert_eq!(change(&server, &mine, &body).await.status(), 204);
    assert_eq!(server.get("/v1/verify", &other).await.status(), 204);
    assert_eq!(sign_in(&server, NEW).await, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_changes_without_the_current_password_or_by_a_bad_new_one() {
    for (server, url, _folder) in servers(&[]).await {
        let body = json!({"email": EMAIL, "password": PASSWORD, "name": "Ada Lovelace"});
        server.post("/v1/users", "", &body).await;
        let token = access_token(&server.sign_in(EMAIL).await);
        let before = count(
            &url,
            "SELECT COUNT(*) FROM events WHERE aggregate_type = 'user'",
        )
        .await;
        let wrong = change(&server, &token, &from_to("Wrong-guess-9", NEW)).await;
        assert_eq!(wrong.status(), 403);
        let problem: Value = wrong.json().await.unwrap();
        assert_eq!(problem["type"], "/problems/wrong-password");
        let bad = change(&server, &token, &from_to(PASSWORD, "Ada Lovelace")).await;
        let expected = ["no_digit", "contains_identity"];
        let told: Vec<String> = codes(bad)
            .await
            .into_iter()
            .map(|(field, code)| {
                assert_eq!(field, "new_password");
                code
            })
            .filter(|code| code != "too_common" && code != "no_symbol")
            .collect();
        assert_eq!(told, expected, "{url}");
        assert_eq!(
            change(&server, "0", &from_to(PASSWORD, NEW)).await.status(),
            401
        );
        let unknown = change(&server, &token, &json!({"new_password": NEW})).await;
        assert_eq!(
            codes(unknown).await,
            [("current_password".to_owned(), "missing".to_owned())]
        );
        assert_eq!(
            count(
                &url,
                "SELECT COUNT(*) FROM events WHERE aggregate_type = 'user'"
            )
            .await,
            before,
            "{url}"
        );
        assert_eq!(count(&url, "SELECT COUNT(*) FROM vault_passwords").await, 1);
        assert_eq!(sign_in(&server, PASSWORD).await, 201);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_changes_that_prove_the_same_password_exactly_one_is_taken() {
    for (server, url, _folder) in servers(&[]).await {
        server.register(EMAIL).await;
        let token = access_token(&server.sign_in(EMAIL).await);
        let news: Vec<String> = (0..20).map(|n| format!("Battery-staple-{n}x")).collect();
        let racing = news.iter().map(|new| {
            let body = from_to(PASSWORD, new);
            let (server, token) = (&server, &token);
            async move { change(server, token, &body).await.status().as_u16() }
        });
        let statuses = futures::future::join_all(racing).await;
        let won: Vec<usize> = (0..20).filter(|n| statuses[*n] == 204).collect();
        assert_eq!(won.len(), 1, "{url}: {statuses:?}");
        assert!(
            statuses.iter().all(|status| matches!(status, 204 | 403)),
            "{url}: {statuses:?}"
        );
        let changed = "SELECT COUNT(*) FROM events WHERE event_type = 'PasswordChanged'";
        assert_eq!(count(&url, changed).await, 1, "{url}");
        assert_eq!(
            count(&url, "SELECT COUNT(*) FROM vault_passwords").await,
            1,
            "{url}: the losers' hashes are gone"
        );
        for (n, new) in news.iter().enumerate() {
            let expected = if won == [n] { 201 } else { 401 };
            assert_eq!(sign_in(&server, new).await, expected, "{url}: {n}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_ins_that_race_with_a_change_leave_no_session_that_the_old_password_opened() {
    for (server, url, _folder) in servers(&[("PASSWORD_HASH_THREADS", "4")]).await {
        server.register(EMAIL).await;
        let mine = server.sign_in(EMAIL).await;
        let token = access_token(&mine);
        let body = json!({"email": EMAIL, "password": PASSWORD});
        let sign_ins =
            futures::future::join_all((0..16).map(|_| server.post("/v1/sessions", "", &body)));
        let changing = from_to(PASSWORD, NEW);
        let (answers, changed) = tokio::join!(sign_ins, change(&server, &token, &changing));
        assert_eq!(changed.status(), 204, "{url}");
        for answer in answers {
            assert!(
                matches!(answer.status().as_u16(), 201 | 401),
                "{url}: {}",
                answer.status()
            );
            if answer.status() == 201 {
                let opened: Value = answer.json().await.unwrap();
                assert_eq!(
                    server
                        .get("/v1/verify", &access_token(&opened))
                        .await
                        .status(),
                    401,
                    "{url}"
                );
            }
        }
        let live = server.get_json("/v1/sessions", &token).await;
        assert_eq!(live["items"].as_array().unwrap().len(), 1, "{url}: {live}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_change_with_the_same_key_answers_the_same_and_changes_nothing_again() {
    for (server, url, _folder) in servers(&[]).await {
        server.register(EMAIL).await;
        let token = access_token(&server.sign_in(EMAIL).await);
        let send = |body: Value| {
            let request = server.request(Method::PUT, "/v1/me/password");
            request
                .bearer_auth(&token)
                .header("idempotency-key", "k")
                .json(&body)
                .send()
        };
        let first = send(from_to(PASSWORD, NEW)).await.unwrap();
        let again = send(from_to(PASSWORD, NEW)).await.unwrap();
        assert_eq!(
            (first.status().as_u16(), again.status().as_u16()),
            (204, 204),
            "{url}"
        );
        assert_eq!(
            first.headers()["gatelog-position"],
            again.headers()["gatelog-position"]
        );
        assert_eq!(again.headers()["idempotency-replayed"], "true");
        let other = send(from_to(NEW, "Another-staple-9")).await.unwrap();
        assert_eq!(other.status(), 422);
        assert_eq!(sign_in(&server, NEW).await, 201, "{url}");
    }
}

/// A node that died after the event: its policy ends what was to end, and nothing that began later.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_left_undone_after_the_event_is_done_by_the_next() {
    use aggregates::user::{User, UserCommand};
    for (mut server, url, _folder) in servers(&[]).await {
        let user = server.register(EMAIL).await["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let mine = server.sign_in(EMAIL).await;
        let other = server.sign_in(EMAIL).await;
        let at = other["session"]["created_at"].as_str().unwrap();
        let (at, other) = (at.parse().unwrap(), access_token(&other));
        let later = access_token(&server.sign_in(EMAIL).await);
        server.kill();
        let database = Database::open(&url).await.unwrap();
        let log = eventlog::Log::open(
            database.clone(),
            projections::inline(),
            eventlog::LogOptions::default(),
        )
        .await
        .unwrap();
        let command = UserCommand::ChangePassword {
            password_id: uuid::Uuid::from_u128(7).into(),
            replaces: user.parse().unwrap(),
            from_session: mine["session"]["id"].as_str().unwrap().parse().unwrap(),
            end_other_sessions: true,
            at,
        };
        let context = eventlog::CommandContext {
            command_id: uuid::Uuid::from_u128(9),
            metadata: eventlog::Metadata::default(),
            creates: false,
        };
        log.execute::<User>(&user, command, &context).await.unwrap();
        log.shut_down().await;
        database.close().await;
        server.launch().await;
        let deadline = Instant::now() + PATIENCE;
        while server.get("/v1/verify", &other).await.status() != 401 {
            assert!(Instant::now() < deadline, "{url}: {}", server.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(
            server
                .get("/v1/verify", &access_token(&mine))
                .await
                .status(),
            204,
            "{url}"
        );
        assert_eq!(
            server.get("/v1/verify", &later).await.status(),
            204,
            "{url}: it began later"
        );
        assert_eq!(
            sign_in(&server, PASSWORD).await,
            401,
            "{url}: the old password does not count any more"
        );
        assert_eq!(
            count(&url, "SELECT COUNT(*) FROM vault_passwords").await,
            0,
            "{url}"
        );
    }
}

async fn peppers(url: &str) -> Vec<Option<String>> {
    let rows = rows(
        url,
        "SELECT pepper_id FROM vault_passwords ORDER BY user_id",
    )
    .await;
    rows.iter().map(|row| row.opt_text(0).unwrap()).collect()
}

async fn sealed(url: &str) -> Vec<u8> {
    rows(url, "SELECT sealed_phc FROM vault_passwords").await[0]
        .bytes(0)
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hash_of_other_cost_is_made_anew_at_the_next_sign_in_and_only_then() {
    for (server, url, _folder) in servers(&[]).await {
        server.register(EMAIL).await;
        let first = sealed(&url).await;
        assert_eq!(sign_in(&server, PASSWORD).await, 201);
        assert_eq!(sealed(&url).await, first, "{url}: nothing to upgrade");
        let dearer = [("ARGON2_MEMORY_KIB", "12288"), ("ARGON2_PASSES", "3")];
        let server = restarted(server, &url, &dearer).await;
        assert_eq!(sign_in(&server, "Wrong-guess-9").await, 401);
        assert_eq!(
            sealed(&url).await,
            first,
            "{url}: a wrong password upgrades nothing"
        );
        assert_eq!(sign_in(&server, PASSWORD).await, 201);
        let second = sealed(&url).await;
        assert_ne!(second, first, "{url}");
        assert_eq!(sign_in(&server, PASSWORD).await, 201);
        assert_eq!(sealed(&url).await, second, "{url}: once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_former_pepper_is_good_while_it_is_configured_and_replaced_at_sign_in() {
    let (one, two) = ("1a".repeat(32), "2b".repeat(32));
    for (server, url, _folder) in servers(&[("PASSWORD_PEPPER", &one)]).await {
        server.register(EMAIL).await;
        server.register("bob@example.com").await;
        let before = peppers(&url).await;
        assert_eq!(before[0], before[1]);
        let server = restarted(server, &url, &[("PASSWORD_PEPPER", &two)]).await;
        assert_eq!(
            sign_in(&server, PASSWORD).await,
            401,
            "{url}: its pepper is not there"
        );
        assert!(
            server.log().contains("PASSWORD_PEPPER_FORMER"),
            "the operator is told"
        );
        let both = [
            ("PASSWORD_PEPPER", two.as_str()),
            ("PASSWORD_PEPPER_FORMER", &one),
        ];
        let server = restarted(server, &url, &both).await;
        assert_eq!(sign_in(&server, PASSWORD).await, 201, "{url}");
        let after = peppers(&url).await;
        assert_ne!(after[0], before[0], "{url}: Ada's is upgraded");
        assert_eq!(after[1], before[1], "{url}: Bob's is not");
        let server = restarted(server, &url, &[("PASSWORD_PEPPER", &two)]).await;
        assert_eq!(
            sign_in(&server, PASSWORD).await,
            201,
            "{url}: it needs the former one no more"
        );
        assert!(!server.log().contains(&one) && !server.log().contains(&two));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_passwords_at_once_are_turned_away_with_a_time_to_retry() {
    let settings = [
        ("PASSWORD_HASH_THREADS", "1"),
        ("ARGON2_MEMORY_KIB", "65536"),
    ];
    let server = Server::start_with(&settings).await;
    let body = json!({"email": EMAIL, "password": PASSWORD});
    let answers =
        futures::future::join_all((0..100).map(|_| server.post("/v1/sessions", "", &body))).await;
    let busy: Vec<_> = answers
        .iter()
        .filter(|answer| answer.status() == 429)
        .collect();
    assert!(!busy.is_empty());
    assert!(
        busy.iter()
            .all(|answer| answer.headers().contains_key("retry-after"))
    );
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer.status().as_u16(), 401 | 429))
    );
    assert_eq!(
        server.post("/v1/sessions", "", &body).await.status(),
        401,
        "the queue empties again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_changes_their_name_and_takes_it_away() {
    for (server, url, _folder) in servers(&[]).await {
        let token = server.token(EMAIL).await;
        let patch = |body: Value| {
            let request = server
                .request(Method::PATCH, "/v1/me")
                .bearer_auth(&token)
                .json(&body);
            async move { request.send().await.unwrap() }
        };
        let named = patch(json!({"name": "Countess Lovelace"})).await;
        assert_eq!(named.status(), 200, "{url}");
        let position: i64 = named.headers()["gatelog-position"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(
            position,
            count(
                &url,
                "SELECT position FROM events WHERE event_type = 'UserNameChanged'"
            )
            .await
        );
        let user: Value = named.json().await.unwrap();
        assert_eq!(
            (&user["name"], &user["email"]),
            (&json!("Countess Lovelace"), &json!(EMAIL))
        );
        assert_eq!(server.get_json("/v1/me", &token).await, user);
        let same: Value = patch(json!({})).await.json().await.unwrap();
        assert_eq!(same, user, "what is left out stays");
        let none: Value = patch(json!({"name": null})).await.json().await.unwrap();
        assert_eq!(none["name"], Value::Null);
        let bad = codes(patch(json!({"name": " Ada"})).await).await;
        assert_eq!(bad, [("name".to_owned(), "surrounding_space".to_owned())]);
        let payloads = rows(
            &url,
            "SELECT CAST(payload AS TEXT) FROM events WHERE event_type = 'UserNameChanged'",
        )
        .await;
        assert_eq!(payloads.len(), 2);
        assert!(
            payloads
                .iter()
                .all(|row| !row.text(0).unwrap().contains("Lovelace"))
        );
    }
}

async fn execute(url: &str, statements: &[&str]) {
    let database = Database::open(url).await.unwrap();
    let statements = statements
        .iter()
        .map(|sql| ((*sql).to_owned(), Vec::new()))
        .collect();
    database.execute(statements).await.unwrap();
    database.close().await;
}

/// What `0004_passwords.sql` found.
async fn before_passwords_were_named(url: &str) {
    let older: &[&str] = if url.starts_with("sqlite") {
        &[
            "CREATE TABLE older (user_id TEXT PRIMARY KEY, sealed_phc BLOB NOT NULL, master_key_id TEXT NOT NULL, \
             updated_at INTEGER NOT NULL)",
            "INSERT INTO older SELECT user_id, sealed_phc, master_key_id, updated_at FROM vault_passwords",
            "DROP TABLE vault_passwords",
            "ALTER TABLE older RENAME TO vault_passwords",
        ]
    } else {
        &[
            "DROP INDEX vault_passwords_by_pepper",
            "ALTER TABLE vault_passwords DROP CONSTRAINT vault_passwords_pkey",
            "ALTER TABLE vault_passwords DROP COLUMN password_id",
            "ALTER TABLE vault_passwords DROP COLUMN pepper_id",
            "ALTER TABLE vault_passwords ADD CONSTRAINT vault_passwords_pkey PRIMARY KEY (user_id)",
        ]
    };
    execute(url, older).await;
    let same = [
        "ALTER TABLE users DROP COLUMN password_id",
        "DELETE FROM _sqlx_migrations WHERE version = 4",
    ];
    execute(url, &same).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_from_before_passwords_were_named_signs_in_and_changes_its_password() {
    for (mut server, url, _folder) in servers(&[]).await {
        server.register(EMAIL).await;
        server.kill();
        before_passwords_were_named(&url).await;
        server.launch().await;
        assert_eq!(peppers(&url).await, [None], "{url}: as it was before");
        let token = access_token(&server.sign_in(EMAIL).await);
        assert_eq!(
            change(&server, &token, &from_to(PASSWORD, NEW))
                .await
                .status(),
            204,
            "{url}"
        );
        assert_eq!(sign_in(&server, NEW).await, 201, "{url}");
        assert_eq!(sign_in(&server, PASSWORD).await, 401, "{url}");
    }
}

/// A node that died before the event leaves a hash that no event names: it is swept, and the one that counts stays,
/// however old it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_hash_that_no_event_made_count_is_swept() {
    for (mut server, url, _folder) in servers(&[]).await {
        server.register(EMAIL).await;
        server.kill();
        let stray = |password: &str, updated_at: &str| {
            format!(
                "INSERT INTO vault_passwords (user_id, password_id, sealed_phc, master_key_id, updated_at) \
                 SELECT user_id, '{password}', sealed_phc, master_key_id, {updated_at} FROM vault_passwords \
                 WHERE password_id = user_id"
            )
        };
        let (old, fresh) = (uuid::Uuid::from_u128(7), uuid::Uuid::from_u128(8));
        let (one, two) = (
            stray(&old.to_string(), "0"),
            stray(&fresh.to_string(), "updated_at"),
        );
        let aged = "UPDATE vault_passwords SET updated_at = 0 WHERE password_id = user_id";
        execute(&url, &[&one, &two, aged]).await;
        server.launch().await;
        let deadline = Instant::now() + PATIENCE;
        while count(&url, "SELECT COUNT(*) FROM vault_passwords").await != 2 {
            assert!(Instant::now() < deadline, "{url}: {}", server.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let swept = format!("SELECT COUNT(*) FROM vault_passwords WHERE password_id = '{old}'");
        assert_eq!(
            count(&url, &swept).await,
            0,
            "{url}: a fresh one may be of a change that is under way"
        );
        assert_eq!(sign_in(&server, PASSWORD).await, 201, "{url}");
    }
}
