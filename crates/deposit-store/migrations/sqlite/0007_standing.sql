-- Whose each standing address is. Filled by rising account index as addresses are derived: an address stays its account's for good, also where
-- another seed was configured meanwhile.
CREATE TABLE standing_addresses (
    provider      TEXT NOT NULL,
    address       TEXT NOT NULL,
    -- No foreign key: accounts are never removed, and each new one would look for its addresses.
    account_index INTEGER NOT NULL,
    -- How far the account's own chain was shown and committed, in the adapter's words: a restart goes on from there.
    position      TEXT,
    PRIMARY KEY (provider, address)
) STRICT, WITHOUT ROWID;

CREATE INDEX standing_addresses_by_index ON standing_addresses (provider, account_index);
