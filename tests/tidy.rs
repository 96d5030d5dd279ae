//! The tree's own rules: which crate may know which, where SQL may stand, how long things may be. Each checker is shown
//! to fail on a bad sample.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::pedantic,
    reason = "a test fails by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Which of our crates each crate may know.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("aggregates", &[]),
    ("eventlog", &[]),
    ("projections", &["aggregates", "eventlog"]),
    ("media-worker", &[]),
    (
        "gatelog",
        &["aggregates", "eventlog", "projections", "media-worker"],
    ),
    ("gatelog-bench", &["eventlog"]),
];

fn strays(packages: &[Value]) -> Vec<String> {
    let may_know: BTreeMap<&str, &[&str]> = MAY_KNOW.iter().copied().collect();
    let ours: BTreeSet<&str> = may_know.keys().copied().collect();
    let mut strays = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap();
        for dependency in package["dependencies"].as_array().unwrap() {
            let other = dependency["name"].as_str().unwrap();
            let is_normal = dependency["kind"].is_null();
            if is_normal && ours.contains(other) && !may_know[name].contains(&other) {
                strays.push(format!("{name} -> {other}"));
            }
        }
    }
    strays
}

#[test]
fn dependencies_point_one_way() {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--offline",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert_eq!(packages.len(), MAY_KNOW.len());
    assert_eq!(strays(packages), Vec::<String>::new());
    let bad = serde_json::json!([{"name": "aggregates", "dependencies": [{"name": "eventlog", "kind": null}]}]);
    assert_eq!(strays(bad.as_array().unwrap()), ["aggregates -> eventlog"]);
}

/// Every file that git tracks, with its text; what is no text is left out.
fn tracked() -> Vec<(PathBuf, String)> {
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root())
        .output()
        .unwrap();
    let names = String::from_utf8(output.stdout).unwrap();
    let paths = names
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(PathBuf::from);
    paths
        .filter_map(|path| {
            Some((
                path.clone(),
                std::fs::read_to_string(root().join(path)).ok()?,
            ))
        })
        .collect()
}

fn rust_files() -> Vec<(PathBuf, String)> {
    tracked()
        .into_iter()
        .filter(|(path, _)| path.extension().is_some_and(|end| end == "rs"))
        .collect()
}

/// Functions that are too long, by their lines: from a line that begins one to the brace that closes it at the same
/// depth, as rustfmt lays it out.
fn long_functions(text: &str, most: usize) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut long = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let words = line.trim_start();
        let is_function = [
            "fn ",
            "pub fn ",
            "async fn ",
            "pub async fn ",
            "pub(crate) fn ",
            "pub(super) async fn ",
        ]
        .iter()
        .any(|begin| words.starts_with(begin));
        if !is_function {
            continue;
        }
        let close = format!("{}}}", " ".repeat(indent));
        let length = lines
            .iter()
            .skip(start)
            .position(|line| *line == close)
            .unwrap_or(0)
            + 1;
        if length > most {
            long.push(format!("{words} ({length} lines)"));
        }
    }
    long
}

#[test]
fn functions_and_files_stay_short() {
    for (path, text) in rust_files() {
        let is_test = path.components().any(|part| part.as_os_str() == "tests");
        // A table of cases is one function, however long.
        let long = if is_test {
            Vec::new()
        } else {
            long_functions(&text, 70)
        };
        assert_eq!(long, Vec::<String>::new(), "{}", path.display());
        let most = if is_test { 900 } else { 600 };
        assert!(
            text.lines().count() <= most,
            "{} is too long",
            path.display()
        );
    }
    let sample = format!("fn long() {{\n{}}}\n", "    x();\n".repeat(80));
    assert_eq!(long_functions(&sample, 70).len(), 1);
}

fn has_sql(text: &str) -> bool {
    ["SELECT ", "INSERT INTO", "UPDATE ", "DELETE FROM"]
        .iter()
        .any(|word| text.contains(&format!("\"{word}")))
}

#[test]
fn no_handler_speaks_sql() {
    for (path, text) in rust_files() {
        if path.starts_with("src/http")
            || path.starts_with("src/cli")
            || path.starts_with("aggregates")
        {
            assert!(!has_sql(&text), "{}", path.display());
        }
    }
    assert!(has_sql("let sql = \"SELECT 1\";"));
}

/// What must not stand in the tree; written in parts, so that this file does not hold it either.
fn unwanted() -> Vec<String> {
    [
        ["TO", "DO"],
        ["FIX", "ME"],
        ["XX", "X:"],
        ["todo", "!("],
        ["/wo", "rk/main"],
        ["static.crates", ".io"],
        ["registry.npm", "js.org"],
        ["#[ig", "nore"],
    ]
    .map(|parts| parts.concat())
    .to_vec()
}

#[test]
fn nothing_unfinished_and_no_place_of_one_machine_is_in_the_tree() {
    for (path, text) in tracked() {
        if path.ends_with("Cargo.lock") || path.ends_with("package-lock.json") {
            continue;
        }
        for word in unwanted() {
            assert!(!text.contains(&word), "{} holds {word}", path.display());
        }
    }
    let sample = format!("// {}{}: later", "TO", "DO");
    assert!(unwanted().iter().any(|word| sample.contains(word)));
}

#[test]
fn every_migration_has_its_pair_and_every_decision_its_number() {
    let names = |folder: &str| -> BTreeSet<String> {
        let entries = std::fs::read_dir(root().join(folder)).unwrap().flatten();
        entries
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect()
    };
    assert_eq!(names("migrations/sqlite"), names("migrations/postgres"));
    let decisions = names("docs/adr");
    assert!(!decisions.is_empty());
    for (n, name) in decisions.iter().enumerate() {
        assert!(name.starts_with(&format!("{:04}-", n + 1)), "{name}");
    }
}
