-- The ledger's views: questions that are asked so often that they have a name.

-- Every trial by its newest accepted result: those that were trained longest first, and among them the best first, in
-- the order by which trials are promoted (NaN last, then the value, then the trial's number).
CREATE VIEW best AS
WITH results AS (
    SELECT
        segments.sweep,
        segments.trial,
        max(segments.rung) AS rung,
        segments.attempt,
        segments.target_resource AS resource,
        segments.value,
        segments.non_finite
    FROM segments
    WHERE segments.state = 'accepted'
    GROUP BY segments.sweep, segments.trial
),
ordered AS (
    SELECT
        results.*,
        sweeps.metric,
        coalesce(results.non_finite, '') = 'NaN' AS last,
        CASE results.non_finite WHEN 'Infinity' THEN 9e999 WHEN '-Infinity' THEN -9e999 ELSE results.value END
            * CASE sweeps.goal WHEN 'maximize' THEN -1 ELSE 1 END AS cost
    FROM results JOIN sweeps USING (sweep)
)
SELECT
    ordered.sweep,
    row_number() OVER (
        PARTITION BY ordered.sweep ORDER BY ordered.resource DESC, ordered.last, ordered.cost, ordered.trial
    ) AS place,
    ordered.trial,
    trials.name,
    trials.state,
    ordered.resource,
    ordered.metric,
    ordered.value,
    ordered.non_finite,
    trials.params,
    ordered.attempt,
    trials.seed
FROM ordered JOIN trials USING (sweep, trial);

-- The metrics of each trial along the attempts that its newest accepted result descends from: what an attempt reported
-- beyond the checkpoint that was resumed from it is left out.
CREATE VIEW curves AS
WITH RECURSIVE lineage (sweep, trial, attempt, journal, checkpoint, above, through) AS (
    SELECT
        attempts.sweep,
        attempts.trial,
        attempts.attempt,
        attempts.journal,
        attempts.resumed_checkpoint,
        coalesce(attempts.resumed_from_resource, -1),
        coalesce(attempts.target_resource, 9223372036854775807)
    FROM (
        SELECT sweep, trial, attempt, grant_number, max(rung) AS rung
        FROM segments WHERE state = 'accepted' GROUP BY sweep, trial
    ) AS newest
    JOIN attempts USING (sweep, trial, attempt, rung, grant_number)
    UNION ALL
    SELECT
        attempts.sweep,
        attempts.trial,
        attempts.attempt,
        attempts.journal,
        attempts.resumed_checkpoint,
        coalesce(attempts.resumed_from_resource, -1),
        lineage.above
    FROM lineage
    JOIN checkpoints
        ON checkpoints.directory = lineage.checkpoint
        AND checkpoints.attempt = (
            SELECT max(same.attempt) FROM checkpoints AS same
            WHERE same.directory = lineage.checkpoint AND same.attempt < lineage.attempt
        )
    JOIN attempts
        ON attempts.sweep = checkpoints.sweep
        AND attempts.trial = checkpoints.trial
        AND attempts.attempt = checkpoints.attempt
        AND attempts.rung = checkpoints.rung
        AND attempts.grant_number = checkpoints.grant_number
)
SELECT
    metrics.sweep,
    metrics.trial,
    metrics.metric,
    metrics.resource,
    metrics.value,
    metrics.non_finite,
    metrics.attempt,
    metrics.reported_at,
    max(metrics.seq) AS seq
FROM lineage
JOIN metrics
    ON metrics.sweep = lineage.sweep
    AND metrics.trial = lineage.trial
    AND metrics.attempt = lineage.attempt
    AND metrics.journal = lineage.journal
    AND metrics.resource > lineage.above
    AND metrics.resource <= lineage.through
GROUP BY metrics.sweep, metrics.trial, metrics.metric, metrics.resource;

-- How far each rung is.
CREATE VIEW rung_table AS
SELECT
    rungs.sweep,
    rungs.bracket,
    rungs.rung,
    rungs.resource,
    rungs.planned,
    count(CASE WHEN segments.state = 'accepted' THEN 1 END) AS finished,
    count(CASE WHEN segments.state = 'failed' THEN 1 END) AS failed,
    coalesce(sum(segments.promoted), 0) AS promoted,
    count(CASE WHEN segments.state = 'running' THEN 1 END) AS running,
    rungs.s,
    rungs.repetition,
    rungs.anchors,
    rungs.decided_at
FROM rungs LEFT JOIN segments USING (sweep, bracket, rung)
GROUP BY rungs.sweep, rungs.bracket, rungs.rung;
