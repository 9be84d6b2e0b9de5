//! The ledger, added up in integers that cannot overflow.

use std::collections::BTreeMap;

use deposit_core::{Asset, DepositId, Signed, Status};
use deposit_lifecycle::check_path;
use ruint::aliases::U256;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use super::row::{Doing, currency, int, int_opt, parsed, signed, text};
use crate::{LedgerCheck, StoreResult};

/// Rows that are held in memory at once.
const PAGE: i64 = 5_000;

/// Credits and debits apart: 2^128 amounts of 128 bits each fit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Sum {
    plus: U256,
    minus: U256,
}

impl Sum {
    fn add(&mut self, amount: Signed) {
        let side = if amount.is_negative() { &mut self.minus } else { &mut self.plus };
        *side = side.saturating_add(U256::from(amount.size().minor()));
    }

    fn is_zero(self) -> bool {
        self.plus == self.minus
    }

    fn is_negative(self) -> bool {
        self.plus < self.minus
    }

    /// Signed decimal text of whole units, without trailing zeros.
    fn in_units(self, asset: Asset) -> String {
        let (sign, size) =
            if self.is_negative() { ("-", self.minus - self.plus) } else { ("", self.plus - self.minus) };
        let scale = usize::from(asset.scale());
        // At least one digit before the point.
        let digits = format!("{:0>width$}", size.to_string(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let fraction = fraction.trim_end_matches('0');
        let point = if fraction.is_empty() { "" } else { "." };
        format!("{sign}{whole}{point}{fraction}")
    }
}

type Sums<K> = BTreeMap<(K, Asset), Sum>;

pub(super) async fn check(connection: &mut SqliteConnection) -> StoreResult<LedgerCheck> {
    let mut faults = Vec::new();
    let accounts = entries(connection, &mut faults).await?;
    one_sided(connection, &mut faults).await?;
    balances(connection, &accounts, &mut faults).await?;
    payments(connection, &mut faults).await?;
    histories(connection, &mut faults).await?;

    let mut totals: BTreeMap<Asset, Sum> = BTreeMap::new();
    for ((_, asset), sum) in &accounts {
        let total = totals.entry(*asset).or_default();
        total.plus = total.plus.saturating_add(sum.plus);
        total.minus = total.minus.saturating_add(sum.minus);
    }
    let credits = sqlx::query("SELECT count(*) AS n FROM ledger_transactions WHERE kind = 'credit'")
        .fetch_one(connection)
        .await
        .doing("count credits")?;
    Ok(LedgerCheck {
        balanced: faults.is_empty(),
        totals: totals.into_iter().map(|(asset, sum)| (asset, sum.in_units(asset))).collect(),
        faults,
        credits: super::row::number(&credits, "n")?,
    })
}

/// Every transaction sums to zero in each currency. Answers the sums of the accounts.
async fn entries(connection: &mut SqliteConnection, faults: &mut Vec<String>) -> StoreResult<Sums<i64>> {
    let mut accounts: Sums<i64> = BTreeMap::new();
    // A transaction that sums to zero is dropped, so what is left at the end does not.
    let mut open: Sums<i64> = BTreeMap::new();
    let mut after = 0_i64;
    loop {
        let page = sqlx::query(
            "SELECT id, tx, account, currency, scale, amount FROM ledger_entries WHERE id > ? ORDER BY id LIMIT ?",
        )
        .bind(after)
        .bind(PAGE)
        .fetch_all(&mut *connection)
        .await
        .doing("add the ledger up")?;
        for row in &page {
            after = int(row, "id")?;
            let amount = signed(row)?;
            let key = (int(row, "tx")?, amount.asset());
            let sum = open.entry(key).or_default();
            sum.add(amount);
            if sum.is_zero() {
                open.remove(&key);
            }
            if let Some(account) = int_opt(row, "account")? {
                accounts.entry((account, amount.asset())).or_default().add(amount);
            }
        }
        if page.is_empty() {
            break;
        }
    }
    for ((tx, asset), sum) in open {
        faults
            .push(format!("transaction {tx} does not sum to zero: {} {asset} too much", sum.in_units(asset)));
    }
    Ok(accounts)
}

/// A transaction has at least two entries.
async fn one_sided(connection: &mut SqliteConnection, faults: &mut Vec<String>) -> StoreResult<()> {
    let rows = sqlx::query(
        "SELECT t.id FROM ledger_transactions t \
         WHERE (SELECT count(*) FROM ledger_entries e WHERE e.tx = t.id) < 2 ORDER BY t.id",
    )
    .fetch_all(connection)
    .await
    .doing("check transactions")?;
    for row in &rows {
        faults.push(format!("transaction {} has fewer than two entries", int(row, "id")?));
    }
    Ok(())
}

/// Every balance equals the sum of its postings, and there is none without the other.
async fn balances(
    connection: &mut SqliteConnection,
    accounts: &Sums<i64>,
    faults: &mut Vec<String>,
) -> StoreResult<()> {
    let rows =
        sqlx::query("SELECT account, currency, scale, amount FROM balances ORDER BY account, currency")
            .fetch_all(connection)
            .await
            .doing("check balances")?;
    let mut unheld = accounts.clone();
    for row in &rows {
        let account = int(row, "account")?;
        let asset = currency(row)?;
        let mut held = Sum::default();
        held.add(signed(row)?);
        let posted = unheld.remove(&(account, asset)).unwrap_or_default();
        let (held, posted) = (held.in_units(asset), posted.in_units(asset));
        if held != posted {
            faults.push(format!(
                "account {account} has a balance of {held} {asset}, its postings sum to {posted}"
            ));
        }
    }
    for ((account, asset), posted) in unheld {
        let posted = posted.in_units(asset);
        faults.push(format!("account {account} has no balance in {asset}, its postings sum to {posted}"));
    }
    Ok(())
}

/// No payment has more taken back than credited.
async fn payments(connection: &mut SqliteConnection, faults: &mut Vec<String>) -> StoreResult<()> {
    // Only one with a negative posting can be below zero.
    let rows = sqlx::query(
        "SELECT t.provider, t.payment, e.currency, e.scale, e.amount \
         FROM ledger_transactions t JOIN ledger_entries e ON e.tx = t.id AND e.account IS NOT NULL \
         WHERE (t.provider, t.payment) IN ( \
             SELECT n.provider, n.payment FROM ledger_entries m JOIN ledger_transactions n ON n.id = m.tx \
             WHERE m.account IS NOT NULL AND m.amount GLOB '-*' AND n.payment IS NOT NULL)",
    )
    .fetch_all(connection)
    .await
    .doing("check payments")?;
    let mut sums: Sums<(String, String)> = BTreeMap::new();
    for row in &rows {
        let amount = signed(row)?;
        sums.entry(((text(row, "provider")?, text(row, "payment")?), amount.asset()))
            .or_default()
            .add(amount);
    }
    for (((provider, payment), asset), sum) in sums {
        if sum.is_negative() {
            faults.push(format!(
                "payment {payment} of {provider} is posted as {} {asset}",
                sum.in_units(asset)
            ));
        }
    }
    Ok(())
}

/// Every status history is a path in the transition table.
async fn histories(connection: &mut SqliteConnection, faults: &mut Vec<String>) -> StoreResult<()> {
    let mut cursor = (String::new(), 0_i64);
    let mut current: Option<(DepositId, Vec<Status>)> = None;
    loop {
        let page: Vec<SqliteRow> = sqlx::query(
            "SELECT deposit, n, status FROM history WHERE (deposit, n) > (?, ?) ORDER BY deposit, n LIMIT ?",
        )
        .bind(&cursor.0)
        .bind(cursor.1)
        .bind(PAGE)
        .fetch_all(&mut *connection)
        .await
        .doing("check histories")?;
        for row in &page {
            cursor = (text(row, "deposit")?, int(row, "n")?);
            let id: DepositId = parsed(row, "deposit")?;
            let status: Status = parsed(row, "status")?;
            match &mut current {
                Some((known, path)) if *known == id => path.push(status),
                Some(_) | None => {
                    judge(current.replace((id, vec![status])), faults);
                }
            }
        }
        if page.is_empty() {
            break;
        }
    }
    judge(current, faults);
    Ok(())
}

fn judge(history: Option<(DepositId, Vec<Status>)>, faults: &mut Vec<String>) {
    let Some((id, mut path)) = history else { return };
    // The public object also changes without its status.
    path.dedup();
    if let Err(step) = check_path(&path) {
        faults.push(format!("deposit {id}: {step}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sums_pass_128_bits() {
        let asset = Asset::XNO;
        let most = Signed::parse_minor(&u128::MAX.to_string(), asset).unwrap();
        let mut sum = Sum::default();
        sum.add(most);
        sum.add(most);
        assert_eq!(sum.in_units(asset), "680564733.84187692692674921486353642291");
        sum.add(most.negated());
        sum.add(most.negated());
        assert!(sum.is_zero());
        assert_eq!(sum.in_units(asset), "0");
    }

    proptest! {
        #[test]
        fn text_is_that_of_an_amount(minor: u128, negative: bool, asset in prop::sample::select(Asset::KNOWN)) {
            let text = format!("{}{minor}", if negative { "-" } else { "" });
            let amount = Signed::parse_minor(&text, asset).unwrap();
            let mut sum = Sum::default();
            sum.add(amount);
            prop_assert_eq!(sum.in_units(asset), amount.to_string());
        }
    }
}
