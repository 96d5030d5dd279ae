//! Reading the log as the lines that are exported, straight from the rows.
//!
//! A step reads a bounded number of rows, looks at a bounded stretch of the log, and stops at a bounded number of bytes,
//! so that neither a filter that takes little nor a reader that is slow holds memory, a connection or a transaction. No
//! index serves a filter by type or actor: it would cost every append, and a step of plain reading does not.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::archive::{self, ArchivedLine};
use crate::database::DatabaseKind;
use crate::filter::kinds_of;
use crate::line::{LineParts, write_line};
use crate::log::start;
use crate::repository::beyond_archive;
use crate::{DbError, EventFilter, Log, postgres};

/// Positions that one step with a filter looks at.
pub const SCAN_POSITIONS: u64 = 20_000;
/// A step ends with the line that reaches so many bytes.
const STEP_BYTES: usize = 1024 * 1024;
/// Rows of one step at most.
const STEP_ROWS: usize = 4096;
/// Rows of the first step of a stream; those that follow go by the size of the lines.
const FIRST_ROWS: usize = 256;
/// Steps of a stream that are read at once.
const READ_AHEAD: usize = 2;

/// A stretch of the log: behind `after`, up to `up_to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// The position before the first.
    pub after: u64,
    /// The last position.
    pub up_to: u64,
}

/// What one step found.
#[derive(Debug, Default)]
pub struct Lines {
    /// The lines, each with its line end.
    text: String,
    /// The position of each line and where it ends in the text.
    ends: Vec<(u64, usize)>,
    /// How far the step has looked: go on behind it.
    reached: u64,
    /// More rows may be behind the last line.
    is_cut: bool,
}

impl Lines {
    /// How many lines there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How far the log has been looked at: go on behind it.
    pub fn reached(&self) -> u64 {
        self.reached
    }

    /// Each line, without its line end, and its position.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &str)> {
        let mut begin = 0;
        self.ends.iter().map(move |&(position, end)| {
            let line = self.text.get(begin..end).unwrap_or_default();
            begin = end;
            (position, line.trim_end_matches('\n'))
        })
    }

    /// How many such lines fill a step, if there is one.
    fn rows_of_a_step(&self) -> Option<usize> {
        let size = self.text.len().checked_div(self.len())?;
        Some((STEP_BYTES / size.max(1)).clamp(1, STEP_ROWS))
    }

    /// For as many lines: what is read step by step is not copied while it grows.
    pub(crate) fn with_room_for(lines: usize) -> Self {
        let is_step = lines > FIRST_ROWS;
        let (bytes, lines) = if is_step {
            (STEP_BYTES + STEP_BYTES / 16, lines)
        } else {
            (0, 0)
        };
        Self {
            text: String::with_capacity(bytes),
            ends: Vec::with_capacity(lines),
            ..Self::default()
        }
    }

    /// All lines, each with its line end.
    pub fn into_text(self) -> String {
        self.text
    }

    /// Takes one row; false when the step is full with it.
    pub(crate) fn take(&mut self, event: &LineParts<'_>) -> bool {
        write_line(&mut self.text, event);
        self.text.push('\n');
        self.end_line(event.position)
    }

    /// As [`Self::take`], of a line that is written already.
    fn copy(&mut self, line: ArchivedLine<'_>) -> bool {
        self.text.push_str(line.text);
        self.end_line(line.position)
    }

    fn end_line(&mut self, position: u64) -> bool {
        self.ends.push((position, self.text.len()));
        self.is_cut = self.text.len() >= STEP_BYTES;
        !self.is_cut
    }
}

/// The columns of [`LineParts`], in its order.
pub(crate) const COLUMNS: &str = "position, event_id, recorded_at, aggregate_type, aggregate_id, sequence, event_type, \
                                  event_version, payload, metadata";

impl Log {
    /// The next lines of a stretch that the filter takes, at most `limit`, in order. Fewer, or none, does not mean that
    /// the stretch is at its end: that is when [`Lines::reached`] has come to it.
    ///
    /// # Errors
    /// The database failed.
    pub async fn read_lines(
        &self,
        stretch: Stretch,
        limit: usize,
        filter: &EventFilter,
    ) -> Result<Lines, DbError> {
        let Stretch { after, up_to } = stretch;
        let mut nothing = Lines {
            reached: up_to.max(after),
            ..Lines::default()
        };
        if after >= up_to || limit == 0 {
            nothing.reached = after;
            return Ok(nothing);
        }
        let Some(filter) = self.narrowed(filter).await? else {
            return Ok(nothing);
        };
        let limit = limit.min(STEP_ROWS);
        // Positions have no gaps, so that without a filter the end is known, whatever a planner makes of a limit.
        let positions = if filter.takes_all() {
            limit as u64
        } else {
            SCAN_POSITIONS
        };
        let end = if filter.stream.is_some() {
            up_to
        } else {
            up_to.min(after.saturating_add(positions))
        };
        let stretch = Stretch { after, up_to: end };
        if let Some(archived) = self.archived_part(stretch, &filter).await? {
            return self.archived_lines(archived, limit, &filter).await;
        }
        let lines = self.table_lines(stretch, limit, &filter).await?;
        // What is not in the table may have gone to the archive while it was read.
        if (lines.is_empty() || filter.stream.is_some())
            && let Some(archived) = self.archived_part(stretch, &filter).await?
        {
            return self.archived_lines(archived, limit, &filter).await;
        }
        Ok(lines)
    }

    /// As much of a stretch as has to be read from the archive before the rest is read from the table. A stream that has
    /// not ended is in the table as a whole.
    async fn archived_part(
        &self,
        stretch: Stretch,
        filter: &EventFilter,
    ) -> Result<Option<Stretch>, DbError> {
        let database = &self.inner.database;
        if database.archive.is_none() {
            return Ok(None);
        }
        let (first, last) = match &filter.stream {
            None => (1, archive::position(database).await?),
            Some(stream) => {
                let (kind, id) = stream.split_once('/').unwrap_or((stream, ""));
                match archive::ended_stream(database, kind, id).await? {
                    Some(ended) => (ended.first_position, ended.last_position),
                    None => return Ok(None),
                }
            }
        };
        // However far apart the events of a stream are.
        let after = stretch.after.max(first - 1);
        let archived = Stretch {
            after,
            up_to: stretch.up_to.min(last).min(after + SCAN_POSITIONS),
        };
        Ok((archived.after < archived.up_to).then_some(archived))
    }

    /// A segment has the lines as they are exported, so they are copied.
    async fn archived_lines(
        &self,
        stretch: Stretch,
        limit: usize,
        filter: &EventFilter,
    ) -> Result<Lines, DbError> {
        let mut lines = Lines::default();
        let marks = filter.marks();
        let take = |line: ArchivedLine<'_>| {
            let is_taken =
                filter.takes_all() || (marks.may_be_in(line.text) && filter.takes(&line.event()?));
            let is_full = is_taken && (!lines.copy(line) || lines.len() >= limit);
            Ok(archive::enough(is_full))
        };
        let Stretch { after, up_to } = stretch;
        lines.reached = archive::walk(&self.inner.database, after, up_to, take).await?;
        Ok(lines)
    }

    async fn table_lines(
        &self,
        stretch: Stretch,
        limit: usize,
        filter: &EventFilter,
    ) -> Result<Lines, DbError> {
        let Stretch { after, up_to } = stretch;
        // The events of one stream are found by its index, whose order is that of the log.
        let (order, beyond) = match &filter.stream {
            Some(_) => ("sequence", String::new()),
            None => (
                "position",
                format!(" AND {}", beyond_archive(&after.to_string())),
            ),
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM events WHERE position > {after} AND position <= {up_to}{beyond}{} \
             ORDER BY {order} LIMIT {limit}",
            filter.conditions(self.inner.database.engine()),
        );
        let mut lines = match &*self.inner.database.kind {
            DatabaseKind::Sqlite { readers, .. } => readers.lines(sql, limit).await?,
            DatabaseKind::Postgres { pool, .. } => postgres::read_lines(pool, &sql).await?,
        };
        let last = lines.ends.last().map(|(position, _)| *position);
        let is_full = lines.is_cut || lines.len() >= limit;
        lines.reached = last.filter(|_| is_full).unwrap_or(up_to);
        Ok(lines)
    }

    /// A subject is the stream with that identifier, unless several kinds have one; nothing when none has.
    async fn narrowed(&self, filter: &EventFilter) -> Result<Option<EventFilter>, DbError> {
        let mut narrowed = filter.clone();
        let Some(subject) = &filter.subject else {
            return Ok(Some(narrowed));
        };
        if filter.stream.is_some() {
            return Ok(Some(narrowed));
        }
        let kinds = kinds_of(&self.inner.database, subject).await?;
        if let [kind] = kinds.as_slice() {
            narrowed.stream = Some(format!("{kind}/{subject}"));
        }
        Ok((!kinds.is_empty()).then_some(narrowed))
    }

    /// The lines of a stretch as chunks of text, read ahead by a few. Dropping the stream ends the reading.
    pub fn stream_lines(&self, stretch: Stretch, limit: usize, filter: EventFilter) -> LineStream {
        let (chunks, receiver) = mpsc::channel(1);
        let log = self.clone();
        start(async move {
            tokio::select! {
                () = chunks.closed() => {}
                _ = send_lines(&log, stretch, limit, &filter, &chunks) => {}
            }
        });
        LineStream(receiver)
    }
}

/// Chunks of lines, each line with its line end.
#[derive(Debug)]
pub struct LineStream(mpsc::Receiver<Result<Lines, DbError>>);

impl Stream for LineStream {
    type Item = Result<Lines, DbError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context)
    }
}

async fn send_lines(
    log: &Log,
    stretch: Stretch,
    limit: usize,
    filter: &EventFilter,
    chunks: &mpsc::Sender<Result<Lines, DbError>>,
) -> Option<()> {
    if filter.takes_all() {
        return send_all(log, stretch, limit, chunks).await;
    }
    let (mut stretch, mut left, mut rows) = (stretch, limit, FIRST_ROWS);
    while left > 0 && stretch.after < stretch.up_to {
        let lines = log.read_lines(stretch, left.min(rows), filter).await;
        if let Ok(lines) = &lines {
            stretch.after = lines.reached;
            left = left.saturating_sub(lines.len());
            rows = lines.rows_of_a_step().unwrap_or(rows);
        }
        send(chunks, lines).await?;
    }
    Some(())
}

/// Without a filter. Positions have no gaps, so it is known where a step begins before the one in front of it is read.
async fn send_all(
    log: &Log,
    stretch: Stretch,
    limit: usize,
    chunks: &mpsc::Sender<Result<Lines, DbError>>,
) -> Option<()> {
    let Stretch { mut after, up_to } = stretch;
    let up_to = up_to.min(after.saturating_add(limit as u64));
    let (mut rows, mut ahead) = (FIRST_ROWS, VecDeque::new());
    let mut planned = after;
    loop {
        while ahead.len() < READ_AHEAD && planned < up_to {
            let step = Stretch {
                after: planned,
                up_to: up_to.min(planned.saturating_add(rows as u64)),
            };
            planned = step.up_to;
            ahead.push_back((step.up_to, read_apart(log, step)));
        }
        let Some((end, reading)) = ahead.pop_front() else {
            return Some(());
        };
        let mut lines = reading.await.unwrap_or(Err(DbError::Closed));
        // A step may be full before its end.
        loop {
            if let Ok(lines) = &lines {
                after = lines.reached;
                rows = lines.rows_of_a_step().unwrap_or(rows);
            }
            send(chunks, lines).await?;
            if after >= end {
                break;
            }
            let rest = Stretch { after, up_to: end };
            lines = log
                .read_lines(rest, STEP_ROWS, &EventFilter::default())
                .await;
        }
    }
}

/// Hands a step on, unless there is nothing in it. None when that was the last: it failed, or nobody wants more.
async fn send(
    chunks: &mpsc::Sender<Result<Lines, DbError>>,
    lines: Result<Lines, DbError>,
) -> Option<()> {
    if lines.as_ref().is_ok_and(Lines::is_empty) {
        return Some(());
    }
    let is_over = lines.is_err();
    let is_sent = chunks.send(lines).await.is_ok();
    (is_sent && !is_over).then_some(())
}

/// Begins to read a step, whoever waits for it.
#[expect(
    clippy::disallowed_methods,
    reason = "the step is short, and whoever has begun it waits for it or for nothing"
)]
fn read_apart(log: &Log, step: Stretch) -> JoinHandle<Result<Lines, DbError>> {
    let log = log.clone();
    tokio::spawn(async move {
        let all = EventFilter::default();
        log.read_lines(step, STEP_ROWS, &all).await
    })
}
