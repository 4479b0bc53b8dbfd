-- The kill list: see reseal_kill of PostgreSQL.

CREATE TABLE IF NOT EXISTS reseal_kill (
    written bigint NOT NULL AUTO_INCREMENT PRIMARY KEY,
    seq bigint,
    until bigint NOT NULL,
    app_id varbinary(256) NOT NULL,
    tenant_id varbinary(256) NOT NULL,
    handle varbinary(256) NOT NULL,
    UNIQUE KEY reseal_kill_by_seq (seq),
    KEY reseal_kill_until (until)
) ENGINE = InnoDB;

CREATE TABLE IF NOT EXISTS reseal_kill_number (
    only_row integer NOT NULL PRIMARY KEY,
    last bigint NOT NULL,
    epoch varchar(64) NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin;

INSERT IGNORE INTO reseal_kill_number (only_row, last, epoch) VALUES (1, 0, REPLACE(UUID(), '-', ''));
