-- Keys whose first call is not answered: few, whatever the number of keys. A start frees what a dead process held of them.
CREATE INDEX idempotency_running ON idempotency (lease_until) WHERE status IS NULL;
