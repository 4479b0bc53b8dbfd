-- When purging has to look at a session next. No refresh changes it, so that it can have an index and updates stay cheap.

ALTER TABLE reseal_session ADD COLUMN due_at bigint NOT NULL DEFAULT 0;

CREATE INDEX reseal_session_due ON reseal_session (due_at);
