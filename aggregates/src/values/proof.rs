//! What a person may do, and how they proved who they are.

use super::named;

named! {
    /// A right beyond those that every account has.
    pub enum Role {
        /// Manages accounts and service keys.
        Admin = "admin",
        /// Reads and verifies the log.
        Auditor = "auditor",
    }
}

named! {
    /// A proof of identity that opened a session.
    pub enum AuthMethod {
        /// The account's password.
        Password = "password",
        /// A time-based one-time password (RFC 6238).
        Totp = "totp",
        /// A recovery code, used up by this.
        RecoveryCode = "recovery_code",
    }
}

impl AuthMethod {
    /// Whether it is a proof beside the password.
    #[must_use]
    pub fn is_second_factor(self) -> bool {
        match self {
            Self::Password => false,
            Self::Totp | Self::RecoveryCode => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::UnknownName;
    use super::*;

    #[test]
    fn names_read_back_and_agree_with_json() {
        for method in AuthMethod::ALL {
            assert_eq!(method.as_str().parse(), Ok(*method));
            assert_eq!(serde_json::to_value(method).unwrap(), method.as_str());
        }
        assert_eq!(Role::Auditor.to_string(), "auditor");
        assert_eq!("Admin".parse::<Role>(), Err(UnknownName));
    }
}
