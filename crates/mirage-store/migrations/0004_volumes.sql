-- Volumes. The data lies in a folder that is named by the id. `service_id` is the owner: a volume outlives it.
-- A removed volume keeps its row until its data is deleted; `purging` says that this has begun.
CREATE TABLE volume (
    id             TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environment (id),
    name           TEXT NOT NULL,
    service_id     TEXT REFERENCES service (id) ON DELETE SET NULL,
    created_at     INTEGER NOT NULL,
    removed_at     INTEGER,
    purging        INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The name of a removed volume is free again.
CREATE UNIQUE INDEX volume_by_name ON volume (environment_id, name) WHERE removed_at IS NULL;
CREATE INDEX volume_in_order ON volume (name, id);
CREATE INDEX volume_of_service ON volume (service_id) WHERE service_id IS NOT NULL;
CREATE INDEX volume_by_removal ON volume (removed_at) WHERE removed_at IS NOT NULL;
