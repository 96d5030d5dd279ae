//! Why a webhook sink refuses.

/// The rule that forbids a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookSinkError {
    /// The sink exists.
    #[error("the webhook sink exists already")]
    AlreadyCreated,
    /// There is no such sink, or there is none any more.
    #[error("there is no such webhook sink")]
    NotThere,
}
