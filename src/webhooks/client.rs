//! One request to a receiver: to an address that was checked and is connected to as it was, without redirects, proxies or
//! a connection kept, and with a time for the whole. Of the answer only the status is read.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, StatusCode, header};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use url::Url;

use super::address::allowed;
use crate::config::WebhookConfig;

/// How long one request may take. Shorter than the lease of a sink.
pub const SEND_TIME: Duration = Duration::from_secs(20);
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// Why a receiver has not taken a message. Nothing of what it answered is quoted.
#[derive(Debug, thiserror::Error)]
pub enum DeliveryError {
    /// It answered, but not with a status of success.
    #[error("the receiver answered {0}")]
    Status(StatusCode),
    /// It did not answer.
    #[error("{0}")]
    Unreachable(String),
}

/// A message with its headers.
#[derive(Debug)]
pub struct Message {
    /// The same at every try.
    pub id: String,
    /// Seconds since the epoch.
    pub timestamp: i64,
    /// One for each secret.
    pub signatures: String,
    /// The lines.
    pub body: String,
}

/// Sends messages.
pub struct WebhookClient {
    tls: TlsConnector,
    allow_private: bool,
}

impl std::fmt::Debug for WebhookClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("WebhookClient")
            .field("allow_private", &self.allow_private)
            .finish_non_exhaustive()
    }
}

impl WebhookClient {
    /// As the settings say.
    ///
    /// # Errors
    /// A certificate that is none.
    pub fn new(config: &WebhookConfig) -> anyhow::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        if let Some(pem) = &config.authorities {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.ok().context("WEBHOOK_CA_FILE")?;
                roots.add(certificate).context("WEBHOOK_CA_FILE")?;
            }
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .context("TLS")?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            tls: Arc::new(tls).into(),
            allow_private: config.allow_private,
        })
    }

    /// Sends a message.
    ///
    /// # Errors
    /// See [`DeliveryError`].
    pub async fn send(&self, url: &Url, message: Message) -> Result<(), DeliveryError> {
        let sent = tokio::time::timeout(SEND_TIME, self.try_send(url, message)).await;
        let status = sent
            .unwrap_or_else(|_| Err(anyhow::anyhow!("the receiver took too long")))
            .map_err(|error| DeliveryError::Unreachable(format!("{error:#}")))?;
        if status.is_success() {
            return Ok(());
        }
        Err(DeliveryError::Status(status))
    }

    async fn try_send(&self, url: &Url, message: Message) -> anyhow::Result<StatusCode> {
        let is_https = url.scheme() == "https";
        let host = url.host_str().context("an address without a host")?;
        let bare = host.trim_matches(['[', ']']);
        let port = url
            .port_or_known_default()
            .context("an address without a port")?;
        let found = lookup_host((bare, port))
            .await
            .context("the name cannot be looked up")?;
        let addresses = allowed(found, is_https, self.allow_private)?;
        let stream = connect(&addresses).await?;
        let request = request(url, host, message)?;
        if !is_https {
            return exchange(stream, request).await;
        }
        let name = ServerName::try_from(bare.to_owned()).context("the name is none for TLS")?;
        let stream = self.tls.connect(name, stream).await.context("TLS")?;
        exchange(stream, request).await
    }
}

async fn connect(addresses: &[SocketAddr]) -> anyhow::Result<TcpStream> {
    let mut last = anyhow::anyhow!("no address");
    for address in addresses.iter().take(4) {
        match tokio::time::timeout(CONNECT_TIME, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = anyhow::Error::new(error).context("no connection"),
            Err(_) => last = anyhow::anyhow!("no connection in time"),
        }
    }
    Err(last)
}

fn request(url: &Url, host: &str, message: Message) -> anyhow::Result<Request<Full<Bytes>>> {
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let authority = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    let mut request = Request::post(target).body(Full::new(Bytes::from(message.body)))?;
    let headers = request.headers_mut();
    headers.insert(header::HOST, HeaderValue::from_str(&authority)?);
    headers.insert(
        header::USER_AGENT,
        HeaderValue::from_static(concat!("gatelog/", env!("CARGO_PKG_VERSION"))),
    );
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-ndjson"),
    );
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    let own = |name: &'static str| HeaderName::from_static(name);
    headers.insert(own("webhook-id"), HeaderValue::from_str(&message.id)?);
    headers.insert(own("webhook-timestamp"), message.timestamp.into());
    headers.insert(
        own("webhook-signature"),
        HeaderValue::from_str(&message.signatures)?,
    );
    Ok(request)
}

/// Sends the request and takes the status; what else would come is left unread.
async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> anyhow::Result<StatusCode> {
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_buf_size(64 * 1024)
        .handshake(TokioIo::new(stream))
        .await
        .context("no connection")?;
    let answer = sender.send_request(request);
    tokio::pin!(answer, connection);
    tokio::select! {
        biased;
        answer = &mut answer => Ok(answer.context("no answer")?.status()),
        ended = &mut connection => {
            ended.context("the connection broke off")?;
            Ok(answer.await.context("no answer")?.status())
        }
    }
}
