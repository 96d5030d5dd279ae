//! Why a claim refuses.

/// The rule that forbids a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EmailClaimError {
    /// Another account has the address.
    #[error("the address is taken")]
    EmailTaken,
    /// Nobody has the address.
    #[error("the address is not claimed")]
    NotClaimed,
    /// Another account holds what this one would confirm or release.
    #[error("another account holds the address")]
    HeldByAnother,
    /// The claim that would be released is over; this is a later one.
    #[error("the address was claimed anew")]
    ClaimedAnew,
    /// A registered account keeps its address when a registration is abandoned, and the reverse.
    #[error("the claim does not end for this reason")]
    ReasonDoesNotFit,
}
