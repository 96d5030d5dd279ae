//! Closed sets of names that are stored and shown as `snake_case` text.

/// The text is none of the names of its set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an unknown name")]
pub struct UnknownName;

/// An enum whose variants each have a stored name: JSON, `as_str`, `Display` and `FromStr` agree,
/// and `ALL` lists them.
macro_rules! named {
    (
        $(#[$enum_meta:meta])*
        pub enum $name:ident { $($(#[$meta:meta])* $variant:ident = $text:literal,)+ }
    ) => {
        $(#[$enum_meta])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash,
            serde::Serialize, serde::Deserialize, schemars::JsonSchema,
        )]
        #[schemars(inline)]
        pub enum $name { $($(#[$meta])* #[serde(rename = $text)] $variant,)+ }

        impl $name {
            /// Every member.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stored name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::values::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                use serde::Deserialize as _;
                use serde::de::IntoDeserializer as _;
                let text: serde::de::value::StrDeserializer<'_, serde::de::value::Error> =
                    text.into_deserializer();
                Self::deserialize(text).map_err(|_| $crate::values::UnknownName)
            }
        }
    };
}

pub(crate) use named;
