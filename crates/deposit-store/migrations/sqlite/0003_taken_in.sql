-- By which block of ours a payment to a standing address was taken in: its deposit is found by that too.
CREATE TABLE taken_in (
    provider TEXT NOT NULL,
    block    TEXT NOT NULL,
    payment  TEXT NOT NULL,
    PRIMARY KEY (provider, block),
    FOREIGN KEY (provider, payment) REFERENCES payments (provider, payment)
) STRICT, WITHOUT ROWID;
