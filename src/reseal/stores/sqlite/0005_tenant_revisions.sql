-- Which apps and tenants changed, and when: each change has the next revision. A removed one leaves its name behind, so
-- that whoever read before it hears of it.

CREATE TABLE tenant_revision (at INTEGER NOT NULL) STRICT;

INSERT INTO tenant_revision (at) VALUES (1);

ALTER TABLE tenant ADD COLUMN revision INTEGER NOT NULL DEFAULT 1;

CREATE INDEX tenant_by_revision ON tenant (revision);

CREATE TABLE gone_tenant (
    app_id TEXT NOT NULL,
    tenant_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (app_id, tenant_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX gone_tenant_by_revision ON gone_tenant (revision);
