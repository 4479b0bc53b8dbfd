-- The audit trail. Rows are appended, and removed from the beginning; no statement changes one.

CREATE TABLE audit (
    seq INTEGER PRIMARY KEY,
    entry TEXT NOT NULL,
    hash BLOB NOT NULL
) STRICT;
