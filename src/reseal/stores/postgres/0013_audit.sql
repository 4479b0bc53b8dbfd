-- The audit trail. Rows are appended, under the lock of the one row of reseal_event_number, and removed from the
-- beginning; no statement changes one.

CREATE TABLE reseal_audit (
    seq bigint PRIMARY KEY,
    entry text COLLATE "C" NOT NULL,
    hash bytea NOT NULL
);
