-- The kill list: sessions that ended while access tokens of theirs may still be valid. As events do, entries get their
-- numbers when they can be read. The epoch tells this database from another one in its place.

CREATE TABLE reseal_kill (
    written bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    seq bigint,
    until bigint NOT NULL,
    app_id text COLLATE "C" NOT NULL,
    tenant_id text COLLATE "C" NOT NULL,
    handle text COLLATE "C" NOT NULL
);

CREATE UNIQUE INDEX reseal_kill_by_seq ON reseal_kill (seq) WHERE seq IS NOT NULL;

CREATE INDEX reseal_kill_unnumbered ON reseal_kill (written) WHERE seq IS NULL;

CREATE INDEX reseal_kill_until ON reseal_kill (until);

CREATE TABLE reseal_kill_number (
    only_row integer PRIMARY KEY DEFAULT 1 CHECK (only_row = 1),
    last bigint NOT NULL,
    epoch text COLLATE "C" NOT NULL
);

INSERT INTO reseal_kill_number (last, epoch) VALUES (0, replace(gen_random_uuid()::text, '-', ''));
