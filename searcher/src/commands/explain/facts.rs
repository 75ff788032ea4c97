//! What the ledger knows of a trial and of what it waits for, read at once.

use std::collections::BTreeMap;

use bandmaster_record::{Cause, SweepId, TrialId};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Params, Row};

use super::cause;
use crate::failure::Failure;
use crate::output::{Kind, readable_time, with_unit};
use crate::reading::{failed, value};

/// A trial, with its sweep, its rungs, its attempts, and the arrays that hold a task for it.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub(super) sweep: Sweep,
    pub(super) name: String,
    pub(super) state: String,
    pub(super) rung: u32,
    pub(super) segments: Vec<Segment>,
    pub(super) attempts: Vec<Attempt>,
    /// Those for the rung that it is at, the newest last.
    pub(super) arrays: Vec<Array>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Sweep {
    pub(super) name: String,
    pub(super) phase: String,
    pub(super) phase_why: String,
    pub(super) phase_since: String,
    pub(super) cluster: String,
    pub(super) metric: String,
    pub(super) unit: String,
    pub(super) retries: u32,
}

/// A trial's segment, with how far its rung is.
#[derive(Debug, Clone, Default)]
pub(super) struct Segment {
    pub(super) rung: u32,
    pub(super) target: u64,
    pub(super) state: String,
    pub(super) value: String,
    pub(super) place: Option<u32>,
    pub(super) why: String,
    pub(super) members: u32,
    pub(super) settled: u32,
    pub(super) kept: u32,
    /// How many the plan wants at the rung above.
    pub(super) keeps: Option<u32>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Attempt {
    pub(super) name: String,
    pub(super) number: u32,
    pub(super) rung: u32,
    pub(super) state: String,
    pub(super) cause: Option<Cause>,
    pub(super) has_result: bool,
    pub(super) detail: String,
    pub(super) target: u64,
    pub(super) resumed_from: Option<u64>,
    pub(super) checkpointed: Option<u64>,
    pub(super) host: String,
    pub(super) slot: String,
    /// Where what that slot printed lies, below the campaign's directory.
    pub(super) slot_log: String,
    pub(super) started_at: String,
    pub(super) seconds: Option<f64>,
    /// The last resource that it reported at.
    pub(super) reported: Option<u64>,
    /// What the searcher saw of its slot, if it did not end by itself.
    pub(super) slot_why: String,
    /// What the searcher decided about it because it did not end by itself.
    pub(super) decisions: Vec<String>,
    pub(super) notes: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Array {
    pub(super) number: u32,
    pub(super) state: String,
    pub(super) job: String,
    pub(super) bracket: Option<u32>,
    pub(super) rung: Option<u32>,
    pub(super) tasks: u32,
    /// The task that is there for the trial.
    pub(super) task: Option<u32>,
    /// What Slurm said last: how many tasks are in which state.
    pub(super) states: BTreeMap<String, u32>,
    /// When it said so.
    pub(super) seen_at: String,
    pub(super) why: String,
}

impl Sweep {
    /// A resource with its unit: `3 (epoch)`.
    pub(super) fn at(&self, resource: u64) -> String {
        with_unit(&resource.to_string(), &self.unit)
    }
}

/// Reads all of it.
pub(super) fn trial(db: &Connection, sweep: &SweepId, trial: TrialId) -> Result<Facts, Failure> {
    let key = (sweep.as_str(), trial.0);
    let sql = "SELECT name, state, rung FROM trials WHERE sweep = ?1 AND trial = ?2";
    let (name, state, rung) = one(db, sql, key, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.unwrap_or_default();
    Ok(Facts {
        sweep: self::sweep(db, sweep)?,
        name,
        state,
        rung,
        segments: segments(db, key)?,
        attempts: attempts(db, key)?,
        arrays: arrays_for(db, key, rung)?,
    })
}

/// A sweep's own row.
pub(super) fn sweep(db: &Connection, sweep: &SweepId) -> Result<Sweep, Failure> {
    let sql = "SELECT phase, phase_why, phase_since, cluster, coalesce(metric, ''), coalesce(unit, ''), coalesce(retries, 0)
        FROM sweeps WHERE sweep = ?1";
    let read = |row: &Row<'_>| {
        Ok(Sweep {
            name: sweep.to_string(),
            phase: row.get(0)?,
            phase_why: row.get(1)?,
            phase_since: readable_time(&row.get::<_, String>(2)?),
            cluster: row.get(3)?,
            metric: row.get(4)?,
            unit: row.get(5)?,
            retries: row.get(6)?,
        })
    };
    Ok(one(db, sql, [sweep.as_str()], read)?.unwrap_or_default())
}

fn segments(db: &Connection, key: (&str, u32)) -> Result<Vec<Segment>, Failure> {
    let sql = "SELECT segments.rung, coalesce(target_resource, 0), state, coalesce(non_finite, value), place,
            coalesce(why, ''), planned, finished + failed, rung_table.promoted,
            (SELECT planned FROM rungs AS above
                WHERE above.sweep = ?1 AND above.bracket = rung_table.bracket AND above.rung = rung_table.rung + 1)
        FROM segments JOIN rung_table USING (sweep, bracket, rung)
        WHERE segments.sweep = ?1 AND trial = ?2 ORDER BY segments.rung";
    many(db, sql, key, |row| {
        Ok(Segment {
            rung: row.get(0)?,
            target: resource(row.get_ref(1)?).unwrap_or(0),
            state: row.get(2)?,
            value: value(row.get_ref(3)?, Kind::Number).readable(),
            place: row.get(4)?,
            why: row.get(5)?,
            members: row.get::<_, Option<u32>>(6)?.unwrap_or(0),
            settled: row.get(7)?,
            kept: row.get(8)?,
            keeps: row.get(9)?,
        })
    })
}

fn attempts(db: &Connection, key: (&str, u32)) -> Result<Vec<Attempt>, Failure> {
    let sql = "SELECT name, attempt, attempts.rung, attempts.state, attempts.cause, value IS NOT NULL OR non_finite IS NOT NULL,
            coalesce(detail, ''), target_resource, resumed_from_resource, checkpointed_resource, coalesce(attempts.host, ''),
            coalesce(attempts.slot, ''), coalesce(attempts.started_at, ''), seconds,
            (SELECT max(resource) FROM metrics WHERE sweep = ?1 AND trial = ?2 AND metrics.attempt = attempts.attempt),
            CASE WHEN slots.ended = 'gone' THEN coalesce(why, '') ELSE '' END,
            coalesce('sweeps/' || sweep || '/arrays/' || slots.\"array\" ||
                CASE (SELECT cluster FROM sweeps WHERE sweep = ?1) WHEN 'slurm' THEN '_' || slots.task ELSE '' END || '.log', '')
        FROM attempts LEFT JOIN slots USING (sweep, slot)
        WHERE sweep = ?1 AND trial = ?2 ORDER BY attempt, attempts.rung, grant_number";
    let mut attempts = many(db, sql, key, |row| {
        Ok(Attempt {
            name: row.get(0)?,
            number: row.get(1)?,
            rung: row.get(2)?,
            state: row.get(3)?,
            cause: row.get::<_, Option<String>>(4)?.map(|word| cause::parse(&word)),
            has_result: row.get(5)?,
            detail: row.get(6)?,
            target: resource(row.get_ref(7)?).unwrap_or(0),
            resumed_from: resource(row.get_ref(8)?),
            checkpointed: resource(row.get_ref(9)?),
            host: row.get(10)?,
            slot: row.get(11)?,
            started_at: row.get(12)?,
            seconds: row.get(13)?,
            reported: resource(row.get_ref(14)?),
            slot_why: row.get(15)?,
            slot_log: row.get(16)?,
            decisions: Vec::new(),
            notes: Vec::new(),
        })
    })?;
    for attempt in &mut attempts {
        let sql = "SELECT sentence FROM decisions
            WHERE sweep = ?1 AND trial = ?2 AND attempt = ?3 AND kind = 'attempt_lost' ORDER BY epoch, seq";
        attempt.decisions = many(db, sql, (key.0, key.1, attempt.number), |row| row.get(0))?;
        let sql = "SELECT note FROM notes WHERE sweep = ?1 AND trial = ?2 AND attempt = ?3 ORDER BY journal, seq, part";
        attempt.notes = many(db, sql, (key.0, key.1, attempt.number), |row| row.get(0))?;
    }
    Ok(attempts)
}

/// Columns of an array; `?1` is the sweep, `?2` the trial whose task is looked for.
macro_rules! arrays_sql {
    ($where:literal) => {
        concat!(
            "SELECT arrays.\"array\", state, coalesce(job, ''), arrays.bracket, arrays.rung, tasks, coalesce(task_states, '{}'),
                coalesce(why, ''),
                (SELECT max(decided_at) FROM decisions WHERE sweep = ?1 AND kind = 'array_seen'
                    AND json_extract(details, '$.array') = arrays.\"array\"),
                (SELECT each.key FROM decisions, json_each(details, '$.trials') AS each
                    WHERE decisions.sweep = ?1 AND kind = 'array_intended' AND json_extract(details, '$.array') = arrays.\"array\"
                        AND each.value = ?2)
            FROM arrays WHERE arrays.sweep = ?1 AND ",
            $where,
            " ORDER BY arrays.\"array\""
        )
    };
}

fn arrays_for(db: &Connection, key: (&str, u32), rung: u32) -> Result<Vec<Array>, Failure> {
    let sql = arrays_sql!("state <> 'ended' AND rung = ?3 AND bracket = (SELECT bracket FROM trials WHERE sweep = ?1 AND trial = ?2)");
    many(db, sql, (key.0, key.1, rung), array)
}

/// The arrays that are out, and those that the cluster refused since the last one that it took.
pub(super) fn arrays(db: &Connection, sweep: &SweepId) -> Result<Vec<Array>, Failure> {
    let sql = arrays_sql!(
        "?2 IS NULL AND (state IN ('intended', 'submitted') OR state IN ('refused', 'abandoned') AND arrays.\"array\" >
            (SELECT coalesce(max(taken.\"array\"), 0) FROM arrays AS taken WHERE taken.sweep = ?1 AND taken.job IS NOT NULL))"
    );
    many(db, sql, (sweep.as_str(), None::<u32>), array)
}

fn array(row: &Row<'_>) -> rusqlite::Result<Array> {
    Ok(Array {
        number: row.get(0)?,
        state: row.get(1)?,
        job: row.get(2)?,
        bracket: row.get(3)?,
        rung: row.get(4)?,
        tasks: row.get(5)?,
        states: serde_json::from_str(&row.get::<_, String>(6)?).unwrap_or_default(),
        why: row.get(7)?,
        seen_at: row.get::<_, Option<String>>(8)?.map(|time| readable_time(&time)).unwrap_or_default(),
        task: row.get(9)?,
    })
}

/// A resource; the ledger holds 63 bits of it.
fn resource(value: ValueRef<'_>) -> Option<u64> {
    value.as_i64().ok().and_then(|number| u64::try_from(number).ok())
}

/// The rows of a query.
pub(super) fn many<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, Failure> {
    let rows = db.prepare_cached(sql).and_then(|mut query| query.query_map(params, read)?.collect::<rusqlite::Result<Vec<T>>>());
    rows.map_err(failed)
}

fn one<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, Failure> {
    db.prepare_cached(sql).and_then(|mut query| query.query_row(params, read).optional()).map_err(failed)
}
