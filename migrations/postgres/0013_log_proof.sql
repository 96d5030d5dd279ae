-- Full tiles of the Merkle tree (C2SP tlog-tiles, height 8): 256 hashes each, and the root over them, which is a hash of
-- the level above. They follow from events.leaf_hash. hashes may be NULL where the tile is kept elsewhere.
CREATE TABLE log_tiles (
    level   BIGINT NOT NULL,
    tile    BIGINT NOT NULL,
    root    BYTEA NOT NULL,
    hashes  BYTEA,
    PRIMARY KEY (level, tile)
);

-- One row: the last signed checkpoint, as it was given out, and the public key that signs the log.
CREATE TABLE log_checkpoint (
    singleton  BIGINT PRIMARY KEY CHECK (singleton = 1),
    size       BIGINT NOT NULL,
    root       BYTEA NOT NULL,
    note       TEXT NOT NULL,
    key        TEXT NOT NULL
);

-- What an operator gave up after a restore that was behind: the former log and its last signed checkpoint.
CREATE TABLE log_rollbacks (
    former_key  TEXT PRIMARY KEY,
    size        BIGINT NOT NULL,
    root        BYTEA NOT NULL,
    kept_size   BIGINT NOT NULL,
    kept_root   BYTEA NOT NULL,
    new_key     TEXT NOT NULL,
    reason      TEXT NOT NULL,
    at          BIGINT NOT NULL
);
