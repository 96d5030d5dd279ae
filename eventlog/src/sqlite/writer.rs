//! The thread that writes. What waits for it goes into one transaction, so that a flush of the disk serves many; a
//! savepoint around each keeps one that fails from harming the others. A transaction in which nothing has to be durable
//! waits for no flush; the next flush takes it along, since the WAL is written and recovered in order.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::BUSY_TIMEOUT;
use super::readers::plan_once;
use crate::DbError;

/// Jobs that may wait for the thread.
const QUEUE: usize = 1024;
/// Jobs of one transaction.
const TOGETHER: usize = 64;
/// Prepared statements that are kept.
const STATEMENTS: usize = 256;

/// What may become of a commit when the machine loses its power. Nothing is lost when only the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// It stays.
    Durable,
    /// It may be lost, with every later one of its kind, until something durable is committed behind it.
    Relaxed,
}

impl Durability {
    fn pragma(self) -> &'static str {
        match self {
            Self::Durable => "PRAGMA synchronous = FULL",
            Self::Relaxed => "PRAGMA synchronous = NORMAL",
        }
    }
}

/// What is to be done inside of a transaction. It gives what to do when it is known how that ended.
type Shared = Box<dyn FnOnce(Result<&Connection, DbError>) -> Done + Send>;

enum Job {
    /// Shares a transaction with others.
    Shared(Durability, Shared),
    /// Makes transactions of its own.
    Alone(Box<dyn FnOnce(&mut Connection) + Send>),
}

/// A job that was done, or not.
struct Done {
    /// Whether what it wrote is to stay.
    is_good: bool,
    /// Answers the caller.
    answer: Box<dyn FnOnce(Result<(), DbError>)>,
}

#[derive(Debug)]
pub(crate) struct SqliteWriter {
    jobs: std::sync::Mutex<Option<SyncSender<Job>>>,
    thread: std::sync::Mutex<Option<JoinHandle<()>>>,
}

impl SqliteWriter {
    pub(crate) fn open(path: &Path) -> Result<Self, DbError> {
        let mut connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        plan_once(&connection)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
             PRAGMA secure_delete = ON; PRAGMA wal_autocheckpoint = 4000;",
        )?;
        let (jobs, waiting) = sync_channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || work(&mut connection, &waiting))?;
        Ok(Self {
            jobs: std::sync::Mutex::new(Some(jobs)),
            thread: std::sync::Mutex::new(Some(thread)),
        })
    }

    /// Runs `job` on the thread, in a transaction; when it fails, nothing that it wrote stays. Instead of a connection it
    /// is given the reason why there is none. `undone` makes the error of a job that was good and could not be
    /// committed.
    pub(crate) async fn write<T, E>(
        &self,
        durability: Durability,
        job: impl FnOnce(Result<&Connection, DbError>) -> Result<T, E> + Send + 'static,
        undone: impl FnOnce(T, DbError) -> E + Send + 'static,
    ) -> Result<Result<T, E>, DbError>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let shared: Shared = Box::new(move |connection| {
            let result = job(connection);
            Done {
                is_good: result.is_ok(),
                answer: Box::new(move |committed| {
                    // A caller that has gone does not want the answer.
                    let _ = reply.send(match (result, committed) {
                        (Ok(good), Err(error)) => Err(undone(good, error)),
                        (result, _) => result,
                    });
                }),
            }
        });
        self.send(Job::Shared(durability, shared))?;
        answer.await.map_err(|_| DbError::Closed)
    }

    /// Runs `job` on the thread, with the connection to itself.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> Result<T, DbError> + Send + 'static,
    ) -> Result<T, DbError> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Alone(Box::new(move |connection| {
            let _ = reply.send(job(connection));
        })))?;
        answer.await.map_err(|_| DbError::Closed)?
    }

    fn send(&self, job: Job) -> Result<(), DbError> {
        let jobs = self.jobs.lock().ok().and_then(|jobs| jobs.clone());
        let sent = jobs.ok_or(DbError::Closed)?.try_send(job);
        sent.map_err(|error| match error {
            TrySendError::Full(_) => DbError::Busy,
            TrySendError::Disconnected(_) => DbError::Closed,
        })
    }

    /// No new jobs; the ones that wait are done first. When this returns the connection is closed, which moves what is in
    /// the write-ahead log to its place if no other connection is open.
    pub(crate) async fn close(&self) {
        let finished = self
            .write(
                Durability::Durable,
                |connection| connection.map(|_| ()),
                |(), error| error,
            )
            .await;
        if let Ok(mut jobs) = self.jobs.lock() {
            *jobs = None;
        }
        drop(finished);
        let thread = self.thread.lock().ok().and_then(|mut thread| thread.take());
        if let Some(thread) = thread {
            // A thread that died has closed its connection as well.
            let _ = tokio::task::spawn_blocking(|| thread.join()).await;
        }
    }
}

fn work(connection: &mut Connection, waiting: &Receiver<Job>) {
    while let Ok(first) = waiting.recv() {
        let mut next = Some(first);
        let (mut together, mut durability) = (Vec::new(), Durability::Relaxed);
        while let Some(Job::Shared(wanted, job)) = next {
            together.push(job);
            if wanted == Durability::Durable {
                durability = wanted;
            }
            let is_room = together.len() < TOGETHER;
            next = is_room.then(|| waiting.try_recv().ok()).flatten();
        }
        if !together.is_empty() {
            commit(connection, durability, together);
        }
        if let Some(Job::Alone(job)) = next {
            let durable = set(connection, Durability::Durable);
            if let Err(error) = durable {
                tracing::error!(%error, "a transaction may not wait for the disk");
            }
            job(connection);
        }
    }
}

fn set(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    connection
        .prepare_cached(durability.pragma())?
        .execute([])
        .map(drop)
}

fn commit(connection: &mut Connection, durability: Durability, jobs: Vec<Shared>) {
    let mut done = Vec::with_capacity(jobs.len());
    let committed = try_commit(connection, durability, jobs, &mut done);
    for one in done {
        let outcome = committed.as_ref().copied();
        (one.answer)(outcome.map_err(|error| DbError::NotCommitted(error.to_string())));
    }
}

fn try_commit(
    connection: &mut Connection,
    durability: Durability,
    jobs: Vec<Shared>,
    done: &mut Vec<Done>,
) -> Result<(), DbError> {
    let is_alone = jobs.len() == 1;
    let begun = set(connection, durability)
        .and_then(|()| connection.transaction_with_behavior(TransactionBehavior::Immediate));
    let transaction = match begun {
        Ok(transaction) => transaction,
        Err(error) => {
            let refused = |job: Shared| job(Err(DbError::NotCommitted(error.to_string())));
            done.extend(jobs.into_iter().map(refused));
            return Err(error.into());
        }
    };
    let mut lost = None;
    for job in jobs {
        // Some failures, such as a full disk, end the whole transaction.
        if transaction.is_autocommit() {
            done.push(job(Err(DbError::NotCommitted(
                "what came before it failed".to_owned(),
            ))));
            continue;
        }
        if is_alone {
            done.push(job(Ok(&transaction)));
        } else if let Err(error) = with_savepoint(&transaction, job, done) {
            lost.get_or_insert(error);
        }
    }
    if let Some(error) = lost {
        return Err(error);
    }
    if transaction.is_autocommit() {
        return Err(DbError::NotCommitted("its transaction ended".to_owned()));
    }
    if done.iter().any(|one| one.is_good) {
        transaction.commit()?;
    } else {
        transaction.rollback()?;
    }
    Ok(())
}

/// One of several. An error means that it is not known what of the transaction is still there.
fn with_savepoint(
    transaction: &Connection,
    job: Shared,
    done: &mut Vec<Done>,
) -> Result<(), DbError> {
    let begun = transaction.prepare_cached("SAVEPOINT job");
    if let Err(error) = begun.and_then(|mut savepoint| savepoint.execute([])) {
        done.push(job(Err(DbError::NotCommitted(error.to_string()))));
        return Err(error.into());
    }
    let one = job(Ok(transaction));
    let is_good = one.is_good;
    done.push(one);
    if transaction.is_autocommit() {
        return Ok(());
    }
    if !is_good {
        transaction.prepare_cached("ROLLBACK TO job")?.execute([])?;
    }
    transaction.prepare_cached("RELEASE job")?.execute([])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn table() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY, bytes BLOB)")
            .unwrap();
        connection
    }

    fn numbers(connection: &Connection) -> Vec<i64> {
        let mut all = connection.prepare("SELECT n FROM t ORDER BY n").unwrap();
        let rows = all.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }

    /// Jobs that each run some statements, and whether each was told that it is committed.
    fn run(connection: &mut Connection, jobs: &[&[&str]]) -> Vec<bool> {
        let (tell, told) = channel();
        let job = |(n, statements): (usize, &&[&str])| {
            let statements: Vec<String> = statements.iter().map(ToString::to_string).collect();
            let tell = tell.clone();
            let job: Shared = Box::new(move |connection| {
                let result = connection.and_then(|connection| {
                    for sql in &statements {
                        connection.execute(sql, [])?;
                    }
                    Ok(())
                });
                Done {
                    is_good: result.is_ok(),
                    answer: Box::new(move |committed| {
                        tell.send((n, result.and(committed).is_ok())).unwrap();
                    }),
                }
            });
            job
        };
        let jobs = jobs.iter().enumerate().map(job).collect();
        commit(connection, Durability::Durable, jobs);
        let mut told: Vec<(usize, bool)> = told.try_iter().collect();
        told.sort_unstable();
        told.into_iter().map(|(_, is_good)| is_good).collect()
    }

    #[test]
    fn a_job_that_fails_leaves_nothing_and_harms_none_of_the_others() {
        let mut connection = table();
        let told = run(
            &mut connection,
            &[
                &["INSERT INTO t VALUES (1, NULL)"],
                &[
                    "INSERT INTO t VALUES (2, NULL)",
                    "INSERT INTO t VALUES (1, NULL)",
                ],
                &["INSERT INTO t VALUES (3, NULL)"],
            ],
        );
        assert_eq!(told, [true, false, true]);
        assert_eq!(numbers(&connection), [1, 3]);
    }

    #[test]
    fn a_job_alone_that_fails_leaves_nothing() {
        let mut connection = table();
        let told = run(
            &mut connection,
            &[&[
                "INSERT INTO t VALUES (1, NULL)",
                "INSERT INTO t VALUES (1, NULL)",
            ]],
        );
        assert_eq!(told, [false]);
        assert!(numbers(&connection).is_empty());
    }

    /// What the thread makes of jobs that came together: how far each was flushed.
    fn flushed(jobs: &[Durability]) -> Vec<i64> {
        let (send, waiting) = sync_channel(QUEUE);
        let (tell, told) = channel();
        for durability in jobs {
            let tell = tell.clone();
            let job: Shared = Box::new(move |connection| {
                let level = connection
                    .unwrap()
                    .query_row("PRAGMA synchronous", [], |row| row.get(0));
                tell.send(level.unwrap()).unwrap();
                Done {
                    is_good: true,
                    answer: Box::new(|committed| committed.unwrap()),
                }
            });
            send.send(Job::Shared(*durability, job)).unwrap();
        }
        drop(send);
        work(&mut table(), &waiting);
        told.try_iter().collect()
    }

    #[test]
    fn what_is_durable_makes_everything_durable_that_is_committed_with_it() {
        use Durability::{Durable, Relaxed};
        let (normal, full) = (1, 2);
        assert_eq!(flushed(&[Durable]), [full]);
        assert_eq!(flushed(&[Relaxed, Relaxed]), [normal, normal]);
        assert_eq!(flushed(&[Relaxed, Durable, Relaxed]), [full, full, full]);
        let mut more = vec![Relaxed; TOGETHER];
        more.push(Durable);
        let mut levels = vec![normal; TOGETHER];
        levels.push(full);
        assert_eq!(flushed(&more), levels, "one transaction after the other");
    }

    /// Whoever is told that it is committed finds it; nobody else does.
    #[test]
    fn when_the_transaction_ends_by_itself_nobody_is_told_otherwise() {
        let mut connection = table();
        let told = run(
            &mut connection,
            &[
                &["INSERT INTO t VALUES (1, NULL)"],
                &["INSERT INTO t VALUES (2, NULL)", "ROLLBACK"],
                &["INSERT INTO t VALUES (3, NULL)"],
            ],
        );
        assert_eq!(told, [false, false, false]);
        assert!(numbers(&connection).is_empty());
        assert_eq!(
            run(&mut connection, &[&["INSERT INTO t VALUES (4, NULL)"]]),
            [true]
        );
        assert_eq!(numbers(&connection), [4]);
    }

    #[test]
    fn a_full_disk_tells_every_job_the_truth() {
        let mut connection = table();
        connection
            .execute_batch("PRAGMA max_page_count = 12")
            .unwrap();
        let large = "INSERT INTO t VALUES (2, zeroblob(1000000))";
        let told = run(
            &mut connection,
            &[
                &["INSERT INTO t VALUES (1, NULL)"],
                &[large],
                &["INSERT INTO t VALUES (3, NULL)"],
            ],
        );
        let committed = [1, 2, 3].into_iter().zip(&told).filter(|(_, told)| **told);
        let committed: Vec<i64> = committed.map(|(n, _)| n).collect();
        assert!(!told[1]);
        assert_eq!(numbers(&connection), committed);
    }
}
