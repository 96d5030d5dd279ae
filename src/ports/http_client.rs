//! Calls of other servers over HTTP and HTTPS, whose certificates the public authorities must have signed. Redirections
//! are not followed.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Why there was no answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct HttpClientError(String);

/// The client; cheap to clone.
#[derive(Debug, Clone)]
pub struct HttpClient {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Default for HttpClient {
    fn default() -> Self {
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { client }
    }
}

impl HttpClient {
    /// Sends a request; the answer's body is still to be read.
    ///
    /// # Errors
    /// The other server did not answer, or not well.
    pub async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, HttpClientError> {
        let answer = self.client.request(request).await;
        answer.map_err(|error| HttpClientError(chain(&error)))
    }
}

/// An answer's whole body, of at most so many bytes, as text.
///
/// # Errors
/// The other server did not answer, or not well.
pub async fn text(body: Incoming, bytes_max: usize) -> Result<String, HttpClientError> {
    let whole = Limited::new(body, bytes_max).collect().await;
    let whole = whole.map_err(|error| HttpClientError(error.to_string()))?;
    String::from_utf8(whole.to_bytes().into())
        .map_err(|_| HttpClientError("the answer is no text".to_owned()))
}

/// An error with what it came from.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
