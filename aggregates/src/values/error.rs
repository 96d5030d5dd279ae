//! Why a text is not the value that it should be.

/// A refused value, in the terms of a 422 answer. It never repeats the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ValueError {
    /// A stable name, for programs: `required`, `too_long`, …
    pub code: &'static str,
    /// One sentence without its full stop, for people.
    pub message: String,
}

impl ValueError {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}
