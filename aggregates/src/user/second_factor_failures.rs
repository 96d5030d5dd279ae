//! Floods of wrong codes of the second factor: their beginning, and sums. Those after a right password and those in
//! sessions are told apart: the first mean that somebody may know the password.

use super::{
    Account, CodeFloods, SecondFactorStage, SignInFailuresCommand, SignInFlood, User, UserError,
    UserEvent,
};

impl User {
    /// What is told twice changes nothing.
    pub(super) fn decide_second_factor_failures(
        &self,
        stage: SecondFactorStage,
        command: SignInFailuresCommand,
    ) -> Result<Vec<UserEvent>, UserError> {
        let account = self.account_of_failures()?;
        if !command.is_news_to(account.code_floods.of(stage)) {
            return Ok(Vec::new());
        }
        Ok(vec![match command {
            SignInFailuresCommand::Begin {
                began_at,
                failures,
                at,
            } => UserEvent::SecondFactorFailuresBegan {
                stage,
                began_at,
                failures,
                at,
            },
            SignInFailuresCommand::Count {
                began_at,
                failures,
                is_over,
                at,
            } => UserEvent::SecondFactorFailuresCounted {
                stage,
                began_at,
                failures,
                is_over,
                at,
            },
        }])
    }
}

impl CodeFloods {
    fn of(&self, stage: SecondFactorStage) -> Option<&SignInFlood> {
        match stage {
            SecondFactorStage::SignIn => self.sign_in.as_ref(),
            SecondFactorStage::Session => self.session.as_ref(),
        }
    }

    fn set(&mut self, stage: SecondFactorStage, flood: Option<SignInFlood>) {
        match stage {
            SecondFactorStage::SignIn => self.sign_in = flood,
            SecondFactorStage::Session => self.session = flood,
        }
    }
}

impl Account {
    pub(super) fn evolve_second_factor_failures(&mut self, event: &UserEvent) {
        match event {
            UserEvent::SecondFactorFailuresBegan { stage, .. } => {
                let flood = Some(SignInFlood { counted: None });
                self.code_floods.set(*stage, flood);
            }
            UserEvent::SecondFactorFailuresCounted {
                stage,
                began_at,
                is_over,
                ..
            } => {
                let counted = Some(*began_at);
                let flood = (!is_over).then_some(SignInFlood { counted });
                self.code_floods.set(*stage, flood);
            }
            _ => {}
        }
    }
}
