//! Changes of read models as statements: one for all rows of a batch that change alike.

use sqlx::Arguments as _;
use sqlx::postgres::PgArguments;

use super::statement::bind;
use crate::projection::{Change, Kind, Table, place};
use crate::{DbError, Value};

/// Changes that one statement can make together.
pub(crate) fn groups(changes: &[Change]) -> Vec<Vec<&Change>> {
    let mut groups: Vec<Vec<&Change>> = Vec::new();
    for change in changes {
        let together =
            |group: &&mut Vec<&Change>| group.first().is_some_and(|first| is_alike(first, change));
        match groups.iter_mut().find(together) {
            Some(group) => group.push(change),
            None => groups.push(vec![change]),
        }
    }
    groups
}

fn is_alike(a: &Change, b: &Change) -> bool {
    match (a, b) {
        (Change::Upsert { table: a, .. }, Change::Upsert { table: b, .. })
        | (Change::Delete { table: a, .. }, Change::Delete { table: b, .. }) => a == b,
        (
            Change::DeleteWhere {
                table: a,
                column: x,
                ..
            },
            Change::DeleteWhere {
                table: b,
                column: y,
                ..
            },
        ) => a == b && x == y,
        (
            Change::Update {
                table: a, set: x, ..
            },
            Change::Update {
                table: b, set: y, ..
            },
        ) => {
            a == b
                && x.iter()
                    .map(|(index, _)| index)
                    .eq(y.iter().map(|(index, _)| index))
        }
        _ => false,
    }
}

/// The statement for a group of `changes`; `condition` keeps it from running when the batch is not written.
pub(crate) fn group_statement(
    group: &[&Change],
    changes: &[Change],
    arguments: &mut PgArguments,
    condition: &str,
) -> Result<String, DbError> {
    match group.first() {
        Some(Change::Upsert { table, .. }) => upsert(table, group, arguments, condition),
        Some(Change::Update { table, set, .. }) => {
            let indexes: Vec<usize> = set.iter().map(|(index, _)| *index).collect();
            update(table, &indexes, group, arguments, condition)
        }
        Some(Change::Delete { table, .. }) => {
            let keys = group.iter().filter_map(|change| match change {
                Change::Delete { key, .. } => Some(key),
                _ => None,
            });
            let place = bind_column(table, 0, keys, arguments)?;
            Ok(format!(
                "DELETE FROM {} WHERE {} = ANY({place}) AND {condition}",
                table.name,
                name(table, 0)
            ))
        }
        Some(Change::DeleteWhere { table, column, .. }) => {
            delete_where(table, *column, group, changes, arguments, condition)
        }
        None => Err(DbError::decode("an empty group of changes")),
    }
}

/// Statements of one batch have no order, so rows that other changes name are spared: what becomes of them is said there.
fn delete_where(
    table: &'static Table,
    column: usize,
    group: &[&Change],
    changes: &[Change],
    arguments: &mut PgArguments,
    condition: &str,
) -> Result<String, DbError> {
    let values = group.iter().filter_map(|change| match change {
        Change::DeleteWhere { value, .. } => Some(value),
        _ => None,
    });
    let values = bind_column(table, column, values, arguments)?;
    let named = changes.iter().filter_map(place);
    let named: Vec<Value> = named
        .filter(|(of, _)| *of == table.name)
        .map(|(_, key)| key)
        .collect();
    let named = bind_column(table, 0, named.iter(), arguments)?;
    Ok(format!(
        "DELETE FROM {} WHERE {} = ANY({values}) AND NOT {} = ANY({named}) AND {condition}",
        table.name,
        name(table, column),
        name(table, 0)
    ))
}

fn upsert(
    table: &'static Table,
    group: &[&Change],
    arguments: &mut PgArguments,
    condition: &str,
) -> Result<String, DbError> {
    let mut places = Vec::new();
    for index in 0..table.columns.len() {
        let values = group.iter().filter_map(|change| match change {
            Change::Upsert { row, .. } => row.get(index),
            _ => None,
        });
        places.push(bind_column(table, index, values, arguments)?);
    }
    let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
    let set: Vec<String> = names
        .iter()
        .skip(1)
        .map(|name| format!("{name} = excluded.{name}"))
        .collect();
    let columns = names.join(", ");
    Ok(format!(
        "INSERT INTO {} ({columns}) SELECT {columns} FROM UNNEST({}) AS u({columns}) WHERE {condition} \
         ON CONFLICT ({}) DO UPDATE SET {}",
        table.name,
        places.join(", "),
        name(table, 0),
        set.join(", ")
    ))
}

fn update(
    table: &'static Table,
    indexes: &[usize],
    group: &[&Change],
    arguments: &mut PgArguments,
    condition: &str,
) -> Result<String, DbError> {
    let keys = group.iter().filter_map(|change| match change {
        Change::Update { key, .. } => Some(key),
        _ => None,
    });
    let mut places = vec![bind_column(table, 0, keys, arguments)?];
    for (nth, index) in indexes.iter().enumerate() {
        let values = group.iter().filter_map(|change| match change {
            Change::Update { set, .. } => set.get(nth).map(|(_, value)| value),
            _ => None,
        });
        places.push(bind_column(table, *index, values, arguments)?);
    }
    let names: Vec<&str> = indexes.iter().map(|index| name(table, *index)).collect();
    let set: Vec<String> = names
        .iter()
        .map(|name| format!("{name} = u.{name}"))
        .collect();
    let key = name(table, 0);
    Ok(format!(
        "UPDATE {} SET {} FROM UNNEST({}) AS u({key}, {}) WHERE {}.{key} = u.{key} AND {condition}",
        table.name,
        set.join(", "),
        places.join(", "),
        names.join(", "),
        table.name,
    ))
}

/// Binds one column of a group as an array and gives its place.
fn bind_column<'a>(
    table: &Table,
    index: usize,
    values: impl Iterator<Item = &'a Value>,
    arguments: &mut PgArguments,
) -> Result<String, DbError> {
    let kind = table
        .columns
        .get(index)
        .map_or(Kind::Text, |column| column.kind);
    let wrong = || DbError::decode("a change whose value is not of its column's type");
    let cast = match kind {
        Kind::Text => {
            let texts: Option<Vec<Option<&str>>> = values
                .map(|value| {
                    if let Value::Text(text) = value {
                        Some(text.as_deref())
                    } else {
                        None
                    }
                })
                .collect();
            bind(arguments, texts.ok_or_else(wrong)?)?;
            "text"
        }
        Kind::Int => {
            let numbers: Option<Vec<Option<i64>>> = values
                .map(|value| {
                    if let Value::Int(n) = value {
                        Some(*n)
                    } else {
                        None
                    }
                })
                .collect();
            bind(arguments, numbers.ok_or_else(wrong)?)?;
            "bigint"
        }
        Kind::Bytes => {
            let bytes: Option<Vec<Option<&[u8]>>> = values
                .map(|value| {
                    if let Value::Bytes(b) = value {
                        Some(b.as_deref())
                    } else {
                        None
                    }
                })
                .collect();
            bind(arguments, bytes.ok_or_else(wrong)?)?;
            "bytea"
        }
    };
    Ok(format!("${}::{cast}[]", arguments.len()))
}

fn name(table: &Table, index: usize) -> &'static str {
    table.columns.get(index).map_or("", |column| column.name)
}
