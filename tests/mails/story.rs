//! Every kind of mail arrives once.

use super::*;

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

/// What the story mails: to whom, and the subject.
const EVERY_KIND: [(&str, &str); 15] = [
    (EMAIL, CONFIRM),
    (EMAIL, "New sign-in to your account"),
    (EMAIL, "A session was ended"),
    (EMAIL, "Two-factor sign-in is on"),
    (EMAIL, "A recovery code was used"),
    (EMAIL, "New recovery codes"),
    (EMAIL, "Two-factor sign-in is off"),
    (EMAIL, "A new address was asked for"),
    (NEW, CONFIRM_CHANGE),
    (EMAIL, "Your account has another address"),
    (NEW, "Your address was changed"),
    (NEW, "Your password was changed"),
    (NEW, RESET),
    (NEW, "Your password was reset"),
    (NEW, "Your account was disabled"),
];

/// Lets another process decide about an account, beside the running server.
async fn decide(url: &str, user: &str, command: aggregates::user::UserCommand) {
    let database = eventlog::Database::open(url).await.unwrap();
    let options = eventlog::LogOptions::default();
    let log = eventlog::Log::open(database.clone(), projections::inline(), options);
    let log = log.await.unwrap();
    let context = eventlog::CommandContext {
        command_id: uuid::Uuid::now_v7(),
        metadata: eventlog::Metadata::default(),
        creates: false,
    };
    log.execute::<aggregates::user::User>(user, command, &context)
        .await
        .unwrap();
    log.shut_down().await;
    database.close().await;
}

async fn from_firefox(server: &Server) -> Value {
    let body = json!({"email": EMAIL, "password": PASSWORD});
    let request = server
        .request(Method::POST, "/v1/sessions")
        .header("user-agent", FIREFOX);
    request
        .json(&body)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

async fn from_network(server: &Server, network: u8) {
    let body = json!({"email": EMAIL, "password": PASSWORD});
    let request = server.request(Method::POST, "/v1/sessions");
    let request = request.header("x-forwarded-for", format!("10.{network}.0.1"));
    let answer = request.json(&body).send().await.unwrap();
    assert_eq!(answer.status(), 201);
}

/// Whoever has the password signs in from everywhere until no more mails go, and then takes the account over.
#[tokio::test(flavor = "multi_thread")]
async fn no_number_of_sign_ins_keeps_the_owner_from_learning_of_a_change() {
    for (smtp, server, url, _folder) in with_smtp(&[("TRUSTED_PROXIES", "127.0.0.0/8")]).await {
        let token = server.token(EMAIL).await;
        let link = smtp.wait(EMAIL, CONFIRM, 1).await.token();
        assert_eq!(confirm(&server, &link).await.status(), 204, "{url}");
        for network in 0..25 {
            from_network(&server, network).await;
        }
        settled(&url).await;
        let sign_ins = smtp.to(EMAIL, "New sign-in to your account");
        assert!(
            (15..=20).contains(&sign_ins.len()),
            "{url}: {}",
            sign_ins.len()
        );
        let change = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
        let request = server.request(Method::PUT, "/v1/me/password");
        let request = request.bearer_auth(&token).json(&change);
        assert_eq!(request.send().await.unwrap().status(), 204, "{url}");
        smtp.wait(EMAIL, "Your password was changed", 1).await;
    }
}

async fn second_factor(url: &str, user: &str) {
    use aggregates::user::{SecondFactorCommand as Command, UserCommand};
    let at = chrono::Utc::now();
    let (totp_id, codes_id) = (uuid::Uuid::now_v7().into(), uuid::Uuid::now_v7().into());
    let more = uuid::Uuid::now_v7().into();
    for command in [
        Command::Enable {
            totp_id,
            codes_id,
            most_an_hour: 10,
            count: 10,
            at,
        },
        Command::UseRecoveryCode {
            codes_id,
            number: 3,
            at,
        },
        Command::IssueRecoveryCodes {
            totp_id,
            codes_id: more,
            most_an_hour: 10,
            count: 10,
            at: at + chrono::TimeDelta::seconds(1),
        },
        Command::Disable { totp_id, at },
    ] {
        decide(url, user, UserCommand::SecondFactor(command)).await;
    }
}

async fn new_passwords_then_disabled(
    smtp: &Smtp,
    server: &Server,
    url: &str,
    id: &str,
    token: &str,
) {
    let change = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
    let changed = server
        .request(Method::PUT, "/v1/me/password")
        .bearer_auth(token);
    assert_eq!(changed.json(&change).send().await.unwrap().status(), 204);
    assert_eq!(ask_reset(server, NEW).await.status(), 202);
    let link = smtp.wait(NEW, RESET, 1).await;
    assert_eq!(
        reset(server, &link.token(), "Third-staple-9")
            .await
            .status(),
        204
    );
    let disable = aggregates::user::UserCommand::Disable {
        reason: aggregates::user::DisableReason::Abuse,
        at: chrono::Utc::now(),
        rights_revision: 0,
    };
    decide(url, id, disable).await;
    smtp.wait(NEW, "Your account was disabled", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_mail_arrives_once() {
    for (smtp, server, url, _folder) in with_smtp(&[("REFRESH_LEEWAY", "0")]).await {
        let user = server.register(EMAIL).await;
        assert_eq!(user["email_verified"], false);
        let id = user["id"].as_str().unwrap();
        let link = smtp.wait(EMAIL, CONFIRM, 1).await;
        assert!(
            link.text()
                .contains(&format!("{}/confirm-email#token=", server.base))
        );
        let first = server.sign_in(EMAIL).await;
        let token = access_token(&first);
        assert_eq!(confirm(&server, &link.token()).await.status(), 204, "{url}");
        assert_eq!(
            server.get_json("/v1/me", &token).await["email_verified"],
            true
        );
        server.sign_in(EMAIL).await;
        let elsewhere = from_firefox(&server).await;
        from_firefox(&server).await;
        let device = smtp.wait(EMAIL, "New sign-in to your account", 1).await;
        assert!(
            device.text().contains("Firefox on Linux"),
            "{}",
            device.text()
        );
        // An old refresh token.
        let old = json!({"refresh_token": elsewhere["refresh_token"]});
        assert_eq!(
            server.post("/v1/tokens/refresh", "", &old).await.status(),
            200
        );
        assert_eq!(
            server.post("/v1/tokens/refresh", "", &old).await.status(),
            401
        );
        second_factor(&url, id).await;
        assert_eq!(change_email(&server, &token, NEW).await.status(), 202);
        let link = smtp.wait(NEW, CONFIRM_CHANGE, 1).await;
        assert_eq!(confirm(&server, &link.token()).await.status(), 204);
        new_passwords_then_disabled(&smtp, &server, &url, id, &token).await;
        settled(&url).await;
        let mut seen: Vec<(String, String)> = smtp
            .messages()
            .iter()
            .map(|m| (m.to.clone(), m.subject()))
            .collect();
        seen.sort();
        let mut wanted = EVERY_KIND.map(|(to, subject)| (to.to_owned(), subject.to_owned()));
        wanted.sort();
        assert_eq!(seen, wanted, "{url}: {}", server.log());
        let left =
            "SELECT COUNT(*) FROM outbox WHERE sealed_letter IS NOT NULL OR user_id IS NOT NULL";
        assert_eq!(
            count(&url, left).await,
            0,
            "{url}: what was sent is not kept"
        );
    }
}

/// The tail goes over every event again: nothing is mailed twice.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_comes_again_makes_no_second_mail() {
    for (smtp, mut server, url, _folder) in with_smtp(&[]).await {
        let token = server.token(EMAIL).await;
        change_email(&server, &token, NEW).await;
        smtp.wait(NEW, CONFIRM_CHANGE, 1).await;
        settled(&url).await;
        let before = smtp.messages().len();
        server.kill();
        write(&url, "UPDATE tails SET position = 0").await;
        server.launch().await;
        settled(&url).await;
        assert_eq!(smtp.messages().len(), before, "{url}");
    }
}

/// An event of the day before yesterday is no news: who upgrades does not flood everybody.
#[tokio::test(flavor = "multi_thread")]
async fn old_events_make_no_mails() {
    for (smtp, server, url, _folder) in with_smtp(&[]).await {
        settled(&url).await;
        server.register(EMAIL).await;
        smtp.wait(EMAIL, CONFIRM, 1).await;
        drop(server);
        // Without the memory of what was sent, and the events two days old.
        write(&url, "DELETE FROM outbox").await;
        write(
            &url,
            "UPDATE tails SET position = 0 WHERE name = 'write_mails'",
        )
        .await;
        let trigger = if url.starts_with("sqlite") {
            "DROP TRIGGER events_are_not_updated"
        } else {
            "ALTER TABLE events DISABLE TRIGGER USER"
        };
        write(&url, trigger).await;
        write(
            &url,
            "UPDATE events SET recorded_at = recorded_at - 172800000000",
        )
        .await;
        let settings = [
            FROM,
            ("DATABASE_URL", url.as_str()),
            ("SMTP_URL", &smtp.url()),
        ]
        .map(|(k, v)| (k, v.to_owned()));
        let settings: Vec<(&str, &str)> = settings.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let mut again = Server::prepare(_folder.path(), &settings);
        again.launch().await;
        settled(&url).await;
        assert_eq!(smtp.messages().len(), 1, "{url}");
    }
}

/// Text that cannot be opened, and events that cannot be understood, hold nothing up.
#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_mail_holds_up_nothing() {
    for (smtp, server, url, _folder) in with_smtp(&[]).await {
        let token = server.token(EMAIL).await;
        smtp.wait(EMAIL, CONFIRM, 1).await;
        let swap = "UPDATE users SET email = 'v1.AAAA'";
        write(&url, swap).await;
        let trigger = if url.starts_with("sqlite") {
            "DROP TRIGGER events_are_not_updated"
        } else {
            "ALTER TABLE events DISABLE TRIGGER USER"
        };
        write(&url, trigger).await;
        let broken = if url.starts_with("sqlite") {
            "CAST(replace(CAST(payload AS TEXT), 'v1.', 'v1.AA') AS TEXT)"
        } else {
            "replace(payload::text, 'v1.', 'v1.AA')::json"
        };
        write(
            &url,
            &format!("UPDATE events SET payload = {broken} WHERE event_type = 'UserRegistered'"),
        )
        .await;
        let change = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
        server
            .request(Method::PUT, "/v1/me/password")
            .bearer_auth(&token)
            .json(&change)
            .send()
            .await
            .unwrap();
        server.register(OTHER).await;
        smtp.wait(OTHER, CONFIRM, 1).await;
        settled(&url).await;
        assert_eq!(smtp.messages().len(), 2, "{url}");
    }
}

/// Six networks a moment before somebody takes the account over keep its owner from nothing, though nobody confirmed the
/// address.
#[tokio::test(flavor = "multi_thread")]
async fn an_unconfirmed_address_is_told_of_its_account_whatever_the_sign_ins() {
    let settings = [("TRUSTED_PROXIES", "127.0.0.0/8")];
    for (smtp, server, url, _folder) in with_smtp(&settings).await {
        let token = server.token(EMAIL).await;
        for network in 1..9 {
            from_network(&server, network).await;
        }
        settled(&url).await;
        let told = smtp.to(EMAIL, "New sign-in to your account").len();
        assert_eq!(told, 6, "{url}: of so many in an hour");
        let change = json!({"current_password": PASSWORD, "new_password": NEW_PASSWORD});
        let request = server.request(Method::PUT, "/v1/me/password");
        let request = request.bearer_auth(&token).json(&change);
        assert_eq!(request.send().await.unwrap().status(), 204, "{url}");
        smtp.wait(EMAIL, "Your password was changed", 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_sign_in_is_no_news_only_to_whoever_registered_from_there() {
    const NEWS: &str = "New sign-in to your account";
    let settings = [("TRUSTED_PROXIES", "127.0.0.0/8")];
    for (smtp, server, url, _folder) in with_smtp(&settings).await {
        server.register(EMAIL).await;
        server.sign_in(EMAIL).await;
        // As if the administrator's password had been read on its way to them: see `support::Server::with_role`.
        server.admin(OTHER).await;
        smtp.wait(OTHER, NEWS, 1).await;
        settled(&url).await;
        assert!(smtp.to(EMAIL, NEWS).is_empty(), "{url}");
        // Registered here, and first signed in to elsewhere.
        server.register(NEW).await;
        let body = json!({"email": NEW, "password": PASSWORD});
        let request = server.request(Method::POST, "/v1/sessions");
        let request = request.header("x-forwarded-for", "198.51.100.9");
        let answer = request.json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 201, "{url}");
        smtp.wait(NEW, NEWS, 1).await;
    }
}
