//! `gatelog admin grant`, `revoke` and `reset-totp`, beside the running server.

use std::time::Instant;

use super::*;
use crate::support::PATIENCE;

/// Runs a command: whether it succeeded, and what it said.
fn run(server: &Server, arguments: &[&str]) -> (bool, String) {
    let output = server.command(arguments).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

fn change(server: &Server, what: &str, email: &str, role: &str) -> (bool, String) {
    run(server, &["admin", what, "--email", email, "--role", role])
}

/// A server on SQLite reads within a second what another process wrote.
async fn until_status(server: &Server, path: &str, token: &str, status: u16) {
    let deadline = Instant::now() + PATIENCE;
    while server.get(path, token).await.status().as_u16() != status {
        assert!(Instant::now() < deadline, "{path}: never {status}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_granted_and_revoked_beside_the_running_server() {
    for (server, url, _folder) in servers(&[]).await {
        let token = server.token("ada@example.com").await;
        let admin = "/v1/verify?role=admin";
        assert_eq!(server.get(admin, &token).await.status(), 403);
        for _ in 0..2 {
            let (is_done, said) = change(&server, "grant", "Ada@example.com", "admin");
            assert!(is_done, "{said}");
        }
        assert_eq!(events(&url, "UserRolesChanged").await, 1);
        assert_eq!(last_actor(&url, "UserRolesChanged").await, "command-line");
        if url.starts_with("postgres") {
            assert_eq!(server.get(admin, &token).await.status(), 204, "at once");
        }
        until_status(&server, admin, &token, 204).await;
        let (is_done, said) = change(&server, "revoke", "ada@example.com", "admin");
        assert!(!is_done && said.contains("last administrator"), "{said}");
        assert!(change(&server, "grant", "ada@example.com", "auditor").0);
        server.admin(ADMIN).await;
        assert!(change(&server, "revoke", "ada@example.com", "admin").0);
        until_status(&server, admin, &token, 403).await;
        let answer = server.get("/v1/verify", &token).await;
        assert_eq!(answer.headers()["x-auth-roles"], "auditor");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_is_reset_from_the_command_line() {
    for (server, url, _folder) in servers(&[]).await {
        let token = server.token("ada@example.com").await;
        crate::accounts::enrol(&server, &token).await;
        assert_eq!(sign_in(&server, "ada@example.com").await.status(), 202);
        let reset = ["admin", "reset-totp", "--email", "ada@example.com"];
        for _ in 0..2 {
            let (is_done, said) = run(&server, &reset);
            assert!(is_done, "{said}");
        }
        assert_eq!(events(&url, "TotpDisabled").await, 1);
        assert_eq!(last_actor(&url, "TotpDisabled").await, "command-line");
        assert_eq!(sign_in(&server, "ada@example.com").await.status(), 201);
        assert_eq!(verify(&server, &token).await, 204);
    }
}

#[tokio::test]
async fn what_is_wrong_is_told() {
    let server = Server::start().await;
    for (arguments, told) in [
        (
            &["grant", "--email", "x@example.com", "--role", "admin"][..],
            "no account",
        ),
        (&["grant", "--email", "x", "--role", "admin"], "--email"),
        (
            &["grant", "--email", "x@example.com", "--role", "king"],
            "king",
        ),
        (&["grant", "--email", "x@example.com"], "--role"),
        (&["reset-totp", "--email", "x@example.com"], "no account"),
    ] {
        let (is_done, said) = run(&server, &[&["admin"], arguments].concat());
        assert!(!is_done && said.contains(told), "{arguments:?}: {said}");
    }
}
