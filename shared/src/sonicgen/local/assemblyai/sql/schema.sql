-- The state of the stand-in for AssemblyAI. Times are seconds since 1970; JSON columns hold objects.

CREATE TABLE IF NOT EXISTS uploads (
    id TEXT PRIMARY KEY,
    sha256 TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    created_at REAL NOT NULL
) STRICT;

-- `request` is what was submitted, `result` the answer's fields once it is over. `tries` counts the starts of its work.
CREATE TABLE IF NOT EXISTS transcripts (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL CHECK (status IN ('queued', 'processing', 'completed', 'error')),
    audio_url TEXT NOT NULL,
    request TEXT NOT NULL,
    result TEXT NOT NULL DEFAULT '{}',
    tries INTEGER NOT NULL DEFAULT 0,
    due_at REAL NOT NULL,
    webhook_status_code INTEGER,
    created_at REAL NOT NULL,
    completed_at REAL
) STRICT;
CREATE INDEX IF NOT EXISTS transcripts_waiting ON transcripts (due_at) WHERE status IN ('queued', 'processing');

-- Calls of webhooks that are still to be made; a row goes when it is over.
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    transcript_id TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    due_at REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS calls_due ON calls (due_at);

-- What was told to go wrong, and how often still.
CREATE TABLE IF NOT EXISTS faults (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    place TEXT NOT NULL,
    fault TEXT NOT NULL,
    times INTEGER NOT NULL
) STRICT;

-- Answers that are given instead of recognising; the one for every other file has the name "default".
CREATE TABLE IF NOT EXISTS answers (
    sha256 TEXT PRIMARY KEY,
    answer TEXT NOT NULL
) STRICT;
