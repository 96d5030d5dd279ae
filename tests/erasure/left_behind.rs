//! What is left of an erased person: nothing that can be read, and a log that still verifies.

use std::path::Path;

use eventlog::Database;

use super::*;
use crate::smtp::{Mood, Smtp};
use crate::support::files;
use reqwest::Method;

const NAME: &str = "Countess Lovelace";
const DEVICE: &str = "difference engine";
const FILE: &str = "my-holiday.mp4";
/// Where the person is, as their proxy says.
const ADDRESS: &str = "198.51.100.77";

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

/// Every text and number column of every table but the log itself.
async fn columns(url: &str) -> Vec<(String, String)> {
    let sql = if url.starts_with("sqlite") {
        "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'"
    } else {
        "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT) FROM information_schema.columns \
         WHERE table_schema = 'public'"
    };
    let columns = rows(url, sql).await;
    let columns = columns
        .iter()
        .map(|row| (row.text(0).unwrap(), row.text(1).unwrap()));
    columns.filter(|(table, _)| table != "events").collect()
}

async fn places_of(url: &str, text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (table, column) in columns(url).await {
        let sql =
            format!("SELECT COUNT(*) FROM {table} WHERE CAST({column} AS TEXT) LIKE '%{text}%'");
        if count(url, &sql).await > 0 {
            found.push((table, column));
        }
    }
    found
}

/// A person with everything that the server keeps of one.
async fn settled(smtp: &Smtp, server: &mut Server, url: &str) -> (String, String) {
    server.launch_worker().await;
    let body = json!({"email": EMAIL, "password": PASSWORD, "name": NAME});
    let user: Value = server
        .post("/v1/users", "", &body)
        .await
        .json()
        .await
        .unwrap();
    let body = json!({"email": EMAIL, "password": PASSWORD, "device_name": DEVICE});
    let signed_in = server.request(Method::POST, "/v1/sessions");
    let signed_in = signed_in.header("x-forwarded-for", ADDRESS).json(&body);
    let signed_in = signed_in.send().await.unwrap();
    let signed_in: Value = signed_in.json().await.unwrap();
    assert_eq!(signed_in["session"]["ip"], ADDRESS, "{url}");
    let token = access_token(&signed_in);
    let ended = access_token(&server.sign_in(EMAIL).await);
    server.delete("/v1/sessions/current", &ended).await;
    let pending = server.post("/v1/me/totp", &token, &json!({})).await;
    let pending: Value = pending.json().await.unwrap();
    let code = support::totp::code(pending["secret"].as_str().unwrap());
    let confirmed = json!({"code": code});
    let confirmed = server.post("/v1/me/totp/confirm", &token, &confirmed).await;
    assert_eq!(confirmed.status(), 200, "{url}");
    // A reset is under way, and its mail could not be sent.
    smtp.set(Mood::Refuses(550));
    let asked = json!({"email": EMAIL});
    let asked = server.post("/v1/password-resets", "", &asked).await;
    assert_eq!(asked.status(), 202, "{url}");
    let parked = format!(
        "SELECT COUNT(*) FROM outbox WHERE state = 'parked' AND user_id = '{}'",
        user["id"].as_str().unwrap()
    );
    support::until_so("a mail is parked", async || count(url, &parked).await > 0).await;
    smtp.set(Mood::Takes);
    for table in ["vault_totp", "vault_recovery_codes", "mail_tokens"] {
        let kept = count(url, &format!("SELECT COUNT(*) FROM {table}")).await;
        assert!(kept > 0, "{url}: {table}");
    }
    let media = server.upload(&token, FILE, clip()).await;
    let job = server.job(&token, &media, "poster").await;
    assert_eq!(server.ended(&token, &job).await["state"], "succeeded");
    server.job(&token, &media, "web-video").await;
    (user["id"].as_str().unwrap().to_owned(), token)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_an_erased_person_can_be_read_and_the_log_still_verifies() {
    // Mails leave, as they do where it matters; without a server they would stay as files.
    let smtp = crate::smtp::Smtp::start().await;
    let mail = smtp.url();
    let settings = [
        AT_ONCE,
        ("SMTP_URL", mail.as_str()),
        ("MAIL_FROM", "Gatelog <no-reply@id.example.com>"),
        // Else the server's own address, which is that of its clients here, is in the log's name.
        ("LOG_ORIGIN", "log.example.com"),
        ("TRUSTED_PROXIES", "127.0.0.0/8"),
    ];
    for (mut server, url, folder) in servers(&settings).await {
        let auditor = server.auditor("audit@example.com").await;
        let (user, token) = settled(&smtp, &mut server, &url).await;
        let key = format!("SELECT wrapped_key FROM vault_person_keys WHERE user_id = '{user}'");
        let key = rows(&url, &key).await[0].bytes(0).unwrap();
        assert!(!places_of(&url, &user).await.is_empty());
        let before = server.get("/v1/audit/events?limit=10000", &auditor).await;
        let before: Value = before.json().await.unwrap();
        assert_eq!(leave(&server, &token).await.status(), 202, "{url}");
        erased(&server, &url, 1).await;
        // Whoever removes the content names its owner until it is removed.
        let is_nowhere = async || places_of(&url, &user).await.is_empty();
        support::until_so("nothing names the person", is_nowhere).await;
        for table in ["vault_totp", "vault_recovery_codes", "mail_tokens"] {
            let left = format!("SELECT COUNT(*) FROM {table} WHERE user_id = '{user}'");
            assert_eq!(count(&url, &left).await, 0, "{url}: {table}");
        }
        // The content follows the events of its deletion.
        let media = folder.path().join("blobs");
        let signed = media.join("signed");
        let is_empty = || {
            files::under(&media)
                .iter()
                .all(|file| file.starts_with(&signed))
        };
        support::until("the content is gone", is_empty).await;
        let after = server.get("/v1/audit/events?limit=10000", &auditor).await;
        let after: Value = after.json().await.unwrap();
        let after = only_added_to(&before, &after);
        let none: Vec<(String, String)> = Vec::new();
        let clear = [EMAIL, NAME, DEVICE, FILE, ADDRESS, "127.0.0.1"];
        let log = serde_json::to_vec(after).unwrap();
        for text in clear {
            assert!(!holds(&log, text.as_bytes()), "{url}: {text}");
            assert_eq!(places_of(&url, text).await, none, "{url}: {text}");
        }
        if let Some(file) = url.strip_prefix("sqlite://") {
            eventlog::testing::checkpoint_sqlite(Path::new(file)).unwrap();
            absent_in_files(folder.path(), &key, &clear[..5]);
        }
    }
}

/// What was in the log stays as it was, byte for byte.
fn only_added_to<'a>(before: &Value, after: &'a Value) -> &'a [Value] {
    let (before, after) = (
        before["items"].as_array().unwrap(),
        after["items"].as_array().unwrap(),
    );
    assert_eq!(&after[..before.len()], before.as_slice());
    for (n, event) in after.iter().enumerate() {
        assert_eq!(event["position"], n + 1);
    }
    after
}

fn absent_in_files(folder: &Path, key: &[u8], clear: &[&str]) {
    for file in files::under(folder) {
        let Some(bytes) = files::read(&file) else {
            continue;
        };
        assert!(!holds(&bytes, key), "the person's key: {}", file.display());
        for text in clear {
            let is_there = holds(&bytes, text.as_bytes());
            assert!(!is_there, "{text}: {}", file.display());
        }
    }
}

/// A node that dies at any point of an erasure carries it out when it comes back.
#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_was_cut_off_is_carried_out() {
    for (mut server, url, _folder) in servers(&[AT_ONCE]).await {
        for round in 1..=5_u64 {
            let email = format!("ada{round}@example.com");
            let token = server.token(&email).await;
            server.upload(&token, "a.mp4", clip()).await;
            assert_eq!(leave(&server, &token).await.status(), 202, "{url}");
            let begun = i64::try_from(round).unwrap();
            let deadline = Instant::now() + PATIENCE;
            while events(&url, "UserErasureStarted").await < begun {
                assert!(Instant::now() < deadline, "{url}\n{}", server.log());
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            // Somewhere among the steps, another place each round.
            tokio::time::sleep(Duration::from_millis(round * 7)).await;
            server.kill();
            server.launch().await;
            erased(&server, &url, begun).await;
            assert_eq!(events(&url, "UserErased").await, begun, "{url}: once each");
        }
        for table in [
            "users",
            "vault_person_keys",
            "sessions",
            "media",
            "email_claims",
        ] {
            let left = count(&url, &format!("SELECT COUNT(*) FROM {table}")).await;
            assert_eq!(left, 0, "{url}: {table}");
        }
    }
}

/// A session that is long enough for a snapshot: its token, and a query that counts what is kept of it.
async fn long_session(server: &Server, url: &str) -> (String, String) {
    let mut pair = server.sign_in(EMAIL).await;
    let session = pair["session"]["id"].as_str().unwrap().to_owned();
    for _ in 0..100 {
        let body = json!({"refresh_token": pair["refresh_token"]});
        let refreshed = server.post("/v1/tokens/refresh", "", &body).await;
        assert_eq!(refreshed.status(), 200, "{url}");
        pair = refreshed.json().await.unwrap();
    }
    let kept = format!("SELECT COUNT(*) FROM snapshots WHERE aggregate_id = '{session}'");
    support::until_so("it is kept", async || count(url, &kept).await > 0).await;
    (access_token(&pair), kept)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_snapshot_of_a_session_that_ended_is_left() {
    for (server, url, _folder) in servers(&[]).await {
        server.register(EMAIL).await;
        let (token, kept) = long_session(&server, &url).await;
        let answer = server.delete("/v1/sessions/current", &token).await;
        assert_eq!(answer.status(), 204, "{url}");
        support::until_so("it goes", async || count(&url, &kept).await == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_snapshot_of_an_erased_person_is_left() {
    for (server, url, _folder) in servers(&[AT_ONCE]).await {
        let body = json!({"email": EMAIL, "password": PASSWORD});
        let registered = server.post("/v1/users", "", &body).await;
        let user: Value = registered.json().await.unwrap();
        let (token, kept) = long_session(&server, &url).await;
        assert_eq!(leave(&server, &token).await.status(), 202, "{url}");
        erased(&server, &url, 1).await;
        assert_eq!(count(&url, &kept).await, 0, "{url}");
        let none: Vec<(String, String)> = Vec::new();
        assert_eq!(
            places_of(&url, user["id"].as_str().unwrap()).await,
            none,
            "{url}"
        );
    }
}

/// Accounts whose erasure is due and cannot begin, more than are looked up at once: disabled ones, and others.
async fn in_the_way(url: &str) {
    const COPIED: &str = "email_claim_id, email, email_event_id, roles, created_at, password_id, recovery_codes_left, \
                          email_verified";
    let copy = |(state, disabled, n): (u8, u8, u8)| {
        let sql = format!(
            "INSERT INTO users (user_id, disabled, erase_at, {COPIED}) \
             SELECT '00000000-0000-7000-800{state}-{n:012}', {disabled}, 1, {COPIED} FROM users WHERE erase_at IS NULL"
        );
        (sql, Vec::new())
    };
    let disabled = (0..120).map(|n| (1, 1, n));
    let others = (0..120).map(|n| (2, 0, n));
    let database = Database::open(url).await.unwrap();
    let copies = disabled.chain(others).map(copy).collect();
    database.execute(copies).await.unwrap();
    database.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_cannot_be_erased_yet_keeps_nobody_else() {
    for (server, url, _folder) in servers(&[AT_ONCE]).await {
        let token = server.token(EMAIL).await;
        in_the_way(&url).await;
        assert_eq!(leave(&server, &token).await.status(), 202, "{url}");
        erased(&server, &url, 1).await;
    }
}
