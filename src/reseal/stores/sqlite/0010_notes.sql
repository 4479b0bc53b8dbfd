-- Small texts that several processes change in turn.

CREATE TABLE note (
    name TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    text TEXT NOT NULL
) STRICT;
