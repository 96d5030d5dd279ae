//! Two nodes on one PostgreSQL: what an administrator has decided holds on both once it was answered.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use eventlog::testing::TestPostgres;

use super::*;

const ROUNDS: usize = 40;
/// Requests that each poller starts after the answer.
const AFTERWARDS: usize = 5;

/// Two servers that share a database and its keys, and its URL.
pub async fn nodes() -> (Server, Server, String) {
    let postgres = TestPostgres::shared().unwrap();
    let url = postgres.fresh_database().await.unwrap();
    let key = "5a".repeat(32);
    let settings = [("DATABASE_URL", url.as_str()), ("MASTER_KEY", key.as_str())];
    let here = Server::start_with(&settings).await;
    (here, Server::start_with(&settings).await, url)
}

/// Asks without a pause until it has asked some times after the answer: how often it was let in by then, and how often
/// when it asked only afterwards.
async fn poll(asked: String, token: String, answered: Arc<OnceLock<Instant>>) -> (usize, usize) {
    let client = reqwest::Client::new();
    let (mut before, mut late, mut afterwards) = (0, 0, 0);
    while afterwards < AFTERWARDS {
        let started = Instant::now();
        let request = client.get(&asked).bearer_auth(&token);
        let is_let_in = request.send().await.unwrap().status() == 204;
        let is_after = answered.get().is_some_and(|answered| started > *answered);
        afterwards += usize::from(is_after);
        late += usize::from(is_after && is_let_in);
        before += usize::from(!is_after && is_let_in);
    }
    (before, late)
}

#[tokio::test(flavor = "multi_thread")]
async fn once_it_is_answered_no_node_lets_a_disabled_or_demoted_account_in() {
    let (here, there, _url) = nodes().await;
    let admin = here.admin(ADMIN).await;
    let ada = here.register("ada@example.com").await;
    let mut let_in = 0;
    for round in 0..ROUNDS {
        assert_eq!(act(&here, &admin, &ada, "/enable").await.status(), 200);
        assert_eq!(
            set_roles(&here, &admin, &ada, &["auditor"]).await.status(),
            200
        );
        let token = access_token(&there.sign_in("ada@example.com").await);
        let answered = Arc::new(OnceLock::new());
        let polls = [&here, &there].map(|node| {
            let asked = format!("{}/v1/verify?role=auditor", node.base);
            tokio::spawn(poll(asked, token.clone(), Arc::clone(&answered)))
        });
        let node = if round % 2 == 0 { &here } else { &there };
        let answer = match round / 2 % 4 {
            0 => act(node, &admin, &ada, "/disable").await,
            1 => set_roles(node, &admin, &ada, &[]).await,
            2 => {
                let keep = json!({"keep_current": true});
                node.post("/v1/admin/sessions/revoke-all", &admin, &keep)
                    .await
            }
            _ => node.delete(&path(&ada, "/sessions"), &admin).await,
        };
        assert_eq!(answer.status(), 200);
        answered.set(Instant::now()).unwrap();
        for poll in polls {
            let (before, late) = poll.await.unwrap();
            assert_eq!(late, 0, "round {round}: let in after the answer");
            let_in += before;
        }
    }
    // The tokens were in use while they lost their worth.
    assert!(let_in > 0, "no request came before");
}
