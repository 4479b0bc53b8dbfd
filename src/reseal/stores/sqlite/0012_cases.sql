-- Files on thefts of sessions: one row for each session, a JSON object that grows with what is found out.

CREATE TABLE theft_case (
    app_id TEXT NOT NULL,
    tenant_id TEXT NOT NULL,
    handle TEXT NOT NULL,
    user_id TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    closed INTEGER NOT NULL,
    version INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (app_id, tenant_id, handle)
) STRICT;

CREATE INDEX theft_case_opened ON theft_case (app_id, tenant_id, opened_at, handle);

CREATE INDEX theft_case_user ON theft_case (app_id, tenant_id, user_id, opened_at, handle);
