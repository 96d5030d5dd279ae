//! Commands by chance, from few people, tokens and times, so that they meet.

use chrono::TimeDelta;
use proptest::prelude::*;
use proptest::sample::select;

use crate::administrators::AdministratorsCommand;
use crate::email_claim::{EmailClaimCommand, ReleaseReason};
use crate::forgotten_sessions::{EndedSession, ForgottenSessionsCommand};
use crate::media::MediaCommand;
use crate::media_job::{
    FailureCode, JobOptions, JobOutput, MediaJobCommand, MediaMetadata, Preset, RequestMediaJob,
    VideoStream,
};
use crate::service_key::{ServiceKeyCommand, ServiceKeyScope};
use crate::session::{RevokeReason, SessionCommand, StartSession, TokenPair};
use crate::testing::{at, id, sealed, sha256, token};
use crate::user::{
    DisableReason, EmailCommand, ErasureCommand, ErasureReason, SecondFactorCommand,
    SecondFactorStage, SignInFailuresCommand, UserCommand,
};
use crate::values::{AuthMethod, Role, ServiceKeyName, WebhookSinkName};
use crate::webhook_sink::{WebhookFormat, WebhookSinkCommand};

const MAX_COMMANDS: usize = 40;

fn some<T: Strategy>(command: T) -> impl Strategy<Value = Vec<T::Value>> {
    prop::collection::vec(command, 0..MAX_COMMANDS)
}

fn seconds() -> impl Strategy<Value = i64> {
    0_i64..200
}

pub fn user() -> impl Strategy<Value = Vec<UserCommand>> {
    let name = || prop::option::of(Just(sealed("Ann")));
    some(prop_oneof![
        2 => (name(), any::<bool>(), seconds()).prop_map(|(name, is_email_verified, s)| UserCommand::Register {
            user_id: id(1),
            email: sealed("ann@example.com"),
            email_claim_id: id(9),
            name,
            roles: Role::ALL.to_vec(),
            is_email_verified,
            at: at(s),
        }),
        1 => seconds().prop_map(|s| UserCommand::AbandonRegistration { at: at(s) }),
        1 => (name(), seconds()).prop_map(|(name, s)| UserCommand::ChangeName { name, at: at(s) }),
        1 => (1_u8..4, 1_u8..4, any::<bool>(), seconds()).prop_map(
            |(new, replaced, end_other_sessions, s)| UserCommand::ChangePassword {
                password_id: id(new),
                replaces: id(replaced),
                from_session: id(5),
                end_other_sessions,
                at: at(s),
            }
        ),
        2 => (prop::collection::vec(select(Role::ALL), 0..3), 0_u64..4, seconds()).prop_map(
            |(roles, rights_revision, s)| UserCommand::ChangeRoles {
                roles,
                rights_revision,
                at: at(s),
            }
        ),
        2 => (select(DisableReason::ALL), 0_u64..4, seconds()).prop_map(
            |(reason, rights_revision, s)| UserCommand::Disable {
                reason,
                rights_revision,
                at: at(s),
            }
        ),
        2 => seconds().prop_map(|s| UserCommand::Enable { deletion_grace: TimeDelta::seconds(20), at: at(s) }),
        1 => (1_u8..4, 1_u8..4, seconds()).prop_map(|(new, replaced, s)| UserCommand::ResetPassword {
            password_id: id(new),
            replaces: id(replaced),
            at: at(s),
        }),
        6 => email().prop_map(UserCommand::Email),
        6 => second_factor().prop_map(UserCommand::SecondFactor),
        5 => erasure().prop_map(UserCommand::Erasure),
        3 => sign_in_failures().prop_map(UserCommand::SignInFailures),
        3 => (select(SecondFactorStage::ALL), sign_in_failures())
            .prop_map(|(stage, command)| UserCommand::SecondFactorFailures(stage, command)),
    ])
}

fn erasure() -> impl Strategy<Value = ErasureCommand> {
    prop_oneof![
        3 => (seconds(), seconds()).prop_map(|(due, s)| ErasureCommand::RequestDeletion {
            erase_at: at(due),
            at: at(s),
        }),
        2 => seconds().prop_map(|s| ErasureCommand::CancelDeletion { at: at(s) }),
        2 => (select(ErasureReason::ALL), seconds())
            .prop_map(|(reason, s)| ErasureCommand::Start { reason, at: at(s) }),
        4 => seconds().prop_map(|s| ErasureCommand::Finish { at: at(s) }),
    ]
}

fn email() -> impl Strategy<Value = EmailCommand> {
    let facts = || (9_u8..12, 0_i64..5);
    prop_oneof![
        1 => facts().prop_map(|(claim, s)| EmailCommand::Verify {
            email_claim_id: id(claim),
            at: at(s),
        }),
        3 => facts().prop_map(|(claim, s)| EmailCommand::RequestChange {
            email: sealed("bob@example.com"),
            email_claim_id: id(claim),
            at: at(s),
        }),
        1 => facts().prop_map(|(_, s)| EmailCommand::CancelChange { at: at(s) }),
        4 => (facts(), 0_i64..5).prop_map(|((claim, s), requested)| EmailCommand::CompleteChange {
            email: sealed("bob@example.com"),
            email_claim_id: id(claim),
            requested_at: at(requested),
            at: at(s),
        }),
    ]
}

fn second_factor() -> impl Strategy<Value = SecondFactorCommand> {
    let facts = || (10_u8..12, 20_u8..22, seconds());
    prop_oneof![
        2 => facts().prop_map(|(totp, codes, s)| SecondFactorCommand::Enable {
            totp_id: id(totp),
            codes_id: id(codes),
            count: 3,
            most_an_hour: 1000,
            at: at(s),
        }),
        1 => facts().prop_map(|(totp, _, s)| SecondFactorCommand::Disable {
            totp_id: id(totp),
            at: at(s),
        }),
        1 => facts().prop_map(|(totp, codes, s)| SecondFactorCommand::IssueRecoveryCodes {
            totp_id: id(totp),
            codes_id: id(codes),
            count: 3,
            most_an_hour: 1000,
            at: at(s),
        }),
        4 => (facts(), 0_u8..4).prop_map(|((_, codes, s), number)| {
            SecondFactorCommand::UseRecoveryCode {
                codes_id: id(codes),
                number,
                at: at(s),
            }
        }),
    ]
}

fn sign_in_failures() -> impl Strategy<Value = SignInFailuresCommand> {
    let facts = || (seconds(), 0_u64..50, seconds());
    prop_oneof![
        facts().prop_map(|(began, failures, s)| SignInFailuresCommand::Begin {
            began_at: at(began),
            failures,
            at: at(s),
        }),
        (facts(), any::<bool>()).prop_map(|((began, failures, s), is_over)| {
            SignInFailuresCommand::Count {
                began_at: at(began),
                failures,
                is_over,
                at: at(s),
            }
        }),
    ]
}

pub fn email_claim() -> impl Strategy<Value = Vec<EmailClaimCommand>> {
    let facts = || (0_u8..3, seconds());
    some(prop_oneof![
        facts().prop_map(|(user, s)| EmailClaimCommand::Claim {
            user_id: id(user),
            at: at(s)
        }),
        facts().prop_map(|(user, s)| EmailClaimCommand::Confirm {
            user_id: id(user),
            at: at(s)
        }),
        (facts(), select(ReleaseReason::ALL)).prop_map(|((user, s), reason)| {
            EmailClaimCommand::Release {
                user_id: id(user),
                reason,
                at: at(s),
            }
        }),
        (facts(), 0_i64..5, select(ReleaseReason::ALL)).prop_map(|((user, s), claimed, reason)| {
            EmailClaimCommand::ReleaseMadeAt {
                user_id: id(user),
                claimed_at: at(claimed),
                reason,
                at: at(s),
            }
        }),
    ])
}

pub fn session() -> impl Strategy<Value = Vec<SessionCommand>> {
    let methods = prop::collection::vec(select(AuthMethod::ALL), 0..3);
    some(prop_oneof![
        1 => (methods, 50_i64..200, seconds())
            .prop_map(|(methods, end, s)| start(methods, end, s).into()),
        5 => (0_u8..6, 0_u8..6, seconds()).prop_map(|(presented, number, s)| {
            issue(presented, number, s)
        }),
        1 => (select(AuthMethod::ALL), 0_u8..6, seconds()).prop_map(|(auth_method, number, s)| {
            SessionCommand::Reauthenticate { auth_method, tokens: pair(number, s), most_an_hour: 1000, at: at(s) }
        }),
        1 => (select(RevokeReason::ALL), seconds())
            .prop_map(|(reason, s)| SessionCommand::Revoke { reason, by: None, at: at(s) }),
        1 => seconds().prop_map(|s| SessionCommand::Expire { at: at(s) }),
        1 => seconds().prop_map(|s| SessionCommand::Forget { at: at(s) }),
    ])
}

/// A session that is refreshed so many times, always in good order.
pub fn refresh_chain(refreshes: u8) -> Vec<SessionCommand> {
    let first = start(vec![AuthMethod::Password], 1_000, 0).into();
    let rest = (0..refreshes).map(|number| issue(number, number + 1, 0));
    std::iter::once(first).chain(rest).collect()
}

fn start(auth_methods: Vec<AuthMethod>, end: i64, seconds: i64) -> StartSession {
    StartSession {
        session_id: id(2),
        user_id: id(1),
        device_name: Some(sealed("laptop")),
        user_agent: None,
        ip: Some(sealed("192.0.2.1")),
        auth_methods,
        auth_time: at(seconds),
        expires_at: at(end),
        tokens: pair(0, seconds),
        at: at(seconds),
    }
}

fn issue(presented: u8, number: u8, seconds: i64) -> SessionCommand {
    SessionCommand::IssueToken {
        presented_refresh: token(presented),
        is_spent: false,
        tokens: pair(number, seconds),
        leeway: TimeDelta::zero(),
        most_an_hour: 1000,
        at: at(seconds),
    }
}

fn pair(number: u8, seconds: i64) -> TokenPair {
    TokenPair {
        access_token: token(255 - number),
        access_expires_at: at(seconds + 10),
        refresh_token: token(number),
        refresh_expires_at: at(seconds + 50),
    }
}

pub fn media() -> impl Strategy<Value = Vec<MediaCommand>> {
    some(prop_oneof![
        (any::<u64>(), seconds()).prop_map(|(bytes, s)| MediaCommand::Store {
            media_id: id(3),
            owner: id(1),
            name: sealed("clip.mp4"),
            bytes,
            sha256: sha256(7),
            content_type: "video/mp4".to_owned(),
            object: "media/1/3".to_owned(),
            at: at(s),
        }),
        seconds().prop_map(|s| MediaCommand::Delete { at: at(s) }),
    ])
}

pub fn media_job() -> impl Strategy<Value = Vec<MediaJobCommand>> {
    let attempt = || 0_u32..4;
    some(prop_oneof![
        2 => (1_u32..3, seconds()).prop_map(|(version, s)| request(version, s).into()),
        4 => (attempt(), seconds()).prop_map(|(attempt, s)| MediaJobCommand::Dispatch {
            worker: "worker-1".to_owned(),
            attempt,
            lease_until: at(s + 30),
            at: at(s),
        }),
        1 => (attempt(), metadata(), seconds()).prop_map(|(attempt, result, s)| {
            MediaJobCommand::Succeed { attempt, outputs: vec![output()], result, at: at(s) }
        }),
        4 => (attempt(), select(FailureCode::ALL), prop::option::of(seconds()), seconds()).prop_map(
            |(attempt, code, retry_at, s)| MediaJobCommand::Fail {
                attempt,
                code,
                retry_at: retry_at.map(at),
                at: at(s),
            }
        ),
        1 => seconds().prop_map(|s| MediaJobCommand::Cancel { by: Some(id(1)), at: at(s) }),
        1 => seconds().prop_map(|s| MediaJobCommand::Expire { at: at(s) }),
        1 => seconds().prop_map(|s| MediaJobCommand::Forget { at: at(s) }),
    ])
}

fn request(preset_version: u32, seconds: i64) -> RequestMediaJob {
    RequestMediaJob {
        job_id: id(4),
        media_id: id(3),
        owner: id(1),
        preset: Preset::Metadata,
        preset_version,
        input_sha256: sha256(7),
        input_bytes: 1_055_736,
        options: JobOptions::default(),
        deadline_at: at(180 + seconds),
        at: at(seconds),
    }
}

fn output() -> JobOutput {
    JobOutput {
        name: "metadata.json".to_owned(),
        content_type: "application/json".to_owned(),
        bytes: 812,
        sha256: sha256(8),
        object: "jobs/4/1/metadata.json".to_owned(),
    }
}

/// Any finite numbers: they must come back from JSON to the last bit.
fn metadata() -> impl Strategy<Value = Option<MediaMetadata>> {
    let finite = || any::<f64>().prop_filter("finite", |number| number.is_finite());
    let known = (finite(), finite()).prop_map(|(duration, rate)| MediaMetadata {
        duration_seconds: Some(duration),
        video: vec![VideoStream {
            frame_rate: Some(rate),
            ..VideoStream::default()
        }],
        ..MediaMetadata::default()
    });
    prop::option::of(known)
}

pub fn administrators() -> impl Strategy<Value = Vec<AdministratorsCommand>> {
    let facts = || (1_u8..4, 0_u64..4, seconds());
    let reason = prop::option::of(select(DisableReason::ALL));
    some(prop_oneof![
        3 => facts().prop_map(|(user, rights_revision, s)| AdministratorsCommand::Add {
            user_id: id(user),
            rights_revision,
            at: at(s),
        }),
        2 => (facts(), reason).prop_map(|((user, rights_revision, s), disable_reason)| {
            AdministratorsCommand::Remove {
                user_id: id(user),
                rights_revision,
                disable_reason,
                at: at(s),
            }
        }),
    ])
}

pub fn service_key() -> impl Strategy<Value = Vec<ServiceKeyCommand>> {
    let scopes = prop::collection::vec(select(ServiceKeyScope::ALL), 0..4);
    let name = ServiceKeyName::parse("gateway").unwrap();
    some(prop_oneof![
        2 => (scopes, prop::option::of(seconds()), seconds()).prop_map(move |(scopes, end, s)| {
            ServiceKeyCommand::Create {
                service_key_id: id(6),
                name: name.clone(),
                scopes,
                key_hash: token(6),
                expires_at: end.map(at),
                created_by: id(1),
                at: at(s),
            }
        }),
        1 => seconds().prop_map(|s| ServiceKeyCommand::Revoke { by: id(1), at: at(s) }),
    ])
}

pub fn webhook_sink() -> impl Strategy<Value = Vec<WebhookSinkCommand>> {
    let name = WebhookSinkName::parse("siem").unwrap();
    let create = seconds().prop_map(move |s| WebhookSinkCommand::Create {
        webhook_sink_id: id(12),
        name: name.clone(),
        origin: "https://siem.example.com".to_owned(),
        event_types: vec!["SessionStarted".to_owned()],
        format: WebhookFormat::Ocsf,
        after: 3,
        secret_id: id(13),
        created_by: id(1),
        at: at(s),
    });
    let by = id(1);
    some(prop_oneof![
        2 => create,
        2 => seconds().prop_map(move |s| WebhookSinkCommand::Pause { by, at: at(s) }),
        2 => seconds().prop_map(move |s| WebhookSinkCommand::Resume { by, at: at(s) }),
        2 => seconds().prop_map(|s| WebhookSinkCommand::Park { position: 4, attempts: 2, at: at(s) }),
        2 => seconds().prop_map(move |s| WebhookSinkCommand::Retry { by, at: at(s) }),
        1 => seconds().prop_map(move |s| WebhookSinkCommand::RotateSecret { secret_id: id(14), by, at: at(s) }),
        1 => seconds().prop_map(move |s| WebhookSinkCommand::Remove { by, at: at(s) }),
    ])
}

pub fn forgotten_sessions() -> impl Strategy<Value = Vec<ForgottenSessionsCommand>> {
    let ended = (1_u8..9, seconds()).prop_map(|(session, s)| EndedSession {
        session_id: id(session),
        ended_at: at(s),
    });
    let sessions = prop::collection::vec(ended, 0..4);
    some(
        (sessions, seconds(), seconds()).prop_map(|(sessions, before, s)| {
            ForgottenSessionsCommand::Forget {
                sessions,
                ended_before: at(before),
                at: at(s),
            }
        }),
    )
}
