-- What an administrator configured. `entity` is the JSON of `Entity::to_stored`; ids are version 7, so id order is age.
CREATE TABLE entities (
    kind    TEXT    NOT NULL,
    id      TEXT    NOT NULL,
    version INTEGER NOT NULL,
    entity  TEXT    NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT;

-- Where the devices that registered to us are. `owner` is `extension:<id>` or `trunk:<id>`. Rows stand in the order of
-- `seq`, not of the key: a refresh then rewrites one page in place, and a first registration appends.
CREATE TABLE bindings (
    seq        INTEGER PRIMARY KEY,
    owner      TEXT    NOT NULL,
    contact    TEXT    NOT NULL,
    expires_at INTEGER NOT NULL,
    binding    TEXT    NOT NULL,
    UNIQUE (owner, contact)
) STRICT;

-- One row a call that has ended. Rows are appended in the order of `seq`, shown in the order of `started_at, id`.
CREATE TABLE call_records (
    seq        INTEGER PRIMARY KEY,
    id         TEXT    NOT NULL UNIQUE,
    started_at INTEGER NOT NULL,
    outcome    TEXT    NOT NULL,
    record     TEXT    NOT NULL
) STRICT;
CREATE INDEX call_records_by_start ON call_records (started_at, id);
CREATE INDEX call_records_by_outcome ON call_records (outcome, started_at, id);

-- Which trunks and extensions had a part in a call, as caller, callee or attempt; `party` as `owner` above.
CREATE TABLE call_parties (
    party      TEXT    NOT NULL,
    started_at INTEGER NOT NULL,
    id         TEXT    NOT NULL,
    outcome    TEXT    NOT NULL,
    PRIMARY KEY (party, started_at, id)
) STRICT, WITHOUT ROWID;

-- One row a call that was answered and has no record yet: what its record is if the server dies before it ends.
CREATE TABLE open_calls (
    id     TEXT NOT NULL PRIMARY KEY,
    record TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE settings (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A random UUID (version 4) that names this installation.
INSERT INTO settings (key, value) VALUES ('instance_id', lower(
    hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-'
    || substr('89AB', 1 + (abs(random()) % 4), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6))));
