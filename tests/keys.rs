//! Rotating the master key while the server runs: nothing fails, nothing is lost, and the former key opens nothing more.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use support::engines::{count, prepared, rows};
use support::{PASSWORD, Server, access_token, totp, until_so};

const EMAIL: &str = "ada@example.com";

fn rotate(server: &Server) -> String {
    let output = server.command(&["keys", "rotate"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The master keys that keys are wrapped under.
async fn in_use(url: &str) -> Vec<String> {
    let sql = "SELECT DISTINCT id FROM (SELECT master_key_id AS id FROM vault_person_keys \
               UNION ALL SELECT master_key_id FROM vault_system_keys) AS ids ORDER BY id";
    let found = rows(url, sql).await;
    found.iter().map(|row| row.text(0).unwrap()).collect()
}

/// A person with everything that hangs on keys: an address, a second factor, a recovery code.
struct Person {
    token: String,
    codes: Vec<String>,
}

async fn settled(server: &Server) -> Person {
    let token = server.token(EMAIL).await;
    let answer = server.post("/v1/me/totp", &token, &json!({})).await;
    let pending: Value = answer.json().await.unwrap();
    let code = totp::code(pending["secret"].as_str().unwrap());
    let confirmed = server
        .post("/v1/me/totp/confirm", &token, &json!({"code": code}))
        .await;
    let confirmed: Value = confirmed.json().await.unwrap();
    let codes = confirmed["recovery_codes"].as_array().unwrap().iter();
    let codes = codes
        .map(|code| code.as_str().unwrap().to_owned())
        .collect();
    Person { token, codes }
}

/// The password and a recovery code still open a session, and the address can still be read.
async fn is_whole(server: &Server, person: &mut Person) {
    let body = json!({"email": EMAIL, "password": PASSWORD});
    let answer = server.post("/v1/sessions", "", &body).await;
    assert_eq!(answer.status(), 202, "{}", server.log());
    let due: Value = answer.json().await.unwrap();
    let body = json!({"challenge": due["challenge"], "recovery_code": person.codes.pop()});
    let answer = server.post("/v1/sessions/second-factor", "", &body).await;
    assert_eq!(answer.status(), 201, "{}", server.log());
    let token = access_token(&answer.json().await.unwrap());
    assert_eq!(server.get_json("/v1/me", &token).await["email"], EMAIL);
}

/// People register and read while the key is rotated.
async fn busy(server: &Server, token: &str, stop: &AtomicBool) -> usize {
    let mut rounds = 0;
    while !stop.load(Ordering::SeqCst) {
        rounds += 1;
        assert_eq!(server.get_json("/v1/me", token).await["email"], EMAIL);
        server.token(&format!("guest{rounds}@example.com")).await;
    }
    rounds
}

async fn rotated_meanwhile(server: &Server, token: &str, by: &Server) -> usize {
    let stop = AtomicBool::new(false);
    let mut command = by.command(&["keys", "rotate"]);
    let rotation = async {
        let output = tokio::task::spawn_blocking(move || command.output()).await;
        let output = output.unwrap().unwrap();
        assert!(output.status.success(), "{output:?}");
        stop.store(true, Ordering::SeqCst);
    };
    futures::future::join(busy(server, token, &stop), rotation)
        .await
        .0
}

fn key_file(folder: &Path, name: &str) -> std::path::PathBuf {
    folder.join(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_the_data_folder_is_rotated_while_the_server_runs() {
    let (mut server, url, folder) = prepared(&[]).await.remove(0);
    server.launch().await;
    let mut person = settled(&server).await;
    let before = in_use(&url).await;
    assert_eq!(before.len(), 1);
    let former = std::fs::read_to_string(key_file(folder.path(), "master.key")).unwrap();
    let rounds = rotated_meanwhile(&server, &person.token, &server).await;
    assert!(rounds > 1, "something went on meanwhile");
    let after = in_use(&url).await;
    assert!(after.len() == 1 && after != before, "{before:?} {after:?}");
    is_whole(&server, &mut person).await;
    server.token("late@example.com").await;
    assert_eq!(
        in_use(&url).await,
        after,
        "new keys are under the new one, too"
    );
    // The former key is not needed any more, and opens nothing.
    server.kill();
    std::fs::remove_file(key_file(folder.path(), "master.key.former")).unwrap();
    server.launch().await;
    is_whole(&server, &mut person).await;
    server.kill();
    std::fs::write(key_file(folder.path(), "master.key"), former).unwrap();
    let refused = server.command(&["migrate"]).output().unwrap();
    assert!(!refused.status.success());
    let why = String::from_utf8(refused.stderr).unwrap();
    assert!(why.contains("sealed under another master key"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_the_operator_keeps_are_rotated_while_the_server_runs() {
    let (one, two) = ("1a".repeat(32), "2b".repeat(32));
    for (_, url, folder) in prepared(&[]).await {
        let with = |current: &str, former: &str| {
            let mut settings = vec![("DATABASE_URL", url.as_str()), ("MASTER_KEY", current)];
            if !former.is_empty() {
                settings.push(("MASTER_KEY_FORMER", former));
            }
            Server::prepare(folder.path(), &settings)
        };
        // The next key is made known to the servers first, then it takes the place of the present one.
        let mut server = with(&one, &two);
        server.launch().await;
        let mut person = settled(&server).await;
        let lonely = with(&two, "")
            .command(&["keys", "rotate"])
            .output()
            .unwrap();
        assert!(!lonely.status.success(), "{url}: the former one is missing");
        server.kill();
        let mut server = with(&two, &one);
        server.launch().await;
        let by = with(&two, &one);
        rotated_meanwhile(&server, &person.token, &by).await;
        assert_eq!(in_use(&url).await.len(), 1, "{url}");
        is_whole(&server, &mut person).await;
        server.kill();
        let mut server = with(&two, "");
        server.launch().await;
        is_whole(&server, &mut person).await;
        server.token("late@example.com").await;
    }
}

/// The file of the data folder's key is another one than `former` by now.
async fn until_replaced(folder: &Path, former: &str) {
    let file = key_file(folder, "master.key");
    let is_replaced = async || std::fs::read_to_string(&file).is_ok_and(|key| key != former);
    until_so("the key is another one", is_replaced).await;
}

/// New hashes have the pepper of the new key, whoever makes them; the server that runs has to learn it.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_was_set_after_a_rotation_is_right_at_a_server_that_runs() {
    for (mut server, url, folder) in prepared(&[]).await {
        server.launch().await;
        server.register(EMAIL).await;
        for round in 0..2 {
            let former = std::fs::read_to_string(key_file(folder.path(), "master.key")).unwrap();
            let mut rotation = server.command(&["keys", "rotate"]).spawn().unwrap();
            until_replaced(folder.path(), &former).await;
            // At once, and when the rotation is over. Each asserts that its sign-in is answered with 201.
            server.admin(&format!("early{round}@example.com")).await;
            assert!(rotation.wait().unwrap().success(), "{url}");
            server.admin(&format!("late{round}@example.com")).await;
        }
        server.sign_in(EMAIL).await;
        server.token("bob@example.com").await;
        // Who signs in has a hash of the new pepper from then on, and so has who registers here.
        let sql = "SELECT COUNT(*) FROM vault_passwords WHERE pepper_id <> (SELECT pepper_id FROM vault_passwords \
                   ORDER BY updated_at DESC LIMIT 1)";
        let is_upgraded = async || count(&url, sql).await == 2;
        until_so("all but the first round's have the new pepper", is_upgraded).await;
        server.sign_in("early0@example.com").await;
    }
}

/// A rotation that is killed at any moment loses nothing, and the next one does the rest.
#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_is_cut_off_loses_nothing() {
    let (mut server, url, _folder) = prepared(&[]).await.remove(0);
    server.launch().await;
    let mut person = settled(&server).await;
    for n in 0..20 {
        server.register(&format!("guest{n}@example.com")).await;
    }
    for round in 0..8_u64 {
        let mut rotation = server.command(&["keys", "rotate"]).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(10 + round * 15)).await;
        rotation.kill().unwrap();
        rotation.wait().unwrap();
        is_whole(&server, &mut person).await;
    }
    rotate(&server);
    assert_eq!(in_use(&url).await.len(), 1);
    server.kill();
    server.launch().await;
    is_whole(&server, &mut person).await;
    assert_eq!(
        count(&url, "SELECT COUNT(*) FROM vault_person_keys").await,
        21
    );
}
