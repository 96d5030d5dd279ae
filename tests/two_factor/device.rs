//! The person's device: an implementation of RFC 6238 that shares nothing with ours.

use std::process::Command;

use super::*;

const STEP_SECONDS: u64 = 30;
/// As much of a step as a test may need until its code has arrived.
const ENOUGH_SECONDS: u64 = 8;

const RFC_6238: &str = r#"
import base64, hashlib, hmac, struct, sys
secret, step = sys.argv[1], int(sys.argv[2])
key = base64.b32decode(secret + "=" * (-len(secret) % 8))
digest = hmac.new(key, struct.pack(">Q", step), hashlib.sha1).digest()
offset = digest[-1] & 15
number = struct.unpack(">I", digest[offset:offset + 4])[0] & 0x7fffffff
print("%06d" % (number % 1000000), end="")
"#;

pub struct Device {
    secret: String,
}

impl Device {
    pub fn new(secret: &str) -> Self {
        let secret = secret.to_owned();
        Self { secret }
    }

    /// The code of the step that is so many from now, with enough of this step left to send it.
    pub async fn code(&self, steps_from_now: i64) -> String {
        let deadline = Instant::now() + PATIENCE;
        while now() % STEP_SECONDS > STEP_SECONDS - ENOUGH_SECONDS {
            assert!(Instant::now() < deadline);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let step = (now() / STEP_SECONDS) as i64 + steps_from_now;
        code_of(&self.secret, step)
    }

    /// Six digits that are not the code of any step near now.
    pub async fn wrong_code(&self) -> String {
        let mut near = Vec::new();
        for steps in -3..=3 {
            near.push(self.code(steps).await);
        }
        (0..)
            .map(|n| format!("{n:06}"))
            .find(|code| !near.contains(code))
            .unwrap()
    }
}

fn code_of(secret: &str, step: i64) -> String {
    let output = Command::new("python3")
        .args(["-c", RFC_6238, secret, &step.to_string()])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn now() -> u64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed();
    since.unwrap().as_secs()
}

/// RFC 6238, appendix B: the device of the tests is right itself.
#[test]
fn the_device_of_these_tests_keeps_the_vectors_of_the_rfc() {
    let secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    assert_eq!(code_of(secret, 59 / 30), "287082");
    assert_eq!(code_of(secret, 1_111_111_109 / 30), "081804");
    assert_eq!(code_of(secret, 20_000_000_000 / 30), "353130");
}
