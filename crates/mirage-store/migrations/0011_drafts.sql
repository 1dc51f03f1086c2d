-- What people typed so far for services that are not made yet. The fields are sealed as a whole.
CREATE TABLE draft (
    id         TEXT PRIMARY KEY,
    actor      TEXT NOT NULL,
    fields     BLOB NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX draft_of_actor ON draft (actor, changed_at);
CREATE INDEX draft_by_change ON draft (changed_at);
