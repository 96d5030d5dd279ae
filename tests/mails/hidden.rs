//! Nothing that a mail holds is found anywhere else: not in the database, its files, the log lines or the events.

use super::*;

const NAME: &str = "Zoë \"Bcc: eve@example.org\" <b>Lovelace</b>";

fn contains(haystack: &[u8], needle: &str) -> bool {
    let (haystack, needle) = (haystack.to_ascii_lowercase(), needle.to_ascii_lowercase());
    haystack
        .windows(needle.len())
        .any(|window| window == needle.as_bytes())
}

/// The bytes of every file of the server, and of every row where there is PostgreSQL.
async fn everything(server: &Server, url: &str) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&server.data).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file()
            && let Some(bytes) = support::files::read(&path)
        {
            found.push((path.display().to_string(), bytes));
        }
    }
    if url.starts_with("postgres") {
        let tables =
            "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
        for table in rows(url, tables).await {
            let table = table.text(0).unwrap();
            let rows = rows(url, &format!("SELECT t::text FROM {table} t")).await;
            let text: String = rows.iter().map(|row| row.text(0).unwrap() + "\n").collect();
            found.push((table, text.into_bytes()));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_and_no_address_is_in_the_clear() {
    let settings = [("LOG_FILTER", "debug"), ("REGISTRATION", "verify_first")];
    for (mut smtp, server, url, _folder) in with_smtp(&settings).await {
        let body = json!({"email": EMAIL, "password": PASSWORD, "name": NAME});
        server.post("/v1/users", "", &body).await;
        let mut tokens = vec![
            smtp.wait(EMAIL, "Confirm your registration", 1)
                .await
                .token(),
        ];
        assert_eq!(open(&server, &tokens[0]).await.status(), 204);
        let token = access_token(&server.sign_in(EMAIL).await);
        change_email(&server, &token, NEW).await;
        tokens.push(smtp.wait(NEW, CONFIRM_CHANGE, 1).await.token());
        ask_reset(&server, EMAIL).await;
        tokens.push(smtp.wait(EMAIL, RESET, 1).await.token());
        confirm(&server, &tokens[1]).await;
        settled(&url).await;
        // And mails that wait, with a registration that waits.
        smtp.stop();
        ask_reset(&server, NEW).await;
        let body = json!({"email": OTHER, "password": PASSWORD, "name": NAME});
        server.post("/v1/users", "", &body).await;
        until_count(
            &url,
            "SELECT COUNT(*) FROM outbox WHERE state = 'waiting' AND attempts > 0",
            2,
        )
        .await;
        assert_eq!(
            count(&url, "SELECT COUNT(*) FROM pending_registrations").await,
            1
        );
        let places = everything(&server, &url).await;
        assert!(places.len() > 3);
        for (place, bytes) in &places {
            for secret in [
                EMAIL, NEW, OTHER, "Lovelace", PASSWORD, "argon2id", "#token=",
            ] {
                assert!(!contains(bytes, secret), "{url}: {secret} is in {place}");
            }
            for token in &tokens {
                assert!(!contains(bytes, token), "{url}: a token is in {place}");
            }
        }
    }
}

/// Names that would be headers or tags are text, and only who is known to have the address is called by a name.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_a_name_and_nothing_else() {
    for (smtp, server, url, _folder) in with_smtp(&[]).await {
        let body = json!({"email": EMAIL, "password": PASSWORD, "name": NAME});
        server.post("/v1/users", "", &body).await;
        let first = smtp.wait(EMAIL, CONFIRM, 1).await;
        assert_eq!(first.header("To"), EMAIL, "a stranger's name is not mailed");
        assert!(!first.text().contains("Lovelace"));
        confirm(&server, &first.token()).await;
        ask_reset(&server, EMAIL).await;
        let mail = smtp.wait(EMAIL, RESET, 1).await;
        assert!(mail.header("To").ends_with("<ada@example.com>"), "{url}");
        assert!(
            mail.data.is_ascii() && !mail.data.contains("\r\nBcc"),
            "{}",
            mail.data
        );
        assert!(
            mail.text().contains("&lt;b&gt;Lovelace&lt;/b&gt;"),
            "{}",
            mail.text()
        );
        assert_eq!(mail.header("Auto-Submitted"), "auto-generated");
        assert!(
            mail.header("Content-Type")
                .starts_with("multipart/alternative")
        );
    }
}
