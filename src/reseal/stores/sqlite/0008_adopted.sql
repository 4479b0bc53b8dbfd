-- When a session went on from a token newer than its row: what became of it since the backup, nobody knows.

ALTER TABLE session ADD COLUMN adopted_at INTEGER;

CREATE INDEX session_adopted ON session (adopted_at) WHERE adopted_at IS NOT NULL;
