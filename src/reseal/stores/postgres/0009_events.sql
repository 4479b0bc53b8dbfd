-- The event outbox. Transactions commit in another order than they began, so that an event gets its number only when it
-- can be read: by one process at a time, under the lock of the one row of reseal_event_number.

CREATE TABLE reseal_event (
    id bytea PRIMARY KEY,
    written bigint GENERATED ALWAYS AS IDENTITY,
    seq bigint,
    at bigint NOT NULL,
    app_id text COLLATE "C" NOT NULL,
    tenant_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    session_handle text COLLATE "C",
    user_id text COLLATE "C",
    body text COLLATE "C" NOT NULL
);

CREATE UNIQUE INDEX reseal_event_by_seq ON reseal_event (seq) WHERE seq IS NOT NULL;

CREATE INDEX reseal_event_unnumbered ON reseal_event (written) WHERE seq IS NULL;

CREATE TABLE reseal_event_number (
    only_row integer PRIMARY KEY DEFAULT 1 CHECK (only_row = 1),
    last bigint NOT NULL
);

INSERT INTO reseal_event_number (last) VALUES (0);

CREATE TABLE reseal_consumer (
    name text COLLATE "C" PRIMARY KEY,
    acknowledged bigint NOT NULL,
    seen_at bigint NOT NULL
);
