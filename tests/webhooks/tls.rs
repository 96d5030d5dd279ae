//! A receiver with TLS.

use std::sync::Arc;

use serde_json::json;

use crate::support::Server;
use crate::{ADMIN, SETTINGS, create, shown, until};

/// Takes one request by TLS with a certificate of an authority of its own: what came.
async fn take_by_tls(
    listener: tokio::net::TcpListener,
    certified: rcgen::CertifiedKey<rcgen::KeyPair>,
) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_rustls::rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer};
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let Ok(mut stream) = acceptor.accept(stream).await else {
            continue;
        };
        let mut taken = Vec::new();
        while !taken.ends_with(b"}\n") {
            assert_ne!(stream.read_buf(&mut taken).await.unwrap(), 0);
        }
        stream
            .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
            .await
            .unwrap();
        stream.shutdown().await.unwrap();
        return String::from_utf8(taken).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_is_known_by_its_certificate() {
    let certified = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let pem = folder.path().join("ca.pem");
    std::fs::write(&pem, certified.cert.pem()).unwrap();
    let pem = pem.display().to_string();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let taken = tokio::spawn(take_by_tls(listener, certified));
    for (authority, state) in [(None, "parked"), (Some(pem.as_str()), "active")] {
        let trusted = authority.map(|pem| ("WEBHOOK_CA_FILE", pem));
        let settings: Vec<_> = SETTINGS.into_iter().chain(trusted).collect();
        let server = Server::start_with(&settings).await;
        let admin = server.admin(ADMIN).await;
        let url = format!("https://localhost:{port}/hook?a=b");
        let sink = create(
            &server,
            &admin,
            &json!({"name": "x", "url": url, "after": 0}),
        )
        .await;
        if state == "active" {
            let came = async || shown(&server, &admin, &sink).await["position"].as_u64() > Some(0);
            until("taken", came).await;
            continue;
        }
        until("parked", async || {
            shown(&server, &admin, &sink).await["state"] == state
        })
        .await;
        assert!(
            !taken.is_finished(),
            "nothing is sent to who cannot prove who they are"
        );
    }
    let taken = taken.await.unwrap();
    assert!(taken.starts_with("POST /hook?a=b HTTP/1.1\r\n"), "{taken}");
    assert!(
        taken
            .to_lowercase()
            .contains(&format!("\r\nhost: localhost:{port}\r\n")),
        "{taken}"
    );
}
