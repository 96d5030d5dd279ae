//! Whether an account must have a second factor, and what a session of it lacks as long as it does not.
//!
//! Decided from what a token check knows, so that `/v1/verify` needs no database for it.

use aggregates::values::Role;

use crate::config::SecondFactorRequiredFor;
use crate::token_check::Good;

/// What a session lacks of an account that must have a second factor. It is worth no more than what leads to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FactorLacking {
    /// The account has none.
    #[error("the account must have a second factor and has none")]
    NotEnrolled,
    /// The account has one, and it was never proved in this session.
    #[error("the second factor was not proved in this session")]
    NotProved,
}

/// What is known of a session and its account.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// Of the account.
    pub roles: &'a [Role],
    /// Whether the account has a second factor.
    pub has_second_factor: bool,
    /// Whether one was proved in the session.
    pub is_proved: bool,
}

impl Standing<'_> {
    /// # Errors
    /// What is lacking, where the account must have a second factor.
    pub fn require(&self, required_for: SecondFactorRequiredFor) -> Result<(), FactorLacking> {
        match (self.has_second_factor, self.is_proved) {
            _ if !required_for.includes(self.roles) => Ok(()),
            (false, _) => Err(FactorLacking::NotEnrolled),
            (true, false) => Err(FactorLacking::NotProved),
            (true, true) => Ok(()),
        }
    }
}

impl Good {
    /// # Errors
    /// What is lacking, where the account must have a second factor.
    pub fn require_second_factor(
        &self,
        required_for: SecondFactorRequiredFor,
    ) -> Result<(), FactorLacking> {
        let standing = Standing {
            roles: &self.account.roles,
            has_second_factor: self.account.has_second_factor,
            is_proved: self.token.second_factor_at.is_some(),
        };
        standing.require(required_for)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_lacks_the_factor_or_its_proof_only_where_one_is_required() {
        let require = |required_for, roles: &[Role], has_second_factor, is_proved| {
            let standing = Standing {
                roles,
                has_second_factor,
                is_proved,
            };
            standing.require(required_for)
        };
        let admin = [Role::Admin];
        for (has, proved, expected) in [
            (false, false, Err(FactorLacking::NotEnrolled)),
            // The factor that was proved was turned off since.
            (false, true, Err(FactorLacking::NotEnrolled)),
            (true, false, Err(FactorLacking::NotProved)),
            (true, true, Ok(())),
        ] {
            use SecondFactorRequiredFor::{Administrators, Everyone, Nobody};
            assert_eq!(require(Nobody, &admin, has, proved), Ok(()));
            assert_eq!(require(Administrators, &[], has, proved), Ok(()));
            assert_eq!(require(Administrators, &admin, has, proved), expected);
            assert_eq!(require(Everyone, &[], has, proved), expected);
        }
    }
}
