//! Names events for the log. A variant that is not listed does not compile.

/// Implements `DomainEvent` for an enum of struct variants, of version 1.0 where none is given, and makes
/// `EVENT_TYPES`, the list of its type names.
macro_rules! domain_event {
    ($event:ident { $($variant:ident $(= $version:literal)?),+ $(,)? }) => {
        /// The type names of this aggregate's events, as the log stores them.
        pub const EVENT_TYPES: &[&str] = &[$(stringify!($variant)),+];

        impl cqrs_es::DomainEvent for $event {
            fn event_type(&self) -> String {
                match self {
                    $(Self::$variant { .. } => stringify!($variant).to_owned(),)+
                }
            }

            fn event_version(&self) -> String {
                match self {
                    $(Self::$variant { .. } => {
                        let versions: &[&str] = &["1.0" $(, $version)?];
                        versions.last().copied().unwrap_or_default().to_owned()
                    })+
                }
            }
        }
    };
}

pub(crate) use domain_event;
