//! Identifiers, each of a type of its own, so that one cannot stand where another belongs.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        #[schemars(inline)]
        pub struct $name(pub Uuid);

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

id! {
    /// A person's account (`UUIDv7`).
    UserId
}
id! {
    /// A session (`UUIDv7`).
    SessionId
}
id! {
    /// A password that an account has or had: names its hash in the vault and tells nothing about it.
    PasswordId
}
id! {
    /// A second factor that an account has or had (RFC 6238): names its secret in the vault and tells nothing about it.
    TotpId
}
id! {
    /// A set of recovery codes, which names their hashes in the vault.
    RecoveryCodesId
}
id! {
    /// An uploaded file (`UUIDv7`).
    MediaId
}
id! {
    /// A media job: `UUIDv5` of what is asked for, so that the same request is the same job.
    JobId
}
id! {
    /// A service key (`UUIDv7`).
    ServiceKeyId
}
id! {
    /// A webhook sink (`UUIDv7`).
    WebhookSinkId
}
id! {
    /// A secret that a webhook sink has or had: names it in the vault and tells nothing about it.
    WebhookSecretId
}
id! {
    /// The claim on an e-mail address: made of a keyed hash of its normalised form, so that the
    /// version check of one stream makes addresses unique and the id does not tell the address.
    EmailClaimId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_its_text_and_from_json() {
        let id = UserId(Uuid::from_u128(7));
        assert_eq!(id.to_string(), "00000000-0000-0000-0000-000000000007");
        assert_eq!(id.to_string().parse(), Ok(id));
        let json = serde_json::to_string(&id).unwrap();
        assert_eq!(json, format!("\"{id}\""));
        assert_eq!(serde_json::from_str::<UserId>(&json).unwrap(), id);
        assert!("7".parse::<UserId>().is_err());
    }
}
