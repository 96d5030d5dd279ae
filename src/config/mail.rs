//! How mails leave: the SMTP server, the sender, and for how long is tried.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use lettre::message::Mailbox;
use url::Url;

use super::{ConfigError, Secret, Source};

/// How the connection to the SMTP server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// TLS from the first byte (RFC 8314).
    Implicit,
    /// STARTTLS, and nothing is sent without it (RFC 3207).
    StartTls,
    /// None.
    None,
}

/// The SMTP server.
#[derive(Debug, Clone)]
pub struct SmtpConfig {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: SmtpTls,
    /// User name and password.
    pub credentials: Option<(String, Secret)>,
    /// Certificates of authorities that are trusted beside the public ones (PEM).
    pub authorities: Option<Vec<u8>>,
}

/// Everything about mails.
#[derive(Debug, Clone)]
pub struct MailConfig {
    /// The server; without one mails become files.
    pub smtp: Option<SmtpConfig>,
    /// Where they become files.
    pub folder: PathBuf,
    /// The sender.
    pub from: Mailbox,
    /// How often a mail is tried before it is given up.
    pub attempts: i64,
    /// Seconds before the second try; each further one waits three times as long.
    pub retry_seconds: i64,
}

impl MailConfig {
    pub(super) fn load(source: &Source, data_dir: &Path) -> Result<Self, ConfigError> {
        let url = source.secret("SMTP_URL")?;
        let authorities = source.file("SMTP_CA_FILE")?;
        let smtp = url.map(|url| smtp(&url, authorities)).transpose()?;
        Ok(Self {
            from: sender(source, smtp.is_some())?,
            smtp,
            folder: data_dir.join("outbox"),
            attempts: source.number("MAIL_ATTEMPTS", 10, 1..=50)?,
            retry_seconds: source.number("MAIL_RETRY_DELAY", 5, 1..=3600)?,
        })
    }
}

fn sender(source: &Source, is_needed: bool) -> Result<Mailbox, ConfigError> {
    let default = if is_needed {
        ""
    } else {
        "Gatelog <gatelog@localhost>"
    };
    let text = source.text("MAIL_FROM", default)?;
    text.parse().map_err(|_| {
        ConfigError::bad(
            "MAIL_FROM",
            "must be an address such as Gatelog <no-reply@example.com>; with SMTP_URL it must be set",
        )
    })
}

/// The URL may hold a password, so no error quotes it.
fn smtp(text: &str, authorities: Option<Vec<u8>>) -> Result<SmtpConfig, ConfigError> {
    let bad = |reason: &str| ConfigError::bad("SMTP_URL", reason);
    let url = Url::parse(text).map_err(|_| bad("must be smtp://… or smtps://…"))?;
    let host = url.host_str().filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| bad("must name a server"))?.to_owned();
    let host = host.trim_matches(['[', ']']).to_owned();
    let implicit = match url.scheme() {
        "smtps" => true,
        "smtp" => false,
        _ => return Err(bad("must begin with smtp:// or smtps://")),
    };
    let mut asked = None;
    for (key, value) in url.query_pairs() {
        match (key.as_ref(), value.as_ref()) {
            ("tls", "none" | "required") if asked.is_none() => asked = Some(value == "required"),
            _ => return Err(bad("takes ?tls=none or ?tls=required and nothing else")),
        }
    }
    let tls = match (implicit, asked) {
        (true, Some(false)) => return Err(bad("smtps:// excludes ?tls=none")),
        (true, _) => SmtpTls::Implicit,
        (false, Some(false)) => SmtpTls::None,
        (false, None) if is_loopback(&host) => SmtpTls::None,
        (false, Some(true) | None) => SmtpTls::StartTls,
    };
    if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
        return Err(bad("must end after the server and its port"));
    }
    Ok(SmtpConfig {
        port: url.port().unwrap_or(if implicit { 465 } else { 587 }),
        credentials: credentials(&url)?,
        host,
        tls,
        authorities,
    })
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn credentials(url: &Url) -> Result<Option<(String, Secret)>, ConfigError> {
    let Some(password) = url.password() else {
        return if url.username().is_empty() {
            Ok(None)
        } else {
            Err(ConfigError::bad("SMTP_URL", "has a user but no password"))
        };
    };
    let decode = |text: &str| {
        let bytes = percent_decoded(text);
        String::from_utf8(bytes).map_err(|_| ConfigError::bad("SMTP_URL", "is not UTF-8"))
    };
    let user = decode(url.username())?;
    Ok(Some((user, Secret::new(decode(password)?))))
}

/// `%41` as `A`; anything else as it is.
fn percent_decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let decoded = after.get(..2).filter(|_| *first == b'%');
        let decoded = decoded.and_then(|digits| hex::decode(digits).ok());
        if let Some(decoded) = decoded {
            bytes.extend(decoded);
            rest = after.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls(url: &str) -> SmtpTls {
        smtp(url, None).unwrap().tls
    }

    #[test]
    fn only_loopback_and_who_says_so_may_go_without_tls() {
        assert_eq!(tls("smtp://mail.example.com"), SmtpTls::StartTls);
        assert_eq!(tls("smtp://127.0.0.1.example.com"), SmtpTls::StartTls);
        assert_eq!(tls("smtp://mail.example.com?tls=none"), SmtpTls::None);
        assert_eq!(tls("smtps://mail.example.com"), SmtpTls::Implicit);
        for loopback in ["127.0.0.1:2525", "localhost:25", "[::1]:25"] {
            assert_eq!(tls(&format!("smtp://{loopback}")), SmtpTls::None);
            let required = format!("smtp://{loopback}?tls=required");
            assert_eq!(tls(&required), SmtpTls::StartTls);
        }
    }

    #[test]
    fn ports_and_credentials_come_from_the_url() {
        let config = smtp("smtps://a%40b:p%2Fq%25@mail.example.com", None).unwrap();
        assert_eq!(
            (config.host.as_str(), config.port),
            ("mail.example.com", 465)
        );
        let (user, password) = config.credentials.clone().unwrap();
        assert_eq!((user.as_str(), password.expose()), ("a@b", "p/q%"));
        assert!(!format!("{config:?}").contains("p/q%"));
        assert_eq!(smtp("smtp://mail.example.com", None).unwrap().port, 587);
    }

    #[test]
    fn what_is_no_such_url_is_refused_without_quoting_it() {
        for bad in [
            "http://mail.example.com",
            "smtp://user:hunter2@",
            "smtp://user:hunter2@mail.example.com/path",
            "smtp://user:hunter2@mail.example.com?tls=maybe",
            "smtps://user:hunter2@mail.example.com?tls=none",
            "smtp://user@mail.example.com",
            "hunter2",
        ] {
            let error = smtp(bad, None).unwrap_err().to_string();
            assert!(
                error.contains("SMTP_URL") && !error.contains("hunter2"),
                "{error}"
            );
        }
    }
}
