//! What is decided about an input before any decoder sees it: its container, the size of a still
//! picture, what the probe says, and whether the policy admits it. Never runs anything.

mod dimensions;
mod encryption;
mod length;
mod playable;
mod policy;
mod probe;
mod sniff;

pub use dimensions::{Dimensions, of_image};
pub use encryption::is_encrypted;
pub use length::{film_seconds, sound_seconds};
pub use playable::plays_as_it_is;
pub use policy::InputPolicy;
pub use probe::{Probe, parse as parse_probe};
pub use sniff::{Container, HEAD_BYTES, sniff};
