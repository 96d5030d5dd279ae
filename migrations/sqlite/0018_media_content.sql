-- Media of one person with the same content has one object. Who makes an object media, or removes one that no media
-- refers to, holds its lock meanwhile; so does who sweeps the store, under another name.

CREATE TABLE blob_locks (
    object      TEXT PRIMARY KEY,
    holder      TEXT NOT NULL,
    lease_until INTEGER NOT NULL
);
CREATE INDEX media_by_object ON media (object);
