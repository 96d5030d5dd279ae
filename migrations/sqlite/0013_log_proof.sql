-- Full tiles of the Merkle tree (C2SP tlog-tiles, height 8): 256 hashes each, and the root over them, which is a hash of
-- the level above. They follow from events.leaf_hash. hashes may be NULL where the tile is kept elsewhere.
CREATE TABLE log_tiles (
    level   INTEGER NOT NULL,
    tile    INTEGER NOT NULL,
    root    BLOB NOT NULL,
    hashes  BLOB,
    PRIMARY KEY (level, tile)
);

-- One row: the last signed checkpoint, as it was given out, and the public key that signs the log.
CREATE TABLE log_checkpoint (
    singleton  INTEGER PRIMARY KEY CHECK (singleton = 1),
    size       INTEGER NOT NULL,
    root       BLOB NOT NULL,
    note       TEXT NOT NULL,
    key        TEXT NOT NULL
);

-- What an operator gave up after a restore that was behind: the former log and its last signed checkpoint.
CREATE TABLE log_rollbacks (
    former_key  TEXT PRIMARY KEY,
    size        INTEGER NOT NULL,
    root        BLOB NOT NULL,
    kept_size   INTEGER NOT NULL,
    kept_root   BLOB NOT NULL,
    new_key     TEXT NOT NULL,
    reason      TEXT NOT NULL,
    at          INTEGER NOT NULL
);
