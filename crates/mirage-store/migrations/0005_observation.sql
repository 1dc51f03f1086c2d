-- What services did and used, in stretches of 60, 600, 3,600 and 21,600 seconds (`level`), which begin at
-- `time`: seconds since 1970-01-01 UTC. Points lie in the order of time, so that a minute is written in one
-- place and forgotten in one; of one service they are read by way of the ticks.
CREATE TABLE metric_service (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    service_id TEXT NOT NULL UNIQUE REFERENCES service (id) ON DELETE CASCADE
) STRICT;

CREATE TABLE metric_tick (
    level INTEGER NOT NULL,
    time  INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (level, time)
) STRICT, WITHOUT ROWID;

CREATE TABLE metric_point (
    level   INTEGER NOT NULL,
    time    INTEGER NOT NULL,
    service INTEGER NOT NULL,
    data    BLOB NOT NULL,
    PRIMARY KEY (level, time, service)
) STRICT, WITHOUT ROWID;

-- The event log is also the audit log: nothing in it changes, and nothing is taken out of it that is not
-- at least 400 days older than its newest event.
CREATE TRIGGER event_never_changes BEFORE UPDATE ON event
BEGIN
    SELECT RAISE(ABORT, 'the event log is append-only');
END;

CREATE TRIGGER event_is_kept BEFORE DELETE ON event
WHEN old.time > (SELECT time FROM event ORDER BY number DESC LIMIT 1) - 400 * 86400000000
BEGIN
    SELECT RAISE(ABORT, 'the event log is append-only');
END;

-- Names of variables, settings before and after: an event can be looked for by who, when and what.
CREATE INDEX event_of_actor ON event (actor, number);
CREATE INDEX event_by_kind ON event (json_extract(kind, '$.type'), number);
