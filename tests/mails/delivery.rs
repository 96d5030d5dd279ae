//! How mails leave: later when the server is away, once, over TLS, and given up after a number of tries.

use super::*;

async fn metric(server: &Server, name: &str) -> String {
    let metrics = reqwest::get(format!("{}/metrics", server.ops))
        .await
        .unwrap();
    let text = metrics.text().await.unwrap();
    let line = text.lines().find(|line| line.starts_with(name));
    line.unwrap_or("none").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_waits_for_a_server_that_is_away() {
    for (mut smtp, server, url, _folder) in with_smtp(&[("MAIL_RETRY_DELAY", "1")]).await {
        smtp.stop();
        server.register(EMAIL).await;
        until_count(&url, "SELECT COUNT(*) FROM outbox WHERE attempts >= 2", 1).await;
        assert!(smtp.messages().is_empty());
        smtp.listen().await;
        smtp.wait(EMAIL, CONFIRM, 1).await;
        settled(&url).await;
        assert_eq!(smtp.messages().len(), 1, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_is_parked_after_its_last_try_and_others_go_on() {
    let settings = [("MAIL_RETRY_DELAY", "1"), ("MAIL_ATTEMPTS", "2")];
    for (smtp, server, url, _folder) in with_smtp(&settings).await {
        smtp.set(Mood::Refuses(451));
        server.register(EMAIL).await;
        let parked = "SELECT COUNT(*) FROM outbox WHERE state = 'parked' AND attempts = 2";
        until_count(&url, parked, 1).await;
        assert!(
            server.log().contains("a mail is parked"),
            "{}",
            server.log()
        );
        assert!(!server.log().contains(EMAIL), "{}", server.log());
        assert_eq!(
            metric(&server, "gatelog_mails_parked_total").await,
            "gatelog_mails_parked_total 1"
        );
        smtp.set(Mood::Takes);
        server.register(OTHER).await;
        smtp.wait(OTHER, CONFIRM, 1).await;
        settled(&url).await;
        assert_eq!(smtp.messages().len(), 1, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_for_good_is_not_tried_again() {
    for (smtp, server, url, _folder) in with_smtp(&[]).await {
        smtp.set(Mood::Refuses(550));
        server.register(EMAIL).await;
        let parked = "SELECT COUNT(*) FROM outbox WHERE state = 'parked' AND attempts = 1";
        until_count(&url, parked, 1).await;
        assert!(!server.log().contains(EMAIL), "{}", server.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_while_it_sends_leaves_the_mail_to_the_next() {
    for (smtp, mut server, url, _folder) in with_smtp(&[]).await {
        smtp.set(Mood::Hangs);
        server.register(EMAIL).await;
        support::until("the message is under way", || smtp.begun() == 1).await;
        server.kill();
        let taken = "SELECT COUNT(*) FROM outbox WHERE attempts = 1 AND lease_until > 0 AND state = 'waiting'";
        assert_eq!(count(&url, taken).await, 1, "{url}");
        smtp.set(Mood::Takes);
        // The lease runs out.
        write(&url, "UPDATE outbox SET lease_until = 1").await;
        server.launch().await;
        smtp.wait(EMAIL, CONFIRM, 1).await;
        settled(&url).await;
        assert_eq!(smtp.messages().len(), 1, "{url}");
    }
}

/// Two nodes on one database: one mail.
#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_send_a_mail_once() {
    let smtp = Smtp::start().await;
    let url = smtp.url();
    let cluster = eventlog::testing::TestPostgres::shared().unwrap();
    let database = cluster.fresh_database().await.unwrap();
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let key = "17".repeat(32);
    let settings = [
        FROM,
        ("SMTP_URL", &url),
        ("DATABASE_URL", &database),
        ("MASTER_KEY", &key),
    ];
    let (mut first, mut second) = (
        Server::prepare(one.path(), &settings),
        Server::prepare(two.path(), &settings),
    );
    first.launch().await;
    second.launch().await;
    for n in 0..20 {
        let server = if n % 2 == 0 { &first } else { &second };
        server.register(&format!("person-{n}@example.com")).await;
    }
    for n in 0..20 {
        smtp.wait(&format!("person-{n}@example.com"), CONFIRM, 1)
            .await;
    }
    settled(&database).await;
    assert_eq!(smtp.messages().len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_tls_asked_for_nothing_is_sent_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    for (has_tls, is_trusted) in [(true, true), (true, false), (false, false)] {
        let smtp = if has_tls {
            Smtp::start_with_tls().await
        } else {
            Smtp::start().await
        };
        let url = format!("smtp://localhost:{}?tls=required", smtp.port());
        let mut settings = vec![FROM, ("SMTP_URL", url.as_str())];
        std::fs::write(&file, &smtp.authority).unwrap();
        let path = file.display().to_string();
        if is_trusted {
            settings.push(("SMTP_CA_FILE", &path));
        }
        let mut server = Server::start_with(&settings).await;
        let database = format!("sqlite://{}", server.data.join("gatelog.db").display());
        server.register(EMAIL).await;
        if is_trusted {
            let message = smtp.wait(EMAIL, CONFIRM, 1).await;
            assert!(message.is_tls);
        } else {
            until_count(
                &database,
                "SELECT COUNT(*) FROM outbox WHERE attempts > 0 AND lease_until = 0",
                1,
            )
            .await;
            assert!(smtp.messages().is_empty() && smtp.begun() == 0, "{has_tls}");
        }
        server.kill();
    }
}

/// Without an SMTP server a mail is a file that only its owner reads.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_mails_are_files() {
    use std::os::unix::fs::PermissionsExt as _;
    for (server, url, _folder) in servers(&[]).await {
        server.register(EMAIL).await;
        settled(&url).await;
        let outbox = server.data.join("outbox");
        let mode =
            |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&outbox), 0o700);
        let files: Vec<_> = std::fs::read_dir(&outbox)
            .unwrap()
            .map(|file| file.unwrap().path())
            .collect();
        assert_eq!(files.len(), 1, "{files:?}");
        assert_eq!(mode(&files[0]), 0o600);
        let message = Message {
            to: EMAIL.to_owned(),
            data: std::fs::read_to_string(&files[0]).unwrap(),
            is_tls: false,
        };
        assert_eq!(message.subject(), CONFIRM);
        assert_eq!(message.header("To"), EMAIL);
        assert_eq!(
            confirm(&server, &message.token()).await.status(),
            204,
            "{url}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_parked_mails_and_has_them_sent_again() {
    for (smtp, server, url, _folder) in with_smtp(&[]).await {
        smtp.set(Mood::Refuses(550));
        let user = server.register(EMAIL).await;
        server.register(OTHER).await;
        let parked = "SELECT COUNT(*) FROM outbox WHERE state = 'parked'";
        until_count(&url, parked, 2).await;
        let command = |arguments: &[&str]| {
            let output = server.command(arguments).output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            (output.status.success(), text)
        };
        let (is_good, list) = command(&["mails", "list"]);
        assert!(is_good && list.lines().count() == 2, "{url}: {list}");
        assert!(!list.contains('@'), "{url}: no address: {list}");
        let of_user = |line: &&str| line.contains(user["id"].as_str().unwrap());
        let mail = list.lines().find(of_user).unwrap();
        let mail = mail.split('\t').next().unwrap();
        smtp.set(Mood::Takes);
        assert_eq!(command(&["mails", "retry", mail]), (true, "1\n".to_owned()));
        smtp.wait(EMAIL, CONFIRM, 1).await;
        settled(&url).await;
        assert_eq!(smtp.messages().len(), 1, "{url}");
        assert!(!command(&["mails", "retry", mail]).0, "{url}: it was sent");
        assert_eq!(command(&["mails", "retry"]), (true, "1\n".to_owned()));
        smtp.wait(OTHER, CONFIRM, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_is_called_what_its_operator_calls_it() {
    for (smtp, server, url, _folder) in with_smtp(&[("SERVICE_NAME", "Zorblaxian")]).await {
        // Its name is what a guesser tries first.
        let body = json!({"email": EMAIL, "password": "Zorblaxian-1"});
        let refusal = server.post("/v1/users", "", &body).await;
        assert_eq!(refusal.status(), 422, "{url}");
        let problem: Value = refusal.json().await.unwrap();
        assert_eq!(problem["errors"][0]["code"], "too_common", "{url}");
        let token = server.token(EMAIL).await;
        let mail = smtp.wait(EMAIL, CONFIRM, 1).await;
        assert!(mail.text().contains("Sent by Zorblaxian."), "{url}");
        let answer = server.post("/v1/me/totp", &token, &json!({})).await;
        let pending: Value = answer.json().await.unwrap();
        let uri = pending["otpauth_uri"].as_str().unwrap();
        assert!(uri.starts_with("otpauth://totp/Zorblaxian:"), "{url}");
        assert!(uri.contains("issuer=Zorblaxian"), "{url}");
    }
}
