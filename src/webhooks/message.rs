//! What a message says, and what it is called by.

use aggregates::values::WebhookSinkId;
use aggregates::webhook_sink::WebhookFormat;
use eventlog::Lines;
use sha2::{Digest as _, Sha256};

/// What goes out at once.
#[derive(Default)]
pub struct Batch {
    /// The positions of the first and the last line.
    pub ends: Option<(u64, u64)>,
    /// How many lines of the log it has.
    pub lines: usize,
    /// The lines in the sink's format, each with its line end; empty when none has a place in it.
    pub body: String,
    /// How far the log was looked at.
    pub reached: u64,
}

impl Batch {
    /// Takes more lines.
    pub fn take(&mut self, lines: &Lines, format: WebhookFormat) {
        for (position, _) in lines.iter() {
            let (first, _) = self.ends.unwrap_or((position, position));
            self.ends = Some((first, position));
        }
        self.lines += lines.len();
        self.body.push_str(&body(lines, format));
        self.reached = lines.reached();
    }
}

/// Names a message by what it says: in a log that was set back other events come to have the same positions, and a
/// receiver must not take them for those that it has.
pub fn message_id(sink: WebhookSinkId, batch: &Batch) -> String {
    let (first, last) = batch.ends.unwrap_or_default();
    let digest = hex::encode(Sha256::digest(&batch.body));
    format!("{sink}.{first}-{last}.{digest}")
}

/// The lines, each with its line end.
fn body(lines: &Lines, format: WebhookFormat) -> String {
    let mut body = String::new();
    for (_, line) in lines.iter() {
        match format {
            WebhookFormat::CloudEvents => body.push_str(line),
            WebhookFormat::Ocsf => match crate::ocsf::line(line) {
                Some(line) => body.push_str(&line),
                None => continue,
            },
        }
        body.push('\n');
    }
    body
}
