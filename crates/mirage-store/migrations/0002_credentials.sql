-- Whose credential a revision was made with: JSON of `{host, username}`.
ALTER TABLE revision ADD COLUMN credential TEXT;

-- Passwords are sealed: the vault's key is not in the database. Each row belongs to one of three.
CREATE TABLE credential (
    id             TEXT PRIMARY KEY,
    service_id     TEXT REFERENCES service (id) ON DELETE CASCADE,
    environment_id TEXT REFERENCES environment (id) ON DELETE CASCADE,
    project_id     TEXT REFERENCES project (id) ON DELETE CASCADE,
    host           TEXT NOT NULL,
    prefix         TEXT NOT NULL,
    username       TEXT NOT NULL,
    password       BLOB NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    CHECK ((service_id IS NOT NULL) + (environment_id IS NOT NULL) + (project_id IS NOT NULL) = 1)
) STRICT;

CREATE UNIQUE INDEX credential_of_service ON credential (service_id) WHERE service_id IS NOT NULL;
CREATE UNIQUE INDEX credential_of_environment ON credential (environment_id, host, prefix) WHERE environment_id IS NOT NULL;
CREATE UNIQUE INDEX credential_of_project ON credential (project_id, host, prefix) WHERE project_id IS NOT NULL;

-- Variables that the services of an environment share. A value is JSON: text, or `{"sealed": …}`.
CREATE TABLE shared_variable (
    environment_id TEXT NOT NULL REFERENCES environment (id) ON DELETE CASCADE,
    name           TEXT NOT NULL,
    value          TEXT NOT NULL,
    updated_at     INTEGER NOT NULL,
    PRIMARY KEY (environment_id, name)
) STRICT;

-- Tokens of projects. The token itself is random, so its SHA-256 needs no salt.
CREATE TABLE token (
    id         TEXT PRIMARY KEY,
    name       TEXT NOT NULL,
    project_id TEXT NOT NULL REFERENCES project (id) ON DELETE CASCADE,
    push       INTEGER NOT NULL,
    hash       BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    UNIQUE (project_id, name)
) STRICT;
