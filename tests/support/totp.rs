//! The code of a device: an implementation of RFC 6238 that shares nothing with ours.

use std::process::Command;

const RFC_6238: &str = r#"
import base64, hashlib, hmac, struct, sys, time
key = base64.b32decode(sys.argv[1] + "=" * (-len(sys.argv[1]) % 8))
digest = hmac.new(key, struct.pack(">Q", int(time.time()) // 30), hashlib.sha1).digest()
offset = digest[-1] & 15
number = struct.unpack(">I", digest[offset:offset + 4])[0] & 0x7fffffff
print("%06d" % (number % 1000000), end="")
"#;

/// The code of now; the server takes one step of drift.
pub fn code(secret: &str) -> String {
    let output = Command::new("python3")
        .args(["-c", RFC_6238, secret])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
