//! One event of each type, with every field that it can have.

use crate::administrators::AdministratorsEvent;
use crate::email_claim::{EmailClaimEvent, ReleaseReason};
use crate::forgotten_sessions::ForgottenSessionsEvent;
use crate::media::MediaEvent;
use crate::media_job::{
    AudioStream, FailureCode, JobOptions, JobOutput, MediaJobEvent, MediaMetadata, Preset,
    VideoStream,
};
use crate::service_key::{ServiceKeyEvent, ServiceKeyScope};
use crate::session::{ExpireReason, RevokeReason, SessionEvent, TokenPair};
use crate::testing::{at, id, sealed, sha256, token};
use crate::user::{DisableReason, ErasureReason, SecondFactorStage, UserEvent};
use crate::values::{AuthMethod, Role};
use crate::webhook_sink::{WebhookFormat, WebhookSinkEvent};

pub fn user() -> Vec<UserEvent> {
    let mut samples = vec![
        UserEvent::UserRegistered {
            user_id: id(1),
            email: sealed("email"),
            email_claim_id: id(9),
            name: Some(sealed("name")),
            roles: vec![Role::Admin, Role::Auditor],
            at: at(0),
        },
        UserEvent::UserRegistrationAbandoned { at: at(1) },
        UserEvent::UserNameChanged {
            name: Some(sealed("name")),
            at: at(2),
        },
        UserEvent::PasswordChanged {
            password_id: id(7),
            replaced: id(1),
            from_session: id(2),
            end_other_sessions: true,
            at: at(2),
        },
    ];
    samples.extend(addresses());
    samples.extend([
        UserEvent::TotpEnabled {
            totp_id: id(10),
            at: at(3),
        },
        UserEvent::TotpDisabled {
            totp_id: id(10),
            at: at(3),
        },
        UserEvent::RecoveryCodesIssued {
            codes_id: id(11),
            count: 10,
            at: at(3),
        },
        UserEvent::RecoveryCodeUsed {
            codes_id: id(11),
            number: 4,
            left: 9,
            at: at(3),
        },
        UserEvent::UserDisabled {
            reason: DisableReason::ByAdministrator,
            at: at(3),
        },
        UserEvent::UserEnabled { at: at(4) },
    ]);
    samples.extend(rights_and_floods());
    samples.extend(leaving());
    samples
}

fn rights_and_floods() -> [UserEvent; 5] {
    [
        UserEvent::UserRolesChanged {
            roles: vec![Role::Admin, Role::Auditor],
            at: at(3),
        },
        UserEvent::SignInFailuresBegan {
            began_at: at(2),
            failures: 10,
            at: at(3),
        },
        UserEvent::SignInFailuresCounted {
            began_at: at(2),
            failures: 32,
            is_over: true,
            at: at(3602),
        },
        UserEvent::SecondFactorFailuresBegan {
            stage: SecondFactorStage::SignIn,
            began_at: at(2),
            failures: 5,
            at: at(3),
        },
        UserEvent::SecondFactorFailuresCounted {
            stage: SecondFactorStage::Session,
            began_at: at(2),
            failures: 12,
            is_over: false,
            at: at(3602),
        },
    ]
}

fn leaving() -> [UserEvent; 4] {
    [
        UserEvent::UserDeletionRequested {
            erase_at: at(2_592_000),
            at: at(5),
        },
        UserEvent::UserDeletionCancelled { at: at(6) },
        UserEvent::UserErasureStarted {
            reason: ErasureReason::Requested,
            at: at(7),
        },
        UserEvent::UserErased { at: at(8) },
    ]
}

fn addresses() -> Vec<UserEvent> {
    vec![
        UserEvent::PasswordReset {
            password_id: id(8),
            replaced: id(7),
            at: at(3),
        },
        UserEvent::EmailVerified {
            email_claim_id: id(9),
            at: at(3),
        },
        UserEvent::EmailChangeRequested {
            email: sealed("email"),
            email_claim_id: id(12),
            at: at(3),
        },
        UserEvent::EmailChangeCancelled {
            email_claim_id: id(12),
            requested_at: at(3),
            at: at(4),
        },
        UserEvent::EmailChanged {
            email: sealed("email"),
            email_claim_id: id(12),
            claimed_at: at(3),
            replaced: id(9),
            replaced_claimed_at: at(0),
            at: at(4),
        },
    ]
}

pub fn email_claim() -> Vec<EmailClaimEvent> {
    let reason = ReleaseReason::RegistrationAbandoned;
    vec![
        EmailClaimEvent::EmailClaimed {
            user_id: id(1),
            at: at(0),
        },
        EmailClaimEvent::EmailClaimConfirmed {
            user_id: id(1),
            at: at(1),
        },
        EmailClaimEvent::EmailClaimReleased {
            user_id: id(1),
            reason,
            at: at(2),
        },
    ]
}

pub fn session() -> Vec<SessionEvent> {
    let tokens = TokenPair {
        access_token: token(1),
        access_expires_at: at(900),
        refresh_token: token(2),
        refresh_expires_at: at(86_400),
    };
    vec![
        SessionEvent::SessionStarted {
            session_id: id(2),
            user_id: id(1),
            device_name: Some(sealed("device_name")),
            user_agent: Some(sealed("user_agent")),
            ip: Some(sealed("ip")),
            auth_methods: AuthMethod::ALL.to_vec(),
            auth_time: at(0),
            expires_at: at(2_592_000),
            at: at(0),
        },
        SessionEvent::TokensIssued {
            tokens,
            replaced_refresh: Some(token(3)),
            repeated_refresh: None,
            at: at(1),
        },
        SessionEvent::SessionReauthenticated {
            auth_method: AuthMethod::Password,
            at: at(2),
        },
        SessionEvent::RefreshTokenReused {
            presented_refresh: token(3),
            at: at(2),
        },
        SessionEvent::SessionRevoked {
            reason: RevokeReason::RevokedByUser,
            by: Some(id(1)),
            at: at(3),
        },
        SessionEvent::SessionExpired {
            reason: ExpireReason::AbsoluteEnd,
            at: at(2_592_000),
        },
        SessionEvent::SessionForgotten { at: at(5) },
    ]
}

pub fn media() -> Vec<MediaEvent> {
    let object = "media/1/3".to_owned();
    vec![
        MediaEvent::MediaStored {
            media_id: id(3),
            owner: id(1),
            name: sealed("name"),
            bytes: 1_055_736,
            sha256: sha256(7),
            content_type: "video/mp4".to_owned(),
            object: object.clone(),
            at: at(0),
        },
        MediaEvent::MediaDeleted { object, at: at(1) },
    ]
}

pub fn media_job() -> Vec<MediaJobEvent> {
    let code = FailureCode::WorkerUnreachable;
    let class = code.class();
    vec![
        media_job_requested(),
        MediaJobEvent::MediaJobRequestedAgain {
            last_attempt: 4,
            deadline_at: at(43_200),
            at: at(21_600),
        },
        MediaJobEvent::MediaJobDispatched {
            attempt: 1,
            worker: "worker-1".to_owned(),
            lease_until: at(31),
            at: at(1),
        },
        MediaJobEvent::MediaJobLeaseExpired {
            attempt: 1,
            at: at(31),
        },
        MediaJobEvent::MediaJobAttemptFailed {
            attempt: 1,
            code,
            class,
            retry_at: at(5),
            at: at(3),
        },
        MediaJobEvent::MediaJobSucceeded {
            attempt: 1,
            outputs: vec![poster()],
            result: Some(metadata()),
            at: at(4),
        },
        MediaJobEvent::MediaJobFailed {
            attempt: 4,
            code,
            class,
            at: at(5),
        },
        MediaJobEvent::MediaJobCancelled {
            running_attempt: Some(1),
            last_attempt: 0,
            by: Some(id(1)),
            at: at(6),
        },
        MediaJobEvent::MediaJobForgotten { at: at(9) },
    ]
}

fn media_job_requested() -> MediaJobEvent {
    MediaJobEvent::MediaJobRequested {
        job_id: id(4),
        media_id: id(3),
        owner: id(1),
        preset: Preset::Poster,
        preset_version: 1,
        input_sha256: sha256(7),
        input_bytes: 1_055_736,
        options: JobOptions {
            seek_ms: Some(1_500),
        },
        deadline_at: at(21_600),
        at: at(0),
    }
}

fn poster() -> JobOutput {
    JobOutput {
        name: "poster.webp".to_owned(),
        content_type: "image/webp".to_owned(),
        bytes: 48_000,
        sha256: sha256(8),
        object: "jobs/4/1/poster.webp".to_owned(),
    }
}

fn metadata() -> MediaMetadata {
    MediaMetadata {
        format: Some("mov,mp4,m4a,3gp,3g2,mj2".to_owned()),
        duration_seconds: Some(5.28),
        bytes: Some(1_055_736),
        bit_rate: Some(1_599_600),
        video: vec![VideoStream {
            codec: Some("h264".to_owned()),
            profile: Some("Main".to_owned()),
            width: Some(1_280),
            height: Some(720),
            pixel_format: Some("yuv420p".to_owned()),
            frame_rate: Some(23.976),
            rotation: Some(-90),
            duration_seconds: Some(5.28),
        }],
        audio: vec![AudioStream {
            codec: Some("aac".to_owned()),
            sample_rate: Some(48_000),
            channels: Some(6),
        }],
    }
}

pub fn administrators() -> Vec<AdministratorsEvent> {
    vec![
        AdministratorsEvent::AdministratorAdded {
            user_id: id(1),
            rights_revision: 2,
            at: at(0),
        },
        AdministratorsEvent::AdministratorRemoved {
            user_id: id(1),
            rights_revision: 2,
            disable_reason: Some(DisableReason::Compromised),
            at: at(1),
        },
    ]
}

pub fn service_key() -> Vec<ServiceKeyEvent> {
    vec![
        ServiceKeyEvent::ServiceKeyCreated {
            service_key_id: id(6),
            name: "gateway".to_owned(),
            scopes: ServiceKeyScope::ALL.to_vec(),
            key_hash: token(6),
            expires_at: Some(at(1_000)),
            created_by: id(1),
            at: at(0),
        },
        ServiceKeyEvent::ServiceKeyRevoked {
            by: id(1),
            at: at(1),
        },
    ]
}

pub fn webhook_sink() -> Vec<WebhookSinkEvent> {
    let by = id(1);
    vec![
        WebhookSinkEvent::WebhookSinkCreated {
            webhook_sink_id: id(12),
            name: "siem".to_owned(),
            origin: "https://siem.example.com".to_owned(),
            event_types: vec!["SessionStarted".to_owned()],
            format: WebhookFormat::CloudEvents,
            after: 41,
            secret_id: id(13),
            created_by: id(1),
            at: at(0),
        },
        WebhookSinkEvent::WebhookSinkPaused { by, at: at(1) },
        WebhookSinkEvent::WebhookSinkResumed { by, at: at(2) },
        WebhookSinkEvent::WebhookSinkParked {
            position: 42,
            attempts: 16,
            at: at(3),
        },
        WebhookSinkEvent::WebhookSinkRetried { by, at: at(4) },
        WebhookSinkEvent::WebhookSecretRotated {
            secret_id: id(14),
            by,
            at: at(5),
        },
        WebhookSinkEvent::WebhookSinkRemoved { by, at: at(6) },
    ]
}

pub fn forgotten_sessions() -> Vec<ForgottenSessionsEvent> {
    vec![ForgottenSessionsEvent::EndedSessionsForgotten {
        sessions: vec![id(2), id(5)],
        ended_before: at(1),
        at: at(6),
    }]
}
