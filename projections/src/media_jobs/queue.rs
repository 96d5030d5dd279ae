//! The queue: which jobs are to be given to a worker next, and which ones nobody looks after.
//!
//! Every question is answered by an index, whatever the length of the queue: the lanes in their order, in a lane the
//! people in turn, of a person the oldest job first.

use std::collections::{HashMap, HashSet};

use aggregates::media_job::{FailureClass, FailureCode, Preset};
use aggregates::values::{JobId, MediaId, UserId};
use chrono::{DateTime, Utc};
use eventlog::{Database, DbError, Value};

use super::{JobRow, SELECT, from_row};
use crate::support::{int, micros, typed};

/// How many lanes there are.
pub const LANES: usize = 4;
/// People of a lane that one look considers at most.
const PEOPLE: usize = 64;

/// The lane of a preset: what is quick goes first, and what others wait for before all.
pub fn lane(preset: Preset) -> usize {
    match preset {
        Preset::Metadata | Preset::Poster => 0,
        Preset::Preview | Preset::Waveform | Preset::Image | Preset::Audio => 1,
        Preset::WebVideo => 2,
        Preset::Hls => 3,
    }
}

/// Whose turn it is: in each lane the person that was served last. A node's memory; nothing is lost with it.
#[derive(Debug, Default)]
pub struct Turns {
    served: [String; LANES],
}

/// What a look at the queue asks for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The time.
    pub now: DateTime<Utc>,
    /// Jobs that a person may have under way.
    pub per_owner: usize,
    /// Jobs at most.
    pub limit: usize,
    /// Lanes, from the first.
    pub lanes: usize,
    /// The presets and versions that workers with room know; what is of another waits.
    pub recipes: &'a [(Preset, u32)],
    /// What this node is about to offer already.
    pub offered: &'a [(JobId, UserId)],
}

/// Jobs that may be given to a worker now, in their order.
///
/// # Errors
/// The database failed.
pub async fn due(
    database: &Database,
    wanted: Wanted<'_>,
    turns: &mut Turns,
) -> Result<Vec<JobRow>, DbError> {
    let mut found = Vec::new();
    let filled = filled(database).await?;
    if wanted.limit == 0 || !filled.contains(&true) {
        return Ok(found);
    }
    let mut taken = Taken::read(database, wanted).await?;
    let lanes = filled.iter().zip(&mut turns.served).enumerate();
    for (lane, (is_filled, served)) in lanes.take(wanted.lanes) {
        if *is_filled && found.len() < wanted.limit {
            let wanted = Wanted {
                limit: wanted.limit - found.len(),
                ..wanted
            };
            let more = of_lane(database, lane, wanted, served, &taken).await?;
            taken.add(&more);
            found.extend(more);
        }
    }
    Ok(found)
}

/// Whether any of the first `lanes` lanes has jobs.
///
/// # Errors
/// The database failed.
pub async fn is_any_queued(database: &Database, lanes: usize) -> Result<bool, DbError> {
    let filled = filled(database).await?;
    Ok(filled.iter().take(lanes).any(|is_filled| *is_filled))
}

/// Which lanes have jobs.
async fn filled(database: &Database) -> Result<Vec<bool>, DbError> {
    let lanes = (0..LANES).map(|lane| {
        format!(
            "(SELECT COUNT(*) FROM (SELECT 1 FROM media_jobs WHERE state = 'queued' AND lane = {lane} LIMIT 1) \
             AS lane_{lane})"
        )
    });
    let sql = format!("SELECT {}", lanes.collect::<Vec<_>>().join(", "));
    let params: [Value; 0] = [];
    let rows = database.query(&sql, &params).await?;
    let row = rows
        .first()
        .ok_or_else(|| DbError::decode("no row of lanes"))?;
    (0..LANES).map(|lane| Ok(row.int(lane)? > 0)).collect()
}

/// What is under way: running, leased by any node, or about to be offered by this one.
struct Taken {
    jobs: HashSet<JobId>,
    of: HashMap<UserId, usize>,
}

impl Taken {
    async fn read(database: &Database, wanted: Wanted<'_>) -> Result<Self, DbError> {
        const SQL: &str = "SELECT job_id, owner_id FROM media_jobs WHERE state = 'running' UNION \
             SELECT m.job_id, m.owner_id FROM media_job_leases l JOIN media_jobs m ON m.job_id = l.job_id \
             WHERE l.lease_until > $1 AND m.state = 'queued'";
        let mut taken = Self {
            jobs: HashSet::new(),
            of: HashMap::new(),
        };
        for row in database.query(SQL, &[micros(wanted.now)]).await? {
            taken.insert(typed(&row, 0)?, typed(&row, 1)?);
        }
        for (job, owner) in wanted.offered {
            taken.insert(*job, *owner);
        }
        Ok(taken)
    }

    fn insert(&mut self, job: JobId, owner: UserId) {
        if self.jobs.insert(job) {
            *self.of.entry(owner).or_default() += 1;
        }
    }

    fn add(&mut self, rows: &[JobRow]) {
        for row in rows {
            self.insert(row.job_id, row.owner);
        }
    }

    fn room(&self, owner: UserId, per_owner: usize) -> usize {
        per_owner.saturating_sub(self.of.get(&owner).copied().unwrap_or_default())
    }
}

/// The first job of each person in turn, then the second of each, and so on.
async fn of_lane(
    database: &Database,
    lane: usize,
    wanted: Wanted<'_>,
    served: &mut String,
    taken: &Taken,
) -> Result<Vec<JobRow>, DbError> {
    let mut hands = Vec::new();
    let mut last = None;
    for owner in people(database, lane, served).await? {
        if hands.len() == wanted.limit {
            break;
        }
        let room = taken.room(owner, wanted.per_owner);
        last = Some(owner);
        if room > 0 {
            let hand = of_owner(database, lane, owner, wanted).await?;
            let free = hand
                .into_iter()
                .filter(|row| !taken.jobs.contains(&row.job_id));
            let hand: Vec<JobRow> = free.take(room).collect();
            if !hand.is_empty() {
                hands.push(hand.into_iter());
            }
        }
    }
    if let Some(last) = last {
        *served = last.to_string();
    }
    let mut dealt = Vec::new();
    while !hands.is_empty() && dealt.len() < wanted.limit {
        dealt.extend(hands.iter_mut().filter_map(Iterator::next));
        hands.retain(|hand| hand.len() > 0);
    }
    dealt.truncate(wanted.limit);
    Ok(dealt)
}

/// People with jobs in a lane, from the one after `served` on and around. One step of the index for each.
async fn people(database: &Database, lane: usize, served: &str) -> Result<Vec<UserId>, DbError> {
    const SQL: &str = "WITH RECURSIVE people(id) AS ( \
           SELECT (SELECT owner_id FROM media_jobs WHERE state = 'queued' AND lane = $1 AND owner_id > $2 \
             ORDER BY owner_id LIMIT 1) \
           UNION ALL SELECT (SELECT owner_id FROM media_jobs \
             WHERE state = 'queued' AND lane = $1 AND owner_id > people.id ORDER BY owner_id LIMIT 1) \
           FROM people WHERE people.id IS NOT NULL) \
         SELECT id FROM people WHERE id IS NOT NULL LIMIT $3";
    let mut found: Vec<UserId> = Vec::new();
    for start in [served, ""] {
        let params = [int(lane as u64), start.into(), int(PEOPLE as u64)];
        for row in database.query(SQL, &params).await? {
            let owner = typed(&row, 0)?;
            if found.len() < PEOPLE && !found.contains(&owner) {
                found.push(owner);
            }
        }
        if found.len() == PEOPLE || served.is_empty() {
            break;
        }
    }
    Ok(found)
}

/// What waits for a probe of its file is not due.
async fn of_owner(
    database: &Database,
    lane: usize,
    owner: UserId,
    wanted: Wanted<'_>,
) -> Result<Vec<JobRow>, DbError> {
    let sql = format!(
        "{SELECT} WHERE state = 'queued' AND lane = $1 AND owner_id = $2 AND not_before <= $3 \
         AND deadline_at > $3 AND {} AND (preset = 'metadata' OR NOT EXISTS (SELECT 1 FROM media_jobs p \
           WHERE p.media_id = media_jobs.media_id AND p.preset = 'metadata' AND p.state IN ('queued', 'running'))) \
         ORDER BY created_at, job_id LIMIT $4",
        known(lane, wanted.recipes)
    );
    let params = [
        int(lane as u64),
        owner.to_string().into(),
        micros(wanted.now),
        int(wanted.per_owner as u64),
    ];
    let rows = database.query(&sql, &params).await?;
    rows.iter().map(from_row).collect()
}

/// The condition that a recipe of a lane is one of these. Names and numbers of our own: nothing to be quoted.
fn known(in_lane: usize, recipes: &[(Preset, u32)]) -> String {
    let of_lane = recipes
        .iter()
        .filter(|(preset, _)| lane(*preset) == in_lane);
    let each: Vec<String> = of_lane
        .map(|(preset, version)| format!("(preset = '{preset}' AND preset_version = {version})"))
        .collect();
    if each.is_empty() {
        return "1 = 0".to_owned();
    }
    format!("({})", each.join(" OR "))
}

/// The last probe of a file.
///
/// # Errors
/// The database failed.
pub async fn probe_of(database: &Database, media: MediaId) -> Result<Option<JobRow>, DbError> {
    let sql = format!(
        "{SELECT} WHERE media_id = $1 AND preset = 'metadata' ORDER BY created_at DESC LIMIT 1"
    );
    let rows = database.query(&sql, &[media.to_string().into()]).await?;
    rows.first().map(from_row).transpose()
}

/// The code of a job on this file that failed because what worked on it crashed, again and again.
///
/// # Errors
/// The database failed.
pub async fn crash_of(database: &Database, media: MediaId) -> Result<Option<FailureCode>, DbError> {
    let crashes = FailureCode::ALL
        .iter()
        .filter(|code| code.class() == FailureClass::Crash);
    let names: Vec<String> = crashes.map(|code| format!("'{code}'")).collect();
    let sql = format!(
        "SELECT error_code FROM media_jobs WHERE media_id = $1 AND state = 'failed' AND error_code IN ({}) LIMIT 1",
        names.join(", ")
    );
    let rows = database.query(&sql, &[media.to_string().into()]).await?;
    rows.first().map(|row| typed(row, 0)).transpose()
}

/// Running jobs that no live node looks after: without a lease, or with one that ran out.
///
/// # Errors
/// The database failed.
pub async fn orphaned(
    database: &Database,
    now: DateTime<Utc>,
    limit: usize,
) -> Result<Vec<JobRow>, DbError> {
    let sql = format!(
        "{SELECT} WHERE state = 'running' AND NOT EXISTS (SELECT 1 FROM media_job_leases l \
         WHERE l.job_id = media_jobs.job_id AND l.lease_until > $1) ORDER BY created_at LIMIT $2"
    );
    let rows = database
        .query(&sql, &[micros(now), int(limit as u64)])
        .await?;
    rows.iter().map(from_row).collect()
}

/// Jobs that are to be ended: queued and running ones past their deadline.
///
/// # Errors
/// The database failed.
pub async fn overdue(
    database: &Database,
    now: DateTime<Utc>,
    limit: usize,
) -> Result<Vec<JobId>, DbError> {
    const SQL: &str = "SELECT job_id FROM media_jobs WHERE state = 'queued' AND deadline_at <= $1 \
         UNION ALL SELECT job_id FROM media_jobs WHERE state = 'running' AND deadline_at <= $1 LIMIT $2";
    let params = [micros(now), int(limit as u64)];
    let rows = database.query(SQL, &params).await?;
    rows.iter().map(|row| typed(row, 0)).collect()
}
