-- The name of a session's policy, or the policy itself as a JSON object; NULL for sessions that follow the settings, which
-- are the ones that a single statement may rotate.

ALTER TABLE session ADD COLUMN policy TEXT;
