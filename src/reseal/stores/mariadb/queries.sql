-- The queries of the store in MariaDB and MySQL. Parameters are named; a list of rows is read as a table, w (statements.py).
-- {s.columns} are those of a session in their order, {assignments} those that a replacement writes, {rotation} those that a
-- rotation does.
--
-- There is no UPDATE ... RETURNING, so what the other servers do in one statement is often a transaction here
-- (mariadb_transactions.py): rows are locked, in the order of the primary key, then written.
--
-- Time is taken as t.now of {time}: the server's clock {wall}, but never less than what was noted for all (reseal_time) or
-- seen by this process (floor), nor far beyond what this process expects (ceiling). What is read there is not locked.

-- fragment: time
(
    SELECT
        GREATEST(
            IF(c.wall > %(ceiling)s AND c.era = %(era)s, %(expected)s, c.wall), c.noted, IF(c.era = %(era)s, %(floor)s, 0)
        ) AS now,
        c.wall, c.era
    FROM (SELECT at AS noted, era, {wall} AS wall FROM reseal_time WHERE only_row = 1) AS c
)

-- name: greet
SHOW VARIABLES WHERE variable_name IN (
    'version', 'innodb_flush_log_at_trx_commit', 'log_bin', 'sync_binlog', 'read_only', 'innodb_read_only', 'wsrep_on',
    'max_statement_time'
)

-- name: settle
-- What is not in strict mode's way is no error; drivers would ask for it and log it. MySQL warns of a strict mode without
-- the three that follow it.
SET SESSION
    sql_mode = 'STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION',
    time_zone = '+00:00',
    innodb_lock_wait_timeout = %(lock_s)s, lock_wait_timeout = %(metadata_lock_s)s, sql_notes = 0

-- name: settle_isolation
SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED

-- name: limit_mariadb
-- A list of a thousand values and more would become a subquery, which the table is scanned for. A process that was cut
-- off or stopped amid a transaction must not lock rows against the others for long: they wait as long in all. MySQL keeps
-- the last of these settings for administrators.
SET SESSION max_statement_time = %(seconds)s, in_predicate_conversion_threshold = 0,
    idle_transaction_timeout = greatest(1, %(seconds)s DIV 2), max_error_count = 0

-- name: limit_mysql
SET SESSION max_execution_time = %(milliseconds)s

-- name: wait_for_the_cluster
-- Reads see what was committed on any node before they began.
SET SESSION wsrep_sync_wait = 1

-- name: begin
START TRANSACTION

-- name: commit
COMMIT

-- name: rollback
ROLLBACK

-- name: has_schema
SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'reseal_schema'

-- name: schema_version
SELECT MAX(version) FROM reseal_schema

-- name: lock_schema
SELECT GET_LOCK(CONCAT('reseal_schema.', LEFT(DATABASE(), 40)), %(seconds)s)

-- name: create_schema_table
CREATE TABLE IF NOT EXISTS reseal_schema (
    version integer NOT NULL PRIMARY KEY,
    applied_at timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP
) ENGINE = InnoDB

-- name: set_schema_version
INSERT IGNORE INTO reseal_schema (version) VALUES (%(version)s)

-- name: foreign_tables
-- Those that another engine keeps.
SELECT table_name, engine FROM information_schema.tables
WHERE table_schema = DATABASE() AND table_name LIKE 'reseal\_%' AND engine <> 'InnoDB'
ORDER BY table_name

-- name: time
SELECT t.now, t.wall, t.era
FROM {time} AS t

-- name: times
SELECT t.now, t.wall
FROM {time} AS t

-- name: noted
SELECT at, run, steady, era FROM reseal_time

-- name: set_time
UPDATE reseal_time SET at = %(now)s, run = %(run)s, steady = %(steady)s
WHERE only_row = 1 AND at <= %(now)s AND era = %(found_era)s

-- name: set_era
UPDATE reseal_time SET at = %(wall)s, run = NULL, era = era + 1

-- name: redate_sessions
-- The server assigns from left to right, and reads what it has assigned.
UPDATE reseal_session SET
    expires_at = expires_at - GREATEST(0, rotated_at - %(now)s),
    absolute_expires_at = absolute_expires_at - GREATEST(0, created_at - %(now)s),
    created_at = LEAST(created_at, %(now)s),
    rotated_at = LEAST(rotated_at, %(now)s),
    confirmed_at = LEAST(confirmed_at, %(now)s),
    last_seen_at = LEAST(last_seen_at, %(now)s),
    ended_at = LEAST(ended_at, %(now)s),
    adopted_at = LEAST(adopted_at, %(now)s),
    due_at = %(now)s,
    version = version + 1
WHERE created_at > %(now)s OR rotated_at > %(now)s OR confirmed_at > %(now)s OR last_seen_at > %(now)s
    OR ended_at > %(now)s

-- name: redate_keys
UPDATE reseal_key SET created_at = %(now)s, signs_from = LEAST(signs_from, %(now)s) WHERE created_at > %(now)s

-- name: redate_events
UPDATE reseal_event SET at = %(now)s WHERE at > %(now)s

-- name: redate_cases
UPDATE reseal_case SET opened_at = %(now)s WHERE opened_at > %(now)s

-- name: insert_sessions
INSERT INTO reseal_session (
    app_id, tenant_id, handle, user_id, created_at, expires_at, absolute_expires_at, generation, current_hash,
    rotated_at, replayed, collided, estranged, jwt_payload, session_data, use_static_key, ip, user_agent,
    about, policy, last_seen_at, version, due_at
) VALUES %(rows)s

-- name: get
SELECT
    t.now, t.wall,
    {s.columns}
FROM {time} AS t
LEFT JOIN reseal_session AS s ON s.app_id = %(app_id)s AND s.tenant_id = %(tenant_id)s AND s.handle = %(handle)s

-- fragment: its_row
s.app_id = w.app_id AND s.tenant_id = w.tenant_id AND s.handle = w.handle

-- name: get_asked
SELECT
    t.now, t.wall,
    {s.columns},
    CONVERT(s.app_id USING utf8mb4), CONVERT(s.tenant_id USING utf8mb4)
FROM {time} AS t
LEFT JOIN (%(asked)s) AS w ON TRUE
LEFT JOIN reseal_session AS s ON {its_row}

-- name: get_many
SELECT
    t.now, t.wall,
    {s.columns}
FROM {time} AS t
LEFT JOIN reseal_session AS s
    ON s.app_id = %(app_id)s AND s.tenant_id = %(tenant_id)s AND s.handle IN (%(handles)s)

-- name: lock_to_rotate
SELECT
    CONVERT(s.app_id USING utf8mb4), CONVERT(s.tenant_id USING utf8mb4), CONVERT(s.handle USING utf8mb4), t.now, t.wall
FROM {time} AS t
STRAIGHT_JOIN (%(asked)s) AS w
STRAIGHT_JOIN reseal_session AS s FORCE INDEX (PRIMARY) ON {its_row}
WHERE s.current_hash = w.presented_hash AND s.ended_at IS NULL AND s.expires_at > t.now AND s.policy IS NULL
FOR UPDATE

-- name: write_rotated
UPDATE (%(asked)s) AS w
STRAIGHT_JOIN reseal_session AS s FORCE INDEX (PRIMARY) ON {its_row}
SET {rotation}

-- name: get_rotated
SELECT
    CONVERT(s.app_id USING utf8mb4), CONVERT(s.tenant_id USING utf8mb4),
    {s.columns},
    %(now)s, %(wall)s
FROM (%(asked)s) AS w
STRAIGHT_JOIN reseal_session AS s FORCE INDEX (PRIMARY) ON {its_row}

-- fragment: unconfirmed
s.confirmed_at IS NULL AND s.ended_at IS NULL AND s.expires_at > t.now
    AND (s.generation = w.generation OR s.current_hash = w.current_hash)

-- name: look_to_confirm
SELECT
    t.now, t.wall,
    {s.columns},
    CONVERT(s.app_id USING utf8mb4), CONVERT(s.tenant_id USING utf8mb4), w.place, COALESCE({unconfirmed}, 0)
FROM {time} AS t
LEFT JOIN ((%(asked)s) AS w JOIN reseal_session AS s ON {its_row}) ON TRUE

-- name: write_confirmed
UPDATE (%(asked)s) AS w
STRAIGHT_JOIN reseal_session AS s FORCE INDEX (PRIMARY) ON {its_row}
SET s.confirmed_at = %(now)s, s.version = s.version + 1
WHERE s.confirmed_at IS NULL AND s.ended_at IS NULL AND s.expires_at > %(now)s
    AND (s.generation = w.generation OR s.current_hash = w.current_hash)

-- name: replace_session
-- Only an adopted token moves the generation on by more than one.
UPDATE reseal_session AS s SET
    adopted_at = CASE WHEN %(generation)s > s.generation + 1 THEN %(rotated_at)s ELSE s.adopted_at END,
    {assignments},
    version = s.version + 1
WHERE s.app_id = %(app_id)s AND s.tenant_id = %(tenant_id)s AND s.handle = %(handle)s AND s.version = %(version)s

-- name: lock_to_end
SELECT CONVERT(s.handle USING utf8mb4), CONVERT(s.user_id USING utf8mb4)
FROM reseal_session AS s FORCE INDEX (PRIMARY)
WHERE s.app_id = %(app_id)s AND s.tenant_id = %(tenant_id)s AND s.handle IN (%(handles)s) AND s.ended_at IS NULL
ORDER BY s.app_id, s.tenant_id, s.handle FOR UPDATE

-- name: lock_to_end_user
SELECT CONVERT(s.handle USING utf8mb4), CONVERT(s.user_id USING utf8mb4)
FROM reseal_session AS s FORCE INDEX (reseal_session_user)
WHERE s.app_id = %(app_id)s AND s.tenant_id = %(tenant_id)s AND s.user_id = %(user_id)s AND s.ended_at IS NULL
    AND NOT s.handle <=> %(keep)s
ORDER BY s.user_id, s.tenant_id, s.app_id, s.handle FOR UPDATE

-- name: write_ended
UPDATE reseal_session FORCE INDEX (PRIMARY) SET
    ended_at = %(now)s, end_reason = %(reason)s, end_note = %(note)s, successor_sealed = NULL,
    version = version + 1
WHERE app_id = %(app_id)s AND tenant_id = %(tenant_id)s AND handle IN (%(handles)s)

-- name: add_user_lock
INSERT INTO reseal_user_lock (slot, version) VALUES (MOD(CRC32(%(name)s), %(locks)s), 1)
ON DUPLICATE KEY UPDATE version = version + 1

-- name: list_user
SELECT
    {s.columns}
FROM {time} AS t, reseal_session AS s
WHERE s.app_id = %(app_id)s AND s.tenant_id = %(tenant_id)s AND s.user_id = %(user_id)s AND s.ended_at IS NULL
    AND s.expires_at > t.now
    AND (s.created_at > %(after_created_at)s OR s.created_at = %(after_created_at)s AND s.handle > %(after_handle)s)
ORDER BY s.created_at, s.handle LIMIT %(limit)s

-- name: list_ended
SELECT
    {s.columns}
FROM {time} AS t, reseal_session AS s
WHERE s.app_id = %(app_id)s AND s.tenant_id = %(tenant_id)s AND s.user_id = %(user_id)s
    AND (
        s.ended_at > t.now - %(within)s
        OR s.ended_at IS NULL AND s.expires_at <= t.now AND s.expires_at > t.now - %(within)s
    )
ORDER BY COALESCE(s.ended_at, s.expires_at) DESC, s.handle LIMIT %(limit)s

-- name: before
SELECT
    CONVERT(s.tenant_id USING utf8mb4),
    {s.columns}
FROM {time} AS t STRAIGHT_JOIN reseal_session AS s FORCE INDEX (PRIMARY)
WHERE s.app_id = %(app_id)s
    AND (s.tenant_id > %(after_tenant)s OR s.tenant_id = %(after_tenant)s AND s.handle > %(after_handle)s)
    AND (%(tenant_id)s IS NULL OR s.tenant_id = %(tenant_id)s)
    AND (%(user_id)s IS NULL OR s.user_id = %(user_id)s) AND s.ended_at IS NULL AND s.expires_at > t.now
    AND (s.rotated_at < %(moment)s OR s.adopted_at >= %(moment)s)
ORDER BY s.tenant_id, s.handle LIMIT %(limit)s

-- name: before_of_user
SELECT
    CONVERT(s.tenant_id USING utf8mb4),
    {s.columns}
FROM {time} AS t STRAIGHT_JOIN reseal_session AS s FORCE INDEX (reseal_session_user)
WHERE s.app_id = %(app_id)s AND s.tenant_id = %(tenant_id)s AND s.user_id = %(user_id)s AND s.handle > %(after_handle)s
    AND s.ended_at IS NULL AND s.expires_at > t.now AND (s.rotated_at < %(moment)s OR s.adopted_at >= %(moment)s)
ORDER BY s.handle LIMIT %(limit)s

-- name: adopted
SELECT COUNT(*), MAX(adopted_at) FROM reseal_session WHERE adopted_at IS NOT NULL

-- name: insert_claim
INSERT INTO reseal_claim (app_id, tenant_id, name, claimed_at, until)
VALUES (%(app_id)s, %(tenant_id)s, %(name)s, %(now)s, %(until)s)

-- name: renew_claim
UPDATE reseal_claim SET claimed_at = %(now)s, until = %(until)s
WHERE app_id = %(app_id)s AND tenant_id = %(tenant_id)s AND name = %(name)s AND until <= %(now)s

-- name: remove_claims
DELETE FROM reseal_claim WHERE until <= %(now)s ORDER BY until LIMIT %(limit)s

-- name: lock_due
SELECT CONVERT(app_id USING utf8mb4), CONVERT(tenant_id USING utf8mb4), CONVERT(handle USING utf8mb4),
    CASE WHEN %(early)s THEN LEAST(expires_at, COALESCE(ended_at, expires_at)) ELSE expires_at END
FROM reseal_session FORCE INDEX (reseal_session_due) WHERE due_at <= %(now)s
ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED

-- name: remove_due
DELETE s FROM (%(asked)s) AS w
STRAIGHT_JOIN reseal_session AS s FORCE INDEX (PRIMARY) ON {its_row}

-- name: put_off
UPDATE (%(asked)s) AS w
STRAIGHT_JOIN reseal_session AS s FORCE INDEX (PRIMARY) ON {its_row}
SET s.due_at = LEAST(
    CASE WHEN %(early)s THEN LEAST(s.expires_at, COALESCE(s.ended_at, s.expires_at)) ELSE s.expires_at END,
    %(now)s + %(again_ms)s
) + %(kept_ms)s

-- name: count_due
SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM reseal_session WHERE due_at <= %(now)s LIMIT %(most)s) AS due),
    (SELECT GREATEST(0, COALESCE(%(now)s - MIN(due_at), 0)) FROM reseal_session)

-- name: count_live
SELECT COUNT(*) FROM reseal_session WHERE ended_at IS NULL AND expires_at > %(now)s

-- name: keys
SELECT CONVERT(kid USING utf8mb4), algorithm, secret, created_at, signs_from FROM reseal_key WHERE app_id = %(app_id)s

-- name: add_key
INSERT INTO reseal_key (app_id, kid, algorithm, secret, created_at, signs_from)
VALUES (%(app_id)s, %(kid)s, %(algorithm)s, %(secret)s, %(created_at)s, %(signs_from)s)

-- name: replace_key
UPDATE reseal_key SET secret = %(secret)s WHERE app_id = %(app_id)s AND kid = %(kid)s AND secret = %(old_secret)s

-- name: remove_keys
DELETE FROM reseal_key WHERE app_id = %(app_id)s AND kid IN (%(kids)s)

-- name: remove_app_keys
DELETE FROM reseal_key WHERE app_id = %(app_id)s

-- name: tenant_revision
SELECT at FROM reseal_tenant_revision

-- name: count_tenant_revision
UPDATE reseal_tenant_revision SET at = at + 1

-- name: end_of_tenants_page
SELECT MIN(revision) FROM (
    (SELECT revision FROM reseal_tenant WHERE revision > %(after)s ORDER BY revision LIMIT 1 OFFSET %(skipped)s)
    UNION ALL
    (SELECT revision FROM reseal_gone_tenant WHERE revision > %(after)s ORDER BY revision LIMIT 1 OFFSET %(skipped)s)
) AS ends

-- name: changed_tenants
SELECT CONVERT(app_id USING utf8mb4), CONVERT(tenant_id USING utf8mb4), revision, config, created_at FROM reseal_tenant
WHERE revision > %(after)s AND revision <= %(until)s ORDER BY created_at, app_id, tenant_id

-- name: gone_tenants
SELECT CONVERT(app_id USING utf8mb4), CONVERT(tenant_id USING utf8mb4), revision FROM reseal_gone_tenant
WHERE revision > %(after)s AND revision <= %(until)s

-- name: add_gone_tenant
INSERT INTO reseal_gone_tenant (app_id, tenant_id, revision) VALUES (%(app_id)s, %(tenant_id)s, %(revision)s)
ON DUPLICATE KEY UPDATE revision = %(revision)s

-- name: update_tenant
UPDATE reseal_tenant SET config = %(config)s, revision = %(revision)s
WHERE app_id = %(app_id)s AND tenant_id = %(tenant_id)s

-- name: insert_tenant
INSERT INTO reseal_tenant (app_id, tenant_id, config, created_at, revision)
VALUES (%(app_id)s, %(tenant_id)s, %(config)s, %(now)s, %(revision)s)

-- name: remove_tenant
DELETE FROM reseal_tenant WHERE app_id = %(app_id)s AND tenant_id = %(tenant_id)s

-- name: remove_some_sessions
DELETE FROM reseal_session WHERE app_id = %(app_id)s AND tenant_id = %(tenant_id)s ORDER BY handle LIMIT %(limit)s

-- name: insert_events
INSERT INTO reseal_event (id, at, app_id, tenant_id, name, session_handle, user_id, body) VALUES %(rows)s

-- name: append_event
INSERT INTO reseal_event (id, at, app_id, tenant_id, name, session_handle, user_id, body)
SELECT %(id)s, t.now, %(app_id)s, %(tenant_id)s, %(name)s, %(handle)s, %(user_id)s, %(body)s
FROM {time} AS t

-- name: has_unnumbered_events
SELECT EXISTS (SELECT 1 FROM reseal_event WHERE seq IS NULL)

-- name: lock_event_number
-- Whoever numbers events locks this first, in a statement of its own: the next one sees all that was committed before.
SELECT last FROM reseal_event_number WHERE only_row = 1 FOR UPDATE

-- name: unnumbered_events
SELECT written FROM reseal_event WHERE seq IS NULL ORDER BY written LIMIT %(limit)s

-- name: number_event_rows
UPDATE (%(asked)s) AS w STRAIGHT_JOIN reseal_event AS e ON e.written = w.written SET e.seq = w.seq

-- name: set_event_number
UPDATE reseal_event_number SET last = %(last)s WHERE only_row = 1

-- name: consumer
SELECT c.acknowledged, c.seen_at > t.now - %(seen_every)s
FROM {time} AS t, reseal_consumer AS c
WHERE c.name = %(consumer)s

-- name: add_consumer
INSERT INTO reseal_consumer (name, acknowledged, seen_at)
SELECT %(consumer)s, COALESCE((SELECT MIN(e.seq) - 1 FROM reseal_event AS e), n.last), %(now)s
FROM reseal_event_number AS n
ON DUPLICATE KEY UPDATE seen_at = %(now)s

-- name: acknowledged
SELECT acknowledged FROM reseal_consumer WHERE name = %(consumer)s

-- name: events
SELECT
    n.last, e.id, e.at, CONVERT(e.app_id USING utf8mb4), CONVERT(e.tenant_id USING utf8mb4), e.name,
    CONVERT(e.session_handle USING utf8mb4), CONVERT(e.user_id USING utf8mb4), e.body, e.seq
FROM reseal_event_number AS n
LEFT JOIN (
    SELECT * FROM reseal_event WHERE seq > %(acknowledged)s ORDER BY seq LIMIT %(limit)s
) AS e ON TRUE
ORDER BY e.seq

-- name: acknowledge
UPDATE reseal_consumer AS c JOIN reseal_event_number AS n SET c.acknowledged = LEAST(%(cursor)s, n.last)
WHERE c.name = %(consumer)s AND c.acknowledged < LEAST(%(cursor)s, n.last)

-- name: oldest_events
SELECT n.last, t.now, COALESCE((SELECT MIN(acknowledged) FROM reseal_consumer), 0), e.seq, e.at
FROM {time} AS t JOIN reseal_event_number AS n
LEFT JOIN (
    SELECT seq, at FROM reseal_event WHERE seq IS NOT NULL ORDER BY seq LIMIT %(limit)s
) AS e ON TRUE
ORDER BY e.seq

-- name: lock_old_events
SELECT seq FROM reseal_event WHERE seq <= %(seq)s ORDER BY seq FOR UPDATE

-- name: remove_old_events
DELETE FROM reseal_event WHERE seq <= %(seq)s

-- name: note
SELECT version, text FROM reseal_note WHERE name = %(name)s

-- name: insert_note
INSERT INTO reseal_note (name, version, text) VALUES (%(name)s, 1, %(text)s)

-- name: update_note
UPDATE reseal_note SET version = version + 1, text = %(text)s WHERE name = %(name)s AND version = %(version)s

-- fragment: case_columns
CONVERT(handle USING utf8mb4), CONVERT(user_id USING utf8mb4), opened_at, closed, version, body

-- name: case
SELECT {case_columns} FROM reseal_case
WHERE app_id = %(app_id)s AND tenant_id = %(tenant_id)s AND handle = %(handle)s

-- name: insert_case
INSERT INTO reseal_case (app_id, tenant_id, handle, user_id, opened_at, closed, version, body)
VALUES (%(app_id)s, %(tenant_id)s, %(handle)s, %(user_id)s, %(opened_at)s, %(closed)s, 1, %(text)s)

-- name: update_case
UPDATE reseal_case SET closed = %(closed)s, version = version + 1, body = %(text)s
WHERE app_id = %(app_id)s AND tenant_id = %(tenant_id)s AND handle = %(handle)s AND version = %(version)s

-- name: list_cases
SELECT {case_columns} FROM reseal_case
WHERE app_id = %(app_id)s AND tenant_id = %(tenant_id)s
    AND (opened_at < %(at)s OR opened_at = %(at)s AND handle < %(after)s) AND closed <= %(up_to_closed)s
ORDER BY opened_at DESC, handle DESC LIMIT %(limit)s

-- name: list_cases_of_user
SELECT {case_columns} FROM reseal_case
WHERE app_id = %(app_id)s AND tenant_id = %(tenant_id)s AND user_id = %(user_id)s
    AND (opened_at < %(at)s OR opened_at = %(at)s AND handle < %(after)s) AND closed <= %(up_to_closed)s
ORDER BY opened_at DESC, handle DESC LIMIT %(limit)s

-- name: remove_cases
DELETE FROM reseal_case WHERE app_id = %(app_id)s AND tenant_id = %(tenant_id)s AND opened_at <= %(until)s

-- name: remove_cases_of_user
DELETE FROM reseal_case
WHERE app_id = %(app_id)s AND tenant_id = %(tenant_id)s AND user_id = %(user_id)s AND opened_at <= %(until)s

-- name: last_audit_number
SELECT COALESCE(MAX(seq), 0) FROM reseal_audit

-- name: insert_audit
INSERT INTO reseal_audit (seq, entry, hash) VALUES %(rows)s

-- name: last_audit
SELECT seq, entry, hash FROM reseal_audit ORDER BY seq DESC LIMIT 1

-- name: audit
SELECT seq, entry, hash FROM reseal_audit WHERE seq > %(after)s ORDER BY seq LIMIT %(limit)s

-- name: remove_audit
DELETE FROM reseal_audit WHERE seq < %(seq)s ORDER BY seq LIMIT %(limit)s

-- name: of_provider_session
SELECT
    CONVERT(handle USING utf8mb4), CONVERT(provider_user USING utf8mb4), CONVERT(provider_session USING utf8mb4)
FROM reseal_session
WHERE provider_session = %(mark)s AND app_id = %(app_id)s AND tenant_id = %(tenant_id)s

-- name: of_provider_user
SELECT
    CONVERT(handle USING utf8mb4), CONVERT(provider_user USING utf8mb4), CONVERT(provider_session USING utf8mb4)
FROM reseal_session
WHERE provider_user = %(mark)s AND app_id = %(app_id)s AND tenant_id = %(tenant_id)s

-- name: insert_kills
INSERT INTO reseal_kill (until, app_id, tenant_id, handle) VALUES %(rows)s

-- name: kills
SELECT
    n.epoch, n.last, k.seq, CONVERT(k.handle USING utf8mb4), k.until, t.now,
    EXISTS (SELECT 1 FROM reseal_kill WHERE seq IS NULL)
FROM {time} AS t JOIN reseal_kill_number AS n
LEFT JOIN (
    SELECT seq, handle, until FROM reseal_kill
    WHERE seq > %(after)s AND app_id = %(app_id)s AND tenant_id = %(tenant_id)s ORDER BY seq LIMIT %(limit)s
) AS k ON TRUE
ORDER BY k.seq

-- name: lock_kill_number
-- Whoever numbers entries locks this first, in a statement of its own: the next one sees all that was committed before.
SELECT last FROM reseal_kill_number WHERE only_row = 1 FOR UPDATE

-- name: unnumbered_kills
SELECT written FROM reseal_kill WHERE seq IS NULL ORDER BY written LIMIT %(limit)s

-- name: number_kill_rows
UPDATE (%(asked)s) AS w STRAIGHT_JOIN reseal_kill AS k ON k.written = w.written SET k.seq = w.seq

-- name: set_kill_number
UPDATE reseal_kill_number SET last = %(last)s WHERE only_row = 1

-- name: remove_kills
DELETE FROM reseal_kill WHERE until <= %(now)s ORDER BY until LIMIT %(limit)s
