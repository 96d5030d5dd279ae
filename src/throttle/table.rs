//! The counters' table. What is counted may be lost in a loss of power, never by the death of the process. Rows are locked
//! in the order in which an attempt names them, so that no two wait for each other.

use aggregates::values::EmailClaimId;
use chrono::{DateTime, TimeDelta, Utc};
use eventlog::{Database, DbError, Question, Row, Statement, Value};

use super::gates::{Gate, Trial};
use crate::ports::clock::micros;

/// After as many failures in a row the pause begins (NIST SP 800-63B-4, section 3.2.2).
pub const MOST_IN_A_ROW: i64 = 100;
/// The pause.
const PAUSE: TimeDelta = TimeDelta::hours(24);
/// The first delay; each is twice the one before.
const FIRST_DELAY: TimeDelta = TimeDelta::seconds(1);

/// A row.
#[derive(Debug)]
pub struct Counted {
    /// What is counted.
    pub subject: String,
    /// Microseconds.
    pub blocked_until: i64,
    /// Failures so far.
    pub failures: i64,
    /// Microseconds; then nothing of it is remembered, unless it blocks for longer.
    pub expires_at: i64,
}

impl Counted {
    /// Failures that are remembered.
    pub(super) fn failures_at(&self, now: DateTime<Utc>) -> i64 {
        let is_over = self.expires_at.max(self.blocked_until) <= micros(now);
        if is_over { 0 } else { self.failures }
    }
}

/// The rows of some counters.
pub fn counted(subjects: &[&str]) -> Question<Vec<Counted>> {
    let sql = format!(
        "SELECT subject, CASE WHEN delay > 0 THEN charged_at + delay ELSE 0 END, failures, expires_at \
         FROM sign_in_throttles WHERE subject IN ({})",
        places(1, subjects.len())
    );
    let params = subjects.iter().map(|subject| (*subject).into()).collect();
    Question::new(sql, params, |rows| rows.iter().map(row).collect())
}

fn row(row: &Row) -> Result<Counted, DbError> {
    Ok(Counted {
        subject: row.text(0)?,
        blocked_until: row.int(1)?,
        failures: row.int(2)?,
        expires_at: row.int(3)?,
    })
}

/// Charges every gate, or none of them when one is shut by now.
pub async fn charge(
    database: &Database,
    gates: &[Gate],
    max_delay_seconds: i64,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let statements = charging(gates, max_delay_seconds, now);
    let affected = database.execute_relaxed(statements).await?;
    Ok(affected.last().copied() == Some(gates.len() as u64))
}

/// What charges every gate, or none of them when one is shut by now. Each row is made, begun anew when it is over, and
/// locked; then one statement looks at all of them and charges. A row without a delay is never shut, though its last
/// charge may bear a later time than this one: attempts do not reach the rows in the order of their clocks.
pub fn charging(gates: &[Gate], max_delay_seconds: i64, now: DateTime<Utc>) -> Vec<Statement> {
    let mut statements = vec![open(gates, now)];
    let count = gates.len();
    let sql = format!(
        "UPDATE sign_in_throttles SET failures = failures + 1, charged_at = $1, \
         expires_at = CASE WHEN account <> '' THEN $1 + keeps_for ELSE expires_at END, \
         delay = CASE WHEN failures + 1 < free_attempts THEN 0 \
                      WHEN account <> '' AND failures + 1 >= $2 THEN $3 \
                      WHEN delay = 0 THEN $4 \
                      WHEN delay * 2 > $5 THEN $5 ELSE delay * 2 END \
         WHERE subject IN ({}) AND NOT EXISTS (SELECT 1 FROM sign_in_throttles other \
         WHERE other.subject IN ({}) AND other.delay > 0 AND other.charged_at + other.delay > $1)",
        places(6, count),
        places(6 + count, count),
    );
    let mut params: Vec<Value> = vec![
        micros(now).into(),
        MOST_IN_A_ROW.into(),
        whole(PAUSE).into(),
        whole(FIRST_DELAY).into(),
        whole(TimeDelta::seconds(max_delay_seconds)).into(),
    ];
    for _ in 0..2 {
        params.extend(gates.iter().map(|gate| Value::from(gate.subject.as_str())));
    }
    statements.push((sql, params));
    statements
}

/// Makes the rows that are not there and begins those anew that are over; locks them in the order of the gates.
fn open(gates: &[Gate], now: DateTime<Utc>) -> Statement {
    const IS_OVER: &str = "sign_in_throttles.expires_at <= $1 \
                           AND sign_in_throttles.charged_at + sign_in_throttles.delay <= $1";
    let mut params: Vec<Value> = vec![micros(now).into()];
    let mut rows = Vec::new();
    for (number, gate) in gates.iter().enumerate() {
        let place = |column: usize| 2 + number * 5 + column;
        rows.push(format!(
            "(${}, ${}, ${}, ${}, 0, 0, 0, ${})",
            place(0),
            place(1),
            place(2),
            place(3),
            place(4)
        ));
        params.extend([
            gate.subject.as_str().into(),
            gate.account.as_str().into(),
            gate.free.into(),
            whole(gate.keeps_for).into(),
            micros(now + gate.keeps_for).into(),
        ]);
    }
    let sql = format!(
        "INSERT INTO sign_in_throttles (subject, account, free_attempts, keeps_for, failures, delay, \
         charged_at, expires_at) VALUES {} \
         ON CONFLICT (subject) DO UPDATE SET free_attempts = excluded.free_attempts, keeps_for = excluded.keeps_for, \
         failures = CASE WHEN {IS_OVER} THEN 0 ELSE sign_in_throttles.failures END, \
         delay = CASE WHEN {IS_OVER} THEN 0 ELSE sign_in_throttles.delay END, \
         expires_at = CASE WHEN {IS_OVER} THEN excluded.expires_at ELSE sign_in_throttles.expires_at END",
        rows.join(", ")
    );
    (sql, params)
}

/// Takes a charge back that was for nothing.
pub async fn give_back(database: &Database, gates: &[Gate]) -> Result<(), DbError> {
    let statements = gates.iter().map(|gate| take_back(&gate.subject));
    let statements = statements.collect();
    database.execute_relaxed(statements).await.map(|_| ())
}

fn take_back(subject: &str) -> Statement {
    const SQL: &str = "UPDATE sign_in_throttles SET failures = failures - 1, \
        delay = CASE WHEN failures - 1 < free_attempts THEN 0 ELSE delay / 2 END \
        WHERE subject = $1 AND failures > 0";
    (SQL.to_owned(), vec![subject.into()])
}

/// What a right password changes: what the account has against it is forgotten, and the network's charge is taken back.
/// The account's own counter is looked at too where it was no gate, if it `has_failures`.
pub async fn forgive(
    database: &Database,
    trial: &Trial,
    gates: &[Gate],
    has_failures: bool,
) -> Result<(), DbError> {
    let mut statements: Vec<Statement> = Vec::new();
    for gate in gates {
        statements.push(if gate.account.is_empty() {
            take_back(&gate.subject)
        } else {
            removal(&gate.subject)
        });
    }
    let account = trial.account().filter(|_| has_failures);
    let account = account.filter(|account| gates.iter().all(|gate| gate.subject != *account));
    statements.extend(account.map(removal));
    database.execute_relaxed(statements).await.map(|_| ())
}

fn removal(subject: &str) -> Statement {
    const SQL: &str = "DELETE FROM sign_in_throttles WHERE subject = $1";
    (SQL.to_owned(), vec![subject.into()])
}

/// Forgets what stands against an account, whoever did it: every counter but those of networks.
pub async fn forgive_account(database: &Database, claim: EmailClaimId) -> Result<(), DbError> {
    const SQL: &str = "DELETE FROM sign_in_throttles WHERE account = $1";
    let statement = (SQL.into(), vec![claim.to_string().into()]);
    database.execute_relaxed(vec![statement]).await.map(|_| ())
}

/// Removes all rows of an account.
pub async fn forget_account(database: &Database, claim: EmailClaimId) -> Result<(), DbError> {
    const THROTTLES: &str = "DELETE FROM sign_in_throttles WHERE account = $1";
    const FAILURES: &str = "DELETE FROM sign_in_failures WHERE email_claim_id = $1";
    let statements = [THROTTLES, FAILURES].map(|sql| (sql.into(), vec![claim.to_string().into()]));
    database
        .execute_relaxed(statements.into())
        .await
        .map(|_| ())
}

/// Removes rows that are over: nothing is remembered and nothing blocked by them.
pub async fn sweep(database: &Database, now: DateTime<Utc>) -> Result<(), DbError> {
    const SQL: &str =
        "DELETE FROM sign_in_throttles WHERE expires_at <= $1 AND charged_at + delay <= $1";
    let statement = (SQL.into(), vec![micros(now).into()]);
    database.execute_relaxed(vec![statement]).await.map(|_| ())
}

/// `$first, ...`
fn places(first: usize, count: usize) -> String {
    let places: Vec<String> = (first..first + count)
        .map(|place| format!("${place}"))
        .collect();
    places.join(", ")
}

fn whole(duration: TimeDelta) -> i64 {
    duration.num_microseconds().unwrap_or(i64::MAX)
}
