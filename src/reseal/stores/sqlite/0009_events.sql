-- The event outbox. There is one writer at a time, so that numbers are given in the order of the commits.

CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    at INTEGER NOT NULL,
    app_id TEXT NOT NULL,
    tenant_id TEXT NOT NULL,
    name TEXT NOT NULL,
    session_handle TEXT,
    user_id TEXT,
    body TEXT NOT NULL
);

CREATE TABLE consumer (
    name TEXT PRIMARY KEY,
    acknowledged INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
);
