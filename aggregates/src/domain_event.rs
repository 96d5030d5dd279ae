//! Names events for the log. A variant that is not listed does not compile.

/// The present version of each event of an aggregate.
pub(crate) trait Versions {
    /// Of the event with this type name; empty when there is none.
    fn version_of(event_type: &str) -> &'static str;
}

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
                <Self as crate::domain_event::Versions>::version_of(&self.event_type()).to_owned()
            }
        }

        impl crate::domain_event::Versions for $event {
            fn version_of(event_type: &str) -> &'static str {
                match event_type {
                    $(stringify!($variant) => {
                        let versions: &[&'static str] = &["1.0" $(, $version)?];
                        versions.last().copied().unwrap_or_default()
                    })+
                    _ => "",
                }
            }
        }
    };
}

pub(crate) use domain_event;
