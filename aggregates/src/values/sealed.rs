//! Personal text that only the person's own key opens.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Opaque AEAD text, `v1.…`: sealed under the person's key and bound to the event that carries it.
/// When the key is destroyed it says nothing any more. `Debug` never prints it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline, extend("pattern" = "^v1[.]"))]
pub struct Sealed(String);

impl Sealed {
    /// Takes what the keyring made. Whether it opens is the keyring's affair.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The sealed text, as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Sealed(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_the_text() {
        assert_eq!(format!("{:?}", Sealed::new("v1.abc")), "Sealed(..)");
    }

    #[test]
    fn json_is_the_bare_text() {
        assert_eq!(
            serde_json::to_string(&Sealed::new("v1.abc")).unwrap(),
            "\"v1.abc\""
        );
    }
}
