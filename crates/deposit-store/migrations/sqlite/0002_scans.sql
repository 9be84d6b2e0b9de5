-- Where the scan of a provider's feed stands, in the adapter's own words.
CREATE TABLE scan_cursors (
    provider TEXT NOT NULL PRIMARY KEY,
    cursor   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
