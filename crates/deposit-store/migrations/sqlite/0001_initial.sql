-- Times: milliseconds since 1970 UTC. Amounts: signed count of smallest units as canonical decimal text, since they pass 64 bits.
-- JSON: the serde form of deposit-core's and deposit-lifecycle's types.

CREATE TABLE counters (
    name  TEXT NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;

-- Index 0 of a Nano seed is the hot account, so accounts begin at 1. Counted here and not by max + 1: never reused.
INSERT INTO counters (name, value) VALUES ('account_index', 0);

CREATE TABLE accounts (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT NOT NULL UNIQUE,
    account_index INTEGER NOT NULL UNIQUE CHECK (account_index BETWEEN 1 AND 4294967295),
    created_at    INTEGER NOT NULL,
    closed_at     INTEGER
) STRICT;

CREATE TABLE api_keys (
    id         TEXT NOT NULL PRIMARY KEY,
    account    INTEGER NOT NULL REFERENCES accounts (id),
    prefix     TEXT NOT NULL UNIQUE,
    hash       BLOB NOT NULL CHECK (length(hash) = 32),
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;

CREATE TABLE rates (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    ticker     TEXT NOT NULL,
    price      TEXT NOT NULL,
    source     TEXT NOT NULL,
    valid_from INTEGER NOT NULL,
    seen_until INTEGER NOT NULL CHECK (seen_until >= valid_from),
    UNIQUE (ticker, valid_from, price, source)
) STRICT;

CREATE INDEX rates_by_time ON rates (ticker, valid_from, id);

CREATE TABLE deposits (
    id             TEXT NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 16 AND 64),
    account        INTEGER NOT NULL REFERENCES accounts (id),
    ticker         TEXT NOT NULL,
    provider       TEXT NOT NULL,
    phase          TEXT NOT NULL CHECK (phase IN ('creating', 'open', 'abandoned')),
    terms          TEXT NOT NULL,
    intent         TEXT,
    -- Opening.
    lease_owner    TEXT NOT NULL,
    lease_until    INTEGER NOT NULL,
    attempt        INTEGER NOT NULL CHECK (attempt >= 1),
    attempted_at   INTEGER NOT NULL,
    -- What is known and what was made of it.
    evidence       TEXT NOT NULL,
    credit         TEXT NOT NULL,
    status         TEXT NOT NULL
        CHECK (status IN ('New', 'Pending', 'Processing', 'Paid', 'Completed', 'Expired', 'Failed')),
    version        INTEGER NOT NULL CHECK (version >= 0),
    snapshot       INTEGER NOT NULL DEFAULT 0 CHECK (snapshot BETWEEN 0 AND snapshot_taken),
    snapshot_taken INTEGER NOT NULL DEFAULT 0,
    history        INTEGER NOT NULL DEFAULT 0 CHECK (history >= 0),
    -- Timers.
    expires_at     INTEGER,
    expiry_pending INTEGER NOT NULL DEFAULT 0 CHECK (expiry_pending IN (0, 1)),
    unpriced       INTEGER NOT NULL DEFAULT 0 CHECK (unpriced IN (0, 1)),
    under_way      INTEGER NOT NULL DEFAULT 0 CHECK (under_way IN (0, 1)),
    next_check_at  INTEGER,
    last_read_at   INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    updated_at     INTEGER NOT NULL,
    CHECK ((phase = 'open') = (intent IS NOT NULL)),
    CHECK (phase = 'open' OR (version = 0 AND history = 0 AND next_check_at IS NULL AND expiry_pending = 0))
) STRICT;

CREATE INDEX deposits_by_account ON deposits (account, created_at, id);
CREATE INDEX deposits_creating ON deposits (created_at) WHERE phase = 'creating';
CREATE INDEX deposits_to_check ON deposits (provider, next_check_at) WHERE next_check_at IS NOT NULL;
CREATE INDEX deposits_to_expire ON deposits (expires_at) WHERE expiry_pending = 1;
CREATE INDEX deposits_unpriced ON deposits (last_read_at) WHERE unpriced = 1;

CREATE TABLE orders (
    provider TEXT NOT NULL,
    ref      TEXT NOT NULL,
    deposit  TEXT NOT NULL REFERENCES deposits (id),
    shown    INTEGER NOT NULL CHECK (shown IN (0, 1)),
    PRIMARY KEY (provider, ref)
) STRICT;

CREATE INDEX orders_by_deposit ON orders (deposit);

-- Every address that was ever shown keeps its deposit.
CREATE TABLE addresses (
    provider TEXT NOT NULL,
    address  TEXT NOT NULL,
    deposit  TEXT NOT NULL REFERENCES deposits (id),
    PRIMARY KEY (provider, address)
) STRICT;

CREATE INDEX addresses_by_deposit ON addresses (deposit);

CREATE TABLE history (
    deposit TEXT NOT NULL REFERENCES deposits (id),
    n       INTEGER NOT NULL CHECK (n >= 1),
    at      INTEGER NOT NULL,
    status  TEXT NOT NULL
        CHECK (status IN ('New', 'Pending', 'Processing', 'Paid', 'Completed', 'Expired', 'Failed')),
    view    TEXT NOT NULL,
    PRIMARY KEY (deposit, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency (
    account     INTEGER NOT NULL REFERENCES accounts (id),
    idem_key    TEXT NOT NULL CHECK (length(idem_key) BETWEEN 1 AND 255),
    fingerprint TEXT,
    owner       TEXT NOT NULL,
    lease_until INTEGER NOT NULL,
    deposit     TEXT REFERENCES deposits (id),
    -- The first answer: 200 is the deposit's history row 1, anything else is the body here.
    status      INTEGER,
    body        TEXT,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (account, idem_key),
    CHECK (CASE WHEN status IS NULL THEN body IS NULL
                WHEN status = 200 THEN deposit IS NOT NULL AND body IS NULL
                ELSE body IS NOT NULL END)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_by_age ON idempotency (created_at);
CREATE INDEX idempotency_by_deposit ON idempotency (deposit) WHERE deposit IS NOT NULL;

CREATE TABLE rate_hits (
    id        INTEGER PRIMARY KEY,
    limiter   TEXT NOT NULL,
    at        INTEGER NOT NULL,
    -- By the window it was counted in: from then on the row may go.
    leaves_at INTEGER NOT NULL
) STRICT;

CREATE INDEX rate_hits_by_limiter ON rate_hits (limiter, at);
CREATE INDEX rate_hits_by_age ON rate_hits (leaves_at);

CREATE TABLE journal (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    provider     TEXT NOT NULL,
    delivery     TEXT NOT NULL,
    body         BLOB,
    body_sha256  BLOB NOT NULL CHECK (length(body_sha256) = 32),
    observations TEXT NOT NULL,
    received_at  INTEGER NOT NULL,
    lease_until  INTEGER,
    handled_at   INTEGER,
    outcome      TEXT,
    UNIQUE (provider, delivery),
    CHECK ((handled_at IS NULL) = (outcome IS NULL))
) STRICT;

CREATE INDEX journal_to_handle ON journal (received_at, id) WHERE handled_at IS NULL;
CREATE INDEX journal_with_body ON journal (received_at) WHERE body IS NOT NULL;
CREATE INDEX journal_by_provider ON journal (provider, id);

-- Whose a payment is: unique for the provider, not for the deposit.
CREATE TABLE payments (
    provider TEXT NOT NULL,
    payment  TEXT NOT NULL,
    deposit  TEXT NOT NULL REFERENCES deposits (id),
    PRIMARY KEY (provider, payment)
) STRICT, WITHOUT ROWID;

CREATE INDEX payments_by_deposit ON payments (deposit);

CREATE TABLE ledger_transactions (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    at               INTEGER NOT NULL,
    kind             TEXT NOT NULL CHECK (kind IN ('credit', 'reversal', 'adjustment')),
    deposit          TEXT REFERENCES deposits (id),
    provider         TEXT,
    payment          TEXT,
    -- The number of this posting for the payment, from 1, and the version of the evidence that it settles.
    posting          INTEGER CHECK (posting >= 1),
    evidence_version INTEGER,
    UNIQUE (provider, payment, posting),
    FOREIGN KEY (provider, payment) REFERENCES payments (provider, payment),
    -- An operator's own entry is never tied to a payment; every other one is.
    CHECK (CASE WHEN kind = 'adjustment'
                THEN payment IS NULL AND posting IS NULL AND evidence_version IS NULL
                ELSE deposit IS NOT NULL AND provider IS NOT NULL AND payment IS NOT NULL
                     AND posting IS NOT NULL AND evidence_version IS NOT NULL END)
) STRICT;

CREATE INDEX ledger_transactions_by_deposit ON ledger_transactions (deposit);

CREATE TABLE ledger_entries (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    tx       INTEGER NOT NULL REFERENCES ledger_transactions (id),
    -- account:ID or provider:NAME
    book     TEXT NOT NULL,
    account  INTEGER REFERENCES accounts (id),
    currency TEXT NOT NULL,
    scale    INTEGER NOT NULL CHECK (scale BETWEEN 0 AND 38),
    amount   TEXT NOT NULL
        CHECK ((amount GLOB '[1-9]*' OR amount GLOB '-[1-9]*') AND substr(amount, 2) NOT GLOB '*[^0-9]*'),
    CHECK (CASE WHEN account IS NULL THEN book GLOB 'provider:?*' ELSE book = 'account:' || account END)
) STRICT;

CREATE INDEX ledger_entries_by_account ON ledger_entries (account, id) WHERE account IS NOT NULL;
CREATE INDEX ledger_entries_by_tx ON ledger_entries (tx);

-- The ledger is only ever added to; a correction is a new entry.
CREATE TRIGGER ledger_entries_stay BEFORE UPDATE ON ledger_entries
BEGIN SELECT RAISE(ABORT, 'a ledger entry is never changed'); END;
CREATE TRIGGER ledger_entries_remain BEFORE DELETE ON ledger_entries
BEGIN SELECT RAISE(ABORT, 'a ledger entry is never removed'); END;
CREATE TRIGGER ledger_transactions_stay BEFORE UPDATE ON ledger_transactions
BEGIN SELECT RAISE(ABORT, 'a ledger transaction is never changed'); END;
CREATE TRIGGER ledger_transactions_remain BEFORE DELETE ON ledger_transactions
BEGIN SELECT RAISE(ABORT, 'a ledger transaction is never removed'); END;

CREATE TABLE balances (
    account  INTEGER NOT NULL REFERENCES accounts (id),
    currency TEXT NOT NULL,
    scale    INTEGER NOT NULL CHECK (scale BETWEEN 0 AND 38),
    amount   TEXT NOT NULL
        CHECK (amount = '0'
               OR ((amount GLOB '[1-9]*' OR amount GLOB '-[1-9]*') AND substr(amount, 2) NOT GLOB '*[^0-9]*')),
    PRIMARY KEY (account, currency)
) STRICT, WITHOUT ROWID;

-- No foreign key to deposits: a review item is never refused.
CREATE TABLE reviews (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    provider    TEXT NOT NULL,
    reference   TEXT NOT NULL,
    amount      TEXT,
    ticker      TEXT,
    deposit     TEXT,
    reason      TEXT NOT NULL,
    since       INTEGER NOT NULL,
    resolved_at INTEGER,
    UNIQUE (provider, reference, reason)
) STRICT;

CREATE INDEX reviews_open ON reviews (since, id) WHERE resolved_at IS NULL;
