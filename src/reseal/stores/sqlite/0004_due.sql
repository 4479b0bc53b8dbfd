-- When purging has to look at a session next. No refresh changes it, so that it can have an index: see queries.sql.

ALTER TABLE session ADD COLUMN due_at INTEGER NOT NULL DEFAULT 0;

CREATE INDEX session_due ON session (due_at);
