//! The second factor: turned on, turned off, and its recovery codes, each good once.

use chrono::{DateTime, Utc};

use super::{Account, RecoveryCodes, SecondFactor, SecondFactorCommand, UserError, UserEvent};
use crate::values::{HourlyCount, RecoveryCodesId, TotpId};

impl Account {
    pub(super) fn decide_second_factor(
        &self,
        command: SecondFactorCommand,
    ) -> Result<Vec<UserEvent>, UserError> {
        match command {
            SecondFactorCommand::Enable {
                totp_id,
                codes_id,
                count,
                most_an_hour,
                at,
            } => {
                if self.second_factor.is_some() {
                    return Err(UserError::TotpAlreadyEnabled);
                }
                self.require_room(most_an_hour, at)?;
                Ok(vec![
                    UserEvent::TotpEnabled { totp_id, at },
                    UserEvent::RecoveryCodesIssued {
                        codes_id,
                        count,
                        at,
                    },
                ])
            }
            SecondFactorCommand::Disable { totp_id, at } => {
                if !self.has_factor(totp_id) {
                    return Ok(Vec::new());
                }
                Ok(vec![UserEvent::TotpDisabled { totp_id, at }])
            }
            SecondFactorCommand::IssueRecoveryCodes {
                totp_id,
                codes_id,
                count,
                most_an_hour,
                at,
            } => {
                if !self.has_factor(totp_id) {
                    return Err(UserError::TotpNotEnabled);
                }
                self.require_room(most_an_hour, at)?;
                Ok(vec![UserEvent::RecoveryCodesIssued {
                    codes_id,
                    count,
                    at,
                }])
            }
            SecondFactorCommand::UseRecoveryCode {
                codes_id,
                number,
                at,
            } => {
                let unused = self.unused_codes(codes_id);
                if !unused.contains(&number) {
                    return Err(UserError::RecoveryCodeSpent);
                }
                let left = unused.iter().filter(|other| **other != number).count();
                Ok(vec![UserEvent::RecoveryCodeUsed {
                    codes_id,
                    number,
                    left: u8::try_from(left).unwrap_or(u8::MAX),
                    at,
                }])
            }
        }
    }

    /// Turning the factor off is not counted: it can follow only what was.
    fn require_room(&self, most: u32, at: DateTime<Utc>) -> Result<(), UserError> {
        match HourlyCount::full_for(self.factor_changes, most, at) {
            None => Ok(()),
            Some(retry_after_seconds) => Err(UserError::TooManyFactorChanges {
                retry_after_seconds,
            }),
        }
    }

    fn has_factor(&self, totp_id: TotpId) -> bool {
        let factor = self.second_factor.as_ref();
        factor.is_some_and(|factor| factor.totp_id == totp_id)
    }

    fn unused_codes(&self, codes_id: RecoveryCodesId) -> &[u8] {
        let codes = self.second_factor.as_ref().and_then(|it| it.codes.as_ref());
        codes
            .filter(|codes| codes.codes_id == codes_id)
            .map_or(&[], |codes| &codes.unused)
    }

    pub(super) fn evolve_second_factor(&mut self, event: &UserEvent) {
        if let UserEvent::RecoveryCodesIssued { at, .. } = event {
            self.factor_changes = Some(HourlyCount::and_at(self.factor_changes, *at));
        }
        match (event, &mut self.second_factor) {
            (UserEvent::TotpEnabled { totp_id, .. }, factor) => {
                *factor = Some(SecondFactor {
                    totp_id: *totp_id,
                    codes: None,
                });
            }
            (UserEvent::TotpDisabled { .. }, factor) => *factor = None,
            (
                UserEvent::RecoveryCodesIssued {
                    codes_id, count, ..
                },
                Some(factor),
            ) => {
                factor.codes = Some(RecoveryCodes {
                    codes_id: *codes_id,
                    unused: (0..*count).collect(),
                });
            }
            (UserEvent::RecoveryCodeUsed { number, .. }, Some(factor)) => {
                if let Some(codes) = &mut factor.codes {
                    codes.unused.retain(|other| other != number);
                }
            }
            _ => {}
        }
    }
}
