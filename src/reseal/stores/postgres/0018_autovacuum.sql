-- What removed and replaced rows leave is to be used again before tables grow by a fifth, as they do by default: from two
-- hundredths on. Refreshes need no vacuum: they find room in their own page, a quarter of which is kept free (fillfactor).
-- A partitioned table has no rows of its own, so that its partitions get the settings.

DO $$
DECLARE
    leaf regclass;
BEGIN
    FOR leaf IN
        SELECT c.oid FROM pg_catalog.pg_class AS c
        WHERE c.relkind = 'r' AND (
            c.oid IN (
                'reseal_session'::regclass, 'reseal_event'::regclass, 'reseal_claim'::regclass, 'reseal_kill'::regclass
            )
            OR c.oid IN (SELECT inhrelid FROM pg_catalog.pg_inherits WHERE inhparent = 'reseal_session'::regclass)
        )
    LOOP
        EXECUTE format(
            'ALTER TABLE %s SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000)', leaf
        );
    END LOOP;
END
$$;
