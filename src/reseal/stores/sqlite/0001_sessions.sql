-- Times are integer milliseconds since the epoch, by the store's clock. Text compares byte for byte (BINARY).
-- There is no index on the expiry: it would be rewritten by every refresh. Purging walks the rowid instead.

CREATE TABLE session (
    app_id TEXT NOT NULL,
    tenant_id TEXT NOT NULL,
    handle TEXT NOT NULL,
    user_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    absolute_expires_at INTEGER,
    generation INTEGER NOT NULL,
    current_hash BLOB NOT NULL,
    previous_hash BLOB,
    successor_sealed BLOB,
    rotated_at INTEGER NOT NULL,
    confirmed_at INTEGER,
    replay_count INTEGER NOT NULL,
    replay_window_start INTEGER NOT NULL,
    counted_generation INTEGER NOT NULL,
    replay_streak INTEGER NOT NULL,
    replayed_generation INTEGER NOT NULL,
    jwt_payload TEXT NOT NULL,
    session_data TEXT NOT NULL,
    use_static_key INTEGER NOT NULL,
    ip TEXT,
    user_agent TEXT,
    last_seen_at INTEGER NOT NULL,
    ended_at INTEGER,
    end_reason TEXT,
    version INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX session_handle ON session (app_id, tenant_id, handle);
CREATE INDEX session_user ON session (app_id, tenant_id, user_id);

CREATE TABLE app_key (
    app_id TEXT NOT NULL,
    kid TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    secret BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    signs_from INTEGER NOT NULL,
    PRIMARY KEY (app_id, kid)
) STRICT, WITHOUT ROWID;

-- The latest time that was written, so that a clock moved back while nobody looked revives nothing.
CREATE TABLE high_water (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    at INTEGER NOT NULL
) STRICT;

INSERT INTO high_water VALUES (1, 0);
