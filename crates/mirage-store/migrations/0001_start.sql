-- Times are microseconds since 1970-01-01 UTC. Specs, images and the like are JSON of the core's types.

CREATE TABLE setting (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE project (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE environment (
    id         TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES project (id),
    name       TEXT NOT NULL,
    network    INTEGER NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    UNIQUE (project_id, name)
) STRICT;

CREATE TABLE service (
    id             TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environment (id),
    name           TEXT NOT NULL,
    host           TEXT NOT NULL UNIQUE,
    spec           TEXT NOT NULL,
    replicas       INTEGER NOT NULL,
    generation     INTEGER NOT NULL,
    removed        INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    UNIQUE (environment_id, name)
) STRICT;

CREATE TABLE revision (
    service_id TEXT NOT NULL REFERENCES service (id) ON DELETE CASCADE,
    number     INTEGER NOT NULL,
    spec       TEXT NOT NULL,
    image      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (service_id, number)
) STRICT;

CREATE TABLE deployment (
    id          TEXT PRIMARY KEY,
    service_id  TEXT NOT NULL REFERENCES service (id) ON DELETE CASCADE,
    revision    INTEGER NOT NULL,
    phase       TEXT NOT NULL,
    reason      TEXT NOT NULL,
    replaces    TEXT,
    failure     TEXT,
    cancelled   INTEGER NOT NULL DEFAULT 0,
    created_at  INTEGER NOT NULL,
    finished_at INTEGER
) STRICT;

CREATE INDEX deployment_of_service ON deployment (service_id, created_at);
CREATE INDEX deployment_by_phase ON deployment (service_id, phase);

CREATE TABLE step (
    deployment_id TEXT NOT NULL REFERENCES deployment (id) ON DELETE CASCADE,
    position      INTEGER NOT NULL,
    kind          TEXT NOT NULL,
    summary       TEXT NOT NULL,
    started_at    INTEGER NOT NULL,
    finished_at   INTEGER,
    failed        INTEGER NOT NULL,
    PRIMARY KEY (deployment_id, position)
) STRICT;

CREATE TABLE instance (
    id            TEXT PRIMARY KEY,
    service_id    TEXT NOT NULL REFERENCES service (id) ON DELETE CASCADE,
    deployment_id TEXT NOT NULL REFERENCES deployment (id) ON DELETE CASCADE,
    ordinal       INTEGER NOT NULL,
    generation    INTEGER NOT NULL,
    attempt       INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    exit          TEXT,
    stopped       INTEGER NOT NULL
) STRICT;

CREATE INDEX instance_of_service ON instance (service_id, created_at);

CREATE TABLE event (
    number        INTEGER PRIMARY KEY AUTOINCREMENT,
    time          INTEGER NOT NULL,
    actor         TEXT NOT NULL,
    service_id    TEXT,
    deployment_id TEXT,
    kind          TEXT NOT NULL
) STRICT;

CREATE INDEX event_of_service ON event (service_id, number);
