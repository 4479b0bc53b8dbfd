-- The queries of the SQLite store. Parameters are named, or in the order in which the code makes them. {columns} are those
-- of a session in their order, {assignments} those that a replacement writes: rows.py derives them from the record. The
-- row of VALUES is repeated: as often as there are sessions, and then with what is no session, up to the next
-- power of two.

-- name: insert
INSERT INTO session (
    app_id, tenant_id, handle, user_id, created_at, expires_at, absolute_expires_at, generation, current_hash,
    rotated_at, replayed, collided, estranged, jwt_payload, session_data, use_static_key, ip, user_agent,
    about, last_seen_at, version, due_at, policy
) VALUES (
    :app_id, :tenant_id, :handle, :user_id, :now, :now + min(:idle_ms, ifnull(:absolute_ms, :idle_ms)),
    :now + :absolute_ms, 0, :token_hash, :now, 0, 0, 0, :jwt_payload, :session_data, :use_static_key, :ip,
    :user_agent, :about, :now, 1, :now + :due_ms, :policy
) ON CONFLICT DO NOTHING

-- name: get
SELECT
    at, era,
    {columns}
FROM high_water LEFT JOIN session ON app_id = ? AND tenant_id = ? AND handle = ?

-- name: get_many
WITH given (app_id, tenant_id, handle) AS (VALUES (?, ?, ?))
SELECT
    app_id, tenant_id, given.handle, at, era,
    {session.columns}
FROM high_water CROSS JOIN given LEFT JOIN session USING (app_id, tenant_id, handle)
WHERE given.handle <> x''

-- name: rotate
-- In place of NULL comes an empty blob, or 0 for text: see rows.py.
UPDATE session SET
    expires_at = min(:now + :idle_ms, ifnull(absolute_expires_at, :now + :idle_ms)),
    generation = generation + 1,
    current_hash = :successor_hash,
    previous_hash = current_hash,
    successor_sealed = :successor_sealed,
    rotated_at = :now,
    confirmed_at = NULL,
    attempt_hash = nullif(:attempt_hash, x''),
    replayed = replayed << 1 & 4294967295,
    collided = collided << 1 & 4294967295,
    estranged = estranged << 1 & 4294967295,
    ip = nullif(:ip, 0),
    user_agent = nullif(:user_agent, 0),
    last_seen_at = :now,
    version = version + 1
WHERE app_id = :app_id AND tenant_id = :tenant_id AND handle = :handle
    AND current_hash = :presented_hash AND ended_at IS NULL AND expires_at > :now AND policy IS NULL
RETURNING
    {columns_of_rotated},
    app_id, tenant_id

-- name: rotate_many
WITH given (
    app_id, tenant_id, handle, presented_hash, successor_hash, successor_sealed, attempt_hash, idle_ms, ip, user_agent,
    now
) AS (VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?))
UPDATE session INDEXED BY session_handle SET
    expires_at = min(now + idle_ms, ifnull(absolute_expires_at, now + idle_ms)),
    generation = generation + 1,
    current_hash = successor_hash,
    previous_hash = current_hash,
    successor_sealed = given.successor_sealed,
    rotated_at = now,
    confirmed_at = NULL,
    attempt_hash = nullif(given.attempt_hash, x''),
    replayed = replayed << 1 & 4294967295,
    collided = collided << 1 & 4294967295,
    estranged = estranged << 1 & 4294967295,
    ip = nullif(given.ip, 0),
    user_agent = nullif(given.user_agent, 0),
    last_seen_at = now,
    version = version + 1
FROM given
WHERE session.app_id = given.app_id AND session.tenant_id = given.tenant_id AND session.handle = given.handle
    AND current_hash = presented_hash AND ended_at IS NULL AND expires_at > now
    AND policy IS NULL
RETURNING
    {columns_of_rotated},
    app_id, tenant_id

-- name: confirm
WITH given (app_id, tenant_id, handle, generation, current_hash, now) AS (VALUES (?, ?, ?, ?, ?, ?))
UPDATE session INDEXED BY session_handle SET confirmed_at = now, version = version + 1
FROM given
WHERE session.app_id = given.app_id AND session.tenant_id = given.tenant_id AND session.handle = given.handle
    AND (session.generation = given.generation OR session.current_hash = given.current_hash)
    AND confirmed_at IS NULL AND ended_at IS NULL AND expires_at > now

-- name: replace
-- Only an adopted token moves the generation on by more than one.
UPDATE session SET
    adopted_at = CASE WHEN :generation > generation + 1 THEN :rotated_at ELSE adopted_at END,
    {assignments},
    version = version + 1
WHERE app_id = :app_id AND tenant_id = :tenant_id AND handle = :handle AND version = :version

-- name: end
UPDATE session SET ended_at = :now, end_reason = :reason, end_note = :note, successor_sealed = NULL, version = version + 1
WHERE app_id = :app_id AND tenant_id = :tenant_id AND handle = :handle AND ended_at IS NULL
RETURNING handle, user_id

-- name: end_user
UPDATE session SET ended_at = :now, end_reason = :reason, successor_sealed = NULL, version = version + 1
WHERE rowid IN (
    SELECT rowid FROM session
    WHERE app_id = :app_id AND tenant_id = :tenant_id AND user_id = :user_id AND ended_at IS NULL AND handle IS NOT :keep
    LIMIT :limit
)
RETURNING handle, user_id

-- name: list_user
SELECT
    {columns}
FROM session
WHERE app_id = :app_id AND tenant_id = :tenant_id AND user_id = :user_id AND ended_at IS NULL AND expires_at > :now
    AND (created_at, handle) > (:after_created_at, :after_handle)
ORDER BY created_at, handle LIMIT :limit

-- name: list_ended
SELECT
    {columns}
FROM session
WHERE app_id = :app_id AND tenant_id = :tenant_id AND user_id = :user_id
    AND (ended_at > :now - :within OR ended_at IS NULL AND expires_at <= :now AND expires_at > :now - :within)
ORDER BY ifnull(ended_at, expires_at) DESC, handle LIMIT :limit

-- name: before
SELECT
    tenant_id,
    {columns}
FROM session
WHERE app_id = :app_id AND (tenant_id, handle) > (:after_tenant, :after_handle)
    AND (:tenant_id IS NULL OR tenant_id = :tenant_id) AND (:user_id IS NULL OR user_id = :user_id)
    AND ended_at IS NULL AND expires_at > :now AND (rotated_at < :moment OR adopted_at >= :moment)
ORDER BY tenant_id, handle LIMIT :limit

-- name: before_of_user
SELECT
    tenant_id,
    {columns}
FROM session
WHERE app_id = :app_id AND tenant_id = :tenant_id AND user_id = :user_id AND handle > :after_handle
    AND ended_at IS NULL AND expires_at > :now AND (rotated_at < :moment OR adopted_at >= :moment)
ORDER BY +handle LIMIT :limit

-- name: adopted
SELECT count(*), max(adopted_at) FROM session WHERE adopted_at IS NOT NULL

-- name: claim
INSERT INTO claim (app_id, tenant_id, name, claimed_at, until) VALUES (:app_id, :tenant_id, :name, :now, :until)
ON CONFLICT DO UPDATE SET claimed_at = excluded.claimed_at, until = excluded.until
WHERE claim.until <= excluded.claimed_at

-- name: purge_claims
DELETE FROM claim WHERE rowid IN (SELECT rowid FROM claim WHERE until <= :now ORDER BY until LIMIT :limit)

-- name: due
SELECT rowid, expires_at, ended_at FROM session WHERE due_at <= :now ORDER BY due_at LIMIT :limit

-- name: purge
DELETE FROM session WHERE rowid = ?

-- name: put_off
UPDATE session SET due_at = ? WHERE rowid = ?

-- name: backlog
SELECT (SELECT count(*) FROM (SELECT 1 FROM session WHERE due_at <= :now LIMIT :most)), (SELECT min(due_at) FROM session)

-- name: live_sessions
SELECT count(*) FROM session WHERE ended_at IS NULL AND expires_at > :now

-- name: keys
SELECT kid, algorithm, secret, created_at, signs_from FROM app_key WHERE app_id = ?

-- name: add_key
INSERT INTO app_key (app_id, kid, algorithm, secret, created_at, signs_from) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT DO NOTHING

-- name: replace_key
UPDATE app_key SET secret = ? WHERE app_id = ? AND kid = ? AND secret = ?

-- name: remove_key
DELETE FROM app_key WHERE app_id = ? AND kid = ?

-- name: raise_high_water
UPDATE high_water SET at = :at, run = :run, steady = :steady WHERE at < :at

-- name: high_water
SELECT at, run, steady, era FROM high_water

-- name: begin_era
UPDATE high_water SET at = ?, run = NULL, era = era + 1

-- name: redate_sessions
UPDATE session SET
    expires_at = expires_at - max(0, rotated_at - :now),
    absolute_expires_at = absolute_expires_at - max(0, created_at - :now),
    created_at = min(created_at, :now),
    rotated_at = min(rotated_at, :now),
    confirmed_at = min(confirmed_at, :now),
    last_seen_at = min(last_seen_at, :now),
    ended_at = min(ended_at, :now),
    adopted_at = min(adopted_at, :now),
    due_at = :now,
    version = version + 1
WHERE created_at > :now OR rotated_at > :now OR confirmed_at > :now OR last_seen_at > :now OR ended_at > :now

-- name: redate_keys
UPDATE app_key SET created_at = :now, signs_from = min(signs_from, :now) WHERE created_at > :now

-- name: tenant_revision
SELECT at FROM tenant_revision

-- name: next_tenant_revision
UPDATE tenant_revision SET at = at + 1 RETURNING at

-- name: end_of_tenants_page
SELECT min(revision) FROM (
    SELECT * FROM (SELECT revision FROM tenant WHERE revision > :after ORDER BY revision LIMIT 1 OFFSET :skipped)
    UNION ALL
    SELECT * FROM (SELECT revision FROM gone_tenant WHERE revision > :after ORDER BY revision LIMIT 1 OFFSET :skipped)
)

-- name: changed_tenants
SELECT app_id, tenant_id, revision, config, created_at FROM tenant WHERE revision > :after AND revision <= :until
ORDER BY created_at, app_id, tenant_id

-- name: gone_tenants
SELECT app_id, tenant_id, revision FROM gone_tenant WHERE revision > :after AND revision <= :until

-- name: note_gone_tenant
INSERT OR REPLACE INTO gone_tenant (app_id, tenant_id, revision) VALUES (?, ?, ?)

-- name: insert_tenant
INSERT INTO tenant (app_id, tenant_id, config, created_at, revision) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING

-- name: update_tenant
UPDATE tenant SET config = ?, revision = ? WHERE app_id = ? AND tenant_id = ?

-- name: remove_tenant
DELETE FROM tenant WHERE app_id = ? AND tenant_id = ?

-- name: remove_sessions
DELETE FROM session WHERE app_id = ? AND tenant_id = ?

-- name: remove_keys
DELETE FROM app_key WHERE app_id = ?

-- name: report
INSERT INTO event (id, at, app_id, tenant_id, name, session_handle, user_id, body)
VALUES (randomblob(16), ?, ?, ?, ?, ?, ?, ?)

-- name: append_event
-- An insert that failed, or did nothing for a conflict, could use up a number.
INSERT INTO event (id, at, app_id, tenant_id, name, session_handle, user_id, body)
SELECT ?, ?, ?, ?, ?, ?, ?, ?
WHERE NOT EXISTS (SELECT 1 FROM event WHERE id = ?)

-- name: last_event
SELECT ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0)

-- name: consumer
SELECT acknowledged, seen_at FROM consumer WHERE name = ?

-- name: note_consumer
INSERT INTO consumer (name, acknowledged, seen_at)
VALUES (:name, ifnull((SELECT min(seq) - 1 FROM event), :last), :now)
ON CONFLICT DO UPDATE SET seen_at = excluded.seen_at
RETURNING acknowledged

-- name: events
SELECT id, at, app_id, tenant_id, name, session_handle, user_id, body, seq FROM event WHERE seq > ? ORDER BY seq LIMIT ?

-- name: acknowledge
UPDATE consumer SET acknowledged = min(:cursor, :last) WHERE name = :name AND acknowledged < min(:cursor, :last)

-- name: oldest_events
SELECT seq, at FROM event ORDER BY seq LIMIT ?

-- name: least_acknowledged
SELECT min(acknowledged) FROM consumer

-- name: remove_events
DELETE FROM event WHERE seq <= ?

-- name: redate_events
UPDATE event SET at = :now WHERE at > :now

-- name: note
SELECT version, text FROM note WHERE name = ?

-- name: insert_note
INSERT INTO note (text, name, version) VALUES (?, ?, ? + 1) ON CONFLICT DO NOTHING

-- name: update_note
UPDATE note SET text = ?, version = version + 1 WHERE name = ? AND version = ?

-- fragment: case_columns
handle, user_id, opened_at, closed, version, body

-- name: case
SELECT {case_columns} FROM theft_case WHERE app_id = :app_id AND tenant_id = :tenant_id AND handle = :handle

-- name: insert_case
INSERT INTO theft_case (app_id, tenant_id, {case_columns})
VALUES (:app_id, :tenant_id, :handle, :user_id, :opened_at, :closed, 1, :text)
ON CONFLICT DO NOTHING

-- name: update_case
UPDATE theft_case SET closed = :closed, version = version + 1, body = :text
WHERE version = :version AND app_id = :app_id AND tenant_id = :tenant_id AND handle = :handle

-- name: list_cases
SELECT {case_columns} FROM theft_case
WHERE app_id = :app_id AND tenant_id = :tenant_id AND (opened_at, handle) < (:at, :after) AND closed <= :up_to_closed
ORDER BY opened_at DESC, handle DESC LIMIT :limit

-- name: list_cases_of_user
SELECT {case_columns} FROM theft_case
WHERE app_id = :app_id AND tenant_id = :tenant_id AND user_id = :user_id
    AND (opened_at, handle) < (:at, :after) AND closed <= :up_to_closed
ORDER BY opened_at DESC, handle DESC LIMIT :limit

-- name: remove_cases
DELETE FROM theft_case WHERE app_id = :app_id AND tenant_id = :tenant_id AND opened_at <= :until

-- name: remove_cases_of_user
DELETE FROM theft_case
WHERE app_id = :app_id AND tenant_id = :tenant_id AND user_id = :user_id AND opened_at <= :until

-- name: redate_cases
UPDATE theft_case SET opened_at = :now WHERE opened_at > :now

-- name: append_audit
INSERT INTO audit (seq, entry, hash) VALUES (?, ?, ?)

-- name: last_audit
SELECT seq, entry, hash FROM audit ORDER BY seq DESC LIMIT 1

-- name: audit
SELECT seq, entry, hash FROM audit WHERE seq > ? ORDER BY seq LIMIT ?

-- name: remove_audit
DELETE FROM audit WHERE seq IN (SELECT seq FROM audit WHERE seq < ? ORDER BY seq LIMIT ?)

-- name: of_provider_session
SELECT handle, json_extract(about, '$.provider_user'), json_extract(about, '$.provider_session') FROM session
WHERE json_extract(about, '$.provider_session') = :mark AND json_extract(about, '$.provider_session') IS NOT NULL
    AND app_id = :app_id AND tenant_id = :tenant_id

-- name: of_provider_user
SELECT handle, json_extract(about, '$.provider_user'), json_extract(about, '$.provider_session') FROM session
WHERE json_extract(about, '$.provider_user') = :mark AND json_extract(about, '$.provider_user') IS NOT NULL
    AND app_id = :app_id AND tenant_id = :tenant_id

-- name: kill
-- Numbers are in the order of the commits, since there is one writer, and not smaller than the time.
INSERT INTO kill (seq, until, app_id, tenant_id, handle)
VALUES (max(?, 1 + ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'kill'), 0)), ?, ?, ?, ?)

-- name: kills
SELECT e.epoch, ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'kill'), 0), k.seq, k.handle, k.until
FROM kill_epoch AS e
LEFT JOIN (
    SELECT seq, handle, until FROM kill
    WHERE seq > :after AND app_id = :app_id AND tenant_id = :tenant_id ORDER BY seq LIMIT :limit
) AS k ON 1
ORDER BY k.seq

-- name: purge_kills
DELETE FROM kill WHERE seq IN (SELECT seq FROM kill WHERE until <= :now ORDER BY until LIMIT :limit)
