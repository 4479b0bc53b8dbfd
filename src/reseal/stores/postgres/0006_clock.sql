-- What the steady clock of the machine that noted the time said then, and in which run of it: so that a restart can tell a
-- server's clock that is fast. The era counts repairs: what a process remembers of an earlier one is void.

ALTER TABLE reseal_time
    ADD COLUMN run text COLLATE "C",
    ADD COLUMN steady bigint NOT NULL DEFAULT 0,
    ADD COLUMN era bigint NOT NULL DEFAULT 0;

CREATE OR REPLACE VIEW reseal_clock AS
SELECT at AS noted, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS wall, era FROM reseal_time;

-- The store's time: what was expected if the clock is past the ceiling, else the clock's; never less than what was noted,
-- nor than the floor of a process that knows this era.
CREATE FUNCTION reseal_now(
    wall bigint, noted bigint, era bigint, expected bigint, ceiling bigint, floor bigint, known_era bigint
) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT greatest(
        CASE WHEN wall > ceiling AND era = known_era THEN expected ELSE wall END,
        noted,
        CASE WHEN era = known_era THEN floor END
    )
$$;
