-- Files on thefts of sessions: one row for each session, a JSON object that grows with what is found out.

CREATE TABLE reseal_case (
    app_id text COLLATE "C" NOT NULL,
    tenant_id text COLLATE "C" NOT NULL,
    handle text COLLATE "C" NOT NULL,
    user_id text COLLATE "C" NOT NULL,
    opened_at bigint NOT NULL,
    closed boolean NOT NULL,
    version bigint NOT NULL,
    body text COLLATE "C" NOT NULL,
    PRIMARY KEY (app_id, tenant_id, handle)
);

CREATE INDEX reseal_case_opened ON reseal_case (app_id, tenant_id, opened_at, handle);

CREATE INDEX reseal_case_user ON reseal_case (app_id, tenant_id, user_id, opened_at, handle);
