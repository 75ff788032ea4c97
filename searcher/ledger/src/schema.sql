-- The ledger's tables. docs/ledger.md explains every column; a test compares the two.
--
-- Times are ISO 8601 in UTC with milliseconds, as text. A number that is not finite is NULL, and `non_finite` beside it
-- says which it was. Everything here was folded from the journals: nothing else may write, and a changed schema means
-- a new version and a rebuild, never a migration.

CREATE TABLE sweeps (
    sweep TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    phase TEXT NOT NULL,
    phase_why TEXT NOT NULL,
    phase_since TEXT NOT NULL,
    metric TEXT,
    goal TEXT,
    method TEXT,
    max_resource INTEGER,
    unit TEXT,
    seed INTEGER,
    retries INTEGER,
    trials_planned INTEGER,
    space TEXT,
    command TEXT,
    spec TEXT NOT NULL,
    directory TEXT NOT NULL,
    file TEXT NOT NULL,
    file_blake3 TEXT NOT NULL,
    git_commit TEXT,
    git_dirty INTEGER,
    cluster TEXT NOT NULL,
    slots INTEGER NOT NULL,
    user TEXT NOT NULL,
    host TEXT NOT NULL,
    version TEXT NOT NULL,
    submitted_at TEXT NOT NULL,
    taken_in_at TEXT NOT NULL,
    ended_at TEXT
) STRICT;

CREATE TABLE rungs (
    sweep TEXT NOT NULL,
    bracket INTEGER NOT NULL,
    rung INTEGER NOT NULL,
    resource INTEGER,
    planned INTEGER,
    s INTEGER,
    repetition INTEGER,
    anchors INTEGER,
    keep INTEGER,
    decided_at TEXT,
    PRIMARY KEY (sweep, bracket, rung)
) STRICT, WITHOUT ROWID;

CREATE TABLE trials (
    sweep TEXT NOT NULL,
    trial INTEGER NOT NULL,
    name TEXT NOT NULL,
    bracket INTEGER NOT NULL,
    state TEXT NOT NULL,
    rung INTEGER NOT NULL,
    resource INTEGER NOT NULL,
    value REAL,
    non_finite TEXT,
    params TEXT NOT NULL,
    seed INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    PRIMARY KEY (sweep, trial)
) STRICT;

CREATE TABLE segments (
    sweep TEXT NOT NULL,
    trial INTEGER NOT NULL,
    rung INTEGER NOT NULL,
    bracket INTEGER,
    from_resource INTEGER,
    target_resource INTEGER,
    state TEXT NOT NULL,
    grant_number INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    value REAL,
    non_finite TEXT,
    cause TEXT,
    why TEXT,
    place INTEGER,
    promoted INTEGER,
    first_granted_at TEXT NOT NULL,
    settled_at TEXT,
    PRIMARY KEY (sweep, trial, rung)
) STRICT, WITHOUT ROWID;

CREATE INDEX segments_by_rung ON segments (sweep, bracket, rung);

CREATE TABLE attempts (
    sweep TEXT NOT NULL,
    trial INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    rung INTEGER NOT NULL,
    grant_number INTEGER NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    accepted INTEGER NOT NULL DEFAULT 0,
    cause TEXT,
    exit_code INTEGER,
    signal INTEGER,
    detail TEXT,
    value REAL,
    non_finite TEXT,
    target_resource INTEGER,
    resumed_from_resource INTEGER,
    resumed_checkpoint TEXT,
    checkpointed_resource INTEGER,
    slot TEXT,
    host TEXT,
    granted_at TEXT,
    started_at TEXT,
    ended_at TEXT,
    seconds REAL,
    cpu_seconds REAL,
    peak_memory_bytes INTEGER,
    command TEXT,
    directory TEXT,
    params TEXT,
    seed INTEGER,
    surroundings INTEGER,
    nonce TEXT,
    journal INTEGER,
    PRIMARY KEY (sweep, trial, attempt, rung, grant_number)
) STRICT;

CREATE TABLE metrics (
    sweep TEXT NOT NULL,
    trial INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    metric TEXT NOT NULL,
    resource INTEGER NOT NULL,
    value REAL,
    non_finite TEXT,
    reported_at TEXT NOT NULL,
    journal INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (sweep, trial, attempt, metric, resource, journal, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoints (
    sweep TEXT NOT NULL,
    trial INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    rung INTEGER NOT NULL,
    grant_number INTEGER NOT NULL,
    resource INTEGER NOT NULL,
    directory TEXT NOT NULL,
    files INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    manifest_blake3 TEXT NOT NULL,
    publish_seconds REAL,
    published_at TEXT NOT NULL,
    journal INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (sweep, trial, attempt, resource, journal, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX checkpoints_by_directory ON checkpoints (directory, attempt);

CREATE TABLE slots (
    sweep TEXT NOT NULL,
    slot TEXT NOT NULL,
    "array" INTEGER,
    task INTEGER,
    job TEXT,
    host TEXT,
    boot_id TEXT,
    pid INTEGER,
    version TEXT,
    started_at TEXT,
    ended_at TEXT,
    ended TEXT,
    cause TEXT,
    why TEXT,
    journal INTEGER,
    PRIMARY KEY (sweep, slot)
) STRICT, WITHOUT ROWID;

CREATE TABLE surroundings (
    surroundings INTEGER NOT NULL PRIMARY KEY,
    sweep TEXT NOT NULL,
    slot TEXT NOT NULL,
    git_commit TEXT,
    git_dirty INTEGER,
    cpu TEXT NOT NULL,
    cores INTEGER NOT NULL,
    gpus TEXT NOT NULL,
    memory_bytes INTEGER NOT NULL,
    versions TEXT NOT NULL,
    environment TEXT NOT NULL,
    journal INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    UNIQUE (journal, seq)
) STRICT;

CREATE TABLE arrays (
    sweep TEXT NOT NULL,
    "array" INTEGER NOT NULL,
    state TEXT NOT NULL,
    tasks INTEGER NOT NULL,
    job TEXT,
    nonce TEXT NOT NULL,
    bracket INTEGER,
    rung INTEGER,
    task_states TEXT,
    tick_job TEXT,
    intended_at TEXT NOT NULL,
    submitted_at TEXT,
    ended_at TEXT,
    why TEXT,
    PRIMARY KEY (sweep, "array")
) STRICT, WITHOUT ROWID;

CREATE TABLE calls (
    epoch INTEGER NOT NULL,
    command TEXT NOT NULL,
    calls INTEGER NOT NULL,
    PRIMARY KEY (epoch, command)
) STRICT, WITHOUT ROWID;

CREATE TABLE decisions (
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    decided_at TEXT NOT NULL,
    kind TEXT NOT NULL,
    sweep TEXT,
    bracket INTEGER,
    rung INTEGER,
    trial INTEGER,
    attempt INTEGER,
    sentence TEXT NOT NULL,
    details TEXT,
    PRIMARY KEY (epoch, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX decisions_by_trial ON decisions (sweep, trial);

CREATE TABLE notes (
    journal INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    part INTEGER NOT NULL,
    noted_at TEXT NOT NULL,
    kind TEXT NOT NULL,
    sweep TEXT NOT NULL,
    slot TEXT NOT NULL,
    trial INTEGER,
    attempt INTEGER,
    note TEXT NOT NULL,
    PRIMARY KEY (journal, seq, part)
) STRICT, WITHOUT ROWID;

-- For Bandmaster itself: how far each journal is folded, and the states that the next tick goes on from.

CREATE TABLE _journals (
    journal INTEGER NOT NULL PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    seq INTEGER NOT NULL DEFAULT 0,
    "offset" INTEGER NOT NULL DEFAULT 0,
    closed INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX _journals_open ON _journals (path) WHERE closed = 0;

CREATE TABLE _requests (
    request TEXT NOT NULL PRIMARY KEY,
    outcome TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE _state (
    sweep TEXT NOT NULL PRIMARY KEY,
    snapshot BLOB NOT NULL
) STRICT;
