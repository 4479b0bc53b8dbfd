-- Times are integer milliseconds since the epoch, by the store's clock. What compares byte for byte, or stands in a key, is
-- VARBINARY with the UTF-8 of the text: collations ignore spaces at the end, or letter case.
--
-- No transaction holds several of these statements. So each can be run again: whoever is killed between two of them starts
-- with the first one next time.

CREATE TABLE IF NOT EXISTS reseal_session (
    app_id varbinary(256) NOT NULL,
    tenant_id varbinary(256) NOT NULL,
    handle varbinary(256) NOT NULL,
    user_id varbinary(2048) NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    absolute_expires_at bigint,
    generation bigint NOT NULL,
    current_hash varbinary(64) NOT NULL,
    previous_hash varbinary(64),
    successor_sealed blob,
    rotated_at bigint NOT NULL,
    confirmed_at bigint,
    attempt_hash varbinary(64),
    replayed bigint NOT NULL DEFAULT 0,
    collided bigint NOT NULL DEFAULT 0,
    estranged bigint NOT NULL DEFAULT 0,
    jwt_payload mediumtext NOT NULL,
    session_data mediumtext NOT NULL,
    use_static_key boolean NOT NULL,
    ip text,
    user_agent text,
    about text,
    policy text,
    last_seen_at bigint NOT NULL,
    ended_at bigint,
    end_reason varchar(64),
    end_note text,
    adopted_at bigint,
    due_at bigint NOT NULL DEFAULT 0,
    version bigint NOT NULL,
    provider_session varbinary(512) AS (JSON_UNQUOTE(JSON_EXTRACT(about, '$.provider_session'))) VIRTUAL,
    provider_user varbinary(512) AS (JSON_UNQUOTE(JSON_EXTRACT(about, '$.provider_user'))) VIRTUAL,
    PRIMARY KEY (app_id, tenant_id, handle),
    KEY reseal_session_provider_session (provider_session),
    KEY reseal_session_provider_user (provider_user),
    KEY reseal_session_user (user_id, tenant_id, app_id),
    KEY reseal_session_due (due_at),
    KEY reseal_session_adopted (adopted_at)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS reseal_key (
    app_id varbinary(256) NOT NULL,
    kid varbinary(256) NOT NULL,
    algorithm varchar(64) NOT NULL,
    secret blob NOT NULL,
    created_at bigint NOT NULL,
    signs_from bigint NOT NULL,
    PRIMARY KEY (app_id, kid)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin;

-- The latest time that was noted, once a second by whoever writes, and by which clock: see reseal_time of PostgreSQL.

CREATE TABLE IF NOT EXISTS reseal_time (
    only_row integer NOT NULL PRIMARY KEY,
    at bigint NOT NULL,
    run text,
    steady bigint NOT NULL DEFAULT 0,
    era bigint NOT NULL DEFAULT 0
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin;

INSERT IGNORE INTO reseal_time (only_row, at) VALUES (1, 0);

CREATE TABLE IF NOT EXISTS reseal_tenant (
    app_id varbinary(256) NOT NULL,
    tenant_id varbinary(256) NOT NULL,
    config mediumtext NOT NULL,
    created_at bigint NOT NULL,
    revision bigint NOT NULL,
    PRIMARY KEY (app_id, tenant_id),
    KEY reseal_tenant_by_revision (revision)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS reseal_tenant_revision (
    only_row integer NOT NULL PRIMARY KEY,
    at bigint NOT NULL
) ENGINE = InnoDB;

INSERT IGNORE INTO reseal_tenant_revision (only_row, at) VALUES (1, 1);

CREATE TABLE IF NOT EXISTS reseal_gone_tenant (
    app_id varbinary(256) NOT NULL,
    tenant_id varbinary(256) NOT NULL,
    revision bigint NOT NULL,
    PRIMARY KEY (app_id, tenant_id),
    KEY reseal_gone_tenant_by_revision (revision)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS reseal_claim (
    app_id varbinary(256) NOT NULL,
    tenant_id varbinary(256) NOT NULL,
    name varbinary(512) NOT NULL,
    claimed_at bigint NOT NULL,
    until bigint NOT NULL,
    PRIMARY KEY (app_id, tenant_id, name),
    KEY reseal_claim_until (until)
) ENGINE = InnoDB;

-- One of these rows is locked for a user who signs in with a limit of sessions. It is written too, so that the nodes of a
-- cluster, which do not see each other's locks, do not both commit.

CREATE TABLE IF NOT EXISTS reseal_user_lock (
    slot integer NOT NULL PRIMARY KEY,
    version bigint NOT NULL
) ENGINE = InnoDB;

-- Events get their numbers when they can be read: see reseal_event of PostgreSQL.

CREATE TABLE IF NOT EXISTS reseal_event (
    written bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
    id varbinary(16) NOT NULL,
    seq bigint,
    at bigint NOT NULL,
    app_id varbinary(256) NOT NULL,
    tenant_id varbinary(256) NOT NULL,
    name varchar(64) NOT NULL,
    session_handle varbinary(256),
    user_id varbinary(2048),
    body mediumtext NOT NULL,
    UNIQUE KEY reseal_event_id (id),
    UNIQUE KEY reseal_event_by_seq (seq)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS reseal_event_number (
    only_row integer NOT NULL PRIMARY KEY,
    last bigint NOT NULL
) ENGINE = InnoDB;

INSERT IGNORE INTO reseal_event_number (only_row, last) VALUES (1, 0);

CREATE TABLE IF NOT EXISTS reseal_consumer (
    name varbinary(256) NOT NULL PRIMARY KEY,
    acknowledged bigint NOT NULL,
    seen_at bigint NOT NULL
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS reseal_note (
    name varbinary(512) NOT NULL PRIMARY KEY,
    version bigint NOT NULL,
    text mediumtext NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS reseal_case (
    app_id varbinary(256) NOT NULL,
    tenant_id varbinary(256) NOT NULL,
    handle varbinary(256) NOT NULL,
    user_id varbinary(2048) NOT NULL,
    opened_at bigint NOT NULL,
    closed boolean NOT NULL,
    version bigint NOT NULL,
    body mediumtext NOT NULL,
    PRIMARY KEY (app_id, tenant_id, handle),
    KEY reseal_case_opened (app_id, tenant_id, opened_at, handle),
    KEY reseal_case_user (app_id, tenant_id, user_id, opened_at, handle)
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin;

CREATE TABLE IF NOT EXISTS reseal_audit (
    seq bigint NOT NULL PRIMARY KEY,
    entry mediumtext NOT NULL,
    hash varbinary(64) NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin;
