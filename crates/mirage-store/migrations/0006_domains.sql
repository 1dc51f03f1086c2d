-- Domains of users' own: each belongs to one service.
CREATE TABLE domain (
    name           TEXT PRIMARY KEY,
    service_id     TEXT NOT NULL REFERENCES service (id) ON DELETE CASCADE,
    redirect_https INTEGER NOT NULL,
    certificate    TEXT NOT NULL,
    created_at     INTEGER NOT NULL
) STRICT;
CREATE INDEX domain_of_service ON domain (service_id, name);

-- How the certificate of a domain stands. Private keys are sealed. An order that is under way is kept with the
-- key that it is for, so that it can be gone on with.
CREATE TABLE certificate (
    domain          TEXT PRIMARY KEY REFERENCES domain (name) ON DELETE CASCADE,
    chain           TEXT,
    private_key     BLOB,
    issued_at       INTEGER,
    expires_at      INTEGER,
    next_renewal_at INTEGER,
    last_error      TEXT,
    last_tried_at   INTEGER,
    failures        INTEGER NOT NULL,
    order_url       TEXT,
    order_key       BLOB
) STRICT;
CREATE INDEX certificate_due ON certificate (next_renewal_at) WHERE next_renewal_at IS NOT NULL;

-- Accounts at certificate authorities, by the address of their directory. They are sealed.
CREATE TABLE acme_account (
    directory  TEXT PRIMARY KEY,
    account    BLOB NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
