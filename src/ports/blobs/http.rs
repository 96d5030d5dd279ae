//! The way to an S3 server: HTTP/1.1 over the one TLS stack of this program.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http_body_util::BodyExt as _;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector as TcpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
    HttpResponse, HttpResponseBody, HttpService,
};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tower_http::timeout::TimeoutBody;

use super::BlobError;

const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Until the server answers, with the request's body sent.
const ANSWER_TIME: Duration = Duration::from_mins(2);
/// Without a byte of the answer's body.
const IDLE_TIME: Duration = Duration::from_mins(1);

/// Sends requests; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Http {
    client: Client<HttpsConnector<TcpConnector>, HttpRequestBody>,
}

impl Http {
    /// Trusts the public authorities and those in `authorities` (PEM).
    pub(super) fn new(authorities: Option<&[u8]>) -> Result<Self, BlobError> {
        let bad = || BlobError::Store("STORAGE_CA_FILE holds no certificates".to_owned());
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        for certificate in CertificateDer::pem_slice_iter(authorities.unwrap_or_default()) {
            let certificate = certificate.map_err(|_| bad())?;
            roots.add(certificate).map_err(|_| bad())?;
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| BlobError::Store(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = TcpConnector::new();
        tcp.set_connect_timeout(Some(CONNECT_TIME));
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .build(connector);
        Ok(Self { client })
    }

    /// As the store's client wants it.
    pub(super) fn client(&self) -> HttpClient {
        HttpClient::new(self.clone())
    }
}

#[async_trait]
impl HttpService for Http {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = tokio::time::timeout(ANSWER_TIME, self.client.request(request)).await;
        let answer = answer.map_err(|late| HttpError::new(HttpErrorKind::Timeout, late))?;
        let answer = answer.map_err(|error| {
            let kind = if error.is_connect() {
                HttpErrorKind::Connect
            } else {
                HttpErrorKind::Request
            };
            HttpError::new(kind, error)
        })?;
        Ok(answer.map(|body| {
            let body = TimeoutBody::new(IDLE_TIME, body);
            let failed = |error| HttpError::new_boxed(HttpErrorKind::Interrupted, error);
            HttpResponseBody::new(body.map_err(failed))
        }))
    }
}

impl HttpConnector for Http {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(self.client())
    }
}
