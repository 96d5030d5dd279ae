//! What the counters are kept in.

use std::io::ErrorKind;

use eventlog::testing::TestPostgres;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::*;

const FEW: [(&str, &str); 2] = [PROXY, ("SIGN_IN_FREE_PER_DEVICE", "4")];

#[tokio::test(flavor = "multi_thread")]
async fn the_counters_outlive_the_server() {
    for (server, url, _folder) in servers(&FEW).await {
        server.register(EMAIL).await;
        for _ in 0..4 {
            assert_eq!(status(&server, HOME, EMAIL, WRONG).await, 401);
        }
        hold(&url).await;
        let server = restarted(server, &url, &FEW).await;
        assert_eq!(status(&server, HOME, EMAIL, PASSWORD).await, 429, "{url}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_count_together() {
    let cluster = TestPostgres::shared().unwrap();
    let url = cluster.fresh_database().await.unwrap();
    let key = "5a".repeat(32);
    let own = [("DATABASE_URL", url.as_str()), ("MASTER_KEY", key.as_str())];
    let settings = [&FEW[..], &own].concat();
    let one = Server::start_with(&settings).await;
    let other = Server::start_with(&settings).await;
    one.register(EMAIL).await;
    let asked = (0..40).map(|n| {
        let node = if n % 2 == 0 { &one } else { &other };
        status(node, HOME, EMAIL, WRONG)
    });
    let began = Instant::now();
    let answers = futures::future::join_all(asked).await;
    let looked_at = answers.iter().filter(|status| **status == 401).count();
    let seconds = began.elapsed().as_secs();
    let delayed = (0..40_u32).take_while(|n| (2_u64 << n) - 1 <= seconds);
    assert!(
        (4..=4 + delayed.count()).contains(&looked_at),
        "{answers:?}"
    );
    hold(&url).await;
    for node in [&one, &other] {
        assert_eq!(status(node, HOME, EMAIL, PASSWORD).await, 429);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_address_of_a_person_or_a_network_is_in_the_tables() {
    for (server, url, _folder) in servers(&[PROXY]).await {
        let user = server.register(EMAIL).await;
        let device = device_token(&server, HOME, EMAIL).await;
        assert_eq!(status(&server, HOME, EMAIL, WRONG).await, 401);
        let guess = status_on(&server, HOME, EMAIL, WRONG, &device).await;
        assert_eq!(guess, 401);
        assert_eq!(
            status(&server, HOME, "nobody@example.com", WRONG).await,
            401
        );
        assert_eq!(status(&server, HOME, "plain text", WRONG).await, 401);
        let mut texts = Vec::new();
        for sql in [
            "SELECT subject FROM sign_in_throttles",
            "SELECT account FROM sign_in_throttles",
            "SELECT email_claim_id FROM sign_in_failures",
            "SELECT subject FROM anonymous_requests",
        ] {
            let found = rows(&url, sql).await;
            assert!(!found.is_empty(), "{url}: {sql}");
            texts.extend(found.iter().map(|row| row.text(0).unwrap()));
        }
        let id = user["id"].as_str().unwrap();
        for text in texts {
            let is_hash = text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
            assert!(is_hash && text != id && text != device, "{url}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_over_are_removed() {
    for (server, url, _folder) in servers(&[PROXY]).await {
        server.register(EMAIL).await;
        assert_eq!(status(&server, HOME, EMAIL, PASSWORD).await, 201);
        for n in 0..3 {
            let email = format!("nobody{n}@example.com");
            assert_eq!(status(&server, HOME, &email, WRONG).await, 401);
        }
        let all = "SELECT COUNT(*) FROM sign_in_throttles";
        let seen = count(&url, all).await;
        assert_eq!(seen, 7, "{url}: 3 pairs, 3 accounts, 1 network");
        pass(&url, 86_400).await;
        let hour = "UPDATE sign_in_failures SET window_began = window_began - 3600000000";
        write(&url, hour).await;
        let deadline = Instant::now() + PATIENCE;
        while count(&url, all).await > 0 {
            assert!(Instant::now() < deadline, "{url}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        let failures = "SELECT COUNT(*) FROM sign_in_failures";
        while count(&url, failures).await > 0 {
            assert!(Instant::now() < deadline, "{url}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// From when the session is in the log, nothing that is only counted makes an error of it.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_signed_in_is_told_so_though_the_charge_cannot_be_taken_back() {
    const SQLITE: &str = "CREATE TRIGGER no_removal BEFORE DELETE ON sign_in_throttles \
                          BEGIN SELECT RAISE(ABORT, 'no'); END";
    const POSTGRES: [&str; 2] = [
        "CREATE FUNCTION no_removal() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$",
        "CREATE TRIGGER no_removal BEFORE DELETE ON sign_in_throttles EXECUTE FUNCTION no_removal()",
    ];
    for (server, url, _folder) in servers(&[PROXY]).await {
        server.register(EMAIL).await;
        let is_sqlite = url.starts_with("sqlite");
        let statements = if is_sqlite { &[SQLITE][..] } else { &POSTGRES };
        for sql in statements {
            write(&url, sql).await;
        }
        assert_eq!(status(&server, HOME, EMAIL, WRONG).await, 401, "{url}");
        let device = device_token(&server, HOME, EMAIL).await;
        let right = status_on(&server, HOME, EMAIL, PASSWORD, &device).await;
        assert_eq!(right, 201, "{url}");
        // On SQLite a right password is not charged in the table; on PostgreSQL the device's is, too.
        let stay = if is_sqlite { 3 } else { 5 };
        assert_eq!(count(&url, CHARGED).await, stay, "{url}: all stay charged");
        assert!(server.log().contains("was not taken back"), "{url}");
    }
}

const CHARGED: &str = "SELECT COUNT(*) FROM sign_in_throttles WHERE failures > 0";

/// Nobody guesses for nothing by going before the answer. The hash takes seconds; a guess that has not got there within a
/// while is no guess, and the next one comes.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_hangs_up_before_the_answer_is_charged() {
    let slow = [
        PROXY,
        ("ARGON2_PASSES", "40"),
        ("ARGON2_MEMORY_KIB", "65536"),
    ];
    for (server, url, _folder) in servers(&slow).await {
        server.register(EMAIL).await;
        let body = json!({"email": EMAIL, "password": WRONG}).to_string();
        let request = format!(
            "POST /v1/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let address = server.base.strip_prefix("http://").unwrap();
        let deadline = Instant::now() + PATIENCE;
        while count(&url, CHARGED).await == 0 {
            assert!(Instant::now() < deadline, "{url}: nothing is charged");
            let mut guess = TcpStream::connect(address).await.unwrap();
            guess.write_all(request.as_bytes()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(100)).await;
            let answered = guess.try_read(&mut [0]).map_err(|error| error.kind());
            assert_eq!(answered, Err(ErrorKind::WouldBlock), "{url}");
        }
        assert_eq!(count(&url, CHARGED).await, 3, "{url}");
    }
}
