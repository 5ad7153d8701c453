-- SIP messages that were kept of calls, a row for each trunk of the call. The newest are kept: of trunks in mode `ring` a few calls
-- each, and so many rows of all.
CREATE TABLE captures (
    id INTEGER PRIMARY KEY,
    call_id TEXT NOT NULL,
    trunk_id TEXT NOT NULL,
    ring INTEGER NOT NULL,
    messages TEXT NOT NULL
) STRICT;
CREATE INDEX captures_by_call ON captures (call_id);
CREATE INDEX captures_in_rings ON captures (trunk_id, id) WHERE ring = 1;
