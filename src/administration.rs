//! Administration of accounts: roles, disabling, enabling; and that an administrator is always left.
//!
//! Two streams take part, in an order that is safe wherever a node dies. An administrator is removed from
//! [`Administrators`] first, which refuses the last one, and then loses the role or is disabled; a new one gets the role
//! first and is then added. So whoever is counted can administer. Each step names the revision of the account's rights
//! that it was decided on, so that of two changes at once the later one begins anew. What was left half-done is finished
//! by [`take_in`], which also takes in the administrators of databases from before.

use aggregates::administrators::{
    Administrators, AdministratorsCommand, AdministratorsError, Removal, STREAM_ID,
};
use aggregates::user::{Account, DisableReason, User, UserCommand, UserError};
use aggregates::values::{Role, UserId};
use chrono::TimeDelta;
use eventlog::{Database, DbError, ExecuteError, Log};
use projections::page::Cursor;
use projections::users::{self, Search};

use crate::app::{Acting, App};
use crate::ports::clock;
use crate::revocation::{self, RevokeError, Revoked};

/// How often a change that lost a race is decided anew.
const ATTEMPTS: usize = 8;
/// A change takes well under a second; one that was decided so long ago and did not come is finished.
const PATIENCE: TimeDelta = TimeDelta::seconds(30);
/// Accounts that one query loads.
const STEP: usize = 200;
/// Who finishes what was left half-done.
const MENDER: &str = "take_in_administrators";

/// Why an account is as it was.
#[derive(Debug, thiserror::Error)]
pub enum AdministrationError {
    /// Nobody could administer any more.
    #[error("the last administrator cannot be removed")]
    LastAdministrator,
    /// There is no such account.
    #[error("there is no such account")]
    NoAccount,
    /// Others changed the account at the same time, every time.
    #[error("others changed the account at the same time")]
    Conflict,
    /// The log did not take a command about the account.
    #[error(transparent)]
    User(ExecuteError<UserError>),
    /// Nor one about the administrators.
    #[error(transparent)]
    Administrators(ExecuteError<AdministratorsError>),
    /// The database.
    #[error(transparent)]
    Database(#[from] DbError),
    /// Sessions could not be ended.
    #[error(transparent)]
    Revoke(#[from] RevokeError),
}

impl From<ExecuteError<UserError>> for AdministrationError {
    fn from(error: ExecuteError<UserError>) -> Self {
        match error {
            ExecuteError::Refused(UserError::NotRegistered) => Self::NoAccount,
            other => Self::User(other),
        }
    }
}

/// The position of the last event, if there was one.
type Position = Option<u64>;

/// Gives an account these roles and no others. Again: nothing.
///
/// # Errors
/// See [`AdministrationError`].
pub async fn change_roles(
    log: &Log,
    user: UserId,
    roles: &[Role],
    acting: &Acting,
) -> Result<Position, AdministrationError> {
    let will_administer = roles.contains(&Role::Admin);
    for _ in 0..ATTEMPTS {
        let rights = Rights::load(log, user).await?;
        let mut position = None;
        if rights.administers() && !will_administer {
            position = remove(log, &rights, None, acting).await?;
        }
        let command = UserCommand::ChangeRoles {
            roles: roles.to_vec(),
            rights_revision: rights.revision,
            at: clock::now(),
        };
        let Some(changed) = unless_changed(execute(log, user, command, acting).await)? else {
            continue;
        };
        position = position.max(changed);
        match seat(log, user, acting).await? {
            Seating::Done(seated) => return Ok(position.max(seated)),
            Seating::RemovalPending => {}
        }
    }
    Err(AdministrationError::Conflict)
}

/// Whether nobody could administer any more without this account.
///
/// # Errors
/// See [`AdministrationError`].
pub async fn is_last(log: &Log, user: UserId) -> Result<bool, AdministrationError> {
    let loaded = log.load::<Administrators>(STREAM_ID).await;
    let (administrators, _) = loaded.map_err(AdministrationError::Administrators)?;
    let rights = Rights::load(log, user).await?;
    Ok(rights.administers() && !administrators.seated.iter().any(|other| *other != user))
}

/// Takes the role `admin` away, whether the account is disabled or not. Again: nothing.
///
/// # Errors
/// See [`AdministrationError`].
pub async fn resign(
    log: &Log,
    user: UserId,
    acting: &Acting,
) -> Result<Position, AdministrationError> {
    change_role(log, user, Role::Admin, false, acting).await
}

/// Adds a role to those of an account, or takes it away; for the command line.
///
/// # Errors
/// See [`AdministrationError`].
pub async fn change_role(
    log: &Log,
    user: UserId,
    role: Role,
    is_granted: bool,
    acting: &Acting,
) -> Result<Position, AdministrationError> {
    let rights = Rights::load(log, user).await?;
    let mut roles = rights.roles;
    roles.retain(|held| *held != role);
    if is_granted {
        roles.push(role);
    }
    change_roles(log, user, &roles, acting).await
}

/// Shuts an account out and ends its sessions, on every node before this returns. Again: nothing is written.
///
/// # Errors
/// See [`AdministrationError`].
pub async fn disable(
    app: &App,
    user: UserId,
    reason: DisableReason,
    acting: &Acting,
    by: UserId,
) -> Result<Position, AdministrationError> {
    let position = shut_out(&app.log, user, reason, acting).await?;
    let ended = end_sessions(app, user, acting, by).await?;
    Ok(position.max(ended.position))
}

async fn shut_out(
    log: &Log,
    user: UserId,
    reason: DisableReason,
    acting: &Acting,
) -> Result<Position, AdministrationError> {
    for _ in 0..ATTEMPTS {
        let rights = Rights::load(log, user).await?;
        let mut position = None;
        if rights.administers() {
            position = remove(log, &rights, Some(reason), acting).await?;
        }
        let command = UserCommand::Disable {
            reason,
            rights_revision: rights.revision,
            at: clock::now(),
        };
        if let Some(changed) = unless_changed(execute(log, user, command, acting).await)? {
            return Ok(position.max(changed));
        }
    }
    Err(AdministrationError::Conflict)
}

/// Lets an account in again. A session that was opened while it was being shut out ends before that.
///
/// # Errors
/// See [`AdministrationError`].
pub async fn enable(
    app: &App,
    user: UserId,
    acting: &Acting,
    by: UserId,
) -> Result<Position, AdministrationError> {
    if Rights::load(&app.log, user).await?.is_disabled {
        end_sessions(app, user, acting, by).await?;
    }
    let command = UserCommand::Enable {
        deletion_grace: TimeDelta::seconds(app.config.tokens.deletion_grace_seconds),
        at: clock::now(),
    };
    let position = execute(&app.log, user, command, acting).await?;
    match seat(&app.log, user, acting).await? {
        Seating::Done(seated) => Ok(position.max(seated)),
        // Whoever removes it is at work.
        Seating::RemovalPending => Ok(position),
    }
}

async fn end_sessions(
    app: &App,
    user: UserId,
    acting: &Acting,
    by: UserId,
) -> Result<Revoked, RevokeError> {
    let reason = aggregates::session::RevokeReason::UserDisabled;
    revocation::revoke_all_by(app, user, None, reason, acting, Some(by)).await
}

/// What came of adding an account to the administrators.
pub enum Seating {
    /// It counts, or has nothing to count for.
    Done(Position),
    /// It is being removed.
    RemovalPending,
}

/// Adds an account to the administrators if it is one. A removal that was decided before is carried out first.
///
/// # Errors
/// See [`AdministrationError`].
pub async fn seat(
    log: &Log,
    user: UserId,
    acting: &Acting,
) -> Result<Seating, AdministrationError> {
    let rights = Rights::load(log, user).await?;
    if !rights.administers() {
        return Ok(Seating::Done(None));
    }
    let command = AdministratorsCommand::Add {
        user_id: user,
        rights_revision: rights.revision,
        at: clock::now(),
    };
    match administrators(log, command, acting).await {
        Ok(position) => Ok(Seating::Done(position)),
        Err(ExecuteError::Refused(AdministratorsError::RightsChanged)) => {
            let (administrators, _) = log
                .load::<Administrators>(STREAM_ID)
                .await
                .map_err(AdministrationError::Administrators)?;
            if let Some(removal) = administrators.removals.get(&user) {
                finish(log, user, &rights, *removal, acting).await?;
            }
            Ok(Seating::RemovalPending)
        }
        Err(error) => Err(AdministrationError::Administrators(error)),
    }
}

/// Takes in every administrator who is not counted yet, and carries removals out that were left half-done.
///
/// # Errors
/// See [`AdministrationError`].
pub async fn take_in(log: &Log, database: &Database) -> Result<(), AdministrationError> {
    let (administrators, _) = log
        .load::<Administrators>(STREAM_ID)
        .await
        .map_err(AdministrationError::Administrators)?;
    let search = Search {
        role: Some(Role::Admin),
        is_disabled: Some(false),
        ..Search::default()
    };
    let mut after = Some(Cursor::start());
    while let Some(cursor) = after {
        let page = users::search(database, search, &cursor, STEP).await?;
        for row in &page.items {
            if !administrators.seated.contains(&row.user_id) {
                mend(log, row.user_id, administrators.removals.get(&row.user_id)).await?;
            }
        }
        after = page.next;
    }
    Ok(())
}

async fn mend(
    log: &Log,
    user: UserId,
    removal: Option<&Removal>,
) -> Result<(), AdministrationError> {
    let rights = Rights::load(log, user).await?;
    let acting = Acting::policy(MENDER);
    match removal.filter(|removal| removal.rights_revision >= rights.revision) {
        // Whoever decided it is perhaps still at work.
        Some(removal) if clock::now() - removal.at < PATIENCE => Ok(()),
        Some(removal) => {
            tracing::warn!(%user, "carries out the removal of an administrator that was left half-done");
            finish(log, user, &rights, *removal, &acting).await
        }
        None => seat(log, user, &acting).await.map(|_| ()),
    }
}

/// Carries out a removal, unless the account's rights were changed since.
async fn finish(
    log: &Log,
    user: UserId,
    rights: &Rights,
    removal: Removal,
    acting: &Acting,
) -> Result<(), AdministrationError> {
    let (rights_revision, at) = (removal.rights_revision, clock::now());
    let command = match removal.disable_reason {
        Some(reason) => UserCommand::Disable {
            reason,
            rights_revision,
            at,
        },
        None => UserCommand::ChangeRoles {
            roles: rights.without_admin(),
            rights_revision,
            at,
        },
    };
    unless_changed(execute(log, user, command, acting).await).map(|_| ())
}

/// What an account may do, as its own stream has it.
struct Rights {
    user: UserId,
    roles: Vec<Role>,
    is_disabled: bool,
    revision: u64,
}

impl Rights {
    async fn load(log: &Log, user: UserId) -> Result<Self, AdministrationError> {
        let (account, _) = log.load::<User>(&user.to_string()).await?;
        let of = |account: Account, is_disabled| Self {
            user,
            roles: account.roles,
            is_disabled,
            revision: account.rights_revision,
        };
        match account {
            User::Active(account) => Ok(of(account, false)),
            User::Disabled(account) => Ok(of(account, true)),
            User::Unregistered | User::Abandoned | User::Erasing | User::Erased => {
                Err(AdministrationError::NoAccount)
            }
        }
    }

    fn administers(&self) -> bool {
        !self.is_disabled && self.roles.contains(&Role::Admin)
    }

    fn without_admin(&self) -> Vec<Role> {
        let roles = self.roles.iter().copied();
        roles.filter(|role| *role != Role::Admin).collect()
    }
}

async fn remove(
    log: &Log,
    rights: &Rights,
    disable_reason: Option<DisableReason>,
    acting: &Acting,
) -> Result<Position, AdministrationError> {
    let command = AdministratorsCommand::Remove {
        user_id: rights.user,
        rights_revision: rights.revision,
        disable_reason,
        at: clock::now(),
    };
    administrators(log, command, acting)
        .await
        .map_err(|error| match error {
            ExecuteError::Refused(AdministratorsError::LastAdministrator) => {
                AdministrationError::LastAdministrator
            }
            other => AdministrationError::Administrators(other),
        })
}

async fn administrators(
    log: &Log,
    command: AdministratorsCommand,
    acting: &Acting,
) -> Result<Position, ExecuteError<AdministratorsError>> {
    let context = acting.command();
    let outcome = log
        .execute::<Administrators>(STREAM_ID, command, &context)
        .await?;
    Ok(outcome.position)
}

async fn execute(
    log: &Log,
    user: UserId,
    command: UserCommand,
    acting: &Acting,
) -> Result<Position, ExecuteError<UserError>> {
    let context = acting.command();
    let outcome = log
        .execute::<User>(&user.to_string(), command, &context)
        .await?;
    Ok(outcome.position)
}

/// `None` when another change of the account's rights was first.
fn unless_changed(
    executed: Result<Position, ExecuteError<UserError>>,
) -> Result<Option<Position>, AdministrationError> {
    match executed {
        Ok(position) => Ok(Some(position)),
        Err(ExecuteError::Refused(UserError::RightsChanged) | ExecuteError::Conflict) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
