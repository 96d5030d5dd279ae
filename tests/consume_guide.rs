//! `docs/guides/consume-the-log.md`: its programs read a live server's log, go on where they stopped, and come to the root
//! that the server keeps.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

#[path = "../examples/consume.rs"]
#[allow(
    dead_code,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "an example is a program of its own"
)]
mod consume;
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gatelog::notary::note::{KeyKind, SigningKey};
use serde_json::{Value, json};
use support::engines::{count, rows, servers};
use support::{PATIENCE, Server};

/// The program of a language in the guide.
fn program(language: &str) -> String {
    let path = format!(
        "{}/docs/guides/consume-the-log.md",
        env!("CARGO_MANIFEST_DIR")
    );
    let guide = std::fs::read_to_string(path).unwrap();
    let (_, rest) = guide.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```\n").unwrap().0.to_owned()
}

/// The program of a language, which tells of each event that it handles.
fn telling(language: &str, head: &str, body: &str) -> String {
    let program = program(language);
    let (before, after) = program.split_once(head).unwrap();
    format!("{before}{head}{body}{after}")
}

/// The program in TypeScript without its types, by the web application's own compiler.
fn compiled(folder: &Path) -> PathBuf {
    const STRIP: &str = "const [ts, from, to] = [require(process.argv[1]), ...process.argv.slice(2)]; \
        const fs = require('fs'); const options = { target: 'es2022', module: 'esnext' }; \
        const made = ts.transpileModule(fs.readFileSync(from, 'utf8'), { reportDiagnostics: true, compilerOptions: options }); \
        if (made.diagnostics.length) { console.error(made.diagnostics); process.exit(1); } \
        fs.writeFileSync(to, made.outputText);";
    let compiler = format!("{}/web/node_modules/typescript", env!("CARGO_MANIFEST_DIR"));
    let (from, to) = (folder.join("consume.ts"), folder.join("consume.mjs"));
    let handled = folder.join("handled.node");
    let body = format!("writeFileSync({handled:?}, 'x', {{ flag: 'a' }});");
    let program = telling(
        "typescript",
        "function handle(_event: LogEvent): void {",
        &body,
    );
    std::fs::write(&from, program).unwrap();
    let output = Command::new("node")
        .args(["-e", STRIP, &compiler])
        .args([&from, &to])
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{said}");
    to
}

/// What a program prints: how many lines it has read in all, and their root; or why it ends.
fn run(command: &mut Command) -> Result<(u64, String), String> {
    let output = command.output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    if !output.status.success() {
        return Err(said);
    }
    let (size, root) = said.trim().split_once(' ').unwrap();
    Ok((size.parse().unwrap(), root.to_owned()))
}

/// The head and the root that the server keeps.
async fn kept(url: &str) -> (u64, String) {
    let rows = rows(url, "SELECT position, root FROM log_head").await;
    let root = STANDARD.encode(rows[0].bytes(1).unwrap());
    (rows[0].int(0).unwrap().cast_unsigned(), root)
}

#[test]
fn the_program_in_rust_is_the_example() {
    let example = format!("{}/examples/consume.rs", env!("CARGO_MANIFEST_DIR"));
    assert_eq!(program("rust"), std::fs::read_to_string(example).unwrap());
}

async fn write(server: &Server, url: &str, names: std::ops::Range<u32>) -> (u64, String) {
    const CONFIRMED: &str = "SELECT COUNT(*) FROM events WHERE event_type = 'EmailClaimConfirmed'";
    // With the auditor.
    let people = i64::from(names.end) + 1;
    for n in names {
        server.register(&format!("user{n}@example.com")).await;
    }
    // Nothing else follows from a registration.
    let deadline = Instant::now() + PATIENCE;
    while count(url, CONFIRMED).await < people {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    kept(url).await
}

/// The programs in a folder, with what they need beside them, and each one's own state.
struct Programs {
    folder: tempfile::TempDir,
    commands: [(&'static str, PathBuf); 2],
}

impl Programs {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("consume.py");
        let handled = folder.path().join("handled.python3");
        let body = format!("    open({handled:?}, 'a').write('x')\n");
        std::fs::write(&script, telling("python", "def handle(event):\n", &body)).unwrap();
        for module in ["verify.py", "ed25519.py"] {
            let from = format!("{}/examples/verify/{module}", env!("CARGO_MANIFEST_DIR"));
            std::fs::copy(from, folder.path().join(module)).unwrap();
        }
        let module = compiled(folder.path());
        let commands = [("python3", script), ("node", module)];
        Self { folder, commands }
    }

    fn state(&self, program: &str) -> PathBuf {
        self.folder.path().join(format!("{program}.json"))
    }

    /// How many events the programs that tell of it have handled.
    fn handled(&self) -> [u64; 2] {
        self.commands.each_ref().map(|(program, _)| {
            let told = self.folder.path().join(format!("handled.{program}"));
            std::fs::read(told).unwrap_or_default().len() as u64
        })
    }

    /// What each comes to, or why it ends.
    async fn run(
        &self,
        server: &Server,
        auditor: &str,
        key: &str,
    ) -> Vec<Result<(u64, String), String>> {
        let mut all = Vec::new();
        for (program, path) in &self.commands {
            let state = self.state(program);
            let mut command = Command::new(program);
            command
                .arg(path)
                .args([&server.base, auditor])
                .arg(state)
                .arg(key);
            all.push(run(&mut command));
        }
        let state = self.state("rust").display().to_string();
        let rust = consume::verified(&server.base, auditor, &state, key).await;
        let rust = rust.map(|state| (state.size, state.root()));
        all.push(rust.map_err(|error| error.to_string()));
        all
    }

    /// Each remembers another history.
    fn spoil(&self) {
        for program in ["python3", "node", "rust"] {
            let state = std::fs::read(self.state(program)).unwrap();
            let mut state: Value = serde_json::from_slice(&state).unwrap();
            let peak = &mut state["peaks"][0];
            *peak = if peak.is_string() {
                json!("00".repeat(32))
            } else {
                json!(vec![0; 32])
            };
            std::fs::write(self.state(program), state.to_string()).unwrap();
        }
    }

    /// Everybody ends, for this reason.
    #[track_caller]
    fn refused(all: &[Result<(u64, String), String>], reason: &str) {
        assert_eq!(all.len(), 3);
        for one in all {
            let why = one.as_ref().unwrap_err();
            assert!(why.contains(reason), "{why}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_program_comes_to_the_signed_root_and_goes_on_where_it_stopped() {
    for (server, url, _folder) in servers(&[]).await {
        let programs = Programs::new();
        let auditor = server.auditor("eve@example.com").await;
        let key = server.get("/v1/audit/log/key", &auditor).await;
        let key = key.text().await.unwrap();
        let key = key.trim();
        for names in [0..10, 10..13] {
            let expected = write(&server, &url, names).await;
            for came_to in programs.run(&server, &auditor, key).await {
                assert_eq!(came_to.as_ref(), Ok(&expected));
            }
            assert_eq!(programs.handled(), [expected.0; 2]);
        }
        let handled = programs.handled();
        let all = programs.run(&server, &auditor, &foreign(key)).await;
        Programs::refused(&all, "not signed by the key");
        // What was read before is not what the log has now.
        programs.spoil();
        write(&server, &url, 13..14).await;
        let all = programs.run(&server, &auditor, key).await;
        Programs::refused(&all, "not what the server has signed");
        assert_eq!(programs.handled(), handled, "nobody has vouched for it");
    }
}

/// Another key of the same name.
fn foreign(key: &str) -> String {
    let name = key.split('+').next().unwrap();
    let other = SigningKey::new(name, KeyKind::Note, &[7; 32]).unwrap();
    other.public().to_string()
}
