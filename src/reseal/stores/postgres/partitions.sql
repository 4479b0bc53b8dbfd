-- What moves the table of sessions into another form: into hash partitions, into another number of them, or back into one
-- table. Sessions are copied into reseal_session_new in pages, in the order of the primary key, while a trigger repeats
-- there what services write. How far the copy is stands in reseal_note, which is written with each page.
--
-- A page is locked with FOR KEY SHARE: a refresh does not wait for that, but who would delete a session does, so that the
-- copy does not bring one back. A row that the trigger has written already is newer than the page's: it stays.

-- name: form
-- The table as it is. Options are those of its rows' storage, which only a table with rows has.
WITH leaf AS (
    SELECT c.oid, c.reltuples, c.reloptions
    FROM pg_class AS c
    WHERE c.oid = 'reseal_session'::regclass AND c.relkind = 'r'
        OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'reseal_session'::regclass)
)
SELECT
    n.nspname::text, pg_get_userbyid(t.relowner)::text,
    pg_has_role(t.relowner, 'USAGE'), has_schema_privilege(n.oid, 'CREATE'),
    current_setting('server_version_num')::bigint / 10000,
    CASE t.relkind WHEN 'p' THEN (SELECT count(*) FROM leaf) ELSE 1 END,
    (SELECT array_to_string(reloptions, ', ') FROM leaf LIMIT 1),
    greatest(0, (SELECT sum(reltuples) FROM leaf))::bigint,
    (SELECT sum(pg_total_relation_size(oid)) FROM leaf)::bigint
FROM pg_class AS t JOIN pg_namespace AS n ON n.oid = t.relnamespace
WHERE t.oid = 'reseal_session'::regclass

-- name: columns
-- Those of a table, with all that a copy has to have too, in their order.
SELECT a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attcollation::bigint
FROM pg_attribute AS a
WHERE a.attrelid = to_regclass(%(table)s::text) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum

-- name: indexes
-- Names, whether it is the primary key, and how each goes on after the name of its table.
SELECT c.relname::text, i.indisprimary, i.indisunique, regexp_replace(pg_get_indexdef(c.oid), '^.*? USING ', 'USING ')
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE i.indrelid = 'reseal_session'::regclass
ORDER BY c.relname

-- name: grants
SELECT
    a.privilege_type::text, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
FROM pg_class AS c, aclexplode(c.relacl) AS a
WHERE c.oid = 'reseal_session'::regclass AND a.grantee <> c.relowner

-- name: attached
-- What others have attached to the table and a copy would not have.
SELECT 'the foreign key ' || conname FROM pg_constraint
WHERE contype = 'f' AND 'reseal_session'::regclass IN (conrelid, confrelid)
UNION ALL
SELECT 'the trigger ' || tgname FROM pg_trigger
WHERE tgrelid = 'reseal_session'::regclass AND NOT tgisinternal AND tgname <> 'reseal_repeat'
UNION ALL
SELECT 'the policy ' || polname FROM pg_policy WHERE polrelid = 'reseal_session'::regclass
UNION ALL
SELECT DISTINCT 'the view ' || r.ev_class::regclass
FROM pg_rewrite AS r JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = 'reseal_session'::regclass
UNION ALL
SELECT 'the publication ' || p.pubname
FROM pg_publication_rel AS r JOIN pg_publication AS p ON p.oid = r.prpubid
WHERE r.prrelid = 'reseal_session'::regclass
ORDER BY 1

-- name: stop_writers
LOCK TABLE reseal_session IN SHARE ROW EXCLUSIVE MODE

-- name: stop_all
LOCK TABLE reseal_session IN ACCESS EXCLUSIVE MODE

-- name: in_the_way
-- Who has held a lock of the table for the longest time.
SELECT a.pid::bigint, coalesce(nullif(a.application_name, ''), a.backend_type), a.state,
    extract(epoch FROM clock_timestamp() - a.xact_start)::bigint
FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
WHERE l.relation = 'reseal_session'::regclass AND l.granted AND a.pid <> pg_backend_pid()
ORDER BY a.xact_start NULLS LAST LIMIT 1

-- name: progress
SELECT text FROM reseal_note WHERE name = 'partitioning' FOR UPDATE

-- name: begin_progress
INSERT INTO reseal_note (name, version, text) VALUES ('partitioning', 1, %(text)s::text)

-- name: note_progress
UPDATE reseal_note SET version = version + 1, text = %(text)s::text WHERE name = 'partitioning'

-- name: end_progress
DELETE FROM reseal_note WHERE name = 'partitioning'

-- name: copy_page
WITH page AS MATERIALIZED (
    SELECT * FROM reseal_session
    WHERE (app_id, tenant_id, handle) > (%(app_id)s::text, %(tenant_id)s::text, %(handle)s::text)
    ORDER BY app_id, tenant_id, handle LIMIT %(limit)s FOR KEY SHARE
), copied AS (
    INSERT INTO reseal_session_new SELECT * FROM page ON CONFLICT DO NOTHING
)
SELECT app_id, tenant_id, handle, count(*) OVER () FROM page ORDER BY app_id DESC, tenant_id DESC, handle DESC LIMIT 1

-- name: end_of_page
SELECT app_id, tenant_id, handle FROM reseal_session
WHERE (app_id, tenant_id, handle) > (%(app_id)s::text, %(tenant_id)s::text, %(handle)s::text)
ORDER BY app_id, tenant_id, handle LIMIT 1 OFFSET %(limit)s

-- name: compare_page
-- Both tables from one snapshot.
SELECT here.rows = there.rows AND here.sum IS NOT DISTINCT FROM there.sum
FROM (
    SELECT count(*) AS rows, sum(hashtextextended(s::text, 0)::numeric) AS sum FROM reseal_session AS s
    WHERE (app_id, tenant_id, handle) > (%(app_id)s::text, %(tenant_id)s::text, %(handle)s::text)
        AND (app_id, tenant_id, handle) <= (%(last_app_id)s::text, %(last_tenant_id)s::text, %(last_handle)s::text)
) AS here, (
    SELECT count(*) AS rows, sum(hashtextextended(s::text, 0)::numeric) AS sum FROM reseal_session_new AS s
    WHERE (app_id, tenant_id, handle) > (%(app_id)s::text, %(tenant_id)s::text, %(handle)s::text)
        AND (app_id, tenant_id, handle) <= (%(last_app_id)s::text, %(last_tenant_id)s::text, %(last_handle)s::text)
) AS there

-- name: measure_new
ANALYZE reseal_session_new

-- name: has_old
SELECT to_regclass('reseal_session_old') IS NOT NULL

-- name: drop_old
DROP TABLE IF EXISTS reseal_session_old

-- name: drop_trigger
DROP TRIGGER IF EXISTS reseal_repeat ON reseal_session

-- name: drop_function
DROP FUNCTION IF EXISTS reseal_repeat()

-- name: drop_new
DROP TABLE IF EXISTS reseal_session_new
