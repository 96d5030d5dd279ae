//! Opening a session: from an address and a password to tokens.

use aggregates::session::{
    RevokeReason, Session, SessionCommand, SessionError, StartSession, TokenPair,
};
use aggregates::values::{
    AuthMethod, DeviceName, EmailClaimId, Password, PasswordId, SessionId, TotpId, UserId,
};
use chrono::{DateTime, TimeDelta, Utc};
use eventlog::{CommandContext, DbError, ExecuteError};
use projections::{email_claims, users};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::app::{Acting, App};
use crate::config::TokenConfig;
use crate::keyring::{PersonKey, VaultError};
use crate::ports::ids::Token;
use crate::ports::passwords::{PasswordError, Place, Verified, VerifiedPassword};
use crate::ports::{clock, ids};
use crate::revocation::{self, RevokeError};
use crate::second_factor::ProvedFactor;
use crate::second_factor::challenges::Challenge;
use crate::throttle::{self, Charge, ThrottleError, Trial};

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

/// A session that was just opened.
#[derive(Debug)]
pub struct Opened {
    /// Which.
    pub session_id: SessionId,
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
    /// They do, but the account was disabled.
    #[error("the account is disabled")]
    AccountDisabled,
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
    password: Zeroizing<String>,
) -> Result<Right, SignInError> {
    let (email, trial) = throttle::sign_in_trial(app, address, ip);
    let account = async {
        // Nobody's claim is looked for as well, so that it takes as long.
        let claim = email
            .as_ref()
            .map(|email| app.vault.keyring().email_claim_id(email));
        let claim = claim.unwrap_or(EmailClaimId(Uuid::nil()));
        Ok(email_claims::account(&app.database, claim).await?)
    };
    try_password(app, trial, account, &password).await
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
    let right = try_password(app, trial, async { Ok(Some(row)) }, password).await?;
    let is_enough = right.user.totp_id.is_none();
    right.charge.succeeded(app, is_enough).await?;
    Ok(right.proof)
}

/// One attempt: charged before anything is looked at, so that however many come at once no more than the limit are.
async fn try_password(
    app: &App,
    trial: Trial,
    account: impl Future<Output = Result<Option<users::UserRow>, SignInError>>,
    password: &str,
) -> Result<Right, SignInError> {
    let admitted = throttle::admit(app, trial).await?;
    // Before the charge: whoever finds no place leaves nothing in the table.
    let place = app.passwords.place(&admitted.trial().crowds())?;
    let charge = admitted.charge(app).await?;
    match look(app, place, account, password).await {
        Ok(Some((_, row))) if row.is_disabled => {
            charge.succeeded(app, false).await?;
            Err(SignInError::AccountDisabled)
        }
        Ok(Some((verified, user))) => {
            upgrade(app, &verified).await;
            let proof = verified.proof;
            Ok(Right {
                proof,
                user,
                charge,
            })
        }
        Ok(None) => {
            charge.failed(app).await?;
            Err(SignInError::InvalidCredentials)
        }
        Err(error) => {
            charge.give_back(app).await?;
            Err(error)
        }
    }
}

async fn look(
    app: &App,
    place: Place,
    account: impl Future<Output = Result<Option<users::UserRow>, SignInError>>,
    password: &str,
) -> Result<Option<(Verified, users::UserRow)>, SignInError> {
    let account = account.await?;
    let nobody = (UserId(Uuid::nil()), PasswordId(Uuid::nil()));
    let key = account
        .as_ref()
        .map_or(nobody, |row| (row.user_id, row.password_id));
    let stored = app.vault.password(key.0, key.1).await?;
    let stored = stored.map(|stored| (key.0, stored));
    let password = Password::new(password);
    let verified = app.passwords.verify(place, password, stored).await?;
    Ok(verified.zip(account))
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
    charge: Option<Charge>,
    device: &Device,
    acting: &Acting,
) -> Result<Opened, SignInError> {
    let session_id = SessionId::from(ids::new_id());
    let at = clock::now();
    let tokens = new_tokens(&app.config.tokens, at)?;
    let context = acting.creating();
    let key = app.vault.person_key(proof.user_id).await?;
    let key = key.ok_or(SignInError::InvalidCredentials)?;
    let start = start_command(app, session_id, proof, device, &tokens, &context, &key, at)?;
    let name = session_id.to_string();
    // At once, so that both can share a flush of the disk.
    let (outcome, ()) = tokio::join!(
        app.log.execute::<Session>(&name, start, &context),
        take_back(app, charge),
    );
    let position = outcome?.position;
    let user = require_current(app, proof, session_id, acting).await?;
    revocation::revoke_surplus(app, proof.user_id, acting).await?;
    if proof.totp_id.is_some() {
        throttle::remember(app, user.email_claim_id, device.ip).await?;
    }
    Ok(Opened {
        session_id,
        user,
        key,
        tokens,
        position,
    })
}

/// Whoever proved who they are is let in, even if what stands against the account stays for now.
async fn take_back(app: &App, charge: Option<Charge>) {
    if let Some(charge) = charge
        && let Err(error) = charge.succeeded(app, true).await
    {
        tracing::warn!(%error, "what a right password was charged was not taken back");
    }
}

async fn require_current(
    app: &App,
    proof: &Authenticated,
    session: SessionId,
    acting: &Acting,
) -> Result<users::UserRow, SignInError> {
    let row = users::find(&app.database, proof.user_id).await?;
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
