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

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The most lines of a function, and of a file; a test's too.
const MOST_FUNCTION_LINES: usize = 70;
const MOST_FILE_LINES: usize = 500;

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
    (
        "gatelog-bench",
        &["aggregates", "eventlog", "media-worker", "projections"],
    ),
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

/// The tokens of a Rust file. Comments are none of them; what a doc comment says is a text behind `doc`.
fn tokens(text: &str) -> TokenStream {
    text.parse().unwrap()
}

/// Functions that are too long, by the lines from `fn` to the closing brace; also those in a macro's braces.
fn long_functions(stream: TokenStream, most: usize) -> Vec<String> {
    let mut long = Vec::new();
    let mut open: Option<(String, usize)> = None;
    let mut after_fn: Option<usize> = None;
    for token in stream {
        match token {
            TokenTree::Ident(ident) if ident == "fn" => {
                after_fn = Some(ident.span().start().line);
            }
            TokenTree::Ident(ident) => {
                if let Some(line) = after_fn.take() {
                    open = Some((ident.to_string(), line));
                }
            }
            // A function without a body, or a pointer to one.
            TokenTree::Punct(punct) if punct.as_char() == ';' => open = None,
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            TokenTree::Group(group) => {
                after_fn = None;
                let is_body = group.delimiter() == Delimiter::Brace;
                if let Some((name, begin)) = open.take_if(|_| is_body) {
                    let lines = group.span_close().end().line - begin + 1;
                    if lines > most {
                        long.push(format!("{name} ({lines} lines)"));
                    }
                }
                long.extend(long_functions(group.stream(), most));
            }
        }
    }
    long
}

#[test]
fn functions_and_files_stay_short() {
    for (path, text) in rust_files() {
        let long = long_functions(tokens(&text), MOST_FUNCTION_LINES);
        assert_eq!(long, [] as [String; 0], "{}", path.display());
        let lines = text.lines().count();
        assert!(lines <= MOST_FILE_LINES, "{}: {lines}", path.display());
    }
}

#[test]
fn a_long_function_is_found_however_it_begins() {
    let body = |lines: usize| format!("{{\n{}}}", "x();\n".repeat(lines));
    let long = body(MOST_FUNCTION_LINES - 1);
    for begin in [
        "fn f()",
        "pub fn f() -> [u8; 2]",
        "async fn f()",
        "pub(crate) async fn f()",
        "pub(super) fn f()",
        "pub const fn f()",
        "#[test]\nfn f()",
        "unsafe extern \"C\" fn f()",
    ] {
        for text in [
            format!("{begin} {long}"),
            format!("impl X {{ {begin} {long} }}"),
            format!("mod a {{ mod b {{ {begin} {long} }} }}"),
            format!("macro! {{ {begin} {long} }}"),
            format!("fn short() {{ {begin} {long} }}"),
        ] {
            let found = long_functions(tokens(&text), MOST_FUNCTION_LINES);
            assert!(found.iter().any(|one| one.starts_with("f (")), "{text}");
        }
    }
    let short = body(MOST_FUNCTION_LINES - 2);
    for text in [
        format!("fn f() {short}"),
        format!("trait X {{ fn f(&self); }} mod m {long}"),
        format!("const F: fn(u8) = g; mod m {long}"),
    ] {
        let found = long_functions(tokens(&text), MOST_FUNCTION_LINES);
        assert_eq!(found, [] as [String; 0], "{text}");
    }
}

/// Every text of a file, as it is written; documentation is left out.
fn texts(stream: TokenStream) -> Vec<String> {
    let mut texts = Vec::new();
    let mut is_doc = false;
    for token in stream {
        match token {
            TokenTree::Ident(ident) => is_doc = ident == "doc",
            TokenTree::Punct(_) => {}
            TokenTree::Literal(literal) if !is_doc => texts.push(literal.to_string()),
            TokenTree::Literal(_) => is_doc = false,
            TokenTree::Group(group) => {
                is_doc = false;
                texts.extend(self::texts(group.stream()));
            }
        }
    }
    texts
}

/// Whether a text is SQL: by its words, wherever in it they stand and however they are parted.
fn is_sql(text: &str) -> bool {
    let plain = text.replace("\\n", " ").replace("\\t", " ");
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let shouted: Vec<&str> = plain
        .split(|c: char| !is_word(c))
        .filter(|word| !word.is_empty())
        .collect();
    let words: Vec<String> = shouted.iter().map(|word| word.to_lowercase()).collect();
    let has_pair = |pair: [&str; 2]| words.windows(2).any(|two| two == pair);
    let has_after = |first: &str, second: &str| {
        let mut rest = words.iter().skip_while(|word| *word != first);
        rest.any(|word| word == second)
    };
    shouted.contains(&"SELECT")
        || shouted.contains(&"PRAGMA")
        || has_after("select", "from")
        || has_after("update", "set")
        || [
            ["insert", "into"],
            ["delete", "from"],
            ["create", "table"],
            ["alter", "table"],
            ["drop", "table"],
        ]
        .into_iter()
        .any(has_pair)
}

fn sql(text: &str) -> Vec<String> {
    let texts = texts(tokens(text)).into_iter();
    texts.filter(|text| is_sql(text)).collect()
}

#[test]
fn no_handler_no_decision_and_no_worker_speaks_sql() {
    let silent = ["src/http", "src/cli", "aggregates", "media-worker"];
    let mut seen = 0;
    for (path, text) in rust_files() {
        if silent.iter().any(|folder| path.starts_with(folder)) {
            seen += 1;
            assert_eq!(sql(&text), [] as [String; 0], "{}", path.display());
        }
    }
    assert!(seen > 100, "{seen} files");
}

#[test]
fn sql_is_found_in_any_text() {
    for sample in [
        "let sql = \"SELECT 1\";",
        "let sql = \" select id from users\";",
        "let sql = \"\n    SELECT id\";",
        "let sql = \"\\n\\tupdate users\\nset name = ''\";",
        "let sql = \"WITH x AS (SELECT 1) SELECT * FROM x\";",
        "let sql = r#\"insert  into users\"#;",
        "query(&format!(\"{prefix}DELETE\n FROM {table}\"));",
        "mod m { fn f() { run!(b\"DROP TABLE users\") } }",
    ] {
        assert_eq!(sql(sample).len(), 1, "{sample}");
    }
    for sample in [
        "/// SELECT 1\nfn f() {}",
        "// SELECT 1\nfn f() {}",
        "let text = \"the preset that you select\";",
        "let selected = SELECT;",
    ] {
        assert_eq!(sql(sample), [] as [String; 0], "{sample}");
    }
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

/// The migrations of one engine, by their names.
type Migrations = BTreeMap<String, Vec<u8>>;

fn migrations(engine: &str) -> Migrations {
    let entries = std::fs::read_dir(root().join("migrations").join(engine)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect()
}

/// What is wrong with the migrations: a name that the other engine has not, a number that is not the next.
fn unpaired(sqlite: &Migrations, postgres: &Migrations) -> Vec<String> {
    let names = |engine: &Migrations| engine.keys().cloned().collect::<BTreeSet<_>>();
    let (sqlite, postgres) = (names(sqlite), names(postgres));
    let mut wrong: Vec<String> = sqlite.symmetric_difference(&postgres).cloned().collect();
    wrong.extend(misnumbered(&sqlite, "_"));
    wrong
}

/// Names whose number is not the next.
fn misnumbered(names: &BTreeSet<String>, behind: &str) -> Vec<String> {
    let numbered = names.iter().zip(1..);
    numbered
        .filter(|(name, number)| !name.starts_with(&format!("{number:04}{behind}")))
        .map(|(name, _)| name.clone())
        .collect()
}

/// Migrations whose bytes are not those that `migrations/SHA256SUMS` keeps, and kept ones that are gone.
fn edited(engine: &str, migrations: &Migrations, kept: &str) -> BTreeSet<String> {
    let now: BTreeSet<String> = migrations
        .iter()
        .map(|(name, bytes)| format!("{}  {engine}/{name}", hex::encode(Sha256::digest(bytes))))
        .collect();
    let kept = kept.lines().filter(|line| line.contains(engine));
    let kept: BTreeSet<String> = kept.map(str::to_owned).collect();
    now.symmetric_difference(&kept).cloned().collect()
}

#[test]
fn every_migration_has_its_pair_and_stays_as_it_has_landed() {
    let (sqlite, postgres) = (migrations("sqlite"), migrations("postgres"));
    assert_eq!(unpaired(&sqlite, &postgres), [] as [String; 0]);
    let kept = std::fs::read_to_string(root().join("migrations/SHA256SUMS")).unwrap();
    for (engine, migrations) in [("sqlite", &sqlite), ("postgres", &postgres)] {
        let edited = edited(engine, migrations, &kept);
        let hint = "lines for a new migration are added to migrations/SHA256SUMS, none is changed";
        assert!(edited.is_empty(), "{hint}: {edited:#?}");
    }
}

#[test]
fn a_migration_without_its_pair_or_with_an_edit_is_found() {
    let sqlite = migrations("sqlite");
    let (first, bytes) = sqlite.first_key_value().unwrap();
    let kept = std::fs::read_to_string(root().join("migrations/SHA256SUMS")).unwrap();
    let mut changed = sqlite.clone();
    changed.insert(first.clone(), [bytes.as_slice(), b" "].concat());
    assert_eq!(edited("sqlite", &changed, &kept).len(), 2, "old and new");
    changed.remove(first);
    assert_eq!(edited("sqlite", &changed, &kept).len(), 1, "gone");
    assert!(unpaired(&sqlite, &changed).contains(first));
    assert_eq!(unpaired(&changed, &changed).len(), changed.len());
}

/// What is wrong with the decisions: a number, a title that is not the number's, a status that is none.
fn bad_decisions(decisions: &BTreeMap<String, String>) -> Vec<String> {
    let names = decisions.keys().cloned().collect();
    let mut wrong = misnumbered(&names, "-");
    for ((name, text), number) in decisions.iter().zip(1..) {
        let has_title = text.starts_with(&format!("# {number}. "));
        let is_status = |line: &str| {
            let status = line.strip_prefix("Status: ").unwrap_or_default();
            ["accepted", "superseded"]
                .iter()
                .any(|known| status.starts_with(known))
        };
        if !has_title || !text.lines().any(is_status) {
            wrong.push(name.clone());
        }
    }
    wrong
}

#[test]
fn every_decision_has_its_number_and_its_status() {
    let decisions: BTreeMap<String, String> = tracked()
        .into_iter()
        .filter(|(path, _)| path.starts_with("docs/adr"))
        .map(|(path, text)| (path.file_name().unwrap().to_str().unwrap().to_owned(), text))
        .collect();
    assert!(decisions.len() >= 5);
    assert_eq!(bad_decisions(&decisions), [] as [String; 0]);
    for (name, text) in [
        ("0001-a.md", "# 2. A\n\nStatus: accepted\n"),
        ("0001-a.md", "# 1. A\n\nStatus: perhaps\n"),
        ("0002-a.md", "# 1. A\n\nStatus: accepted\n"),
    ] {
        let sample = BTreeMap::from([(name.to_owned(), text.to_owned())]);
        assert_eq!(bad_decisions(&sample), [name]);
    }
}
