-- The apps and tenants of a service. An app is its tenant "public". The configuration is a JSON object.

CREATE TABLE tenant (
    app_id TEXT NOT NULL,
    tenant_id TEXT NOT NULL,
    config TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (app_id, tenant_id)
) STRICT, WITHOUT ROWID;
