-- When a session went on from a token newer than its row: what became of it since the backup, nobody knows.

ALTER TABLE reseal_session ADD COLUMN adopted_at bigint;

CREATE INDEX reseal_session_adopted ON reseal_session (adopted_at) WHERE adopted_at IS NOT NULL;
