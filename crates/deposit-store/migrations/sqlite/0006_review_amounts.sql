-- An item is about one matter: one payment, or one order where nothing tells its payments apart. While it is open its amount follows what is seen;
-- a resolution is an amount, and what comes on top opens a new item.
CREATE TABLE reviews_by_matter (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    provider    TEXT NOT NULL,
    reference   TEXT NOT NULL,
    -- What kind of matter: money that no rule credits, money that only its provider tells of, a credit that no rule takes back, …
    topic       TEXT NOT NULL,
    -- The order that a payment was seen on, where it is known.
    order_ref   TEXT,
    -- What waits: all that was seen less what was resolved before.
    amount      TEXT,
    -- All that was seen, resolved before or not.
    seen        TEXT,
    -- The asset in which both are counted; NULL: not noted then.
    unit        TEXT,
    scale       INTEGER CHECK (scale BETWEEN 0 AND 38),
    ticker      TEXT,
    deposit     TEXT,
    reason      TEXT NOT NULL,
    code        TEXT,
    detail      TEXT,
    since       INTEGER NOT NULL,
    resolved_at INTEGER,
    resolution  TEXT CHECK (resolution IN ('assigned', 'dismissed', 'settled')),
    resolved_by TEXT,
    note        TEXT,
    entry       INTEGER REFERENCES ledger_entries (id),
    CHECK ((resolved_at IS NULL) = (resolution IS NULL)),
    CHECK ((unit IS NULL) = (scale IS NULL))
) STRICT;

-- Items that were open side by side about one payment stay so; the newest follows what is seen from now on.
INSERT INTO reviews_by_matter (id, provider, reference, topic, amount, seen, ticker, deposit, reason, since, resolved_at, resolution,
                               resolved_by, note, entry)
SELECT r.id, r.provider, r.reference,
       CASE WHEN r.resolved_at IS NULL
             AND EXISTS (SELECT 1 FROM reviews o
                         WHERE o.provider = r.provider AND o.reference = r.reference AND o.id > r.id AND o.resolved_at IS NULL
                           AND (o.reason IN ('assigned_reversed', 'payment_on_second_deposit'))
                             = (r.reason IN ('assigned_reversed', 'payment_on_second_deposit')))
            THEN 'earlier-' || r.id
            WHEN r.reason = 'assigned_reversed' THEN 'taken_back'
            WHEN r.reason = 'payment_on_second_deposit' THEN 'second_deposit'
            ELSE 'uncredited' END,
       r.amount, r.amount, r.ticker, r.deposit, r.reason, r.since, r.resolved_at,
       -- Before resolutions had a kind, none was ever written.
       CASE WHEN r.resolved_at IS NULL THEN NULL ELSE coalesce(r.resolution, 'dismissed') END,
       r.resolved_by, r.note, r.entry
FROM reviews r;

DROP TABLE reviews;
ALTER TABLE reviews_by_matter RENAME TO reviews;

CREATE UNIQUE INDEX reviews_one_open ON reviews (provider, reference, topic) WHERE resolved_at IS NULL;
CREATE INDEX reviews_open ON reviews (id) WHERE resolved_at IS NULL;
CREATE INDEX reviews_open_of_deposit ON reviews (deposit) WHERE resolved_at IS NULL;
-- Asked before the first posting of every payment: money that was assigned is never credited by rule.
CREATE INDEX reviews_by_reference ON reviews (provider, reference);
CREATE INDEX reviews_by_order ON reviews (provider, order_ref) WHERE order_ref IS NOT NULL;

-- An item is resolved once and for good.
CREATE TRIGGER reviews_stay_resolved BEFORE UPDATE ON reviews WHEN OLD.resolved_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a resolved review item is never changed'); END;

-- What operators have resolved of a matter, as amounts: the item that comes next is about what lies above them.
CREATE TABLE review_matters (
    provider  TEXT NOT NULL,
    reference TEXT NOT NULL,
    topic     TEXT NOT NULL,
    -- The asset in which the figures are counted; NULL: not noted then.
    unit      TEXT,
    scale     INTEGER CHECK (scale BETWEEN 0 AND 38),
    -- What was seen last that no rule credits.
    due       TEXT NOT NULL DEFAULT '0',
    assigned  TEXT NOT NULL DEFAULT '0',
    dismissed TEXT NOT NULL DEFAULT '0',
    -- Whether an item was resolved whose amount nobody knew.
    unknown   INTEGER NOT NULL DEFAULT 0 CHECK (unknown IN (0, 1)),
    PRIMARY KEY (provider, reference, topic),
    CHECK ((unit IS NULL) = (scale IS NULL))
) STRICT, WITHOUT ROWID;

INSERT INTO review_matters (provider, reference, topic, due, assigned, dismissed, unknown)
SELECT provider, reference, topic,
       coalesce((SELECT l.seen FROM reviews l WHERE l.provider = r.provider AND l.reference = r.reference AND l.topic = r.topic
                 ORDER BY l.id DESC LIMIT 1), '0'),
       coalesce((SELECT l.seen FROM reviews l WHERE l.provider = r.provider AND l.reference = r.reference AND l.topic = r.topic
                 AND l.resolution = 'assigned' ORDER BY l.id DESC LIMIT 1), '0'),
       coalesce((SELECT l.seen FROM reviews l WHERE l.provider = r.provider AND l.reference = r.reference AND l.topic = r.topic
                 AND l.resolution = 'dismissed' ORDER BY l.id DESC LIMIT 1), '0'),
       max(r.seen IS NULL)
FROM reviews r WHERE r.resolved_at IS NOT NULL GROUP BY provider, reference, topic;
