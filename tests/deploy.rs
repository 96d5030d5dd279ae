//! What an operator installs: the shipped settings are read by the real program, the worker runs under what its service
//! takes away, and every setting that is written about exists.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use clap::Parser as _;
use support::{Server, clip};

const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const WORKER: &str = "deploy/systemd/gatelog-media-worker.service";

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// What `gatelog check-config` says about these settings: whether they are good, and its complaint.
fn check_config(folder: &Path, settings: &str) -> (bool, String) {
    let file = folder.join("gatelog.toml");
    std::fs::write(&file, settings).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_gatelog"))
        .arg("--config")
        .arg(&file)
        .arg("check-config")
        .current_dir(folder)
        .output()
        .unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    (output.status.success(), complaint)
}

#[test]
fn the_shipped_settings_are_good() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().display().to_string();
    for name in ["master.key", "media-worker.secret"] {
        std::fs::write(folder.path().join(name), SECRET).unwrap();
    }
    let shipped = read("deploy/systemd/gatelog.toml");
    let here = shipped
        .replace("/var/lib/gatelog", &dir)
        .replace("/etc/gatelog", &dir);
    assert_eq!(check_config(folder.path(), &here), (true, String::new()));
    let nowhere = here.replace("master.key", "nothing.key");
    let (is_good, complaint) = check_config(folder.path(), &nowhere);
    assert!(!is_good && complaint.contains("MASTER_KEY_FILE"));
}

/// Whether a word is written as settings are.
fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_uppercase())
        && word
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

/// The settings that stand in backticks in a text, with a value or without.
fn in_backticks(text: &str) -> Vec<&str> {
    let spans = text.split('`').skip(1).step_by(2);
    spans
        .map(|span| span.split('=').next().unwrap())
        .filter(|word| is_name(word) && word.contains('_'))
        .collect()
}

/// The first column of the README's table.
fn in_table(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .flat_map(|line| line.split(" | ").next().unwrap().split('`'))
        .filter(|word| is_name(word))
        .collect()
}

/// The keys of a TOML file, also those that are commented out.
fn keys(text: &str) -> Vec<&str> {
    let lines = text.lines().map(|line| line.trim_start_matches("# "));
    lines
        .filter_map(|line| Some(line.split_once(" = ")?.0))
        .filter(|word| is_name(word))
        .collect()
}

/// What the services set.
fn in_service(text: &str) -> Vec<&str> {
    let lines = text.lines();
    lines
        .filter_map(|line| line.strip_prefix("Environment=")?.split('=').next())
        .collect()
}

/// Every setting that somebody is told of.
fn told() -> BTreeSet<String> {
    let mut told = BTreeSet::new();
    let mut add = |names: Vec<&str>| told.extend(names.into_iter().map(str::to_owned));
    add(in_table(&read("README.md")));
    add(keys(&read("deploy/systemd/gatelog.toml")));
    add(in_service(&read(WORKER)));
    add(in_service(&read("deploy/systemd/gatelog.service")));
    for entry in std::fs::read_dir("docs/guides").unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        add(in_backticks(&text));
    }
    told
}

#[test]
fn every_setting_that_is_written_about_exists() {
    let folder = tempfile::tempdir().unwrap();
    let told = told();
    assert!(told.contains("MASTER_KEY_FILE") && told.contains("REGISTRATION"));
    // An empty value is none, but its key must be known.
    let settings: String = told.iter().map(|key| format!("{key} = \"\"\n")).collect();
    assert_eq!(
        check_config(folder.path(), &settings),
        (true, String::new())
    );
    let (is_good, complaint) = check_config(folder.path(), &(settings + "LISTEN_ADR = \"\"\n"));
    assert!(!is_good && complaint.contains("LISTEN_ADR"), "{complaint}");
}

/// The settings that a source file asks for; what its own tests say does not count.
fn asked(source: &str) -> BTreeSet<&str> {
    let code = source.split("#[cfg(test)]").next().unwrap();
    let texts = code.split('"').skip(1).step_by(2);
    texts
        .filter(|text| is_name(text) && text.len() > 3)
        .collect()
}

#[test]
fn every_setting_that_exists_is_in_the_readme() {
    let readme = read("README.md");
    let table: BTreeSet<&str> = in_table(&readme).into_iter().collect();
    let mut known = 0;
    for entry in std::fs::read_dir("src/config").unwrap() {
        let source = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let asked = asked(&source);
        known += asked.len();
        let missing: Vec<_> = asked.difference(&table).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
    assert!(known > 20, "{known}");
    let sample = "source.text(\"A_NEW_SETTING\", \"x\")";
    assert_eq!(asked(sample), BTreeSet::from(["A_NEW_SETTING"]));
}

/// The metrics that a source file tells.
fn metrics(source: &str) -> BTreeSet<&str> {
    let calls = ["counter!(", "gauge!(", "histogram!("];
    let calls = calls.iter().flat_map(|call| source.split(call).skip(1));
    calls
        .map(|rest| rest.trim_start())
        .filter_map(|rest| rest.strip_prefix('"')?.split('"').next())
        .collect()
}

/// The source files of a folder, and of those in it.
fn sources(folder: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            texts.push(std::fs::read_to_string(path).unwrap());
        }
    }
    texts
}

/// What the first column of the page's tables names.
fn in_first_column(page: &str) -> BTreeSet<&str> {
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.filter_map(|row| row.split(" | ").next());
    cells
        .flat_map(|cell| cell.split('`'))
        .filter(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        .collect()
}

#[test]
fn the_guide_has_every_metric_and_no_other() {
    let page = read("docs/guides/watch.md");
    let is_metric = |name: &&str| name.starts_with("gatelog_") || name.starts_with("media_worker_");
    let told: BTreeSet<&str> = in_first_column(&page)
        .into_iter()
        .filter(|name| is_metric(name))
        .collect();
    let folders = ["src", "eventlog/src", "projections/src", "media-worker/src"];
    let texts: Vec<String> = folders
        .iter()
        .flat_map(|folder| sources(Path::new(folder)))
        .collect();
    let known: BTreeSet<&str> = texts.iter().flat_map(|text| metrics(text)).collect();
    assert!(known.len() > 20, "{known:?}");
    assert_eq!(told, known);
    let sample = "metrics::counter!(\n    \"gatelog_new_total\", 1)";
    assert_eq!(metrics(sample), BTreeSet::from(["gatelog_new_total"]));
}

#[tokio::test]
async fn the_guide_has_every_member_of_readyz() {
    let server = Server::start().await;
    let (_, ready) = server.readyz().await;
    let page = read("docs/guides/watch.md");
    let members = in_first_column(&page);
    let own: BTreeSet<&str> = ready
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let missing: Vec<_> = own.difference(&members).collect();
    assert!(missing.is_empty() && own.len() > 10, "{missing:?}");
    let tail = ready["tails"].as_object().unwrap().values().next().unwrap();
    let parts = [
        tail,
        &ready["media_workers"][0],
        &ready["webhooks"],
        &ready["log_checkpoint"],
    ];
    for key in parts
        .iter()
        .flat_map(|part| part.as_object().unwrap().keys())
    {
        assert!(page.contains(&format!("`{key}`")), "{key}");
    }
}

/// The metrics that an expression asks for, without what a histogram adds to its own name.
fn asked_for(expression: &str) -> BTreeSet<&str> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let ours =
        words.filter(|word| word.starts_with("gatelog_") || word.starts_with("media_worker_"));
    let plain = |word| {
        let ends = ["_bucket", "_count", "_sum"];
        ends.iter()
            .find_map(|end| str::strip_suffix(word, end))
            .unwrap_or(word)
    };
    ours.map(plain).collect()
}

#[test]
fn every_metric_of_the_alert_rules_exists() {
    const RULES: &str = "deploy/prometheus/gatelog.rules.yml";
    let rules = read(RULES);
    let folders = ["src", "eventlog/src"];
    let texts = folders.iter().flat_map(|folder| sources(Path::new(folder)));
    let texts: Vec<String> = texts.collect();
    let known: BTreeSet<&str> = texts.iter().flat_map(|text| metrics(text)).collect();
    let expressions: Vec<&str> = rules
        .split("      - alert: ")
        .skip(1)
        .map(|rule| {
            let (_, rest) = rule.split_once("expr: ").unwrap();
            let (_, about) = rest.split_once("annotations:").unwrap();
            assert!(rest.contains("labels: { severity: "), "{rule}");
            assert!(
                about.contains("summary: ") && about.contains("description: "),
                "{rule}"
            );
            rest.split("labels: {").next().unwrap()
        })
        .collect();
    assert!(expressions.len() > 8, "{expressions:?}");
    let named: BTreeSet<&str> = expressions
        .iter()
        .flat_map(|text| asked_for(text))
        .collect();
    assert!(named.len() > 8, "{named:?}");
    let missing: Vec<_> = named.difference(&known).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let sample = asked_for("rate(gatelog_http_request_seconds_count[5m]) > gatelog_nothing");
    let missing: Vec<_> = sample.difference(&known).collect();
    assert_eq!(missing, [&"gatelog_nothing"]);
}

/// What each service has to take away.
const TAKEN_AWAY: &[&str] = &[
    "User=gatelog",
    "UMask=0077",
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "RestrictNamespaces=yes",
    "RestrictSUIDSGID=yes",
    "SystemCallErrorNumber=EPERM",
];

fn left(service: &str) -> Vec<&'static str> {
    let has = |line: &str| service.lines().any(|other| other == line);
    let lines = TAKEN_AWAY.iter().copied();
    lines.filter(|line| !has(line)).collect()
}

#[test]
fn the_services_are_hardened() {
    let worker = read(WORKER);
    for name in ["gatelog", "gatelog-archive", "gatelog-restore-drill"] {
        let service = read(&format!("deploy/systemd/{name}.service"));
        assert_eq!(left(&service), [] as [&str; 0], "{name}");
    }
    assert_eq!(left(&worker), [] as [&str; 0]);
    for line in [
        "PrivateNetwork=yes",
        "RestrictAddressFamilies=AF_UNIX",
        "InaccessiblePaths=/etc/gatelog -/var/lib/gatelog",
    ] {
        assert!(worker.lines().any(|other| other == line), "{line}");
    }
    let weak = worker.replace("NoNewPrivileges=yes", "NoNewPrivileges=no");
    assert_eq!(left(&weak), ["NoNewPrivileges=yes"]);
}

/// A worker of the test's own.
struct Worker(Child);

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the service's own command line in this folder: as a user that is not root, without a capability, and with
/// no way to new privileges.
fn worker(folder: &Path) -> Worker {
    let dir = folder.display().to_string();
    let programs = Path::new(env!("CARGO_BIN_EXE_gatelog")).parent().unwrap();
    for name in ["gatelog-media-worker", "gatelog-media-launcher"] {
        std::fs::copy(programs.join(name), folder.join(name)).unwrap();
    }
    std::fs::write(folder.join("secret"), SECRET).unwrap();
    let service = read(WORKER);
    let line = service.lines().find_map(|l| l.strip_prefix("ExecStart="));
    let line = line
        .unwrap()
        .replace("/usr/local/bin", &dir)
        .replace("/run/gatelog-media-worker", &dir)
        .replace("/var/cache/gatelog-media-worker", &format!("{dir}/jobs"));
    let mut command = Command::new("setpriv");
    command.arg("--no-new-privs");
    if rooted() {
        let user = ["--reuid=nobody", "--regid=nogroup", "--clear-groups"];
        command
            .args(user)
            .args(["--bounding-set=-all", "--inh-caps=-all"]);
        let owner = Command::new("chown").args(["-R", "nobody", &dir]).status();
        assert!(owner.unwrap().success());
    }
    let child = command
        .args(line.split(' '))
        .env("MEDIA_WORKER_SECRET_FILE", folder.join("secret"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(folder.join("worker.log")).unwrap())
        .spawn();
    Worker(child.unwrap())
}

/// By then it has let its jobs end, killed what is left, and said goodbye.
#[test]
fn systemd_gives_the_worker_the_time_that_it_takes_to_stop() {
    let line = ["worker", "--listen=unix:/socket", "--jobs-dir=/jobs"];
    let drain_seconds = media_worker::config::Options::parse_from(line).drain_seconds;
    let service = read(WORKER);
    let stop = service
        .lines()
        .find_map(|l| l.strip_prefix("TimeoutStopSec="));
    let stop: u32 = stop.unwrap().parse().unwrap();
    assert!(!service.contains("--drain-seconds"));
    assert!(stop >= drain_seconds + 20, "{stop}");
}

fn rooted() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

#[tokio::test]
async fn the_worker_makes_a_poster_under_what_its_service_takes_away() {
    let folder = tempfile::tempdir().unwrap();
    let worker = worker(folder.path());
    let socket = format!("unix:{}/socket", folder.path().display());
    let server = Server::start_with(&[
        ("MEDIA_WORKER_URL", &socket),
        ("MEDIA_WORKER_SECRET", SECRET),
    ])
    .await;
    let ada = server.token("ada@example.com").await;
    let media = server.upload(&ada, "clip.mp4", clip()).await;
    let job = server.job(&ada, &media, "poster").await;
    let ended = server.ended(&ada, &job).await;
    let log = std::fs::read_to_string(folder.path().join("worker.log")).unwrap();
    assert_eq!(ended["state"], "succeeded", "{ended}\n{log}");
    let status = read(&format!("/proc/{}/status", worker.0.id()));
    for line in ["NoNewPrivs:\t1", "CapEff:\t0000000000000000"] {
        assert!(status.lines().any(|other| other == line), "{status}");
    }
}

#[tokio::test]
async fn nothing_that_the_server_writes_is_for_others() {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let made = Command::new("sh")
        .args(["-c", "umask 022; exec \"$0\" check-config"])
        .arg(env!("CARGO_BIN_EXE_gatelog"))
        .env("DATA_DIR", &data)
        .output()
        .unwrap();
    assert!(made.status.success());
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("master.key")), 0o600);
    let mut server = Server::prepare(&data, &[]);
    server.launch().await;
    let ada = server.token("ada@example.com").await;
    server.upload(&ada, "clip.mp4", clip()).await;
    let status = read(&format!("/proc/{}/status", server.process_id()));
    assert!(
        status.lines().any(|line| line == "Umask:\t0077"),
        "{status}"
    );
    for name in ["blobs", "gatelog.db", "gatelog.db-wal", "server.lock"] {
        assert_eq!(mode(&data.join(name)) & 0o077, 0, "{name}");
    }
}
