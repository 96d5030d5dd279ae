//! Opening a session: from an address and a password to tokens.

mod attempt;

use aggregates::session::{
    RevokeReason, Session, SessionCommand, SessionError, StartSession, TokenPair,
};
use aggregates::values::{
    AuthMethod, DeviceName, EmailClaimId, Password, PasswordId, SessionId, TotpId, UserId,
};
use chrono::{DateTime, TimeDelta, Utc};
use eventlog::{CommandContext, DbError, ExecuteError};
use projections::sessions::{self, SessionRow};
use projections::users;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::app::{Acting, App};
use crate::config::TokenConfig;
use crate::keyring::{PersonKey, VaultError};
use crate::ports::ids::Token;
use crate::ports::passwords::{PasswordError, Verified, VerifiedPassword};
use crate::ports::{clock, ids};
use crate::revocation::{self, RevokeError};
use crate::second_factor::ProvedFactor;
use crate::second_factor::challenges::Challenge;
use crate::throttle::{self, Charge, DeviceToken, ThrottleError, Trial};

use attempt::{Found, Whose, find};

/// Where and on what a session is opened.
#[derive(Debug)]
pub struct Device {
    /// The name that the person gave it.
    pub name: Option<DeviceName>,
    /// The `User-Agent` header.
    pub user_agent: Option<String>,
    /// The client's address.
    pub ip: std::net::IpAddr,
}

/// That a person proved who they are, by every factor that their account asks for. Only this module can make one.
#[derive(Debug)]
pub struct Authenticated {
    user_id: UserId,
    password_id: PasswordId,
    totp_id: Option<TotpId>,
    methods: Vec<AuthMethod>,
}

impl Authenticated {
    /// Who.
    pub fn user_id(&self) -> UserId {
        self.user_id
    }
}

/// That the password was right, and that the account asks for more.
#[derive(Debug)]
pub struct SecondFactorDue {
    user: UserId,
    password: PasswordId,
    totp: TotpId,
}

impl SecondFactorDue {
    /// Who.
    pub fn user_id(&self) -> UserId {
        self.user
    }

    /// The password that was right.
    pub fn password_id(&self) -> PasswordId {
        self.password
    }

    /// The factor that is due.
    pub fn totp_id(&self) -> TotpId {
        self.totp
    }
}

/// What a right password is worth.
#[derive(Debug)]
pub enum FirstFactor {
    /// It is enough.
    Enough(Authenticated),
    /// There is no session before the second factor.
    Due(SecondFactorDue),
}

/// What a right password is worth to this account.
pub fn first_factor(proof: &VerifiedPassword, row: &users::UserRow) -> FirstFactor {
    let (user_id, password_id) = (proof.user_id(), proof.password_id());
    match row.totp_id {
        Some(totp) => FirstFactor::Due(SecondFactorDue {
            user: user_id,
            password: password_id,
            totp,
        }),
        None => FirstFactor::Enough(Authenticated {
            user_id,
            password_id,
            totp_id: None,
            methods: vec![AuthMethod::Password],
        }),
    }
}

/// Both factors together: the challenge that the right password was worth, and the second one.
pub fn second_factor(challenge: &Challenge, proved: &ProvedFactor) -> Option<Authenticated> {
    let is_one = challenge.user_id == proved.user_id() && challenge.totp_id == proved.totp_id();
    is_one.then(|| Authenticated {
        user_id: proved.user_id(),
        password_id: challenge.password_id,
        totp_id: Some(proved.totp_id()),
        methods: vec![AuthMethod::Password, proved.method()],
    })
}

/// New tokens; shown once.
#[derive(Debug)]
pub struct NewTokens {
    /// Opens the API.
    pub access: Token,
    /// Gets the next pair.
    pub refresh: Token,
    /// Their hashes and ends.
    pub pair: TokenPair,
}

/// What a right password leaves for the opening of a session.
#[derive(Debug, Default)]
pub struct Paid {
    /// What the attempt was charged.
    pub charge: Option<Charge>,
    /// The person's key, where it was looked for.
    pub key: Option<PersonKey>,
}

/// A session that was just opened.
#[derive(Debug)]
pub struct Opened {
    /// As it is listed.
    pub session: SessionRow,
    /// Whose, as the account is after it.
    pub user: users::UserRow,
    /// The person's key.
    pub key: PersonKey,
    /// Its first tokens.
    pub tokens: NewTokens,
    /// The position of its last event.
    pub position: Option<u64>,
}

/// Why no session was opened.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The address and the password do not belong together.
    #[error("the credentials are wrong")]
    InvalidCredentials,
    /// They do, but the account, this one, was disabled.
    #[error("the account is disabled")]
    AccountDisabled(UserId),
    /// Too many attempts.
    #[error(transparent)]
    Throttle(#[from] ThrottleError),
    /// Hashing.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The operating system gave no randomness.
    #[error(transparent)]
    NoRandomness(#[from] ids::NoRandomness),
    /// The log did not take the command.
    #[error(transparent)]
    Log(#[from] ExecuteError<SessionError>),
    /// A session that must not be could not be ended.
    #[error(transparent)]
    Revoke(#[from] RevokeError),
}

/// A password that was right.
#[derive(Debug)]
pub struct Right {
    /// That it was.
    pub proof: VerifiedPassword,
    /// The account as it was then.
    pub user: users::UserRow,
    /// The person's key, where it was looked for.
    pub key: Option<PersonKey>,
    /// What the attempt was charged.
    pub charge: Charge,
}

/// Verifies a password of whoever signs in. Unknown addresses cost the same work as known ones, and are throttled alike.
///
/// # Errors
/// Too many attempts, wrong credentials, a disabled account (only after a right password), or a part that failed.
pub async fn verify_password(
    app: &App,
    address: &str,
    ip: std::net::IpAddr,
    device: Option<DeviceToken>,
    password: Zeroizing<String>,
) -> Result<Right, SignInError> {
    let (email, trial) = throttle::sign_in_trial(app, address, ip, device);
    // Nobody's claim is looked for as well, so that it takes as long.
    let claim = email
        .as_ref()
        .map(|email| app.vault.keyring().email_claim_id(email));
    let claim = claim.unwrap_or(EmailClaimId(Uuid::nil()));
    try_password(app, trial, Whose::Claim(claim), &password).await
}

/// Verifies the password of an account once more, for the holder of a session.
///
/// # Errors
/// See [`verify_password`].
pub async fn verify_again(
    app: &App,
    account: Option<users::UserRow>,
    session: SessionId,
    password: &str,
) -> Result<VerifiedPassword, SignInError> {
    let row = account.ok_or(SignInError::InvalidCredentials)?;
    let keyring = app.vault.keyring();
    let trial = Trial::in_session(keyring, row.email_claim_id, session);
    let right = try_password(app, trial, Whose::Account(Box::new(row)), password).await?;
    right.charge.succeeded(app).await?;
    Ok(right.proof)
}

/// One attempt: charged before the password is looked at, so that however many come at once no more than the limit are.
async fn try_password(
    app: &App,
    trial: Trial,
    whose: Whose,
    password: &str,
) -> Result<Right, SignInError> {
    let (admitted, found) = find(app, trial, whose).await?;
    // Before the charge: whoever finds no place leaves nothing in the table.
    let place = app.passwords.place(&admitted.crowds())?;
    let charge = admitted.charge(app).await?;
    let Found {
        account,
        password: stored,
        key,
    } = found;
    let stored = account.as_ref().map(|row| row.user_id).zip(stored);
    let verified = app
        .passwords
        .verify(place, Password::new(password), stored)
        .await;
    match verified.map(|verified| verified.zip(account)) {
        Ok(Some((_, row))) if row.is_disabled => {
            charge.succeeded(app).await?;
            Err(SignInError::AccountDisabled(row.user_id))
        }
        Ok(Some((verified, user))) => {
            upgrade(app, &verified).await;
            let key = key.map(|key| app.vault.open_person_key(&key)).transpose()?;
            let proof = verified.proof;
            Ok(Right {
                proof,
                user,
                key,
                charge,
            })
        }
        Ok(None) => {
            charge.failed(app).await?;
            Err(SignInError::InvalidCredentials)
        }
        Err(error) => {
            charge.give_back(app).await?;
            Err(error.into())
        }
    }
}

/// Stores a hash of today's cost and pepper instead of an older one, unless the row was written since. When that
/// fails, the next sign-in tries again.
async fn upgrade(app: &App, verified: &Verified) {
    let Some((stored, hash)) = &verified.upgrade else {
        return;
    };
    let user = verified.proof.user_id();
    match app
        .vault
        .upgrade_password(user, stored, hash, clock::now())
        .await
    {
        Ok(is_done) => tracing::debug!(%user, is_done, "upgraded the hash of a password"),
        Err(error) => tracing::warn!(%user, %error, "the hash of a password was not upgraded"),
    }
}

/// Opens a session for the person who proved who they are, and takes back what their attempt was charged. If the password
/// or the second factor was changed in the meantime, the session is ended at once: the change ended those that it saw,
/// and did not see this one. When the account has more sessions by it than it may, others end before the answer.
///
/// # Errors
/// A part that failed.
pub async fn open_session(
    app: &App,
    proof: &Authenticated,
    paid: Option<Paid>,
    device: &Device,
    acting: &Acting,
) -> Result<Opened, SignInError> {
    let session_id = SessionId::from(ids::new_id());
    let at = clock::now();
    let tokens = new_tokens(&app.config.tokens, at)?;
    let context = acting.creating();
    let Paid { charge, key } = paid.unwrap_or_default();
    let key = match key {
        Some(key) => Some(key),
        None => app.vault.person_key(proof.user_id).await?,
    };
    let key = key.ok_or(SignInError::InvalidCredentials)?;
    let start = start_command(app, session_id, proof, device, &tokens, &context, &key, at)?;
    let name = session_id.to_string();
    // At once, so that both can share a flush of the disk.
    let (outcome, ()) = tokio::join!(
        app.log.execute::<Session>(&name, start, &context),
        take_back(app, charge),
    );
    let position = outcome?.position;
    let (user, session) = settle(app, proof, session_id, acting).await?;
    Ok(Opened {
        session,
        user,
        key,
        tokens,
        position,
    })
}

/// Whoever proved who they are is let in, even if what stands against the account stays for now.
async fn take_back(app: &App, charge: Option<Charge>) {
    if let Some(charge) = charge
        && let Err(error) = charge.succeeded(app).await
    {
        tracing::warn!(%error, "what a right password was charged was not taken back");
    }
}

/// What follows when the session is in the log: the account and the session as they are now.
async fn settle(
    app: &App,
    proof: &Authenticated,
    session: SessionId,
    acting: &Acting,
) -> Result<(users::UserRow, SessionRow), SignInError> {
    let most = app.config.tokens.sessions_per_user;
    let questions = (
        users::by_id(proof.user_id),
        sessions::by_id(session),
        sessions::has_more_than(proof.user_id, most),
    );
    let (user, row, are_too_many) = app.database.ask(questions).await?;
    let user = require_current(app, proof, user, session, acting).await?;
    if are_too_many {
        revocation::revoke_surplus(app, proof.user_id, acting).await?;
    }
    let row = row.ok_or_else(|| DbError::decode("a session that is not in its read model"));
    Ok((user, row?))
}

async fn require_current(
    app: &App,
    proof: &Authenticated,
    row: Option<users::UserRow>,
    session: SessionId,
    acting: &Acting,
) -> Result<users::UserRow, SignInError> {
    let reason = match row {
        Some(row) if row.password_id != proof.password_id => RevokeReason::PasswordChanged,
        Some(row) if row.totp_id != proof.totp_id => RevokeReason::SecondFactorChanged,
        Some(row) if row.is_disabled => RevokeReason::UserDisabled,
        Some(row) => return Ok(row),
        None => RevokeReason::UserErased,
    };
    revocation::revoke(app, session, reason, acting, Some(proof.user_id)).await?;
    Err(SignInError::InvalidCredentials)
}

/// Makes a pair of tokens that begin at `at`.
///
/// # Errors
/// No randomness.
pub fn new_tokens(config: &TokenConfig, at: DateTime<Utc>) -> Result<NewTokens, ids::NoRandomness> {
    let (access, refresh) = (Token::generate()?, Token::generate()?);
    let pair = TokenPair {
        access_token: access.hash(),
        access_expires_at: at + TimeDelta::seconds(config.access_ttl_seconds),
        refresh_token: refresh.hash(),
        refresh_expires_at: at + TimeDelta::seconds(config.refresh_ttl_seconds),
    };
    Ok(NewTokens {
        access,
        refresh,
        pair,
    })
}

#[expect(
    clippy::too_many_arguments,
    reason = "all that an event of a session tells"
)]
fn start_command(
    app: &App,
    session_id: SessionId,
    proof: &Authenticated,
    device: &Device,
    tokens: &NewTokens,
    context: &CommandContext,
    key: &PersonKey,
    at: DateTime<Utc>,
) -> Result<SessionCommand, SignInError> {
    let event_id = eventlog::event_id(context.command_id, 0);
    let seal = |field: &str, text: &str| key.seal(event_id, field, text).map_err(VaultError::from);
    let name = device
        .name
        .as_ref()
        .map(|name| seal("device_name", name.as_str()))
        .transpose()?;
    let user_agent = device
        .user_agent
        .as_deref()
        .map(|text| seal("user_agent", text))
        .transpose()?;
    Ok(StartSession {
        session_id,
        user_id: proof.user_id,
        device_name: name,
        user_agent,
        ip: Some(seal("ip", &device.ip.to_string())?),
        auth_methods: proof.methods.clone(),
        auth_time: at,
        expires_at: at + TimeDelta::seconds(app.config.tokens.session_max_age_seconds),
        tokens: tokens.pair.clone(),
        at,
    }
    .into())
}
