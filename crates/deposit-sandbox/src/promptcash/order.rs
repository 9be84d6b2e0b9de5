//! A payment of the service and its state machine: dossier, sections 2, 4 and 7.

use crate::json::Json;

/// Decimals of `amount_crypto`.
const FINE: u32 = 12;
/// Decimals that can be paid.
pub(super) const SATOSHI: u32 = 8;

/// One transaction to the address.
#[derive(Debug, Clone)]
pub(super) struct Tx {
    pub(super) hash: String,
    pub(super) satoshi: u128,
    pub(super) seen: i64,
    pub(super) confirmed: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) id: usize,
    pub(super) tx_id: String,
    /// In units of 10^-12.
    pub(super) fine: u128,
    /// In units of 10^-8.
    pub(super) fiat: u128,
    pub(super) currency: String,
    pub(super) description: String,
    pub(super) return_url: String,
    pub(super) callback_url: String,
    pub(super) confirm: u32,
    pub(super) created: i64,
    pub(super) minutes: i64,
    /// Without prefix.
    pub(super) address: String,
    pub(super) txs: Vec<Tx>,
    pub(super) paid_at: Option<i64>,
    pub(super) expired: bool,
    /// A word that somebody at the service gave it.
    pub(super) marked: Option<&'static str>,
}

impl Order {
    /// To the nearest satoshi.
    pub(super) fn due(&self) -> u128 {
        (self.fine + 5_000) / 10_000
    }

    pub(super) fn deadline(&self) -> i64 {
        self.created + self.minutes * 60
    }

    fn is_final(&self, tx: &Tx) -> bool {
        tx.confirmed || self.confirm == 0
    }

    fn sum(&self, counts: impl Fn(&Tx) -> bool) -> u128 {
        self.txs.iter().filter(|tx| counts(tx)).map(|tx| tx.satoshi).sum()
    }

    /// What the service says that came.
    pub(super) fn received(&self) -> u128 {
        self.sum(|tx| self.paid_at.is_none() || self.is_final(tx))
    }

    /// The same as the service writes it. It adds up in binary floating point, so a sum of several is a hair off: 0.7999999999999999.
    fn reckoned(&self) -> String {
        let counted = self.txs.iter().filter(|tx| self.paid_at.is_none() || self.is_final(tx)).count();
        let sum = self.received();
        match sum.checked_mul(100_000_000).and_then(|fine| fine.checked_sub(1)) {
            Some(fine) if counted > 1 => number(fine, 2 * SATOSHI),
            _ => number(sum, SATOSHI),
        }
    }

    pub(super) fn remaining(&self) -> u128 {
        self.due().saturating_sub(self.sum(|_| true))
    }

    pub(super) fn status(&self) -> &'static str {
        match self.marked {
            Some(word) => word,
            None if self.paid_at.is_some() => "PAID",
            None if self.sum(|_| true) >= self.due() => "CONFIRMING",
            None if self.expired => "EXPIRED",
            None => "PENDING",
        }
    }

    /// Does what has come due; whether the callback is to be called.
    pub(super) fn update(&mut self, now: i64) -> bool {
        if self.marked.is_some() || self.paid_at.is_some() {
            return false;
        }
        if self.sum(|tx| self.is_final(tx)) >= self.due() {
            self.paid_at = Some(now);
            return true;
        }
        let over = !self.expired && now >= self.deadline() && self.remaining() > 0;
        self.expired |= over;
        over
    }

    /// When something falls due.
    pub(super) fn next(&self) -> Option<i64> {
        (self.status() == "PENDING").then(|| self.deadline())
    }

    /// The payment object, as all three envelopes have it.
    pub(super) fn view(&self, base_url: &str, status: &str) -> Json {
        // Of those that the figures count.
        let last = self.txs.iter().rev().find(|tx| self.paid_at.is_none() || self.is_final(tx));
        let confirmations = last.filter(|tx| tx.confirmed).map_or(0, |_| self.confirm.max(1));
        let uri = format!("bitcoincash:{}", self.address);
        let number = |minor, scale| Json::Number(number(minor, scale));
        let text = |t: &str| Json::text(t);
        Json::object([
            ("id", Json::Number(self.id.to_string())),
            ("tx_id", text(&self.tx_id)),
            ("amount_crypto", number(self.fine, FINE)),
            ("amount_fiat", number(self.fiat, SATOSHI)),
            ("status", text(status)),
            ("paid_amount_crypto", Json::Number(self.reckoned())),
            ("fiat_currency", text(&self.currency)),
            ("crypto_currency", text("BCH")),
            // As the reference's own sample: a token's name, though the payment is in BCH.
            ("slp_token", text("SPICE")),
            ("description", text(&self.description)),
            ("callback_url", text(&self.callback_url)),
            ("return_url", text(&self.return_url)),
            ("referer", text("")),
            ("email", text("")),
            ("address", text(&uri)),
            ("confirmations", Json::int(confirmations)),
            ("hash", text(last.map_or("", |tx| tx.hash.as_str()))),
            ("created_at", Json::text(local(self.created))),
            ("paid", Json::text(self.paid_at.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), utc))),
            ("remaining_amount_crypto", number(self.remaining(), SATOSHI)),
            ("payment_link", Json::text(format!("{uri}?amount={}", plain(self.remaining(), SATOSHI)))),
            ("qr_url", Json::text(format!("{base_url}/pub/temp/qr/{:04}.png", self.id))),
        ])
    }
}

fn utc(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

/// The service's clock is seven hours ahead and writes microseconds.
fn local(seconds: i64) -> String {
    utc(seconds + 7 * 3600).replace('Z', ".678901+07:00")
}

/// Plain decimal text without trailing zeros.
fn plain(minor: u128, scale: u32) -> String {
    let unit = 10_u128.pow(scale);
    let width = usize::try_from(scale).unwrap_or(0);
    let text = format!("{}.{:0width$}", minor / unit, minor % unit);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A JSON number as the service's language writes one: small ones with an exponent.
fn number(minor: u128, scale: u32) -> String {
    let digits = minor.to_string();
    let exponent = i64::try_from(digits.len()).unwrap_or(0) - 1 - i64::from(scale);
    if minor == 0 || exponent >= -4 {
        return plain(minor, scale);
    }
    let digits = digits.trim_end_matches('0');
    let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, ""));
    let point = if rest.is_empty() { "" } else { "." };
    format!("{first}{point}{rest}e-{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(confirm: u32) -> Order {
        Order {
            id: 1,
            tx_id: "dep-000123-a1".to_owned(),
            fine: 31_250_000_000,
            fiat: 1_250_000_000,
            currency: "USD".to_owned(),
            description: String::new(),
            return_url: String::new(),
            callback_url: String::new(),
            confirm,
            created: 1_000,
            minutes: 30,
            address: "qexample".to_owned(),
            txs: vec![],
            paid_at: None,
            expired: false,
            marked: None,
        }
    }

    fn tx(satoshi: u128, confirmed: bool) -> Tx {
        Tx { hash: "ab12".to_owned(), satoshi, seen: 1_001, confirmed }
    }

    #[test]
    fn numbers() {
        for (minor, scale, text) in [
            (0, 8, "0"),
            (1, 8, "1e-08"),
            (2_058, 8, "2.058e-05"),
            (10_000, 8, "0.0001"),
            (4_321_987, 8, "0.04321987"),
            (100_000_000, 8, "1"),
            (123_456_788_999_999_999, 8, "1234567889.99999999"),
            (31_250_000_000, 12, "0.03125"),
            (31_250_000_001, 12, "0.031250000001"),
        ] {
            assert_eq!(number(minor, scale), text);
        }
        assert_eq!(local(1_767_297_845), "2026-01-02T03:04:05.678901+07:00");
    }

    #[test]
    fn a_payment_waits_for_its_confirmations() {
        let mut order = order(1);
        assert!(!order.update(1_001));
        assert_eq!((order.status(), order.remaining(), order.next()), ("PENDING", 3_125_000, Some(2_800)));
        order.txs.push(tx(3_125_000, false));
        assert!(!order.update(1_002));
        assert_eq!((order.status(), order.received(), order.next()), ("CONFIRMING", 3_125_000, None));
        order.txs[0].confirmed = true;
        assert!(order.update(1_003) && !order.update(1_004));
        assert_eq!((order.status(), order.paid_at), ("PAID", Some(1_003)));
        // On top of a paid order only what is final counts.
        order.txs.push(tx(5, false));
        assert_eq!(order.received(), 3_125_000);
        let view = order.view("", order.status());
        assert_eq!(view.get("confirmations").and_then(Json::number), Some("1"));
        assert_eq!(view.get("paid_amount_crypto").and_then(Json::number), Some("0.03125"));
        order.txs[1].confirmed = true;
        let view = order.view("", order.status());
        assert_eq!(view.get("paid_amount_crypto").and_then(Json::number), Some("0.0312500499999999"));
    }

    #[test]
    fn without_confirmations_what_is_seen_is_paid() {
        let mut order = order(0);
        order.txs.push(tx(3_124_999, false));
        assert!(!order.update(1_002));
        assert_eq!((order.status(), order.remaining()), ("PENDING", 1));
        order.txs.push(tx(1, false));
        assert!(order.update(1_003));
    }

    #[test]
    fn a_part_expires_and_can_still_be_completed() {
        let mut order = order(1);
        order.txs.push(tx(1, true));
        assert!(!order.update(2_799) && order.update(2_800) && !order.update(2_801));
        assert_eq!((order.status(), order.received()), ("EXPIRED", 1));
        order.txs.push(tx(3_124_999, true));
        assert!(order.update(2_900));
        assert_eq!(order.status(), "PAID");
        assert!(!order.update(9_999) && order.status() == "PAID");
    }
}
