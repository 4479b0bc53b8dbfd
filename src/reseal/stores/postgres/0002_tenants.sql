-- The apps and tenants of a service. An app is its tenant "public". The configuration is a JSON object.

CREATE TABLE reseal_tenant (
    app_id text COLLATE "C" NOT NULL,
    tenant_id text COLLATE "C" NOT NULL,
    config text COLLATE "C" NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (app_id, tenant_id)
);
