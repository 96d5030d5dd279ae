-- The archive: sealed segments of the log, which stand in the blob store, and the streams that have ended and whose
-- events are only there. Each segment begins where the one before it ends.

CREATE TABLE log_segments (
    last_position   INTEGER PRIMARY KEY,
    first_position  INTEGER NOT NULL,
    object          TEXT NOT NULL,
    bytes           INTEGER NOT NULL,
    -- For each 256 events the length of their compressed frame (4 bytes, big-endian) and their Merkle subtree's root.
    frames          BLOB NOT NULL,
    -- The frontier and the root of the tree at the segment's end.
    frontier        BLOB NOT NULL,
    root            BLOB NOT NULL
);

CREATE TABLE log_ended_streams (
    aggregate_type  TEXT NOT NULL,
    aggregate_id    TEXT NOT NULL,
    version         INTEGER NOT NULL,
    first_position  INTEGER NOT NULL,
    last_position   INTEGER NOT NULL,
    PRIMARY KEY (aggregate_type, aggregate_id)
) WITHOUT ROWID;

CREATE TRIGGER log_segments_follow_on BEFORE INSERT ON log_segments
WHEN NEW.first_position <> (SELECT COALESCE(MAX(last_position), 0) + 1 FROM log_segments)
    OR NEW.last_position < NEW.first_position OR NEW.last_position % 256 <> 0
    OR NEW.last_position > (SELECT position FROM log_head)
BEGIN SELECT RAISE(ABORT, 'a segment follows the one before it'); END;
CREATE TRIGGER log_segments_are_not_updated BEFORE UPDATE ON log_segments
BEGIN SELECT RAISE(ABORT, 'segments are sealed'); END;
CREATE TRIGGER log_segments_are_not_deleted BEFORE DELETE ON log_segments
BEGIN SELECT RAISE(ABORT, 'segments are sealed'); END;

-- Only what a segment has goes, and only of streams that are known to have ended.
DROP TRIGGER events_are_not_deleted;
CREATE TRIGGER events_are_not_deleted BEFORE DELETE ON events
WHEN OLD.position > (SELECT COALESCE(MAX(last_position), 0) FROM log_segments)
    OR NOT EXISTS (SELECT 1 FROM log_ended_streams s WHERE s.aggregate_type = OLD.aggregate_type
        AND s.aggregate_id = OLD.aggregate_id AND s.version >= OLD.sequence)
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;
-- A stream that has ended may get one last event; its version never goes back.
CREATE TRIGGER log_ended_streams_stay_ended BEFORE UPDATE ON log_ended_streams
WHEN NEW.version < OLD.version OR NEW.first_position <> OLD.first_position
BEGIN SELECT RAISE(ABORT, 'ended streams stay ended'); END;
CREATE TRIGGER log_ended_streams_are_not_deleted BEFORE DELETE ON log_ended_streams
BEGIN SELECT RAISE(ABORT, 'ended streams stay ended'); END;
