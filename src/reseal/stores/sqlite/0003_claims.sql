-- Names that somebody claimed, and until when: the first who comes gets one.

CREATE TABLE claim (
    app_id TEXT NOT NULL,
    tenant_id TEXT NOT NULL,
    name TEXT NOT NULL,
    claimed_at INTEGER NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (app_id, tenant_id, name)
) STRICT;

CREATE INDEX claim_until ON claim (until);
