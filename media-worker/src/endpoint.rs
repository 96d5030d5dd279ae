//! Where the worker listens and where a client finds it. Never a public address by accident: a TCP
//! listener is refused unless it is a loopback address.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// A Unix socket (`unix:/run/gatelog/worker.sock`) or a TCP address (`tcp:127.0.0.1:7070`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    #[error("expected unix:/absolute/path or tcp:ADDRESS:PORT")]
    Malformed,
    #[error("a Unix socket needs an absolute path")]
    RelativePath,
}

impl Endpoint {
    /// Whether only this machine can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp(address) => address.ip().is_loopback(),
        }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    /// Accepts `unix:/path`, `unix:///path`, `tcp:ADDRESS:PORT` and `http://ADDRESS:PORT`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(rest) = text.strip_prefix("unix:") {
            let path = PathBuf::from(rest.strip_prefix("//").unwrap_or(rest));
            return if path.is_absolute() {
                Ok(Self::Unix(path))
            } else {
                Err(EndpointError::RelativePath)
            };
        }
        let address = text
            .strip_prefix("tcp:")
            .or_else(|| text.strip_prefix("http:"));
        let address = address.ok_or(EndpointError::Malformed)?;
        let address = address
            .strip_prefix("//")
            .unwrap_or(address)
            .trim_end_matches('/');
        address
            .parse()
            .map(Self::Tcp)
            .map_err(|_| EndpointError::Malformed)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp:{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_accepted_form() {
        let socket = Endpoint::Unix("/run/w.sock".into());
        let tcp = Endpoint::Tcp(([127, 0, 0, 1], 7070).into());
        for (text, expected) in [
            ("unix:/run/w.sock", &socket),
            ("unix:///run/w.sock", &socket),
            ("tcp:127.0.0.1:7070", &tcp),
            ("http://127.0.0.1:7070/", &tcp),
        ] {
            assert_eq!(&text.parse::<Endpoint>().unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn refuses_the_rest_and_knows_what_is_local() {
        for text in [
            "",
            "w.sock",
            "unix:w.sock",
            "tcp:worker:7070",
            "https://127.0.0.1:1",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
        assert!(!"tcp:0.0.0.0:7070".parse::<Endpoint>().unwrap().is_local());
        assert!("tcp:[::1]:7070".parse::<Endpoint>().unwrap().is_local());
    }
}
