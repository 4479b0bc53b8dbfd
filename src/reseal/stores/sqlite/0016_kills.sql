-- The kill list: sessions that ended while access tokens of theirs may still be valid. The epoch tells this file from
-- another one in its place.

CREATE TABLE kill (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    until INTEGER NOT NULL,
    app_id TEXT NOT NULL,
    tenant_id TEXT NOT NULL,
    handle TEXT NOT NULL
);

CREATE INDEX kill_until ON kill (until);

CREATE TABLE kill_epoch (epoch TEXT NOT NULL);

INSERT INTO kill_epoch VALUES (lower(hex(randomblob(8))));
