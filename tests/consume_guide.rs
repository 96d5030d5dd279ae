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

/// The program in TypeScript without its types, by the web application's own compiler.
fn compiled(folder: &Path) -> PathBuf {
    const STRIP: &str = "const [ts, from, to] = [require(process.argv[1]), ...process.argv.slice(2)]; \
        const fs = require('fs'); const options = { target: 'es2022', module: 'esnext' }; \
        const made = ts.transpileModule(fs.readFileSync(from, 'utf8'), { reportDiagnostics: true, compilerOptions: options }); \
        if (made.diagnostics.length) { console.error(made.diagnostics); process.exit(1); } \
        fs.writeFileSync(to, made.outputText);";
    let compiler = format!("{}/web/node_modules/typescript", env!("CARGO_MANIFEST_DIR"));
    let (from, to) = (folder.join("consume.ts"), folder.join("consume.mjs"));
    std::fs::write(&from, program("typescript")).unwrap();
    let output = Command::new("node")
        .args(["-e", STRIP, &compiler])
        .args([&from, &to])
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{said}");
    to
}

/// What a program prints: how many lines it has read in all, and their root.
fn run(command: &mut Command, arguments: &[&str]) -> (u64, String) {
    let output = command.args(arguments).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{said}");
    let (size, root) = said.trim().split_once(' ').unwrap();
    (size.parse().unwrap(), root.to_owned())
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

#[tokio::test(flavor = "multi_thread")]
async fn each_program_comes_to_the_root_of_the_server_and_goes_on_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("consume.py");
    std::fs::write(&script, program("python")).unwrap();
    let module = compiled(folder.path());
    let file = |name: &str, n: usize| {
        folder
            .path()
            .join(format!("{name}{n}.json"))
            .display()
            .to_string()
    };
    for (n, (server, url, _folder)) in servers(&[]).await.into_iter().enumerate() {
        let auditor = server.auditor("eve@example.com").await;
        for names in [0..10, 10..13] {
            let expected = write(&server, &url, names).await;
            let base = server.base.as_str();
            let python = run(
                Command::new("python3").arg(&script),
                &[base, &auditor, &file("py", n)],
            );
            assert_eq!(python, expected);
            let node = run(
                Command::new("node").arg(&module),
                &[base, &auditor, &file("ts", n)],
            );
            assert_eq!(node, expected);
            let rust = consume::read(base, &auditor, &file("rs", n), None)
                .await
                .unwrap();
            assert_eq!((rust.size, rust.root()), expected);
            compare_with_checkpoint(&server, &auditor, &script, &module).await;
        }
    }
}

/// Each program, from the beginning, against what the server has signed.
async fn compare_with_checkpoint(server: &Server, auditor: &str, script: &Path, module: &Path) {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let base = server.base.as_str();
    let (size, root) = consume::checkpoint(base, auditor).await.unwrap();
    let rust = consume::read(base, auditor, &file("rs"), Some(size))
        .await
        .unwrap();
    assert_eq!((rust.size, rust.root()), (size, root.clone()));
    for (program, path) in [("python3", script), ("node", module)] {
        let arguments = [base, auditor, &file(program), "--checkpoint"];
        let (read, found) = run(Command::new(program).arg(path), &arguments);
        assert!(read >= size && (read > size || found == root), "{program}");
    }
}
