//! Runs one program in the sandbox and says how it ended. The reason that the supervisor had decides
//! the outcome; the exit code alone, or a file that is there, never does.

mod ending;
mod output;
mod progress;
mod spawner;
mod supervisor;

pub use ending::{Ending, KillReason, NO_SPACE};
pub use progress::Progress;
pub use spawner::Spawner;
pub use supervisor::{Finished, Place, Runner, RunnerError};
