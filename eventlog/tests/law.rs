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

/// Rows of it go by the value of their first column that is no key, so none is updated.
static WIDE: Table = Table {
    name: "w",
    columns: TABLE.columns,
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

fn wide_change() -> impl Strategy<Value = Change> {
    let table = &WIDE;
    prop_oneof![
        3 => (0..4_u8, 0..3_i64, any::<i64>()).prop_map(move |(n, a, b)| Change::Upsert {
            table,
            row: vec![key(n), a.into(), b.into()],
        }),
        1 => (0..4_u8).prop_map(move |n| Change::Delete { table, key: key(n) }),
        2 => (0..3_i64).prop_map(move |value| Change::DeleteWhere {
            table,
            column: 1,
            value: value.into(),
        }),
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
        Change::DeleteWhere { column, value, .. } => {
            rows.retain(|_, row| row[column - 1] != number(value));
        }
    }
}

/// What a database does with changes of one statement: each sees the rows as they were before all of them, and a deletion
/// by a value spares the rows that others name.
fn apply_at_once(rows: &Rows, changes: &[Change]) -> Rows {
    let named: Vec<String> = changes.iter().filter_map(row_of).collect();
    let is_gone = |key: &String, row: &[i64; 2]| {
        let wide = |change: &Change| matches!(change, Change::DeleteWhere { column, value, .. } if row[column - 1] == number(value));
        !named.contains(key) && changes.iter().any(wide)
    };
    let left = rows.iter().filter(|(key, row)| !is_gone(key, row));
    let mut after: Rows = left.map(|(key, row)| (key.clone(), *row)).collect();
    // Any order must do.
    for change in changes
        .iter()
        .rev()
        .filter(|change| row_of(change).is_some())
    {
        apply(&mut after, change);
    }
    after
}

fn row_of(change: &Change) -> Option<String> {
    match change {
        Change::Upsert { row, .. } => Some(text(&row[0])),
        Change::Update { key, .. } | Change::Delete { key, .. } => Some(text(key)),
        Change::DeleteWhere { .. } => None,
    }
}

fn are_distinct(mut touched: Vec<String>) -> bool {
    touched.sort();
    let rows = touched.len();
    touched.dedup();
    touched.len() == rows
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
        prop_assert!(are_distinct(once.iter().filter_map(row_of).collect()), "a row is touched twice");
        // One statement gives its changes no order, so any order must do.
        for change in once.iter().rev() {
            apply(&mut folded, change);
        }
        prop_assert_eq!(folded, one_by_one);
    }

    #[test]
    fn rows_that_go_by_a_value_are_gone_whether_it_is_one_by_one_in_order_or_at_once(
        before in prop::collection::vec(wide_change(), 0..8),
        changes in prop::collection::vec(wide_change(), 0..24),
    ) {
        let mut one_by_one = Rows::new();
        for change in &before {
            apply(&mut one_by_one, change);
        }
        let rows = one_by_one.clone();
        for change in &changes {
            apply(&mut one_by_one, change);
        }
        let once = fold(changes);
        prop_assert!(are_distinct(once.iter().filter_map(row_of).collect()), "a row is touched twice");
        let mut in_order = rows.clone();
        for change in &once {
            apply(&mut in_order, change);
        }
        prop_assert_eq!(in_order, one_by_one.clone());
        prop_assert_eq!(apply_at_once(&rows, &once), one_by_one);
    }
}
