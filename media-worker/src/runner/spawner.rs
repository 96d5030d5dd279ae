//! Starts child processes from one thread that never ends while the worker lives. A child asks the
//! kernel to be killed when the *thread* that started it ends, so a pool's thread must not start it.

use std::io;

use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};

/// More waiting starts than there can be slots.
const MAX_WAITING: usize = 64;

#[derive(Debug, Clone)]
pub struct Spawner {
    requests: mpsc::Sender<Request>,
}

#[derive(Debug)]
struct Request {
    command: Command,
    reply: oneshot::Sender<io::Result<Child>>,
}

impl Spawner {
    /// Starts the thread. Must be called within a Tokio runtime, which watches the children.
    pub fn start() -> io::Result<Self> {
        let runtime = tokio::runtime::Handle::current();
        let (requests, mut waiting) = mpsc::channel::<Request>(MAX_WAITING);
        std::thread::Builder::new()
            .name("spawner".to_owned())
            .spawn(move || {
                let _entered = runtime.enter();
                while let Some(Request { mut command, reply }) = waiting.blocking_recv() {
                    // If nobody waits any more the child is dropped, and killed by that.
                    let _ = reply.send(command.spawn());
                }
            })?;
        Ok(Self { requests })
    }

    pub async fn spawn(&self, mut command: Command) -> io::Result<Child> {
        command.kill_on_drop(true);
        let (reply, answer) = oneshot::channel();
        let gone = || io::Error::other("the spawner thread is gone");
        self.requests
            .send(Request { command, reply })
            .await
            .map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}
