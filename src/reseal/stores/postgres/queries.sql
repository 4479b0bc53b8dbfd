-- The queries of the PostgreSQL store. Parameters are named. {columns} are those of a session in their order,
-- {assignments} those that a replacement writes: rows.py derives them from the record.
--
-- Time is taken in the statement itself, as t.now of {time} (reseal_now): the server's clock {wall}, but never less than what
-- was noted for all (reseal_time) or seen by this process (floor), nor far beyond what this process expects (ceiling).
--
-- Where a change is reported, the events are written in the same statement: ..._reported. "changed" are the sessions, each
-- with the statement's time and its reports, a JSON array. ..._killed puts them on the kill list as well.
--
-- Who locks several rows locks them in the order of the primary key, so that nobody waits in a circle: _many by the
-- order of its arrays (see settle), the others by ORDER BY ... FOR UPDATE.
--
-- A plan may be made while the table is new and has no statistics; then app and tenant alone pass for selective. So
-- several handles are joined from a relation that also brings app and tenant, the index of users begins with the user, and
-- their order is that of an expression: nothing is left for which a walk along all of a tenant's sessions looks cheap.

-- fragment: time
(
    SELECT reseal_now(
        {wall}, noted, era, %(expected)s::bigint, %(ceiling)s::bigint, %(floor)s::bigint, %(era)s::bigint
    ) AS now, {wall} AS wall, era
    FROM reseal_clock
)

-- fragment: reported
reported AS (
    INSERT INTO reseal_event (id, at, app_id, tenant_id, name, session_handle, user_id, body)
    SELECT
        uuid_send(gen_random_uuid()), c.now, c.app_id, c.tenant_id, e.value ->> 'name', c.handle, c.user_id,
        (e.value -> 'body')::text
    FROM changed AS c, json_array_elements(c.reports::json) AS e (value)
)

-- fragment: killed
killed AS (
    INSERT INTO reseal_kill (until, app_id, tenant_id, handle)
    SELECT c.now + %(kept_ms)s::bigint, c.app_id, c.tenant_id, c.handle FROM changed AS c
)

-- name: greet
SELECT
    current_setting('server_version_num')::bigint AS server_version,
    current_setting('fsync') AS fsync,
    current_setting('server_encoding') AS encoding,
    pg_backend_pid()::bigint AS pid,
    pg_is_in_recovery() AS is_standby,
    current_setting('transaction_read_only') AS is_read_only

-- name: identify
-- The name of a segment of the log begins with the timeline, in hexadecimal digits.
SELECT
    system_identifier::text AS system,
    ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint AS timeline,
    CASE WHEN current_setting('synchronous_commit') = 'local' THEN ''
        ELSE current_setting('synchronous_standby_names') END AS standbys
FROM pg_control_system()

-- name: listen_kill_list
LISTEN reseal_kill_list

-- name: settle
SELECT
    set_config('statement_timeout', %(statement_timeout)s, %(local)s),
    -- A process that was cut off or stopped amid a transaction must not lock rows against the others for long.
    set_config('idle_in_transaction_session_timeout', (%(statement_timeout)s::integer / 2)::text, %(local)s),
    set_config('synchronous_commit', CASE current_setting('synchronous_commit')
        WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, %(local)s),
    set_config('default_transaction_isolation', 'read committed', %(local)s),
    -- Every statement looks rows up by key. Without these a small or unmeasured table would be planned by scan and
    -- hash, which locks rows in any order, and each batch would be planned anew.
    set_config('plan_cache_mode', 'force_generic_plan', %(local)s),
    set_config('enable_seqscan', 'off', %(local)s),
    set_config('enable_bitmapscan', 'off', %(local)s),
    set_config('enable_hashjoin', 'off', %(local)s),
    set_config('enable_mergejoin', 'off', %(local)s),
    set_config('jit', 'off', %(local)s)

-- name: schema_version
SELECT max(version) FROM reseal_schema

-- name: has_schema
-- To read a table has the server look what others have created meanwhile; to_regclass alone might remember the past.
SELECT EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = to_regclass('reseal_schema'))

-- name: lacking_rights
-- What the user may not do to the tables beside the schema's, of which only reading is needed.
SELECT c.relname::text, string_agg(w.name, ', ' ORDER BY w.name)
FROM pg_catalog.pg_class AS c, unnest(%(rights)s::text[]) AS w (name)
WHERE c.relnamespace = (SELECT relnamespace FROM pg_catalog.pg_class WHERE oid = to_regclass('reseal_schema'))
    AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname LIKE 'reseal\_%%' AND c.relname <> 'reseal_schema'
    AND NOT has_table_privilege(c.oid, w.name)
GROUP BY c.relname ORDER BY c.relname

-- name: begin_upgrade
SELECT
    set_config('statement_timeout', '0', true),
    set_config('lock_timeout', %(lock_timeout)s, true)

-- name: lock_schema
SELECT pg_advisory_xact_lock(7305512081362251)

-- name: create_schema_table
CREATE TABLE IF NOT EXISTS reseal_schema (version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())

-- name: keep_vacuum_off
-- It gives way only to whoever has waited for a second, and this lock is one that services do not wait behind.
LOCK TABLE reseal_session IN SHARE UPDATE EXCLUSIVE MODE

-- name: limit_lock
SELECT set_config('lock_timeout', %(milliseconds)s::text, true)

-- name: lacking_indexes
SELECT w.name FROM unnest(%(names)s::text[]) WITH ORDINALITY AS w (name, place)
LEFT JOIN pg_index AS i ON i.indexrelid = to_regclass(w.name) AND i.indisvalid
WHERE i.indexrelid IS NULL
ORDER BY w.place

-- name: begin_indexes
SELECT pg_try_advisory_lock(%(lock)s::bigint), set_config('statement_timeout', '0', false)

-- name: partitions_lacking_index
-- One row with NULL for a table without partitions.
SELECT p.inhrelid::regclass::text
FROM pg_class AS t LEFT JOIN pg_inherits AS p ON p.inhparent = t.oid
WHERE t.oid = 'reseal_session'::regclass AND NOT EXISTS (
    SELECT FROM pg_inherits AS h JOIN pg_index AS i ON i.indexrelid = h.inhrelid
    WHERE h.inhparent = to_regclass(%(name)s::text) AND i.indrelid = p.inhrelid
)

-- name: abandon_partitioning
-- A step may change what a copy of the table of sessions, which is being made, was made for: it has to begin anew.
DO $$
BEGIN
    IF to_regclass('reseal_session_new') IS NOT NULL THEN
        DROP TRIGGER IF EXISTS reseal_repeat ON reseal_session;
        DROP FUNCTION IF EXISTS reseal_repeat();
        DROP TABLE reseal_session_new;
        DELETE FROM reseal_note WHERE name = 'partitioning';
    END IF;
END
$$

-- name: set_schema_version
INSERT INTO reseal_schema (version) VALUES (%(version)s)

-- name: note_time
UPDATE reseal_time AS s SET at = t.now, run = %(run)s::text, steady = %(steady)s::bigint
FROM {time} AS t
WHERE s.only_row = 1 AND s.at <= t.now AND s.era = t.era
RETURNING t.now, t.wall, t.era

-- name: noted
SELECT at, run, steady, era FROM reseal_time

-- name: times
SELECT t.now, t.wall
FROM {time} AS t

-- name: begin_era
UPDATE reseal_time AS s SET at = t.wall, run = NULL, era = s.era + 1
FROM {time} AS t
RETURNING t.now, s.at

-- name: redate_sessions
UPDATE reseal_session SET
    expires_at = expires_at - greatest(0, rotated_at - %(now)s),
    absolute_expires_at = absolute_expires_at - greatest(0, created_at - %(now)s),
    created_at = least(created_at, %(now)s),
    rotated_at = least(rotated_at, %(now)s),
    confirmed_at = CASE WHEN confirmed_at > %(now)s THEN %(now)s ELSE confirmed_at END,
    last_seen_at = least(last_seen_at, %(now)s),
    ended_at = CASE WHEN ended_at > %(now)s THEN %(now)s ELSE ended_at END,
    adopted_at = CASE WHEN adopted_at > %(now)s THEN %(now)s ELSE adopted_at END,
    due_at = %(now)s,
    version = version + 1
WHERE created_at > %(now)s OR rotated_at > %(now)s OR confirmed_at > %(now)s OR last_seen_at > %(now)s
    OR ended_at > %(now)s

-- name: redate_keys
UPDATE reseal_key SET created_at = %(now)s, signs_from = least(signs_from, %(now)s) WHERE created_at > %(now)s

-- fragment: insertion
INSERT INTO reseal_session (
    app_id, tenant_id, handle, user_id, created_at, expires_at, absolute_expires_at, generation, current_hash,
    rotated_at, replayed, collided, estranged, jwt_payload, session_data, use_static_key, ip, user_agent,
    about, policy, last_seen_at, version, due_at
)
SELECT
    %(app_id)s::text, %(tenant_id)s::text, %(handle)s::text, %(user_id)s::text, t.now, t.now +
    least(%(idle_ms)s::bigint, %(absolute_ms)s::bigint), t.now + %(absolute_ms)s::bigint, 0, %(token_hash)s::bytea,
    t.now, 0, 0, 0, %(jwt_payload)s::text, %(session_data)s::text, %(use_static_key)s::boolean,
    %(ip)s::text, %(user_agent)s::text, %(about)s::text, %(policy)s::text, t.now, 1, t.now + %(due_ms)s::bigint
FROM {time} AS t
ON CONFLICT DO NOTHING

-- name: insert
{insertion}
RETURNING app_id, tenant_id, handle, created_at

-- name: insert_reported
WITH changed AS (
    {insertion}
    RETURNING app_id, tenant_id, handle, user_id, created_at, created_at AS now, %(reports)s::text AS reports
), {reported}
SELECT app_id, tenant_id, handle, created_at FROM changed

-- fragment: insertions
WITH t AS MATERIALIZED {time}
INSERT INTO reseal_session (
    app_id, tenant_id, handle, user_id, created_at, expires_at, absolute_expires_at, generation, current_hash,
    rotated_at, replayed, collided, estranged, jwt_payload, session_data, use_static_key, ip, user_agent,
    about, policy, last_seen_at, version, due_at
)
SELECT
    w.app_id, w.tenant_id, w.handle, w.user_id, t.now, t.now + least(w.idle_ms, w.absolute_ms), t.now +
    w.absolute_ms, 0, w.token_hash, t.now, 0, 0, 0, w.jwt_payload, w.session_data, w.use_static_key,
    w.ip, w.user_agent, w.about, w.policy, t.now, 1, t.now + w.due_ms
FROM t, unnest(
    %(app_id)b::text[], %(tenant_id)b::text[], %(handle)b::text[], %(user_id)b::text[], %(token_hash)b::bytea[],
    %(idle_ms)b::bigint[], %(absolute_ms)b::bigint[], %(jwt_payload)b::text[], %(session_data)b::text[],
    %(use_static_key)b::boolean[], %(ip)b::text[], %(user_agent)b::text[], %(about)b::text[], %(policy)b::text[],
    %(due_ms)b::bigint[]
) AS w (
    app_id, tenant_id, handle, user_id, token_hash, idle_ms, absolute_ms, jwt_payload, session_data, use_static_key,
    ip, user_agent, about, policy, due_ms
)
ON CONFLICT DO NOTHING

-- name: insert_many
{insertions}
RETURNING app_id, tenant_id, handle, created_at

-- name: insert_many_reported
WITH inserted AS (
    {insertions}
    RETURNING app_id, tenant_id, handle, user_id, created_at
), changed AS (
    SELECT inserted.*, created_at AS now, w.reports
    FROM inserted JOIN unnest(
        %(app_id)b::text[], %(tenant_id)b::text[], %(handle)b::text[], %(reports)b::text[]
    ) AS w (app_id, tenant_id, handle, reports) USING (app_id, tenant_id, handle)
), {reported}
SELECT app_id, tenant_id, handle, created_at FROM changed

-- name: get
SELECT
    t.now, t.wall,
    {s.columns}
FROM {time} AS t
LEFT JOIN reseal_session AS s ON s.app_id = %(app_id)s AND s.tenant_id = %(tenant_id)s AND s.handle = %(handle)s

-- name: get_each
SELECT
    t.now, t.wall,
    {s.columns},
    s.app_id, s.tenant_id
FROM {time} AS t
LEFT JOIN (
    unnest(%(app_ids)b::text[], %(tenant_ids)b::text[], %(handles)b::text[]) AS w (app_id, tenant_id, handle)
    JOIN reseal_session AS s USING (app_id, tenant_id, handle)
) ON true

-- name: get_many
SELECT
    t.now, t.wall,
    {s.columns}
FROM {time} AS t
LEFT JOIN (
    (SELECT %(app_id)s::text AS app_id, %(tenant_id)s::text AS tenant_id, unnest(%(handles)s::text[]) AS handle) AS w
    JOIN reseal_session AS s USING (app_id, tenant_id, handle)
) ON true

-- fragment: rotation
UPDATE reseal_session AS s SET
    expires_at = least(t.now + %(idle_ms)s, s.absolute_expires_at),
    generation = s.generation + 1,
    current_hash = %(successor_hash)s,
    previous_hash = s.current_hash,
    successor_sealed = %(successor_sealed)s,
    rotated_at = t.now,
    confirmed_at = NULL,
    attempt_hash = %(attempt_hash)s,
    replayed = s.replayed << 1 & 4294967295,
    collided = s.collided << 1 & 4294967295,
    estranged = s.estranged << 1 & 4294967295,
    ip = %(ip)s,
    user_agent = %(user_agent)s,
    last_seen_at = t.now,
    version = s.version + 1
FROM {time} AS t
WHERE s.app_id = %(app_id)s AND s.tenant_id = %(tenant_id)s AND s.handle = %(handle)s
    AND s.current_hash = %(presented_hash)s AND s.ended_at IS NULL AND s.expires_at > t.now
    AND s.policy IS NULL

-- fragment: rotated
s.app_id, s.tenant_id,
    {s.columns},
    t.now, t.wall

-- name: rotate
{rotation}
RETURNING
    {rotated}

-- name: rotate_reported
WITH changed AS (
    {rotation}
    RETURNING
        {rotated},
        %(reports)s::text AS reports
), {reported}
SELECT
    app_id, tenant_id,
    {columns},
    now, wall
FROM changed

-- fragment: rotations
WITH t AS MATERIALIZED {time}
UPDATE reseal_session AS s SET
    expires_at = least(t.now + w.idle_ms, s.absolute_expires_at),
    generation = s.generation + 1,
    current_hash = w.successor_hash,
    previous_hash = s.current_hash,
    successor_sealed = w.successor_sealed,
    rotated_at = t.now,
    confirmed_at = NULL,
    attempt_hash = w.attempt_hash,
    replayed = s.replayed << 1 & 4294967295,
    collided = s.collided << 1 & 4294967295,
    estranged = s.estranged << 1 & 4294967295,
    ip = w.ip,
    user_agent = w.user_agent,
    last_seen_at = t.now,
    version = s.version + 1
FROM t, unnest(
    %(app_id)b::text[], %(tenant_id)b::text[], %(handle)b::text[], %(presented_hash)b::bytea[],
    %(successor_hash)b::bytea[], %(successor_sealed)b::bytea[], %(attempt_hash)b::bytea[], %(idle_ms)b::bigint[],
    %(ip)b::text[], %(user_agent)b::text[]

-- fragment: rotations_given
    app_id, tenant_id, handle, presented_hash, successor_hash, successor_sealed, attempt_hash, idle_ms, ip, user_agent

-- fragment: rotations_met
WHERE s.app_id = w.app_id AND s.tenant_id = w.tenant_id AND s.handle = w.handle
    AND s.current_hash = w.presented_hash AND s.ended_at IS NULL AND s.expires_at > t.now
    AND s.policy IS NULL

-- name: rotate_many
{rotations}
) AS w (
    {rotations_given}
)
{rotations_met}
RETURNING
    {rotated}

-- name: rotate_many_reported
WITH changed AS (
    {rotations},
    %(reports)b::text[]
    ) AS w (
        {rotations_given}, reports
    )
    {rotations_met}
    RETURNING
        {rotated},
        w.reports
), {reported}
SELECT
    app_id, tenant_id,
    {columns},
    now, wall
FROM changed

-- fragment: unconfirmed
s.confirmed_at IS NULL AND s.ended_at IS NULL AND s.expires_at > t.now
        AND (s.generation = w.generation OR s.current_hash = w.current_hash)

-- name: confirm
-- What is not to be marked is read from the same snapshot and at the same time. So what is to be marked, but another writer
-- has changed since, is in neither part.
WITH t AS MATERIALIZED {time}, w AS MATERIALIZED (
    SELECT * FROM unnest(
        %(app_id)b::text[], %(tenant_id)b::text[], %(handle)b::text[], %(generation)b::bigint[], %(current_hash)b::bytea[]
    ) WITH ORDINALITY AS w (app_id, tenant_id, handle, generation, current_hash, place)
), confirmed AS (
    UPDATE reseal_session AS s SET confirmed_at = t.now, version = s.version + 1
    FROM t, w
    WHERE s.app_id = w.app_id AND s.tenant_id = w.tenant_id AND s.handle = w.handle
        AND {unconfirmed}
    RETURNING
        {s.columns},
        s.app_id, s.tenant_id, w.place
)
SELECT t.now, t.wall, s.*
FROM t LEFT JOIN (
    SELECT * FROM confirmed
    UNION ALL
    SELECT
        {s.columns},
        s.app_id, s.tenant_id, w.place
    FROM t, w JOIN reseal_session AS s ON s.app_id = w.app_id AND s.tenant_id = w.tenant_id AND s.handle = w.handle
    WHERE NOT ({unconfirmed})
) AS s ON true

-- fragment: replacement
-- Only an adopted token moves the generation on here.
UPDATE reseal_session AS s SET
    adopted_at = CASE WHEN %(generation)s > s.generation + 1 THEN %(rotated_at)s ELSE s.adopted_at END,
    {assignments},
    version = s.version + 1
WHERE s.app_id = %(app_id)s AND s.tenant_id = %(tenant_id)s AND s.handle = %(handle)s AND s.version = %(version)s

-- name: replace
{replacement}
RETURNING 1

-- fragment: replaced
replaced AS (
    {replacement}
    RETURNING s.app_id, s.tenant_id, s.handle, s.user_id
), changed AS (
    SELECT replaced.*, t.now, %(reports)s::text AS reports FROM replaced, {time} AS t
), {reported}

-- name: replace_reported
WITH {replaced}
SELECT 1 FROM changed

-- name: replace_killed
WITH {replaced}, {killed}
SELECT 1 FROM changed

-- fragment: ending
UPDATE reseal_session AS s SET
    ended_at = t.now, end_reason = %(reason)s, end_note = %(note)s::text, successor_sealed = NULL, version = s.version + 1
FROM {time} AS t, (
    SELECT m.app_id, m.tenant_id, m.handle
    FROM (SELECT %(app_id)s::text AS app_id, %(tenant_id)s::text AS tenant_id, unnest(%(handles)s::text[]) AS handle) AS w
    JOIN reseal_session AS m USING (app_id, tenant_id, handle)
    WHERE m.ended_at IS NULL
    ORDER BY m.handle FOR UPDATE OF m
) AS meant
WHERE s.app_id = meant.app_id AND s.tenant_id = meant.tenant_id AND s.handle = meant.handle AND s.ended_at IS NULL

-- fragment: ended
s.app_id, s.tenant_id, s.handle, s.user_id, t.now, %(reports)s::text AS reports

-- name: end
{ending}
RETURNING s.handle

-- name: end_reported
WITH changed AS (
    {ending}
    RETURNING {ended}
), {reported}
SELECT handle FROM changed

-- name: end_killed
WITH changed AS (
    {ending}
    RETURNING {ended}
), {reported}, {killed}
SELECT handle FROM changed

-- fragment: ending_of_user
UPDATE reseal_session AS s SET ended_at = t.now, end_reason = %(reason)s, successor_sealed = NULL, version = s.version + 1
FROM {time} AS t, (
    SELECT m.app_id, m.tenant_id, m.handle FROM reseal_session AS m
    WHERE m.app_id = %(app_id)s AND m.tenant_id = %(tenant_id)s AND m.user_id = %(user_id)s AND m.ended_at IS NULL
        AND m.handle IS DISTINCT FROM %(keep)s::text
    ORDER BY m.handle || '' FOR UPDATE
) AS meant
WHERE s.app_id = meant.app_id AND s.tenant_id = meant.tenant_id AND s.handle = meant.handle AND s.ended_at IS NULL

-- name: end_user
{ending_of_user}
RETURNING s.handle, s.user_id

-- name: end_user_reported
WITH changed AS (
    {ending_of_user}
    RETURNING {ended}
), {reported}
SELECT handle, user_id FROM changed

-- name: end_user_killed
WITH changed AS (
    {ending_of_user}
    RETURNING {ended}
), {reported}, {killed}
SELECT handle, user_id FROM changed

-- name: lock_user
-- Until the transaction ends. Two users with one number wait for one another in vain, which harms nobody.
SELECT pg_advisory_xact_lock(
    hashtextextended(%(app_id)s::text || '/' || %(tenant_id)s::text || '/' || %(user_id)s::text, 4914)
)::text

-- name: list_user
SELECT
    {s.columns}
FROM {time} AS t, reseal_session AS s
WHERE s.app_id = %(app_id)s AND s.tenant_id = %(tenant_id)s AND s.user_id = %(user_id)s AND s.ended_at IS NULL AND s.expires_at > t.now
    AND (s.created_at, s.handle) > (%(after_created_at)s::bigint, %(after_handle)s::text)
ORDER BY s.created_at, s.handle LIMIT %(limit)s

-- name: list_ended
SELECT
    {s.columns}
FROM {time} AS t, reseal_session AS s
WHERE s.app_id = %(app_id)s AND s.tenant_id = %(tenant_id)s AND s.user_id = %(user_id)s
    AND (
        s.ended_at > t.now - %(within)s::bigint
        OR s.ended_at IS NULL AND s.expires_at <= t.now AND s.expires_at > t.now - %(within)s::bigint
    )
ORDER BY coalesce(s.ended_at, s.expires_at) DESC, s.handle LIMIT %(limit)s

-- name: before
SELECT
    s.tenant_id,
    {s.columns}
FROM {time} AS t, reseal_session AS s
WHERE s.app_id = %(app_id)s AND (s.tenant_id, s.handle) > (%(after_tenant)s::text, %(after_handle)s::text)
    AND (%(tenant_id)s::text IS NULL OR s.tenant_id = %(tenant_id)s::text)
    AND (%(user_id)s::text IS NULL OR s.user_id = %(user_id)s::text) AND s.ended_at IS NULL AND s.expires_at > t.now
    AND (s.rotated_at < %(moment)s OR s.adopted_at >= %(moment)s)
ORDER BY s.tenant_id, s.handle LIMIT %(limit)s

-- name: before_of_user
SELECT
    s.tenant_id,
    {s.columns}
FROM {time} AS t, reseal_session AS s
WHERE s.app_id = %(app_id)s AND s.tenant_id = %(tenant_id)s AND s.user_id = %(user_id)s
    AND s.handle || '' > %(after_handle)s::text COLLATE "C" AND s.ended_at IS NULL AND s.expires_at > t.now
    AND (s.rotated_at < %(moment)s OR s.adopted_at >= %(moment)s)
ORDER BY s.handle || '' LIMIT %(limit)s

-- name: adopted
SELECT count(*), max(adopted_at) FROM reseal_session WHERE adopted_at IS NOT NULL

-- name: claim
INSERT INTO reseal_claim AS c (app_id, tenant_id, name, claimed_at, until)
SELECT %(app_id)s::text, %(tenant_id)s::text, %(name)s::text, t.now, %(until)s::bigint
FROM {time} AS t
WHERE t.now < %(until)s::bigint
ON CONFLICT (app_id, tenant_id, name) DO UPDATE SET claimed_at = excluded.claimed_at, until = excluded.until
WHERE c.until <= excluded.claimed_at
RETURNING 1

-- name: purge_claims
WITH t AS MATERIALIZED {time}, forgotten AS MATERIALIZED (
    SELECT c.app_id, c.tenant_id, c.name FROM reseal_claim AS c
    WHERE c.until <= (SELECT t.now FROM t)
    ORDER BY c.until LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
DELETE FROM reseal_claim AS c
USING forgotten AS f
WHERE c.app_id = f.app_id AND c.tenant_id = f.tenant_id AND c.name = f.name
RETURNING 1

-- fragment: seen_row
s.ctid = seen.place AND s.app_id = seen.app_id AND s.tenant_id = seen.tenant_id AND s.handle = seen.handle

-- name: purge
-- Who locked a row knows its place, and needs no way to it through the index of the primary key, whose pages are another
-- one for each session. The key is compared as well: each partition has its own places.
WITH t AS MATERIALIZED {time}, seen AS MATERIALIZED (
    SELECT s.ctid AS place, s.app_id, s.tenant_id, s.handle,
        CASE WHEN %(early)s THEN least(s.expires_at, s.ended_at) ELSE s.expires_at END AS end_at
    FROM reseal_session AS s
    WHERE s.due_at <= (SELECT t.now FROM t)
    ORDER BY s.due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM reseal_session AS s
    USING seen
    WHERE {seen_row} AND seen.end_at <= (SELECT t.now FROM t) - %(kept_ms)s::bigint
    RETURNING 1
), put_off AS (
    UPDATE reseal_session AS s
    SET due_at = least(seen.end_at, (SELECT t.now FROM t) + %(again_ms)s::bigint) + %(kept_ms)s::bigint
    FROM seen
    WHERE {seen_row} AND seen.end_at > (SELECT t.now FROM t) - %(kept_ms)s::bigint
)
SELECT (SELECT count(*) FROM seen), (SELECT count(*) FROM gone)

-- name: backlog
SELECT (SELECT count(*) FROM (SELECT 1 FROM reseal_session WHERE due_at <= t.now LIMIT %(most)s) AS due),
    greatest(0, t.now - (SELECT min(due_at) FROM reseal_session))
FROM {time} AS t

-- name: live_sessions
SELECT count(*) FROM {time} AS t JOIN reseal_session ON ended_at IS NULL AND expires_at > t.now

-- name: keys
SELECT kid, algorithm, secret, created_at, signs_from FROM reseal_key WHERE app_id = %(app_id)s

-- name: add_key
INSERT INTO reseal_key (app_id, kid, algorithm, secret, created_at, signs_from)
VALUES (%(app_id)s, %(kid)s, %(algorithm)s, %(secret)s, %(created_at)s, %(signs_from)s)
ON CONFLICT DO NOTHING
RETURNING 1

-- name: replace_key
UPDATE reseal_key SET secret = %(secret)s
WHERE app_id = %(app_id)s AND kid = %(kid)s AND secret = %(old_secret)s
RETURNING 1

-- name: remove_keys
DELETE FROM reseal_key WHERE app_id = %(app_id)s AND kid = ANY(%(kids)s::text[]) RETURNING 1

-- name: tenant_revision
SELECT at FROM reseal_tenant_revision

-- name: end_of_tenants_page
SELECT min(revision) FROM (
    (SELECT revision FROM reseal_tenant WHERE revision > %(after)s ORDER BY revision LIMIT 1 OFFSET %(skipped)s)
    UNION ALL
    (SELECT revision FROM reseal_gone_tenant WHERE revision > %(after)s ORDER BY revision LIMIT 1 OFFSET %(skipped)s)
) AS ends

-- name: changed_tenants
SELECT app_id, tenant_id, revision, config, created_at FROM reseal_tenant
WHERE revision > %(after)s AND revision <= %(until)s ORDER BY created_at, app_id, tenant_id

-- name: gone_tenants
SELECT app_id, tenant_id, revision FROM reseal_gone_tenant WHERE revision > %(after)s AND revision <= %(until)s

-- name: note_gone_tenant
WITH next AS (UPDATE reseal_tenant_revision SET at = at + 1 RETURNING at)
INSERT INTO reseal_gone_tenant (app_id, tenant_id, revision)
SELECT %(app_id)s::text, %(tenant_id)s::text, at FROM next
ON CONFLICT (app_id, tenant_id) DO UPDATE SET revision = excluded.revision
RETURNING 1

-- name: put_tenant
WITH next AS (UPDATE reseal_tenant_revision SET at = at + 1 RETURNING at)
INSERT INTO reseal_tenant AS s (app_id, tenant_id, config, created_at, revision)
SELECT %(app_id)s::text, %(tenant_id)s::text, %(config)s::text, t.now, next.at
FROM next, {time} AS t
ON CONFLICT (app_id, tenant_id) DO UPDATE SET config = excluded.config, revision = excluded.revision
RETURNING s.xmax = 0 -- a row that was there before carries the lock under which it was replaced

-- name: remove_tenant
DELETE FROM reseal_tenant WHERE app_id = %(app_id)s AND tenant_id = %(tenant_id)s RETURNING 1

-- name: remove_sessions
WITH meant AS MATERIALIZED (
    SELECT handle FROM reseal_session
    WHERE app_id = %(app_id)s AND tenant_id = %(tenant_id)s
    ORDER BY handle LIMIT %(limit)s FOR UPDATE
), gone AS (
    DELETE FROM reseal_session AS s
    USING meant
    WHERE s.app_id = %(app_id)s AND s.tenant_id = %(tenant_id)s AND s.handle = meant.handle
    RETURNING 1
)
SELECT count(*) FROM gone

-- name: remove_app_keys
DELETE FROM reseal_key WHERE app_id = %(app_id)s RETURNING 1

-- name: append_event
INSERT INTO reseal_event (id, at, app_id, tenant_id, name, session_handle, user_id, body)
SELECT
    %(id)s::bytea, t.now, %(app_id)s::text, %(tenant_id)s::text, %(name)s::text, %(handle)s::text, %(user_id)s::text,
    %(body)s::text
FROM {time} AS t
ON CONFLICT DO NOTHING
RETURNING 1

-- name: has_unnumbered_events
SELECT EXISTS (SELECT FROM reseal_event WHERE seq IS NULL)

-- name: lock_event_number
-- Whoever numbers events locks this first, in a statement of its own: the next one sees all that was committed before.
SELECT last FROM reseal_event_number WHERE only_row = 1 FOR UPDATE

-- name: number_events
WITH pending AS MATERIALIZED (
    SELECT id, written FROM reseal_event WHERE seq IS NULL ORDER BY written LIMIT %(limit)s
), numbered AS (
    UPDATE reseal_event AS e SET seq = n.last + s.place
    FROM reseal_event_number AS n, (SELECT id, row_number() OVER (ORDER BY written) AS place FROM pending) AS s
    WHERE n.only_row = 1 AND e.id = s.id
    RETURNING 1
)
UPDATE reseal_event_number SET last = last + (SELECT count(*) FROM numbered)
WHERE only_row = 1
RETURNING (SELECT count(*) FROM numbered)

-- name: consumer
SELECT c.acknowledged, c.seen_at > t.now - %(seen_every)s::bigint
FROM {time} AS t, reseal_consumer AS c
WHERE c.name = %(consumer)s::text

-- name: note_consumer
INSERT INTO reseal_consumer AS c (name, acknowledged, seen_at)
SELECT
    %(consumer)s::text,
    coalesce((SELECT e.seq - 1 FROM reseal_event AS e WHERE e.seq IS NOT NULL ORDER BY e.seq LIMIT 1), n.last), t.now
FROM {time} AS t, reseal_event_number AS n
ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at
RETURNING c.acknowledged

-- name: events
SELECT n.last, e.id, e.at, e.app_id, e.tenant_id, e.name, e.session_handle, e.user_id, e.body, e.seq
FROM reseal_event_number AS n
LEFT JOIN (
    SELECT * FROM reseal_event WHERE seq > %(acknowledged)s::bigint ORDER BY seq LIMIT %(limit)s
) AS e ON true
ORDER BY e.seq

-- name: acknowledge
UPDATE reseal_consumer AS c SET acknowledged = least(%(cursor)s::bigint, n.last)
FROM reseal_event_number AS n
WHERE c.name = %(consumer)s::text AND c.acknowledged < least(%(cursor)s::bigint, n.last)
RETURNING 1

-- name: oldest_events
SELECT n.last, t.now, coalesce((SELECT min(acknowledged) FROM reseal_consumer), 0), e.seq, e.at
FROM {time} AS t, reseal_event_number AS n
LEFT JOIN (
    SELECT seq, at FROM reseal_event WHERE seq IS NOT NULL ORDER BY seq LIMIT %(limit)s
) AS e ON true
ORDER BY e.seq

-- name: remove_events
DELETE FROM reseal_event WHERE seq <= %(seq)s::bigint RETURNING seq

-- name: redate_events
UPDATE reseal_event SET at = %(now)s WHERE at > %(now)s

-- name: note
SELECT version, text FROM reseal_note WHERE name = %(name)s::text

-- name: insert_note
INSERT INTO reseal_note (name, version, text) VALUES (%(name)s::text, 1, %(text)s::text)
ON CONFLICT DO NOTHING
RETURNING 1

-- name: update_note
UPDATE reseal_note SET version = version + 1, text = %(text)s::text
WHERE name = %(name)s::text AND version = %(version)s::bigint
RETURNING 1

-- fragment: case_columns
handle, user_id, opened_at, closed, version, body

-- name: case
SELECT {case_columns} FROM reseal_case
WHERE app_id = %(app_id)s::text AND tenant_id = %(tenant_id)s::text AND handle = %(handle)s::text

-- name: insert_case
INSERT INTO reseal_case (app_id, tenant_id, {case_columns})
VALUES (
    %(app_id)s::text, %(tenant_id)s::text, %(handle)s::text, %(user_id)s::text, %(opened_at)s::bigint,
    %(closed)s::boolean, 1, %(text)s::text
)
ON CONFLICT DO NOTHING
RETURNING 1

-- name: update_case
UPDATE reseal_case SET closed = %(closed)s::boolean, version = version + 1, body = %(text)s::text
WHERE app_id = %(app_id)s::text AND tenant_id = %(tenant_id)s::text AND handle = %(handle)s::text
    AND version = %(version)s::bigint
RETURNING 1

-- name: list_cases
SELECT {case_columns} FROM reseal_case
WHERE app_id = %(app_id)s::text AND tenant_id = %(tenant_id)s::text
    AND (opened_at, handle) < (%(at)s::bigint, %(after)s::text) AND closed <= %(up_to_closed)s::boolean
ORDER BY opened_at DESC, handle DESC LIMIT %(limit)s

-- name: list_cases_of_user
SELECT {case_columns} FROM reseal_case
WHERE app_id = %(app_id)s::text AND tenant_id = %(tenant_id)s::text AND user_id = %(user_id)s::text
    AND (opened_at, handle) < (%(at)s::bigint, %(after)s::text) AND closed <= %(up_to_closed)s::boolean
ORDER BY opened_at DESC, handle DESC LIMIT %(limit)s

-- name: remove_cases
DELETE FROM reseal_case
WHERE app_id = %(app_id)s::text AND tenant_id = %(tenant_id)s::text AND opened_at <= %(until)s::bigint
RETURNING 1

-- name: remove_cases_of_user
DELETE FROM reseal_case
WHERE app_id = %(app_id)s::text AND tenant_id = %(tenant_id)s::text AND user_id = %(user_id)s::text
    AND opened_at <= %(until)s::bigint
RETURNING 1

-- name: redate_cases
UPDATE reseal_case SET opened_at = %(now)s WHERE opened_at > %(now)s

-- name: append_audit
INSERT INTO reseal_audit (seq, entry, hash)
SELECT w.seq, w.entry, w.hash
FROM unnest(%(seqs)s::bigint[], %(entries)s::text[], %(hashes)s::bytea[]) AS w (seq, entry, hash)
WHERE %(after)s::bigint = (SELECT coalesce(max(seq), 0) FROM reseal_audit)
RETURNING 1

-- name: last_audit
SELECT seq, entry, hash FROM reseal_audit ORDER BY seq DESC LIMIT 1

-- name: audit
SELECT seq, entry, hash FROM reseal_audit WHERE seq > %(after)s::bigint ORDER BY seq LIMIT %(limit)s

-- name: remove_audit
DELETE FROM reseal_audit
WHERE seq IN (SELECT seq FROM reseal_audit WHERE seq < %(seq)s::bigint ORDER BY seq LIMIT %(limit)s)
RETURNING 1

-- name: of_provider_session
SELECT handle, about::json ->> 'provider_user', about::json ->> 'provider_session' FROM reseal_session
WHERE about::json ->> 'provider_session' = %(mark)s::text AND about::json ->> 'provider_session' IS NOT NULL
    AND app_id || '' = %(app_id)s::text AND tenant_id || '' = %(tenant_id)s::text

-- name: of_provider_user
SELECT handle, about::json ->> 'provider_user', about::json ->> 'provider_session' FROM reseal_session
WHERE about::json ->> 'provider_user' = %(mark)s::text AND about::json ->> 'provider_user' IS NOT NULL
    AND app_id || '' = %(app_id)s::text AND tenant_id || '' = %(tenant_id)s::text

-- name: kills
SELECT
    n.epoch, n.last, k.seq, k.handle, k.until, t.now, EXISTS (SELECT FROM reseal_kill WHERE seq IS NULL)
FROM {time} AS t, reseal_kill_number AS n
LEFT JOIN (
    SELECT seq, handle, until FROM reseal_kill
    WHERE seq > %(after)s::bigint AND app_id || '' = %(app_id)s::text AND tenant_id || '' = %(tenant_id)s::text
    ORDER BY seq LIMIT %(limit)s
) AS k ON true
ORDER BY k.seq

-- name: lock_kill_number
-- Whoever numbers entries locks this first, in a statement of its own: the next one sees all that was committed before.
SELECT last FROM reseal_kill_number WHERE only_row = 1 FOR UPDATE

-- name: number_kills
WITH pending AS MATERIALIZED (
    SELECT written FROM reseal_kill WHERE seq IS NULL ORDER BY written LIMIT %(limit)s
), numbered AS (
    UPDATE reseal_kill AS k SET seq = greatest(n.last, t.now - 1) + s.place
    FROM {time} AS t, reseal_kill_number AS n,
        (SELECT written, row_number() OVER (ORDER BY written) AS place FROM pending) AS s
    WHERE n.only_row = 1 AND k.written = s.written
    RETURNING k.seq
)
UPDATE reseal_kill_number SET last = (SELECT max(seq) FROM numbered)
WHERE only_row = 1 AND EXISTS (SELECT FROM numbered)
RETURNING (SELECT count(*) FROM numbered)

-- name: purge_kills
DELETE FROM reseal_kill WHERE written IN (
    SELECT k.written FROM reseal_kill AS k
    WHERE k.until <= (SELECT t.now FROM {time} AS t)
    ORDER BY k.until LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
RETURNING 1
