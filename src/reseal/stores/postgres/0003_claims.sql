-- Names that somebody claimed, and until when: the first who comes gets one.

CREATE TABLE reseal_claim (
    app_id text COLLATE "C" NOT NULL,
    tenant_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    claimed_at bigint NOT NULL,
    until bigint NOT NULL,
    PRIMARY KEY (app_id, tenant_id, name)
);

CREATE INDEX reseal_claim_until ON reseal_claim (until);
