-- What jobs made counts for its owner, and so do jobs that are not over: both are asked for on the way of requests.

ALTER TABLE media_jobs ADD COLUMN output_bytes INTEGER NOT NULL DEFAULT 0;
UPDATE media_jobs SET output_bytes =
    (SELECT COALESCE(SUM(json_extract(made.value, '$.bytes')), 0) FROM json_each(media_jobs.outputs) AS made)
    WHERE outputs <> '[]';
CREATE INDEX media_jobs_made ON media_jobs (owner_id, media_id, output_bytes) WHERE output_bytes > 0;
CREATE INDEX media_jobs_unfinished ON media_jobs (owner_id) WHERE state IN ('queued', 'running');
