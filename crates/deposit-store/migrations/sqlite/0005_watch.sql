-- The watch: out of which share of its provider's budget a deposit is read, how its reads go, and when and why nobody looks any more.
ALTER TABLE deposits ADD COLUMN lane TEXT CHECK (lane IN ('young', 'under_way', 'old'));
ALTER TABLE deposits ADD COLUMN failures INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0);
ALTER TABLE deposits ADD COLUMN gone_since INTEGER;
ALTER TABLE deposits ADD COLUMN ended_at INTEGER;
ALTER TABLE deposits ADD COLUMN ended_reason TEXT CHECK (ended_reason IN ('gone', 'settled', 'window_over'));

UPDATE deposits SET lane = CASE WHEN under_way = 1 THEN 'under_way' WHEN expiry_pending = 1 THEN 'young' ELSE 'old' END
WHERE next_check_at IS NOT NULL;

-- Claims come straight off it, in the order in which they are due.
DROP INDEX deposits_to_check;
CREATE INDEX deposits_by_lane ON deposits (provider, lane, next_check_at) WHERE next_check_at IS NOT NULL;
