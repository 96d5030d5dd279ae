//! Floods of wrong passwords: their beginning, and sums.

use super::{Account, SignInFailuresCommand, SignInFlood, User, UserError, UserEvent};

impl User {
    /// What is told twice changes nothing.
    pub(super) fn decide_sign_in_failures(
        &self,
        command: SignInFailuresCommand,
    ) -> Result<Vec<UserEvent>, UserError> {
        let account = self.account_of_failures()?;
        if !command.is_news_to(account.flood.as_ref()) {
            return Ok(Vec::new());
        }
        Ok(vec![match command {
            SignInFailuresCommand::Begin {
                began_at,
                failures,
                at,
            } => UserEvent::SignInFailuresBegan {
                began_at,
                failures,
                at,
            },
            SignInFailuresCommand::Count {
                began_at,
                failures,
                is_over,
                at,
            } => UserEvent::SignInFailuresCounted {
                began_at,
                failures,
                is_over,
                at,
            },
        }])
    }

    /// The account, if there is one at which somebody can fail.
    pub(super) fn account_of_failures(&self) -> Result<&Account, UserError> {
        match self {
            Self::Active(account) | Self::Disabled(account) => Ok(account),
            Self::Unregistered | Self::Abandoned | Self::Erasing | Self::Erased => {
                Err(UserError::NotRegistered)
            }
        }
    }
}

impl SignInFailuresCommand {
    /// Whether it tells something that was not told yet, where the account knows of this flood or of none.
    pub(super) fn is_news_to(&self, flood: Option<&SignInFlood>) -> bool {
        match self {
            Self::Begin { .. } => flood.is_none(),
            Self::Count { began_at, .. } => {
                flood.is_some_and(|flood| flood.counted != Some(*began_at))
            }
        }
    }
}

impl Account {
    pub(super) fn evolve_sign_in_failures(&mut self, event: &UserEvent) {
        match event {
            UserEvent::SignInFailuresBegan { .. } => {
                self.flood = Some(SignInFlood { counted: None });
            }
            UserEvent::SignInFailuresCounted {
                began_at, is_over, ..
            } => {
                let counted = Some(*began_at);
                self.flood = (!is_over).then_some(SignInFlood { counted });
            }
            _ => {}
        }
    }
}
