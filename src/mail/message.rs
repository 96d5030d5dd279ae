//! A letter as a message (RFC 5322): text and HTML, nothing in it but what it must have.

use chrono::{DateTime, Utc};
use lettre::Message;
use lettre::address::Address;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::Recipient;
use super::letters::Letter;

/// A letter with its recipient, as it waits, sealed.
#[derive(Serialize, Deserialize)]
pub struct Written {
    to: String,
    name: Option<String>,
    subject: String,
    text: String,
    html: String,
}

/// Why there is no message.
#[derive(Debug, thiserror::Error)]
#[error("the letter is no message: {0}")]
pub struct NoMessage(&'static str);

impl Written {
    /// The letter in words, to that recipient, from the service of that name.
    pub fn new(letter: &Letter, to: &Recipient, service_name: &str) -> Self {
        let words = letter.words();
        let name = to
            .name
            .as_deref()
            .map(plain)
            .filter(|name| !name.is_empty());
        let greeting = match &name {
            Some(name) => format!("Hello {name},"),
            None => "Hello,".to_owned(),
        };
        let mut parts = vec![Part::Text(greeting)];
        let mut paragraphs = words.paragraphs.into_iter();
        parts.extend(paragraphs.next().map(Part::Text));
        parts.extend(words.link.map(|(label, url)| Part::Link(label, url)));
        parts.extend(paragraphs.map(Part::Text));
        parts.push(Part::Text(format!("Sent by {}.", plain(service_name))));
        Self {
            to: to.email.as_str().to_owned(),
            name,
            subject: words.subject.to_owned(),
            text: as_text(&parts),
            html: as_html(&parts),
        }
    }

    /// The message of the mail `mail_id`, the same at every try but for the separators of its parts.
    ///
    /// # Errors
    /// The address is none that mails can go to.
    pub fn message(
        &self,
        from: &Mailbox,
        mail_id: &str,
        written_at: DateTime<Utc>,
    ) -> Result<Message, NoMessage> {
        let to: Address = self.to.parse().map_err(|_| NoMessage("the address"))?;
        let domain = from.email.domain();
        let part = |content_type: ContentType, body: &str| {
            SinglePart::builder()
                .header(content_type)
                .header(ContentTransferEncoding::QuotedPrintable)
                .body(body.to_owned())
        };
        let both = MultiPart::alternative()
            .singlepart(part(ContentType::TEXT_PLAIN, &self.text))
            .singlepart(part(ContentType::TEXT_HTML, &self.html));
        Message::builder()
            .from(from.clone())
            .to(Mailbox::new(self.name.clone(), to))
            .subject(self.subject.clone())
            .date(written_at.into())
            .message_id(Some(format!("<{}@{domain}>", file_name(mail_id))))
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .multipart(both)
            .map_err(|_| NoMessage("the parts"))
    }
}

/// Characters of a [`file_name`].
const FILE_NAME_LENGTH: usize = 32;

/// A name for the mail that tells nothing and is the same at every try.
pub fn file_name(mail_id: &str) -> String {
    hex::encode(Sha256::digest(mail_id.as_bytes()))
        .chars()
        .take(FILE_NAME_LENGTH)
        .collect()
}

/// Whether it is one that [`file_name`] may have made.
pub fn is_file_name(name: &str) -> bool {
    name.len() == FILE_NAME_LENGTH && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

enum Part {
    Text(String),
    Link(&'static str, String),
}

fn as_text(parts: &[Part]) -> String {
    let lines = parts.iter().map(|part| match part {
        Part::Text(text) => format!("{text}\r\n"),
        Part::Link(label, url) => format!("{label}:\r\n{url}\r\n"),
    });
    lines.collect::<Vec<_>>().join("\r\n")
}

fn as_html(parts: &[Part]) -> String {
    let paragraphs = parts.iter().map(|part| match part {
        Part::Text(text) => format!("<p>{}</p>\r\n", escaped(text)),
        Part::Link(label, url) => {
            let url = escaped(url);
            format!("<p><a href=\"{url}\">{}</a></p>\r\n", escaped(label))
        }
    });
    let body: String = paragraphs.collect();
    format!("<!doctype html>\r\n<html lang=\"en\"><body>\r\n{body}</body></html>\r\n")
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// A person's text on one line, without characters that turn the direction or the line.
fn plain(text: &str) -> String {
    let is_kept = |c: &char| {
        !c.is_control()
            && !matches!(*c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    text.chars()
        .filter(is_kept)
        .collect::<String>()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use aggregates::values::EmailAddress;

    use super::*;

    fn message(name: &str, email: &str) -> String {
        let to = Recipient {
            user: None,
            email: EmailAddress::parse(email).unwrap(),
            name: Some(name.to_owned()),
        };
        let written = Written::new(&Letter::PasswordChanged(DateTime::UNIX_EPOCH), &to, "Acme");
        let from = "Gatelog <no-reply@id.example.com>".parse().unwrap();
        let message = written.message(&from, "1/password-changed", DateTime::UNIX_EPOCH);
        String::from_utf8(message.unwrap().formatted()).unwrap()
    }

    fn headers(message: &str) -> Vec<String> {
        let head = message.split("\r\n\r\n").next().unwrap();
        let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
        let names = unfolded
            .split("\r\n")
            .map(|line| line.split(':').next().unwrap().to_owned());
        names.collect()
    }

    #[test]
    fn no_name_makes_a_header_or_a_tag() {
        let usual = headers(&message("Ada", "ada@example.com"));
        for name in [
            "Ada\r\nBcc: eve@example.org",
            "Ada\nBcc: eve@example.org\n\nHello",
            "Ada\" <eve@example.org>, \"",
            "=?utf-8?q?Bcc=3A?=",
            "Zoë \u{202e}moc\u{2028}Bcc: x",
            "<script>alert(1)</script>",
            "李小龍",
            "",
        ] {
            let message = message(name, "ada@example.com");
            assert_eq!(headers(&message), usual, "{name:?}");
            let html = message.split("text/html").nth(1).unwrap();
            assert!(!html.contains("<script>"), "{html}");
            assert!(
                !message.contains("\r\nBcc:") && message.is_ascii(),
                "{message}"
            );
        }
    }

    #[test]
    fn every_line_is_short_and_every_try_has_the_same_identity() {
        let (one, two) = (
            message("Ada", "ada@example.com"),
            message("Ada", "ada@example.com"),
        );
        let id = |text: &str| {
            let line = text
                .split("\r\n")
                .find(|line| line.starts_with("Message-ID"));
            line.unwrap().to_owned()
        };
        assert_eq!(id(&one), id(&two));
        assert!(one.split("\r\n").all(|line| line.len() <= 998));
        assert!(
            one.contains("Sent by Acme.")
                && one.contains("multipart/alternative")
                && one.contains("Auto-Submitted: auto-generated")
        );
    }

    #[test]
    fn addresses_beyond_ascii_and_odd_ones_can_be_mailed_to() {
        for email in [
            "ann@example.com",
            "a@b",
            "root@localhost",
            "x_y-z+1@xn--fsqu00a.example",
            "O'Brien@example.com",
        ] {
            assert!(message("Ann", email).contains(email), "{email}");
        }
        let to = Recipient {
            user: None,
            email: EmailAddress::parse("用户@例子.公司").unwrap(),
            name: None,
        };
        let written = Written::new(&Letter::AddressTried, &to, "Acme");
        let from = "no-reply@id.example.com".parse().unwrap();
        assert!(written.message(&from, "1/x", DateTime::UNIX_EPOCH).is_ok());
    }
}
