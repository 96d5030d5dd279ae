//! Secrets, codes and recovery codes are in no event, no log line and no byte of the database.

use std::path::Path;

use super::*;

fn assert_absent(secrets: &[String], haystack: &[u8], place: &str) {
    let lower = haystack.to_ascii_lowercase();
    for secret in secrets {
        let needle = secret.to_ascii_lowercase().into_bytes();
        let is_found = lower
            .windows(needle.len())
            .any(|window| window == needle.as_slice());
        assert!(!is_found, "{secret:?} is in {place}");
    }
}

#[test]
#[should_panic(expected = "is in a sample")]
fn a_secret_is_found_wherever_it_stands() {
    assert_absent(&["GEZD".to_owned()], b"\0\xffgeZd\0", "a sample");
}

/// The bytes that a secret in base 32 stands for, by python's own decoder.
fn raw(secret: &str) -> Vec<u8> {
    let script = "import base64, sys; print(base64.b32decode(sys.argv[1]).hex(), end='')";
    let output = std::process::Command::new("python3")
        .args(["-c", script, secret])
        .output()
        .unwrap();
    hex::decode(output.stdout).unwrap()
}

/// A story in which every secret occurs: what must not be found afterwards, and the raw bytes likewise.
async fn story(server: &Server, url: &str) -> (Vec<String>, Vec<u8>) {
    let token = server.token(EMAIL).await;
    let answer = server.post("/v1/me/totp", &token, &json!({})).await;
    let pending: Value = answer.json().await.unwrap();
    let secret = pending["secret"].as_str().unwrap().to_owned();
    let device = Device::new(&secret);
    let answer = confirm(server, &token, &device.code(0).await).await;
    let codes: Value = answer.json().await.unwrap();
    steps_pass(url).await;
    let challenge = challenge(server).await;
    prove(server, &challenge, &device.wrong_code().await).await;
    let code = codes["recovery_codes"][0].as_str().unwrap();
    assert_eq!(recover(server, &challenge, code).await.status(), 201);
    let bare = codes["recovery_codes"].as_array().unwrap().iter();
    let mut secrets: Vec<String> = bare.map(|c| c.as_str().unwrap().to_owned()).collect();
    let without_hyphens: Vec<String> = secrets.iter().map(|c| c.replace('-', "")).collect();
    secrets.extend(without_hyphens);
    let raw = raw(&secret);
    secrets.extend([secret, challenge, hex::encode(&raw)]);
    secrets.push("difference engine".to_owned());
    (secrets, raw)
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).unwrap();
    let files = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file());
    files
        .filter_map(|path| Some((path.display().to_string(), support::files::read(&path)?)))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_the_second_factor_is_found_anywhere() {
    for (server, url, _folder) in servers(&[("LOG_FILTER", "debug")]).await {
        let (secrets, raw) = story(&server, &url).await;
        let log = server.log();
        assert!(log.contains("second-factor"), "requests are logged");
        assert_absent(&secrets, log.as_bytes(), "the log lines");
        let events = rows(&url, "SELECT CAST(payload AS TEXT) FROM events").await;
        assert!(events.len() > 4);
        for event in events {
            assert_absent(&secrets, event.text(0).unwrap().as_bytes(), "an event");
        }
        for (place, bytes) in files(&server.data) {
            assert_absent(&secrets, &bytes, &place);
            let is_found = bytes.windows(raw.len()).any(|window| window == raw);
            assert!(!is_found, "the secret's bytes are in {place}");
        }
        if url.starts_with("postgres") {
            let in_hex: Vec<String> = secrets.iter().map(hex::encode).collect();
            for table in [
                "vault_totp",
                "vault_recovery_codes",
                "sign_in_challenges",
                "users",
            ] {
                let sql = format!("SELECT t::text FROM {table} t");
                for row in rows(&url, &sql).await {
                    let text = row.text(0).unwrap();
                    assert_absent(&secrets, text.as_bytes(), table);
                    assert_absent(&in_hex, text.as_bytes(), table);
                }
            }
        }
    }
}
