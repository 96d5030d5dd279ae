//! Why an uploaded file refuses.

/// The rule that forbids a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MediaError {
    /// The file exists.
    #[error("the file is stored already")]
    AlreadyStored,
    /// There is no such file.
    #[error("the file is not stored")]
    NotStored,
    /// A deleted file's id is not used again.
    #[error("the file was deleted")]
    MediaDeleted,
}
