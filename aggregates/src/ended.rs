//! Which events end a stream. After one of them the stream's first and last event fold to the same stage as all of them,
//! and only events of the same list can follow: what lies between may leave the database for an archive.

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
