//! What was found, as lines for people and as JSON for programs.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::json;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// The server serves, but not all of it, or not for long.
    Warn,
    /// The server does not serve, or not safely.
    Fail,
}

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    /// What was looked at.
    pub(super) name: &'static str,
    /// How bad it is.
    pub(super) level: Level,
    /// What was found. Never a secret.
    pub(super) detail: String,
    /// What to do; empty where nothing is to be done.
    #[serde(skip_serializing_if = "str::is_empty")]
    advice: &'static str,
}

impl Finding {
    pub(super) fn ok(name: &'static str, detail: String) -> Self {
        Self::new(name, Level::Ok, detail, "")
    }

    pub(super) fn warn(name: &'static str, detail: String, advice: &'static str) -> Self {
        Self::new(name, Level::Warn, detail, advice)
    }

    pub(super) fn fail(name: &'static str, detail: String, advice: &'static str) -> Self {
        Self::new(name, Level::Fail, detail, advice)
    }

    fn new(name: &'static str, level: Level, detail: String, advice: &'static str) -> Self {
        Self {
            name,
            level,
            detail,
            advice,
        }
    }
}

pub(super) fn as_lines(findings: &[Finding]) -> String {
    let mut text = String::new();
    for Finding {
        name,
        level,
        detail,
        advice,
    } in findings
    {
        let word = match level {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fail => "fail",
        };
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{word:<5} {name:<14} {detail}");
        if !advice.is_empty() {
            let _ = writeln!(text, "{:<20} -> {advice}", "");
        }
    }
    text
}

pub(super) fn as_json(findings: &[Finding]) -> serde_json::Result<String> {
    let is_ok = findings.iter().all(|one| one.level != Level::Fail);
    serde_json::to_string_pretty(&json!({ "ok": is_ok, "checks": findings }))
}
