-- How an operator resolved a review item: by an entry of their own, or by a reason why there is nothing to enter.
ALTER TABLE reviews ADD COLUMN resolution TEXT CHECK (resolution IN ('assigned', 'dismissed'));
ALTER TABLE reviews ADD COLUMN resolved_by TEXT;
ALTER TABLE reviews ADD COLUMN note TEXT;
ALTER TABLE reviews ADD COLUMN entry INTEGER REFERENCES ledger_entries (id);

-- Asked before the first posting of every payment, so small: money that was assigned is never credited by rule.
CREATE INDEX reviews_assigned ON reviews (provider, reference) WHERE resolution = 'assigned';

-- An item is resolved once and for good.
CREATE TRIGGER reviews_stay_resolved BEFORE UPDATE ON reviews WHEN OLD.resolved_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'a resolved review item is never changed'); END;
