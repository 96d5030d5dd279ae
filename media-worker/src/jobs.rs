//! The jobs of this process: which exist, who holds a slot, what happened to each. All in memory; the
//! truth about jobs is with the server that orders them.

mod events;
mod folder;
mod job;
mod registry;
mod slots;

pub use events::EventLog;
pub use folder::{Folder, clear_leftovers};
pub use job::{Job, Outcome, Receiving, Success};
pub use registry::{Registry, RegistryLimits};
pub use slots::{LIGHT_SLOTS, Room, Slot, Slots};
