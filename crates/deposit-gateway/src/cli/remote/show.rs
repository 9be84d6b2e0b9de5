//! Answers in words.

use deposit_core::Status;

use crate::client::{Deposit, Limits};

/// Rows of a name and a value.
#[derive(Default)]
pub(super) struct Rows(Vec<String>);

impl Rows {
    pub(super) fn add(&mut self, name: &str, value: impl AsRef<str>) {
        self.0.push(format!("{name:<9}  {}", plain(value.as_ref())));
    }

    pub(super) fn add_some(&mut self, name: &str, value: Option<&String>) {
        if let Some(value) = value {
            self.add(name, value);
        }
    }

    pub(super) fn text(self) -> String {
        self.0.join("\n")
    }
}

/// Without control characters: what a server sends must not steer a terminal.
pub(super) fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// The unit of `amount`: a multi-chain order, the one kind with an id of the provider's own, is in USD.
pub(super) fn unit(deposit: &Deposit) -> &str {
    if deposit.payment_id.is_some() { "USD" } else { &deposit.ticker }
}

pub(super) fn limits(ticker: &str, limits: &Limits) -> String {
    let usd = |figure: &Option<deposit_core::json::NumberText>| {
        figure.as_ref().map(|usd| format!(" ({} USD)", usd.as_str())).unwrap_or_default()
    };
    let mut rows = Rows::default();
    rows.add("ticker", ticker.to_ascii_uppercase());
    rows.add("minimum", format!("{}{}", limits.minimum.as_str(), usd(&limits.fiat_equivalent_minimum)));
    rows.add("maximum", format!("{}{}", limits.maximum.as_str(), usd(&limits.fiat_equivalent_maximum)));
    if let Some(at) = limits.timestamp.and_then(|secs| jiff::Timestamp::from_second(secs).ok()) {
        rows.add("rate of", at.to_string());
    }
    rows.text()
}

/// How it is to be paid.
pub(super) fn terms(deposit: &Deposit, rows: &mut Rows) {
    if let Some(amount) = &deposit.amount {
        let usd = deposit.amount_fiat.as_ref().filter(|_| unit(deposit) != "USD");
        let usd = usd.map(|usd| format!(" ({} USD)", usd.as_str())).unwrap_or_default();
        rows.add("pay", format!("{} {}{usd}", amount.as_str(), unit(deposit)));
    }
    rows.add_some("address", deposit.address.as_ref());
    if let Some(memo) = &deposit.memo {
        rows.add("memo", format!("{memo}  (a payment without it cannot be told from others)"));
    }
    rows.add_some("link", deposit.payment_link.as_ref());
    rows.add_some("QR code", deposit.qr_url.as_ref());
    if let Some(bonus) = &deposit.bonus_percent {
        rows.add("bonus", format!("{} %", bonus.as_str()));
    }
    rows.add_some("until", deposit.expires_at.as_ref());
}

/// How to go on.
pub(super) fn follow_hint(deposit: &Deposit) -> String {
    plain(&format!("deposit watch {} {}  follows it", deposit.ticker, deposit.tx_id))
}

pub(super) fn deposit(deposit: &Deposit) -> String {
    let mut rows = Rows::default();
    rows.add("deposit", &deposit.tx_id);
    rows.add("ticker", &deposit.ticker);
    rows.add("status", format!("{}: {}", deposit.status, meaning(deposit)));
    if let Some(reason) = &deposit.status_reason {
        rows.add("reason", reason);
    }
    rows.add("created", &deposit.created_at);
    rows.add_some("updated", deposit.updated_at.as_ref());
    rows.add_some("completed", deposit.completed_at.as_ref());
    terms(deposit, &mut rows);
    rows.add("paid", format!("{} {}", deposit.paid_amount_crypto.as_str(), unit(deposit)));
    for payment in &deposit.payments {
        let count = payment.confirmations.map(|n| format!(", {n} confirmations")).unwrap_or_default();
        let figure = format!("{} {}", payment.amount.as_str(), unit(deposit));
        let gone = payment.reversed.as_ref().filter(|gone| gone.as_str() != payment.amount.as_str());
        let gone = gone.map(|gone| format!(" ({} of it reversed)", gone.as_str())).unwrap_or_default();
        rows.add("payment", format!("{}: {figure}{gone}, {}{count}", payment.id, payment.stage));
    }
    if let Some(credit) = credit(deposit) {
        rows.add("credited", credit);
    }
    rows.text()
}

fn credit(deposit: &Deposit) -> Option<String> {
    let bonus = deposit.bonus_usd.as_ref().map(|usd| format!(", {} USD of it bonus", usd.as_str()));
    let usd = deposit.credited_usd.as_ref().map(|usd| format!("{} USD", usd.as_str()));
    let nano = || deposit.credited_nano.as_ref().map(|nano| format!("{} XNO", nano.as_str()));
    usd.or_else(nano).map(|credit| format!("{credit}{}", bonus.unwrap_or_default()))
}

fn meaning(deposit: &Deposit) -> &'static str {
    match deposit.status {
        Status::New => "no payment seen yet",
        Status::Pending => "the rest of the amount is awaited",
        Status::Processing => "a payment is seen and being confirmed",
        Status::Paid => "confirmed, the credit comes",
        Status::Completed if deposit.reversed => "it was credited, and the payment was taken back",
        Status::Completed => "credited",
        Status::Expired => "the time to pay is over; a late payment is still credited",
        Status::Failed => "the provider failed; a payment that comes all the same is credited",
    }
}

/// What is under way, in a few words: for a line of `watch`.
pub(super) fn progress(deposit: &Deposit) -> String {
    let mut words = Vec::new();
    let paid = deposit.paid_amount_crypto.as_str();
    let unit = unit(deposit);
    words.push(match (&deposit.amount, deposit.payments.is_empty() && paid == "0") {
        (Some(amount), true) => format!("{} {unit} awaited", amount.as_str()),
        (Some(amount), false) => format!("{paid} of {} {unit} paid", amount.as_str()),
        (None, _) => format!("{paid} {unit} paid"),
    });
    if let (Some(have), Some(need)) = (deposit.confirmations, deposit.required_confirmations) {
        words.push(format!("{have} of {need} confirmations"));
    }
    if let Some(credit) = credit(deposit) {
        words.push(format!("{credit} credited"));
    }
    for (flag, word) in [(deposit.late, "late"), (deposit.reversed, "reversed")] {
        if flag {
            words.push(word.to_owned());
        }
    }
    if let Some(reason) = &deposit.status_reason {
        words.push(reason.clone());
    }
    plain(&words.join(", "))
}
