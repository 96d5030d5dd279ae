//! The counters' table. What is counted may be lost in a loss of power, never by the death of the process. Rows are locked
//! in the order in which an attempt names them, so that no two wait for each other.

use aggregates::values::EmailClaimId;
use chrono::{DateTime, TimeDelta, Utc};
use eventlog::{Database, DbError, Question, Row, Statement, Value};

use super::gates::{Gate, Trial};
use crate::ports::clock::micros;

/// After as many failures in a row the pause begins (NIST SP 800-63B-4, section 3.2.2).
const MOST_IN_A_ROW: i64 = 100;
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
    /// Microseconds.
    pub known_until: i64,
}

/// The rows of some counters.
pub fn counted(subjects: &[&str]) -> Question<Vec<Counted>> {
    let sql = format!(
        "SELECT subject, CASE WHEN delay > 0 THEN charged_at + delay ELSE 0 END, known_until \
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
        known_until: row.int(2)?,
    })
}

/// Charges every gate, or none of them when one is shut by now. Each row is made, begun anew when it is over, and
/// locked; then one statement looks at all of them and charges. A row without a delay is never shut, though its last
/// charge may bear a later time than this one: attempts do not reach the rows in the order of their clocks.
pub async fn charge(
    database: &Database,
    gates: &[Gate],
    max_delay_seconds: i64,
    now: DateTime<Utc>,
) -> Result<bool, DbError> {
    let mut statements: Vec<Statement> = gates.iter().map(|gate| open(gate, now)).collect();
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
    let affected = database.execute_relaxed(statements).await?;
    Ok(affected.last().copied() == Some(count as u64))
}

fn open(gate: &Gate, now: DateTime<Utc>) -> Statement {
    const SQL: &str = "INSERT INTO sign_in_throttles (subject, account, free_attempts, keeps_for, failures, delay, \
        charged_at, expires_at, known_until) VALUES ($1, $2, $3, $4, 0, 0, 0, $5, 0) \
        ON CONFLICT (subject) DO UPDATE SET free_attempts = excluded.free_attempts, keeps_for = excluded.keeps_for, \
        failures = CASE WHEN sign_in_throttles.expires_at <= $6 \
            AND sign_in_throttles.charged_at + sign_in_throttles.delay <= $6 THEN 0 ELSE sign_in_throttles.failures END, \
        delay = CASE WHEN sign_in_throttles.expires_at <= $6 \
            AND sign_in_throttles.charged_at + sign_in_throttles.delay <= $6 THEN 0 ELSE sign_in_throttles.delay END, \
        expires_at = CASE WHEN sign_in_throttles.expires_at <= $6 \
            AND sign_in_throttles.charged_at + sign_in_throttles.delay <= $6 THEN excluded.expires_at \
            ELSE sign_in_throttles.expires_at END";
    let row = vec![
        gate.subject.as_str().into(),
        gate.account.as_str().into(),
        gate.free.into(),
        whole(gate.keeps_for).into(),
        micros(now + gate.keeps_for).into(),
        micros(now).into(),
    ];
    (SQL.into(), row)
}

/// Takes a charge back that was for nothing.
pub async fn give_back(database: &Database, gates: &[Gate]) -> Result<(), DbError> {
    let statements = gates.iter().flat_map(|gate| take_back(&gate.subject));
    database
        .execute_relaxed(statements.collect())
        .await
        .map(|_| ())
}

fn take_back(subject: &str) -> [Statement; 2] {
    const TAKE: &str = "UPDATE sign_in_throttles SET failures = failures - 1, \
        delay = CASE WHEN failures - 1 < free_attempts THEN 0 ELSE delay / 2 END \
        WHERE subject = $1 AND failures > 0";
    const TIDY: &str =
        "DELETE FROM sign_in_throttles WHERE subject = $1 AND failures = 0 AND known_until = 0";
    [TAKE, TIDY].map(|sql| (sql.to_owned(), vec![subject.into()]))
}

/// What a right password changes: the account and the pair, or the session, begin anew; the network's charge is taken
/// back; and the network is known to the account from now on, if it is to be.
pub async fn forgive(
    database: &Database,
    trial: &Trial,
    gates: &[Gate],
    known_for: Option<TimeDelta>,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    const ANEW: &str = "UPDATE sign_in_throttles SET failures = 0, delay = 0 WHERE subject = $1";
    const KNOWN: &str = "UPDATE sign_in_throttles SET failures = 0, delay = 0, known_until = $1, expires_at = $1 \
                         WHERE subject = $2";
    const TIDY: &str =
        "DELETE FROM sign_in_throttles WHERE subject = $1 AND failures = 0 AND known_until = 0";
    const FORGIVE: &str = "DELETE FROM sign_in_throttles WHERE subject = $1";
    let mut statements: Vec<Statement> = Vec::new();
    for gate in gates {
        let subject: Value = gate.subject.as_str().into();
        let is_pair = trial.pair() == Some(gate.subject.as_str());
        match known_for {
            Some(known_for) if is_pair => {
                statements.push((KNOWN.into(), vec![micros(now + known_for).into(), subject]));
            }
            _ if gate.account.is_empty() => statements.extend(take_back(&gate.subject)),
            _ => {
                statements.push((ANEW.into(), vec![subject.clone()]));
                statements.push((TIDY.into(), vec![subject]));
            }
        }
    }
    // From a known network the account's own counter was no gate.
    let account = trial.account().into_iter();
    let account = account.filter(|account| gates.iter().all(|gate| gate.subject != *account));
    statements.extend(account.map(|account| (FORGIVE.to_owned(), vec![account.into()])));
    database.execute_relaxed(statements).await.map(|_| ())
}

/// Makes a pair known.
pub async fn remember(
    database: &Database,
    pair: &Gate,
    known_for: TimeDelta,
    now: DateTime<Utc>,
) -> Result<(), DbError> {
    const SQL: &str =
        "UPDATE sign_in_throttles SET known_until = $1, expires_at = $1 WHERE subject = $2";
    let until: Value = micros(now + known_for).into();
    let known = (SQL.into(), vec![until, pair.subject.as_str().into()]);
    let statements = vec![open(pair, now), known];
    database.execute_relaxed(statements).await.map(|_| ())
}

/// Forgets what stands against an account where its networks are not known.
pub async fn forgive_account(database: &Database, claim: EmailClaimId) -> Result<(), DbError> {
    const SQL: &str = "DELETE FROM sign_in_throttles WHERE account = $1 AND known_until = 0";
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

/// Removes rows that are over: nothing is remembered, nothing blocked, nothing known by them.
pub async fn sweep(database: &Database, now: DateTime<Utc>) -> Result<(), DbError> {
    const SQL: &str = "DELETE FROM sign_in_throttles \
                       WHERE expires_at <= $1 AND charged_at + delay <= $1 AND known_until <= $1";
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
