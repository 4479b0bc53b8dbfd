-- Which apps and tenants changed, and when: each change has the next revision. Its row is locked until the change is
-- committed, so that revisions are seen in their order. A removed one leaves its name behind, so that whoever read before
-- it hears of it.

CREATE TABLE reseal_tenant_revision (at bigint NOT NULL);

INSERT INTO reseal_tenant_revision (at) VALUES (1);

ALTER TABLE reseal_tenant ADD COLUMN revision bigint NOT NULL DEFAULT 1;

CREATE INDEX reseal_tenant_by_revision ON reseal_tenant (revision);

CREATE TABLE reseal_gone_tenant (
    app_id text COLLATE "C" NOT NULL,
    tenant_id text COLLATE "C" NOT NULL,
    revision bigint NOT NULL,
    PRIMARY KEY (app_id, tenant_id)
);

CREATE INDEX reseal_gone_tenant_by_revision ON reseal_gone_tenant (revision);
