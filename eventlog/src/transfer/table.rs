//! Tables as the database itself describes them.

use crate::{Database, DbError, Engine, Kind, Value};

use super::CopyError;

/// A table with its columns, in the order of their names.
#[derive(Debug)]
pub(super) struct Shape {
    pub name: String,
    pub columns: Vec<ShapeColumn>,
}

/// A column: how its values travel, and the type that the database gives it.
#[derive(Debug)]
pub(super) struct ShapeColumn {
    pub name: String,
    pub kind: Kind,
    pub declared: String,
}

pub(super) async fn names(database: &Database) -> Result<Vec<String>, DbError> {
    let sql = match database.engine() {
        Engine::Sqlite => {
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' \
             AND name <> '_sqlx_migrations' ORDER BY name"
        }
        Engine::Postgres => {
            "SELECT table_name::text FROM information_schema.tables WHERE table_schema = current_schema() \
             AND table_type = 'BASE TABLE' AND table_name <> '_sqlx_migrations' ORDER BY table_name"
        }
    };
    let rows = database.query(sql, &[]).await?;
    rows.iter().map(|row| row.text(0)).collect()
}

pub(super) async fn shape(database: &Database, table: &str) -> Result<Shape, CopyError> {
    let sql = match database.engine() {
        Engine::Sqlite => "SELECT name, lower(type) FROM pragma_table_info($1) ORDER BY name",
        Engine::Postgres => {
            "SELECT column_name::text, lower(data_type::text) FROM information_schema.columns \
             WHERE table_schema = current_schema() AND table_name = $1 ORDER BY column_name COLLATE \"C\""
        }
    };
    let rows = database.query(sql, &[table.into()]).await?;
    let mut columns = Vec::with_capacity(rows.len());
    for row in rows {
        let declared = row.text(1)?;
        let kind = match declared.as_str() {
            "text" | "uuid" | "json" => Kind::Text,
            "integer" | "bigint" => Kind::Int,
            "blob" | "bytea" => Kind::Bytes,
            _ => return Err(CopyError::UnknownType(table.to_owned())),
        };
        columns.push(ShapeColumn {
            name: row.text(0)?,
            kind,
            declared,
        });
    }
    Ok(Shape {
        name: table.to_owned(),
        columns,
    })
}

impl Shape {
    /// Whether rows of the one are rows of the other.
    pub(super) fn fits(&self, other: &Self) -> bool {
        let pairs = || self.columns.iter().zip(&other.columns);
        !self.columns.is_empty()
            && self.columns.len() == other.columns.len()
            && pairs().all(|(one, two)| one.name == two.name && one.kind == two.kind)
    }

    /// All columns, as texts where the engine has a type of its own for one.
    pub(super) fn select(&self) -> String {
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|column| match column.declared.as_str() {
                "uuid" | "json" => format!("{}::text", column.name),
                _ => column.name.clone(),
            })
            .collect();
        format!("SELECT {} FROM {}", columns.join(", "), self.name)
    }

    pub(super) fn names(&self) -> String {
        let names: Vec<&str> = self
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        names.join(", ")
    }
}

/// NULL of a column's own type.
pub(super) fn typed(value: Value, kind: Kind) -> Value {
    match (&value, kind) {
        (Value::Text(None) | Value::Int(None) | Value::Bytes(None), Kind::Text) => {
            Value::Text(None)
        }
        (Value::Text(None) | Value::Int(None) | Value::Bytes(None), Kind::Int) => Value::Int(None),
        (Value::Text(None) | Value::Int(None) | Value::Bytes(None), Kind::Bytes) => {
            Value::Bytes(None)
        }
        _ => value,
    }
}
