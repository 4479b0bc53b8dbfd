-- Times are integer milliseconds since the epoch, by the store's clock. Text compares byte for byte ("C").
-- There is no index on the expiry: it would end the cheap (HOT) updates that every refresh is made of. Purging walks
-- the primary key instead. The free space of each page is where those updates go.

CREATE TABLE reseal_session (
    app_id text COLLATE "C" NOT NULL,
    tenant_id text COLLATE "C" NOT NULL,
    handle text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    absolute_expires_at bigint,
    generation bigint NOT NULL,
    current_hash bytea NOT NULL,
    previous_hash bytea,
    successor_sealed bytea,
    rotated_at bigint NOT NULL,
    confirmed_at bigint,
    replay_count bigint NOT NULL,
    replay_window_start bigint NOT NULL,
    counted_generation bigint NOT NULL,
    replay_streak bigint NOT NULL,
    replayed_generation bigint NOT NULL,
    jwt_payload text COLLATE "C" NOT NULL,
    session_data text COLLATE "C" NOT NULL,
    use_static_key boolean NOT NULL,
    ip text COLLATE "C",
    user_agent text COLLATE "C",
    last_seen_at bigint NOT NULL,
    ended_at bigint,
    end_reason text COLLATE "C",
    version bigint NOT NULL,
    PRIMARY KEY (app_id, tenant_id, handle)
) WITH (fillfactor = 75);

CREATE INDEX reseal_session_user ON reseal_session (user_id, tenant_id, app_id);

CREATE TABLE reseal_key (
    app_id text COLLATE "C" NOT NULL,
    kid text COLLATE "C" NOT NULL,
    algorithm text COLLATE "C" NOT NULL,
    secret bytea NOT NULL,
    created_at bigint NOT NULL,
    signs_from bigint NOT NULL,
    PRIMARY KEY (app_id, kid)
);

-- The latest time that was noted: once a second by whoever writes, so that all processes stay together and a clock
-- moved back revives nothing.
CREATE TABLE reseal_time (
    only_row integer PRIMARY KEY CHECK (only_row = 1),
    at bigint NOT NULL
) WITH (fillfactor = 10);

INSERT INTO reseal_time VALUES (1, 0);

CREATE VIEW reseal_clock AS
SELECT at AS noted, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS wall FROM reseal_time;
