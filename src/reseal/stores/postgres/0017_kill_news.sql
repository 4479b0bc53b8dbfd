-- New entries of the kill list are announced when they are committed. The announcement is empty: readers read on from
-- where they are.

CREATE FUNCTION reseal_announce_kills() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM added) THEN
        PERFORM pg_notify('reseal_kill_list', '');
    END IF;
    RETURN NULL;
END
$$;

CREATE TRIGGER reseal_kill_added AFTER INSERT ON reseal_kill
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION reseal_announce_kills();
