-- The queue of media jobs: quick presets before long ones, people in turn, the oldest job first, each found by an index
-- however many jobs wait.

ALTER TABLE media_jobs ADD COLUMN lane INTEGER NOT NULL DEFAULT 0;
UPDATE media_jobs SET lane = CASE preset
    WHEN 'metadata' THEN 0 WHEN 'poster' THEN 0
    WHEN 'web-video' THEN 2 WHEN 'hls' THEN 3 ELSE 1 END;
CREATE INDEX media_jobs_queued ON media_jobs (lane, owner_id, created_at, job_id) WHERE state = 'queued';
CREATE INDEX media_jobs_deadlines ON media_jobs (deadline_at) WHERE state = 'queued';
CREATE INDEX media_jobs_probes ON media_jobs (media_id) WHERE preset = 'metadata';
CREATE INDEX media_jobs_running ON media_jobs (created_at) WHERE state = 'running';
DROP INDEX media_jobs_open;
