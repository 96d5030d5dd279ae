//! Killing programs at work.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

/// kill -9 of a program after this time. When it has ended by then, another one is begun and gets half of it: so each call
/// does kill one that was at work.
pub async fn kill_amid(mut begin: impl FnMut() -> Command, mut moment: Duration) {
    loop {
        let mut command = begin();
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        tokio::time::sleep(moment).await;
        child.kill().unwrap();
        if child.wait().unwrap().signal() == Some(9) {
            return;
        }
        moment /= 2;
    }
}
