-- Registers of the last 32 generations in place of counts, and the hash of the attempt key of the last step.

ALTER TABLE reseal_session
    ADD COLUMN attempt_hash bytea,
    ADD COLUMN replayed bigint NOT NULL DEFAULT 0,
    ADD COLUMN collided bigint NOT NULL DEFAULT 0,
    ADD COLUMN estranged bigint NOT NULL DEFAULT 0,
    DROP COLUMN replay_count,
    DROP COLUMN replay_window_start,
    DROP COLUMN counted_generation,
    DROP COLUMN replay_streak,
    DROP COLUMN replayed_generation;
