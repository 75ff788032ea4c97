//! The rows of a slot's records: what was executed, what it said, how it ended.

use std::collections::BTreeMap;

use bandmaster_record::{AttemptRef, Cause, Envelope, Execution, Nonce, Number, PassedOver, Resource, SlotRecord, Surroundings, Usage};
use rusqlite::{Connection, params};

use super::{SlotJournal, close_journal};
use crate::value::{int, json, number, seconds, time};

/// One record and where it stands.
struct At<'a> {
    db: &'a Connection,
    journal: SlotJournal<'a>,
    seq: i64,
    time: String,
}

/// Makes the rows of one record of a slot's journal.
pub(crate) fn slot(db: &Connection, journal: SlotJournal<'_>, envelope: &Envelope<SlotRecord>) -> rusqlite::Result<()> {
    let at = At { db, journal, seq: int(envelope.seq), time: time(envelope.at) };
    match &envelope.record {
        SlotRecord::SlotStarted { array, task, job, host, pid, version, .. } => {
            let sql = "INSERT INTO slots (sweep, slot, \"array\", task, job, host, boot_id, pid, version, started_at, journal)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
                ON CONFLICT DO UPDATE SET \"array\" = excluded.\"array\", task = excluded.task, job = excluded.job,
                    host = excluded.host, boot_id = excluded.boot_id, pid = excluded.pid, version = excluded.version,
                    started_at = excluded.started_at, journal = excluded.journal";
            let SlotJournal { number, sweep, slot } = journal;
            let row = params![sweep, slot, array.0, task, job.as_str(), host.name, host.boot_id, pid, version, at.time, number];
            db.prepare_cached(sql)?.execute(row)?;
            Ok(())
        }
        SlotRecord::Surroundings(surroundings) => at.surroundings(surroundings),
        SlotRecord::AttemptStarted { attempt, nonce, resumed_from, checkpoint, passed_over, execution } => {
            at.attempt_started(attempt, nonce, *resumed_from, checkpoint.as_deref(), execution)?;
            at.passed_over(attempt, passed_over)
        }
        SlotRecord::Report { attempt, resource, metrics } => at.report(attempt, *resource, metrics),
        SlotRecord::CheckpointPublished { attempt, resource, directory, files, bytes, manifest, seconds: took } => {
            let sql = "INSERT OR IGNORE INTO checkpoints (sweep, trial, attempt, rung, grant_number, resource, directory, files, bytes,
                    manifest_blake3, publish_seconds, published_at, journal, seq)
                VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)";
            let AttemptRef { trial, rung, grant, attempt: no } = attempt;
            let SlotJournal { number, sweep, .. } = journal;
            db.prepare_cached(sql)?.execute(params![
                sweep,
                trial.0,
                no.0,
                rung.0,
                grant.0,
                int(resource.0),
                directory,
                int(*files),
                int(*bytes),
                manifest,
                seconds(*took),
                at.time,
                number,
                at.seq
            ])?;
            let sql = "UPDATE attempts SET checkpointed_resource = max(coalesce(checkpointed_resource, 0), ?7)
                WHERE sweep = ?1 AND trial = ?2 AND attempt = ?3 AND rung = ?4 AND grant_number = ?5 AND slot = ?6";
            db.prepare_cached(sql)?.execute(params![sweep, trial.0, no.0, rung.0, grant.0, journal.slot, int(resource.0)])?;
            Ok(())
        }
        SlotRecord::CheckpointRefused { attempt, name, why } => {
            at.note(0, "checkpoint_refused", Some(attempt), &format!("checkpoint {name} was not published: {why}"))
        }
        SlotRecord::Note { attempt, text } => at.note(0, "note", Some(attempt), text),
        SlotRecord::AttemptEnded { attempt, cause, exit_code, signal, detail, result, checkpointed, usage } => at.attempt_ended(
            attempt,
            &Ending { cause: *cause, exit_code: *exit_code, signal: *signal, detail, result: *result, checkpointed: *checkpointed, usage },
        ),
        SlotRecord::SlotEnded { why } => {
            let sql = "INSERT INTO slots (sweep, slot, ended_at, ended, why, journal) VALUES (?1, ?2, ?3, 'closed', ?4, ?5)
                ON CONFLICT DO UPDATE SET ended_at = coalesce(ended_at, excluded.ended_at), ended = coalesce(ended, excluded.ended),
                    why = coalesce(why, excluded.why)";
            db.prepare_cached(sql)?.execute(params![journal.sweep, journal.slot, at.time, why, journal.number])?;
            close_journal(db, journal.number)
        }
        SlotRecord::Unknown(kept) => at.note(0, "unknown", None, &kept.to_string()),
    }
}

/// What an `attempt_ended` record says.
struct Ending<'a> {
    cause: Cause,
    exit_code: Option<i32>,
    signal: Option<i32>,
    detail: &'a str,
    result: Option<Number>,
    checkpointed: Option<Resource>,
    usage: &'a Usage,
}

impl At<'_> {
    fn surroundings(&self, surroundings: &Surroundings) -> rusqlite::Result<()> {
        let Surroundings { git_commit, git_dirty, cpu, cores, gpus, memory, versions, environment } = surroundings;
        let sql = "INSERT OR IGNORE INTO surroundings (surroundings, sweep, slot, git_commit, git_dirty, cpu, cores, gpus, memory_bytes, versions,
                environment, journal, seq)
            VALUES ((SELECT coalesce(max(surroundings), 0) + 1 FROM surroundings), ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
        let SlotJournal { number, sweep, slot } = self.journal;
        self.db.prepare_cached(sql)?.execute(params![
            sweep,
            slot,
            git_commit,
            git_dirty,
            cpu,
            cores,
            json(gpus),
            int(*memory),
            json(versions),
            json(environment),
            number,
            self.seq
        ])?;
        Ok(())
    }

    fn attempt_started(
        &self,
        attempt: &AttemptRef,
        nonce: &Nonce,
        resumed_from: Option<Resource>,
        checkpoint: Option<&str>,
        execution: &Execution,
    ) -> rusqlite::Result<()> {
        let AttemptRef { trial, rung, grant, attempt: no } = attempt;
        let SlotJournal { number, sweep, slot } = self.journal;
        // The row is there since the grant. It is not where an evicted searcher offered what no record that counts
        // grants: then it is evidence, without `granted_at`. One that another slot began is never touched.
        let sql = "INSERT INTO attempts (sweep, trial, attempt, rung, grant_number, name, state, resumed_from_resource, resumed_checkpoint, slot,
                host, started_at, command, directory, params, seed, surroundings, nonce, journal)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'running', ?7, ?8, ?9, (SELECT host FROM slots WHERE sweep = ?1 AND slot = ?9), ?10, ?11, ?12, ?13,
                ?14, (SELECT max(surroundings) FROM surroundings WHERE journal = ?16), ?15, ?16)
            ON CONFLICT DO UPDATE SET state = CASE attempts.state WHEN 'offered' THEN 'running' ELSE attempts.state END,
                resumed_from_resource = excluded.resumed_from_resource, resumed_checkpoint = excluded.resumed_checkpoint,
                slot = excluded.slot, host = excluded.host, started_at = excluded.started_at, command = excluded.command,
                directory = excluded.directory, params = excluded.params, seed = excluded.seed,
                surroundings = excluded.surroundings, nonce = excluded.nonce, journal = excluded.journal
            WHERE attempts.slot IS NULL";
        let written = self.db.prepare_cached(sql)?.execute(params![
            sweep,
            trial.0,
            no.0,
            rung.0,
            grant.0,
            format!("{sweep}/{attempt}"),
            resumed_from.map(|resource| int(resource.0)),
            checkpoint,
            slot,
            self.time,
            json(&execution.command),
            execution.directory,
            json(&execution.params),
            int(execution.seed),
            nonce.as_str(),
            number,
        ])?;
        if written == 0 {
            return self.foreign(attempt, "began it too");
        }
        let sql = "UPDATE segments SET state = 'running' WHERE sweep = ?1 AND trial = ?2 AND rung = ?3 AND grant_number = ?4 AND state = 'offered'
            AND EXISTS (SELECT 1 FROM attempts WHERE sweep = ?1 AND trial = ?2 AND attempt = ?5 AND rung = ?3 AND grant_number = ?4
                AND state = 'running')";
        if self.db.prepare_cached(sql)?.execute((sweep, trial.0, rung.0, grant.0, no.0))? > 0 {
            let sql = "UPDATE trials SET state = 'running' WHERE sweep = ?1 AND trial = ?2 AND state IN ('waiting', 'promoted')";
            self.db.prepare_cached(sql)?.execute((sweep, trial.0))?;
        }
        Ok(())
    }

    fn passed_over(&self, attempt: &AttemptRef, passed_over: &[PassedOver]) -> rusqlite::Result<()> {
        for (part, PassedOver { checkpoint, why }) in (1..).zip(passed_over) {
            self.note(part, "passed_over", Some(attempt), &format!("checkpoint {checkpoint} was passed over: {why}"))?;
        }
        Ok(())
    }

    fn report(&self, attempt: &AttemptRef, resource: Resource, metrics: &BTreeMap<String, Number>) -> rusqlite::Result<()> {
        let sql = "INSERT OR IGNORE INTO metrics (sweep, trial, attempt, metric, resource, value, non_finite, reported_at, journal, seq)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        let mut insert = self.db.prepare_cached(sql)?;
        let SlotJournal { number: journal, sweep, .. } = self.journal;
        for (metric, reported) in metrics {
            let (value, non_finite) = number(*reported);
            insert.execute(params![
                sweep,
                attempt.trial.0,
                attempt.attempt.0,
                metric,
                int(resource.0),
                value,
                non_finite,
                self.time,
                journal,
                self.seq
            ])?;
        }
        Ok(())
    }

    fn attempt_ended(&self, attempt: &AttemptRef, ending: &Ending<'_>) -> rusqlite::Result<()> {
        let AttemptRef { trial, rung, grant, attempt: no } = attempt;
        let SlotJournal { sweep, slot, .. } = self.journal;
        let (value, non_finite) = ending.result.map_or((None, None), number);
        // An attempt that the searcher declared lost keeps that cause; what it used up is told all the same.
        let sql = "UPDATE attempts SET state = 'ended', cause = coalesce(cause, ?7), detail = coalesce(detail, ?8),
                ended_at = coalesce(ended_at, ?9), exit_code = ?10, signal = ?11, value = ?12, non_finite = ?13,
                checkpointed_resource = coalesce(checkpointed_resource, ?14), seconds = ?15, cpu_seconds = ?16, peak_memory_bytes = ?17
            WHERE sweep = ?1 AND trial = ?2 AND attempt = ?3 AND rung = ?4 AND grant_number = ?5 AND slot = ?6";
        let written = self.db.prepare_cached(sql)?.execute(params![
            sweep,
            trial.0,
            no.0,
            rung.0,
            grant.0,
            slot,
            ending.cause.as_str(),
            ending.detail,
            self.time,
            ending.exit_code,
            ending.signal,
            value,
            non_finite,
            ending.checkpointed.map(|resource| int(resource.0)),
            seconds(ending.usage.wall),
            seconds(ending.usage.cpu),
            int(ending.usage.peak_memory),
        ])?;
        if written == 0 {
            return self.foreign(attempt, "ended it too");
        }
        super::searcher::segment_waits(self.db, sweep, attempt)
    }

    /// A slot told of an attempt that is another slot's. The claims forbid it: it is kept as evidence, and changes nothing.
    fn foreign(&self, attempt: &AttemptRef, did: &str) -> rusqlite::Result<()> {
        let sql =
            "SELECT 1 FROM attempts WHERE sweep = ?1 AND trial = ?2 AND attempt = ?3 AND rung = ?4 AND grant_number = ?5 AND slot = ?6";
        let AttemptRef { trial, rung, grant, attempt: no } = attempt;
        let mine = self.db.prepare_cached(sql)?.exists((self.journal.sweep, trial.0, no.0, rung.0, grant.0, self.journal.slot))?;
        if mine {
            // The same record again.
            return Ok(());
        }
        self.note(0, "evidence", Some(attempt), &format!("slot {} {did}, though another slot had claimed it", self.journal.slot))
    }

    fn note(&self, part: i64, kind: &str, attempt: Option<&AttemptRef>, note: &str) -> rusqlite::Result<()> {
        let sql = "INSERT OR IGNORE INTO notes (journal, seq, part, noted_at, kind, sweep, slot, trial, attempt, note)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        let SlotJournal { number, sweep, slot } = self.journal;
        let (trial, attempt) = (attempt.map(|attempt| attempt.trial.0), attempt.map(|attempt| attempt.attempt.0));
        self.db.prepare_cached(sql)?.execute(params![number, self.seq, part, self.time, kind, sweep, slot, trial, attempt, note])?;
        Ok(())
    }
}
