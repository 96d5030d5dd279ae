//! Floods of wrong passwords: their beginning, and sums.

use super::{Account, SignInFailuresCommand, SignInFlood, User, UserError, UserEvent};

impl User {
    /// What is told twice changes nothing.
    pub(super) fn decide_sign_in_failures(
        &self,
        command: SignInFailuresCommand,
    ) -> Result<Vec<UserEvent>, UserError> {
        let account = match self {
            Self::Active(account) | Self::Disabled(account) => account,
            Self::Unregistered | Self::Abandoned | Self::Erasing | Self::Erased => {
                return Err(UserError::NotRegistered);
            }
        };
        let flood = account.flood.as_ref();
        Ok(match command {
            SignInFailuresCommand::Begin {
                began_at,
                failures,
                at,
            } if flood.is_none() => vec![UserEvent::SignInFailuresBegan {
                began_at,
                failures,
                at,
            }],
            SignInFailuresCommand::Count {
                began_at,
                failures,
                is_over,
                at,
            } if flood.is_some_and(|flood| flood.counted != Some(began_at)) => {
                vec![UserEvent::SignInFailuresCounted {
                    began_at,
                    failures,
                    is_over,
                    at,
                }]
            }
            SignInFailuresCommand::Begin { .. } | SignInFailuresCommand::Count { .. } => Vec::new(),
        })
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
