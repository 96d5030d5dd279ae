//! Listeners, the public address, proxies and browser origins.

use std::net::SocketAddr;
use std::str::FromStr;

use http::HeaderValue;
use ipnet::IpNet;

use super::{ConfigError, Source};

/// Where the server listens and whom it believes.
#[derive(Debug, Clone)]
pub struct NetworkConfig {
    /// The public listener.
    pub listen_addr: SocketAddr,
    /// The operations listener (`/livez`, `/readyz`, `/metrics`); never exposed to the public.
    pub ops_listen_addr: SocketAddr,
    /// The address that people use, without a trailing slash.
    pub public_url: String,
    /// What the service is called, in authenticator applications and mails; passwords do not consist of it.
    pub service_name: String,
    /// Only from these is `X-Forwarded-For` believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Exact origins that browsers may call from; empty allows none.
    pub cors_origins: Vec<HeaderValue>,
    /// Seconds that a request may take before it is answered 503; uploads, downloads and exports are exempt.
    pub request_timeout_seconds: u64,
    /// Seconds that a connection may take for the headers of its next request, idle time included, that an upload may
    /// pause, and for which it may take nothing of an answer.
    pub client_timeout_seconds: u64,
}

impl NetworkConfig {
    pub(super) fn load(source: &Source) -> Result<Self, ConfigError> {
        let listen_addr: SocketAddr = source.parse("LISTEN_ADDR", "127.0.0.1:8080")?;
        Ok(Self {
            listen_addr,
            ops_listen_addr: source.parse("OPS_LISTEN_ADDR", "127.0.0.1:8081")?,
            public_url: public_url(source, listen_addr)?,
            service_name: service_name(source)?,
            trusted_proxies: source.list("TRUSTED_PROXIES")?,
            cors_origins: origins(source)?,
            request_timeout_seconds: source.number("REQUEST_TIMEOUT", 30, 1..=600)?,
            // Above the 60 s after which nginx gives up an idle connection of its own accord.
            client_timeout_seconds: source.number("CLIENT_TIMEOUT", 75, 1..=3_600)?,
        })
    }
}

/// As much of a name as authenticator applications show.
const SERVICE_NAME_CHARS_MAX: usize = 64;

/// Without a colon, which would end it in the label of an authenticator application.
pub(super) fn service_name(source: &Source) -> Result<String, ConfigError> {
    let name = source.text("SERVICE_NAME", "Gatelog")?.trim().to_owned();
    let is_good = (1..=SERVICE_NAME_CHARS_MAX).contains(&name.chars().count());
    if is_good && !name.contains(':') {
        return Ok(name);
    }
    Err(ConfigError::bad(
        "SERVICE_NAME",
        "must have 1 to 64 characters, and no colon",
    ))
}

fn public_url(source: &Source, listen_addr: SocketAddr) -> Result<String, ConfigError> {
    let url = source.text("PUBLIC_URL", &format!("http://{listen_addr}"))?;
    match http::Uri::from_str(&url) {
        Ok(uri)
            if uri.authority().is_some() && matches!(uri.scheme_str(), Some("http" | "https")) =>
        {
            Ok(url.trim_end_matches('/').to_owned())
        }
        _ => Err(ConfigError::bad(
            "PUBLIC_URL",
            "must be an http or https URL",
        )),
    }
}

fn origins(source: &Source) -> Result<Vec<HeaderValue>, ConfigError> {
    source
        .list::<Origin>("CORS_ORIGINS")
        .map(|list| list.into_iter().map(|origin| origin.0).collect())
}

struct Origin(HeaderValue);

impl FromStr for Origin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WANTED: &str =
            "must list exact origins such as https://app.example.com; * is refused";
        let uri = http::Uri::from_str(text).map_err(|_| WANTED)?;
        let scheme = uri
            .scheme_str()
            .filter(|scheme| matches!(*scheme, "http" | "https"));
        let authority = uri.authority().map(http::uri::Authority::as_str);
        let exact = match (scheme, authority) {
            (Some(scheme), Some(authority)) => format!("{scheme}://{authority}"),
            _ => return Err(WANTED),
        };
        if exact != text || text.contains('*') || text.contains('@') {
            return Err(WANTED);
        }
        HeaderValue::from_str(text).map(Self).map_err(|_| WANTED)
    }
}
