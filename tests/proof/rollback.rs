//! A database that is behind what was signed, or another: nothing is signed, the server does not start, and there is a
//! way on that says so.

use std::process::Stdio;

use crate::support::Server;
use crate::support::engines::{count, lose_after, prepared, rows, write};
use crate::{Audited, register, run};

/// Takes the last events away, as a restore of an older backup does.
pub async fn set_back(url: &str) {
    let signed = rows(url, "SELECT size FROM log_checkpoint").await;
    let signed: u64 = signed[0].int(0).unwrap().try_into().unwrap();
    lose_after(url, signed - 1).await;
    write(url, "DELETE FROM log_checkpoint").await;
}

/// What a server that does not start says.
pub fn refused_start(server: &Server) -> String {
    let mut command = server.command(&["serve"]);
    let (code, said) = run(command.stdin(Stdio::null()));
    assert_eq!(code, 1, "{said}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_does_not_start_behind_what_it_signed_until_somebody_answers_for_it() {
    for mut audited in Audited::on_both_engines(&[]).await {
        register(&audited.server, "bob").await;
        audited.verify_live(&audited.vkey).is_good();
        let (code, said) = audited.log(&["accept-rollback", "--reason", "no"]);
        assert!(code == 1 && said.contains("nothing to accept"), "{said}");
        audited.server.kill();
        set_back(&audited.url).await;
        let said = refused_start(&audited.server);
        assert!(
            said.contains("was set back") && said.contains("accept-rollback"),
            "{said}"
        );
        let (code, said) = audited.log(&["checkpoint"]);
        assert!(code == 1 && said.contains("was set back"), "{said}");
        let (code, said) = audited.log(&["accept-rollback", "--reason", "the disk died"]);
        assert_eq!(code, 0, "{said}");
        audited.server.launch().await;
        let kept = "SELECT COUNT(*) FROM log_rollbacks WHERE reason = 'the disk died' AND size > kept_size";
        assert_eq!(count(&audited.url, kept).await, 1);
        let listed = audited.text("/v1/audit/log/rollbacks").await;
        let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
        let former = &listed["items"][0];
        assert_eq!(former["former_key"], audited.vkey.as_str());
        assert_eq!(former["reason"], "the disk died");
        assert!(former["size"].as_u64() > former["kept_size"].as_u64());
        let (code, printed) = audited.log(&["rollbacks"]);
        assert_eq!(code, 0, "{printed}");
        let printed: serde_json::Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(printed, *former);
        // A reader who trusts the former log is not led to believe that this is it.
        let verdict = audited.verify_live(&audited.vkey);
        verdict.is_refused("not signed by the key", "not signed by the key");
        let new = audited.text("/v1/audit/log/key").await.trim().to_owned();
        let name = |vkey: &str| vkey.split('+').next().unwrap().to_owned();
        assert_eq!(name(&new), name(&audited.vkey) + "/2");
        for state in ["python.state", "gatelog.state"] {
            std::fs::remove_file(audited.path(state)).unwrap();
        }
        audited.verify_live(&new).is_good();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_ends_when_its_database_is_set_back_under_it() {
    for mut audited in Audited::on_both_engines(&[]).await {
        register(&audited.server, "bob").await;
        audited.verify_live(&audited.vkey).is_good();
        set_back(&audited.url).await;
        let ended = audited.server.wait();
        let said = audited.server.log();
        assert_eq!(ended.code(), Some(1), "{said}");
        assert!(said.contains("the database was set back"), "{said}");
        let said = refused_start(&audited.server);
        assert!(said.contains("accept-rollback"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_does_not_start_on_another_history() {
    for (mut server, url, folder) in prepared(&[]).await {
        server.launch().await;
        let mut audited = Audited::of(server, url, folder).await;
        audited.verify_live(&audited.vkey).is_good();
        audited.server.kill();
        let record = audited.server.data.join("log-signing-key.signed");
        let note = std::fs::read_to_string(&record).unwrap();
        let mut lines: Vec<&str> = note.lines().collect();
        lines[2] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
        std::fs::write(&record, lines.join("\n") + "\n").unwrap();
        let said = refused_start(&audited.server);
        assert!(said.contains("history was changed"), "{said}");
        std::fs::write(&record, "torn").unwrap();
        let said = refused_start(&audited.server);
        assert!(said.contains("log-signing-key.signed"), "{said}");
        std::fs::write(&record, note).unwrap();
        audited.server.launch().await;
    }
}
