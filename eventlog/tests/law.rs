//! The law of changes: folded to one for each row they do what they would have done one by one.
#![expect(
    clippy::indexing_slicing,
    reason = "the model of a table is as wide as the table"
)]

use std::collections::BTreeMap;

use eventlog::{Change, Column, Kind, Table, Value, fold};
use proptest::prelude::*;

static TABLE: Table = Table {
    name: "t",
    columns: &[
        Column {
            name: "id",
            kind: Kind::Text,
        },
        Column {
            name: "a",
            kind: Kind::Int,
        },
        Column {
            name: "b",
            kind: Kind::Int,
        },
    ],
};

type Rows = BTreeMap<String, [i64; 2]>;

fn key(n: u8) -> Value {
    format!("k{n}").into()
}

fn change() -> impl Strategy<Value = Change> {
    let table = &TABLE;
    prop_oneof![
        (0..4_u8, any::<i64>(), any::<i64>()).prop_map(move |(n, a, b)| Change::Upsert {
            table,
            row: vec![key(n), a.into(), b.into()],
        }),
        (0..4_u8, 1..=2_usize, any::<i64>()).prop_map(move |(n, index, value)| Change::Update {
            table,
            key: key(n),
            set: vec![(index, value.into())],
        }),
        (0..4_u8).prop_map(move |n| Change::Delete { table, key: key(n) }),
    ]
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(Some(text)) => text.clone(),
        other => format!("{other:?}"),
    }
}

fn number(value: &Value) -> i64 {
    match value {
        Value::Int(Some(number)) => *number,
        _ => 0,
    }
}

/// What a database does with a change.
fn apply(rows: &mut Rows, change: &Change) {
    match change {
        Change::Upsert { row, .. } => {
            rows.insert(text(&row[0]), [number(&row[1]), number(&row[2])]);
        }
        Change::Update { key, set, .. } => {
            if let Some(row) = rows.get_mut(&text(key)) {
                for (index, value) in set {
                    row[index - 1] = number(value);
                }
            }
        }
        Change::Delete { key, .. } => {
            rows.remove(&text(key));
        }
    }
}

fn row_of(change: &Change) -> String {
    match change {
        Change::Upsert { row, .. } => text(&row[0]),
        Change::Update { key, .. } | Change::Delete { key, .. } => text(key),
    }
}

proptest! {
    #[test]
    fn folded_changes_do_what_they_would_have_done_one_by_one(
        before in prop::collection::vec(change(), 0..8),
        changes in prop::collection::vec(change(), 0..24),
    ) {
        let mut one_by_one = Rows::new();
        for change in &before {
            apply(&mut one_by_one, change);
        }
        let mut folded = one_by_one.clone();
        for change in &changes {
            apply(&mut one_by_one, change);
        }
        let once = fold(changes);
        let mut touched: Vec<String> = once.iter().map(row_of).collect();
        touched.sort();
        let rows = touched.len();
        touched.dedup();
        prop_assert_eq!(touched.len(), rows, "a row is touched twice");
        // One statement gives its changes no order, so any order must do.
        for change in once.iter().rev() {
            apply(&mut folded, change);
        }
        prop_assert_eq!(folded, one_by_one);
    }
}
