-- The archive: sealed segments of the log, which stand in the blob store, and the streams that have ended and whose
-- events are only there. Each segment begins where the one before it ends.

CREATE TABLE log_segments (
    last_position   BIGINT PRIMARY KEY,
    first_position  BIGINT NOT NULL,
    object          TEXT NOT NULL,
    bytes           BIGINT NOT NULL,
    -- For each 256 events the length of their compressed frame (4 bytes, big-endian) and their Merkle subtree's root.
    frames          BYTEA NOT NULL,
    -- The frontier and the root of the tree at the segment's end.
    frontier        BYTEA NOT NULL,
    root            BYTEA NOT NULL
);

CREATE TABLE log_ended_streams (
    aggregate_type  TEXT NOT NULL,
    aggregate_id    TEXT NOT NULL,
    version         BIGINT NOT NULL,
    first_position  BIGINT NOT NULL,
    last_position   BIGINT NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id)
);

CREATE FUNCTION log_segments_are_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'segments are sealed';
END
$$;
CREATE TRIGGER log_segments_are_sealed BEFORE UPDATE OR DELETE OR TRUNCATE ON log_segments
FOR EACH STATEMENT EXECUTE FUNCTION log_segments_are_sealed();

CREATE FUNCTION log_segments_follow_on() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.first_position <> (SELECT COALESCE(MAX(last_position), 0) + 1 FROM log_segments)
        OR NEW.last_position < NEW.first_position OR NEW.last_position % 256 <> 0
        OR NEW.last_position > (SELECT position FROM log_head) THEN
        RAISE EXCEPTION 'a segment follows the one before it';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER log_segments_follow_on BEFORE INSERT ON log_segments
FOR EACH ROW EXECUTE FUNCTION log_segments_follow_on();

-- Only what a segment has goes, and only of streams that are known to have ended.
DROP TRIGGER events_are_append_only ON events;
CREATE TRIGGER events_are_append_only BEFORE UPDATE OR TRUNCATE ON events
FOR EACH STATEMENT EXECUTE FUNCTION events_are_append_only();

CREATE FUNCTION events_go_only_when_archived() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.position > (SELECT COALESCE(MAX(last_position), 0) FROM log_segments)
        OR NOT EXISTS (SELECT 1 FROM log_ended_streams s WHERE s.aggregate_type = OLD.aggregate_type
            AND s.aggregate_id = OLD.aggregate_id AND s.version >= OLD.sequence) THEN
        RAISE EXCEPTION 'events are append-only';
    END IF;
    RETURN OLD;
END
$$;
CREATE TRIGGER events_go_only_when_archived BEFORE DELETE ON events
FOR EACH ROW EXECUTE FUNCTION events_go_only_when_archived();

-- A stream that has ended may get one last event; its version never goes back.
CREATE FUNCTION log_ended_streams_stay_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR NEW.version < OLD.version OR NEW.first_position <> OLD.first_position THEN
        RAISE EXCEPTION 'ended streams stay ended';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER log_ended_streams_stay_ended BEFORE UPDATE OR DELETE ON log_ended_streams
FOR EACH ROW EXECUTE FUNCTION log_ended_streams_stay_ended();
