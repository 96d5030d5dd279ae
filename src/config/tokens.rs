//! Lifetimes of tokens and sessions, and who may register.

use aggregates::values::Role;

use super::{ConfigError, Source};

/// Who may make an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// Anyone.
    Open,
    /// Anyone who reads the mail that confirms the address.
    VerifyFirst,
    /// Nobody, but through the command line.
    Closed,
}

/// What turning the second factor off asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TotpDisablePolicy {
    /// A live session that was opened with the second factor; else as [`Self::RecentAuth`].
    Session,
    /// A session whose person proved who they are within ten minutes.
    RecentAuth,
    /// A code.
    Code,
}

/// Whose accounts must have a second factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecondFactorRequiredFor {
    /// Nobody's: it is each person's choice.
    Nobody,
    /// Those with the role admin or auditor.
    Administrators,
    /// Every account.
    Everyone,
}

impl SecondFactorRequiredFor {
    /// Whether an account with these roles must have one.
    pub fn includes(self, roles: &[Role]) -> bool {
        let is_privileged = |role: &Role| match role {
            Role::Admin | Role::Auditor => true,
        };
        match self {
            Self::Nobody => false,
            Self::Administrators => roles.iter().any(is_privileged),
            Self::Everyone => true,
        }
    }
}

/// Lifetimes in whole seconds.
#[derive(Debug, Clone, Copy)]
pub struct TokenConfig {
    /// An access token's life (default 15 minutes).
    pub access_ttl_seconds: i64,
    /// A refresh token's life (default 30 days, and never past the session's end or the idle time-out).
    pub refresh_ttl_seconds: i64,
    /// For how long a spent refresh token may come again, from a client that lost the answer (default 10 seconds).
    pub refresh_leeway_seconds: i64,
    /// A session's absolute life (default 30 days: NIST SP 800-63B-4, AAL1).
    pub session_max_age_seconds: i64,
    /// For how long an ended session is listed (default 90 days). A day at least: so long may mails come from it.
    pub session_history_seconds: i64,
    /// Sessions that one account may have at once (default 100). One more ends the one that nobody used for longest.
    pub sessions_per_user: usize,
    /// Who may register.
    pub registration: Registration,
    /// What turning the second factor off asks for.
    pub totp_disable: TotpDisablePolicy,
    /// Whose accounts must have a second factor.
    pub second_factor_required_for: SecondFactorRequiredFor,
    /// Between the wish to be erased and the erasure (default 30 days).
    pub deletion_grace_seconds: i64,
}

impl TokenConfig {
    pub(super) fn load(source: &Source) -> Result<Self, ConfigError> {
        const DAY: i64 = 86_400;
        const YEAR: i64 = 366 * DAY;
        let profile = profile(source)?;
        let idle = source.number("SESSION_IDLE_TIMEOUT", profile.idle_timeout, 1..=YEAR)?;
        Ok(Self {
            access_ttl_seconds: source.number("ACCESS_TOKEN_TTL", 900, 1..=YEAR)?.min(idle),
            refresh_ttl_seconds: source
                .number("REFRESH_TOKEN_TTL", 30 * 86_400, 1..=YEAR)?
                .min(idle),
            refresh_leeway_seconds: source.number("REFRESH_LEEWAY", 10, 0..=60)?,
            session_max_age_seconds: source.number("SESSION_MAX_AGE", profile.max_age, 1..=YEAR)?,
            session_history_seconds: source.number(
                "SESSION_HISTORY",
                90 * DAY,
                DAY..=100 * YEAR,
            )?,
            sessions_per_user: source.number("SESSIONS_PER_USER", 100, 1..=10_000)?,
            registration: registration(source)?,
            totp_disable: totp_disable(source)?,
            second_factor_required_for: second_factor_required_for(source)?,
            deletion_grace_seconds: source.number("DELETION_GRACE", 30 * 86_400, 0..=YEAR)?,
        })
    }
}

/// Defaults of a session's life, in seconds.
struct Profile {
    max_age: i64,
    idle_timeout: i64,
}

/// The time-outs of NIST SP 800-63B-4, section 2: at AAL1 an overall one of 30 days; at AAL2 one of 24 hours, and one of
/// an hour without activity.
fn profile(source: &Source) -> Result<Profile, ConfigError> {
    match source.text("SESSION_PROFILE", "aal1")?.as_str() {
        "aal1" => Ok(Profile {
            max_age: 30 * 86_400,
            idle_timeout: 30 * 86_400,
        }),
        "aal2" => Ok(Profile {
            max_age: 86_400,
            idle_timeout: 3600,
        }),
        _ => Err(ConfigError::bad("SESSION_PROFILE", "must be aal1 or aal2")),
    }
}

fn registration(source: &Source) -> Result<Registration, ConfigError> {
    match source.text("REGISTRATION", "open")?.as_str() {
        "open" => Ok(Registration::Open),
        "verify_first" => Ok(Registration::VerifyFirst),
        "closed" => Ok(Registration::Closed),
        _ => Err(ConfigError::bad(
            "REGISTRATION",
            "must be open, verify_first or closed",
        )),
    }
}

fn totp_disable(source: &Source) -> Result<TotpDisablePolicy, ConfigError> {
    match source.text("TOTP_DISABLE_POLICY", "session")?.as_str() {
        "session" => Ok(TotpDisablePolicy::Session),
        "recent_auth" => Ok(TotpDisablePolicy::RecentAuth),
        "code" => Ok(TotpDisablePolicy::Code),
        _ => Err(ConfigError::bad(
            "TOTP_DISABLE_POLICY",
            "must be session, recent_auth or code",
        )),
    }
}

fn second_factor_required_for(source: &Source) -> Result<SecondFactorRequiredFor, ConfigError> {
    match source
        .text("SECOND_FACTOR_REQUIRED_FOR", "nobody")?
        .as_str()
    {
        "nobody" => Ok(SecondFactorRequiredFor::Nobody),
        "administrators" => Ok(SecondFactorRequiredFor::Administrators),
        "everyone" => Ok(SecondFactorRequiredFor::Everyone),
        _ => Err(ConfigError::bad(
            "SECOND_FACTOR_REQUIRED_FOR",
            "must be nobody, administrators or everyone",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(settings: &[(&str, &str)]) -> TokenConfig {
        TokenConfig::load(&Source::from_pairs(settings, &[])).unwrap()
    }

    #[test]
    fn the_second_assurance_level_ends_a_session_after_a_day_or_an_hour_without_activity() {
        let aal2 = loaded(&[("SESSION_PROFILE", "aal2")]);
        assert_eq!(aal2.session_max_age_seconds, 24 * 3600);
        assert_eq!(aal2.refresh_ttl_seconds, 3600);
        assert_eq!(aal2.access_ttl_seconds, 900);
        // No token lives for longer than a session may be idle, whatever is set beside it.
        let tokens = [
            ("SESSION_PROFILE", "aal2"),
            ("ACCESS_TOKEN_TTL", "86400"),
            ("REFRESH_TOKEN_TTL", "86400"),
        ];
        let tokens = loaded(&tokens);
        assert_eq!(tokens.access_ttl_seconds, 3600);
        assert_eq!(tokens.refresh_ttl_seconds, 3600);
    }

    #[test]
    fn a_second_factor_is_required_of_those_whom_the_setting_names() {
        let of =
            |value| loaded(&[("SECOND_FACTOR_REQUIRED_FOR", value)]).second_factor_required_for;
        let default = loaded(&[]).second_factor_required_for;
        assert_eq!(default, SecondFactorRequiredFor::Nobody);
        for (value, nobody, auditor, admin) in [
            ("nobody", false, false, false),
            ("administrators", false, true, true),
            ("everyone", true, true, true),
        ] {
            assert_eq!(of(value).includes(&[]), nobody, "{value}");
            assert_eq!(of(value).includes(&[Role::Auditor]), auditor, "{value}");
            assert_eq!(of(value).includes(&[Role::Admin]), admin, "{value}");
        }
    }

    #[test]
    fn the_first_assurance_level_ends_a_session_after_thirty_days() {
        let aal1 = loaded(&[]);
        assert_eq!(aal1.session_max_age_seconds, 30 * 86_400);
        assert_eq!(aal1.refresh_ttl_seconds, 30 * 86_400);
    }
}
