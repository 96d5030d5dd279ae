//! Which events end a stream. After one of them the stream's first and last event fold to the same stage as all of them,
//! so what lies between may leave the database for an archive. Only events of the same list can follow, or one of
//! [`REVIVALS`]: then the stream goes on from there, and leaves with its next end.

use cqrs_es::Aggregate as _;

use crate::forgotten_sessions::ForgottenSessions;
use crate::media::Media;
use crate::media_job::MediaJob;
use crate::service_key::ServiceKey;
use crate::session::Session;
use crate::user::User;

/// The type of a stream, with the types of the events that end it. A claim on an address and the list of administrators
/// never end.
pub const ENDINGS: &[(&str, &[&str])] = &[
    (
        Session::TYPE,
        &["SessionRevoked", "SessionExpired", "SessionForgotten"],
    ),
    (
        MediaJob::TYPE,
        &[
            "MediaJobSucceeded",
            "MediaJobFailed",
            "MediaJobCancelled",
            "MediaJobForgotten",
        ],
    ),
    (Media::TYPE, &["MediaDeleted"]),
    (ServiceKey::TYPE, &["ServiceKeyRevoked"]),
    (User::TYPE, &["UserRegistrationAbandoned", "UserErased"]),
    (ForgottenSessions::TYPE, &["EndedSessionsForgotten"]),
];

/// Events by which a stream that has ended goes on.
pub const REVIVALS: &[&str] = &["MediaJobRequestedAgain"];
