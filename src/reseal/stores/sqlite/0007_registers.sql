-- Registers of the last 32 generations in place of counts, and the hash of the attempt key of the last step.

ALTER TABLE session ADD COLUMN attempt_hash BLOB;
ALTER TABLE session ADD COLUMN replayed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN collided INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session ADD COLUMN estranged INTEGER NOT NULL DEFAULT 0;
ALTER TABLE session DROP COLUMN replay_count;
ALTER TABLE session DROP COLUMN replay_window_start;
ALTER TABLE session DROP COLUMN counted_generation;
ALTER TABLE session DROP COLUMN replay_streak;
ALTER TABLE session DROP COLUMN replayed_generation;
