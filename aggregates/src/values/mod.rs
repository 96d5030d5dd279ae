//! Values: what the domain's facts are made of. A value that exists is valid.

mod email;
mod error;
mod hash;
mod hourly;
mod ids;
mod named;
mod names;
mod password;
mod proof;
mod sealed;

pub use email::EmailAddress;
pub use error::ValueError;
pub use hash::{Sha256Hex, TokenHash};
pub use hourly::HourlyCount;
pub use ids::{
    EmailClaimId, JobId, MediaId, PasswordId, RecoveryCodesId, ServiceKeyId, SessionId, TotpId,
    UserId, WebhookSecretId, WebhookSinkId,
};
pub use named::UnknownName;
pub use names::{DeviceName, DisplayName, MediaName, ServiceKeyName, WebhookSinkName};
pub use password::{Password, PasswordFailure, PasswordPolicy};
pub use proof::{AuthMethod, Role};
pub use sealed::Sealed;

pub(crate) use named::named;
