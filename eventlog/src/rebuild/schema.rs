//! The tables beside the live ones: made alike, with the same indexes under names of their own.

use std::collections::BTreeSet;

use super::RebuildError;
use super::beside::{Beside, Purpose, beside};
use super::resume::Origin;
use crate::{Database, DbError, Engine, Projection, Row, Statement, Table};

/// Ends the name of an index that was made for a table beside a live one. On SQLite, which cannot rename an index, a
/// rebuild leaves it with the live table, and the next one takes the plain name again.
pub(crate) const REBUILT: &str = "__rebuilt";
/// Rows that one statement deletes of a table that goes.
const SWEEP: i64 = 5_000;

/// An index of a live table.
#[derive(Debug)]
pub(super) struct Index {
    pub live: String,
    /// What it is called on the table beside.
    pub name: String,
    is_unique: bool,
    is_primary: bool,
    /// From the columns on.
    rest: String,
}

/// What is not of the table and would be lost or never compared is refused.
pub(super) async fn check(
    database: &Database,
    projection: &dyn Projection,
) -> Result<(), RebuildError> {
    for table in projection.tables() {
        let sql = match database.engine() {
            Engine::Sqlite => "SELECT name FROM pragma_table_info($1)",
            Engine::Postgres => {
                "SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass($1) \
                 AND attnum > 0 AND NOT attisdropped"
            }
        };
        let rows = database.query(sql, &[table.name.into()]).await?;
        let stored: BTreeSet<String> = rows
            .iter()
            .map(|row| row.text(0))
            .collect::<Result<_, _>>()?;
        let known = table.columns.iter().map(|column| column.name);
        let declared: BTreeSet<String> = known
            .chain(projection.not_from_events().iter().copied())
            .map(str::to_owned)
            .collect();
        if let Some(column) = stored.symmetric_difference(&declared).next() {
            return Err(RebuildError::Column {
                table: table.name,
                column: column.clone(),
            });
        }
    }
    Ok(())
}

/// Makes the empty tables, with what finds a row by its key; with an origin, so that another rebuild may go on with them.
pub(super) async fn create(
    database: &Database,
    tables: &Beside,
    origin: Option<&Origin>,
) -> Result<(), DbError> {
    let mut statements: Vec<Statement> = Vec::new();
    for (live, copy) in tables.pairs() {
        match database.engine() {
            Engine::Sqlite => statements.push(plain(sqlite_table(database, live, copy).await?)),
            Engine::Postgres => {
                statements.push(plain(format!(
                    "CREATE TABLE {} (LIKE {} INCLUDING ALL EXCLUDING INDEXES)",
                    copy.name, live.name
                )));
                let indexes = indexes(database, live).await?;
                for index in indexes.iter().filter(|index| index.is_primary) {
                    let name = &match tables.purpose {
                        Purpose::Rebuild => index.name.clone(),
                        // Beside one that may have been left by a rebuild.
                        Purpose::Verify => beside(&index.live, tables.purpose.suffix()),
                    };
                    statements.push(plain(create_index(index, name, copy)));
                    statements.push(plain(format!(
                        "ALTER TABLE {} ADD CONSTRAINT {name} PRIMARY KEY USING INDEX {name}",
                        copy.name
                    )));
                }
            }
        }
    }
    statements.push(begin(tables.name(), origin));
    database.execute(statements).await.map(drop)
}

fn begin(name: &str, origin: Option<&Origin>) -> Statement {
    const BEGIN: &str = "INSERT INTO tails (name, position) VALUES ($1, 0)";
    const TO_GO_ON: &str =
        "INSERT INTO tails (name, position, fingerprint, begun_at) VALUES ($1, 0, $2, $3)";
    let Some(origin) = origin else {
        return (BEGIN.to_owned(), vec![name.into()]);
    };
    let fingerprint = origin.fingerprint.as_str().into();
    let begun_at = origin.begun_at.timestamp_micros().into();
    (
        TO_GO_ON.to_owned(),
        vec![name.into(), fingerprint, begun_at],
    )
}

/// Makes the other indexes, each in a transaction of its own, and what plans are made from. Those that are there are
/// whole.
pub(super) async fn create_indexes(database: &Database, tables: &Beside) -> Result<(), DbError> {
    for (live, copy) in tables.pairs() {
        let made = indexes(database, copy).await?;
        let made: BTreeSet<String> = made.into_iter().map(|index| index.live).collect();
        for index in indexes(database, live).await? {
            if !index.is_primary && !made.contains(&index.name) {
                let create = plain(create_index(&index, &index.name, copy));
                let patient = patience(database.engine()).into_iter();
                database.execute(patient.chain([create]).collect()).await?;
            }
        }
        if database.engine() == Engine::Postgres {
            // Its plans must not wait for the next autovacuum.
            let analyze = plain(format!("ANALYZE {}", copy.name));
            let patient = patience(database.engine()).into_iter();
            database.execute(patient.chain([analyze]).collect()).await?;
        }
    }
    Ok(())
}

/// An index of a large table takes longer than a statement may otherwise.
fn patience(engine: Engine) -> Option<Statement> {
    let patient = plain("SET LOCAL statement_timeout = 0".to_owned());
    (engine == Engine::Postgres).then_some(patient)
}

/// Removes what a rebuild or a comparison leaves, also one that was killed. Large tables go in small steps, so that
/// nobody waits long for the writer.
pub(super) async fn remove(database: &Database, tables: &Beside) -> Result<(), DbError> {
    let forget = "DELETE FROM tails WHERE name = $1".to_owned();
    database
        .execute(vec![(forget, vec![tables.name().into()])])
        .await?;
    for (live, copy) in tables.pairs() {
        for name in [copy.name.to_owned(), former(live)] {
            remove_table(database, &name).await?;
        }
    }
    Ok(())
}

/// What a live table is called once another has taken its place.
pub(super) fn former(live: &Table) -> String {
    beside(live.name, "former")
}

async fn remove_table(database: &Database, name: &str) -> Result<(), DbError> {
    if database.engine() == Engine::Sqlite && exists(database, name).await? {
        let sweep =
            format!("DELETE FROM {name} WHERE rowid IN (SELECT rowid FROM {name} LIMIT {SWEEP})");
        loop {
            let deleted = database.execute(vec![plain(sweep.clone())]).await?;
            if deleted.first().is_none_or(|rows| *rows == 0) {
                break;
            }
        }
    }
    let drop_it = plain(format!("DROP TABLE IF EXISTS {name}"));
    database.execute(vec![drop_it]).await.map(drop)
}

pub(super) async fn exists(database: &Database, table: &str) -> Result<bool, DbError> {
    let sql = match database.engine() {
        Engine::Sqlite => "SELECT name FROM sqlite_master WHERE type = 'table' AND name = $1",
        Engine::Postgres => {
            "SELECT tablename::text FROM pg_tables WHERE schemaname = CURRENT_SCHEMA AND tablename = $1"
        }
    };
    Ok(!database.query(sql, &[table.into()]).await?.is_empty())
}

fn plain(sql: String) -> Statement {
    (sql, Vec::new())
}

/// The indexes of a live table that somebody made.
pub(super) async fn indexes(database: &Database, live: &Table) -> Result<Vec<Index>, DbError> {
    let sql = match database.engine() {
        Engine::Sqlite => {
            "SELECT name, sql, 0 FROM sqlite_master WHERE type = 'index' AND tbl_name = $1 AND sql IS NOT NULL"
        }
        Engine::Postgres => {
            "SELECT c.relname::text, pg_get_indexdef(i.indexrelid), i.indisprimary::int FROM pg_index i \
             JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = to_regclass($1)"
        }
    };
    let rows = database.query(sql, &[live.name.into()]).await?;
    rows.iter()
        .map(|row| index(database.engine(), row))
        .collect()
}

fn index(engine: Engine, row: &Row) -> Result<Index, DbError> {
    let (live, sql) = (row.text(0)?, row.text(1)?);
    let begin = match engine {
        Engine::Sqlite => sql.find('('),
        Engine::Postgres => sql.find(" USING "),
    };
    let rest = begin.and_then(|begin| sql.get(begin..));
    Ok(Index {
        name: match live.strip_suffix(REBUILT) {
            Some(plain) => plain.to_owned(),
            None => format!("{live}{REBUILT}"),
        },
        is_unique: sql.starts_with("CREATE UNIQUE"),
        is_primary: row.int(2)? == 1,
        rest: rest
            .ok_or_else(|| DbError::decode("an index without columns"))?
            .to_owned(),
        live,
    })
}

fn create_index(index: &Index, name: &str, copy: &Table) -> String {
    let unique = if index.is_unique { "UNIQUE " } else { "" };
    format!(
        "CREATE {unique}INDEX {name} ON {} {}",
        copy.name, index.rest
    )
}

/// What makes a live table the one that it is: its columns, constraints and indexes, in texts of the engine.
pub(super) async fn describe(database: &Database, live: &Table) -> Result<Vec<String>, DbError> {
    let sql = match database.engine() {
        Engine::Sqlite => {
            "SELECT sql FROM sqlite_master WHERE tbl_name = $1 AND sql IS NOT NULL ORDER BY 1"
        }
        Engine::Postgres => {
            "SELECT attnum::text || ' ' || attname || ' ' || format_type(atttypid, atttypmod) || ' ' || \
               attnotnull::text || ' ' || COALESCE(pg_get_expr(adbin, adrelid), '') FROM pg_attribute \
               LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum \
               WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped \
             UNION ALL SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = to_regclass($1) \
             UNION ALL SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = to_regclass($1) \
             ORDER BY 1"
        }
    };
    let rows = database.query(sql, &[live.name.into()]).await?;
    rows.iter().map(|row| row.text(0)).collect()
}

/// SQLite has no `LIKE`: the statement that made the live table, with another name in it.
async fn sqlite_table(database: &Database, live: &Table, copy: &Table) -> Result<String, DbError> {
    const SQL: &str = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = $1";
    let rows = database.query(SQL, &[live.name.into()]).await?;
    let made = rows.first().map(|row| row.text(0)).transpose()?;
    let made = made.ok_or_else(|| DbError::decode("no table of a projection"))?;
    let columns = made.find('(').and_then(|begin| made.get(begin..));
    let columns = columns.ok_or_else(|| DbError::decode("a table without columns"))?;
    Ok(format!("CREATE TABLE {} {columns}", copy.name))
}
