//! One order and its life.

use deposit_core::Amount;

use super::currency::Currency;
use super::figures::{double_of, minor_of};
use crate::emulator::{TruthOrder, TruthPayment, TruthStage};
use crate::json::Json;

/// The five statuses that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Waiting,
    Exchanging,
    Sending,
    Completed,
    Error,
}

impl Status {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Exchanging => "exchanging",
            Self::Sending => "sending",
            Self::Completed => "completed",
            Self::Error => "error",
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) id: String,
    /// How many orders there were before.
    pub(super) number: u64,
    pub(super) status: Status,
    pub(super) from: &'static Currency,
    pub(super) to: &'static Currency,
    /// What was asked for, exactly.
    pub(super) asked: u128,
    pub(super) expected_to: u128,
    pub(super) payin_address: String,
    pub(super) payin_extra_id: Option<String>,
    pub(super) payout_address: String,
    pub(super) created: i64,
    pub(super) valid_until: i64,
    /// Whether `validUntil` is told.
    pub(super) tells_validity: bool,
    /// Arrived and not swapped yet.
    pub(super) pending: u128,
    /// Arrived and swapped.
    pub(super) done: u128,
    pub(super) paid_out: u128,
    pub(super) seen_at: Option<i64>,
    pub(super) payin_hash: Option<String>,
    pub(super) payout_hash: Option<String>,
    pub(super) sender: Option<String>,
}

fn iso(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .to_string()
        .replace('Z', ".000Z")
}

impl Order {
    /// A figure of the books: what equals the order's own amount as a double is that amount.
    fn booked(&self, minor: u128) -> Amount {
        let asset = self.from.asset;
        let (text, asked) = (double_of(minor, asset), double_of(self.asked, asset));
        let minor = if text == asked { self.asked } else { minor_of(&text, asset).unwrap_or(minor) };
        Amount::new(minor, asset)
    }

    fn settled(&self) -> Amount {
        let asset = self.to.asset;
        let booked = minor_of(&double_of(self.paid_out, asset), asset);
        Amount::new(booked.unwrap_or(self.paid_out), asset)
    }

    /// The members that a create answers.
    pub(super) fn created_view(&self, site: &str, payout: &str, status: Option<&str>) -> Vec<(String, Json)> {
        let mut members: Vec<(&str, Json)> = vec![("id", Json::text(&self.id))];
        members.extend(status.map(|word| ("status", Json::text(word))));
        for (name, network, currency) in [("from", "fromNetwork", self.from), ("to", "toNetwork", self.to)] {
            let (ticker, apart) = currency.echo();
            members.push((name, Json::text(ticker)));
            members.extend(apart.map(|n| (network, Json::text(n))));
        }
        let number = |minor, asset| Json::Number(double_of(minor, asset));
        members.push(("expectedAmountFrom", number(self.asked, self.from.asset)));
        members.push(("expectedAmountTo", number(self.expected_to, self.to.asset)));
        members.push(("payinAddress", Json::text(&self.payin_address)));
        members.extend(self.payin_extra_id.as_ref().map(|id| ("payinExtraId", Json::text(id))));
        members.push(("payoutAddress", Json::text(payout)));
        members.push(("fullLink", Json::text(format!("{site}/transaction-all/{}", self.id))));
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// The members that a read answers.
    pub(super) fn view(&self, site: &str, payout: &str, status: &str, invitation: &str) -> Json {
        let mut members = self.created_view(site, payout, Some(status));
        let shown = if self.status == Status::Completed { self.done } else { self.done + self.pending };
        let from = (shown > 0).then(|| Json::Number(double_of(shown, self.from.asset)));
        let to = (self.paid_out > 0).then(|| Json::Number(double_of(self.paid_out, self.to.asset)));
        let text = |text: &Option<String>| text.as_ref().map(Json::text);
        let unknown = self.number.is_multiple_of(2).then_some(Json::Null);
        for (name, value) in [
            ("amountFrom", from),
            ("amountTo", to),
            ("payinHash", text(&self.payin_hash)),
            ("payoutHash", text(&self.payout_hash)),
            ("senderAddress", text(&self.sender)),
        ] {
            members.extend(value.or(unknown.clone()).map(|value| (name.to_owned(), value)));
        }
        if self.tells_validity {
            members.push(("validUntil".to_owned(), Json::text(iso(self.valid_until))));
        }
        members.push(("invitationId".to_owned(), Json::text(invitation)));
        members.push(("createdAt".to_owned(), Json::text(iso(self.created))));
        Json::Object(members)
    }

    /// The one payment that there is, if anything came.
    pub(super) fn payment(&self) -> Option<TruthPayment> {
        let zero = Amount::zero(self.from.asset);
        let stage = match (self.done, self.status) {
            (0, Status::Error) => TruthStage::Withdrawn,
            (0, _) => TruthStage::Seen,
            (_, _) => TruthStage::Confirmed,
        };
        Some(TruthPayment {
            id: self.id.clone(),
            amount: self.booked(self.done + self.pending),
            stage,
            confirmed: if self.done > 0 { self.booked(self.done) } else { zero },
            reversed: zero,
            reinstated: zero,
            settled: (self.done > 0).then(|| (self.settled(), self.to.ticker)),
            seen_at: self.seen_at?,
        })
    }

    pub(super) fn truth(&self) -> TruthOrder {
        TruthOrder {
            reference: self.id.clone(),
            order: None,
            address: Some(self.payin_address.clone()),
            ticker: Some(self.from.ticker),
            due: Some(Amount::new(self.asked, self.from.asset)),
            payments: self.payment().into_iter().collect(),
        }
    }
}
