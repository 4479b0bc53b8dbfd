-- Small texts that several processes change in turn.

CREATE TABLE reseal_note (
    name text COLLATE "C" PRIMARY KEY,
    version bigint NOT NULL,
    text text COLLATE "C" NOT NULL
);
