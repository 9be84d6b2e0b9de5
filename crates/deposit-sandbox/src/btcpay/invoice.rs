//! The invoice and its state machine: every row of dossier section 10, pure over time.

use super::decimal::Dec;
use super::fee_mode::FeeMode;
use super::method::{Kind, Method};
pub(super) use super::payment::{Payment, PaymentStatus};
use crate::json::Json;
use crate::random::Random;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    New,
    Processing,
    Settled,
    Expired,
    Invalid,
}

impl Status {
    pub(super) const ALL: &'static [(&'static str, Self)] = &[
        ("New", Self::New),
        ("Processing", Self::Processing),
        ("Settled", Self::Settled),
        ("Expired", Self::Expired),
        ("Invalid", Self::Invalid),
    ];

    pub(super) fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, s)| *s == self).map_or("", |(word, _)| word)
    }

    /// Case is not checked on input.
    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(w, _)| w.eq_ignore_ascii_case(word)).map(|(_, s)| *s)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Additional {
    None,
    PaidPartial,
    PaidOver,
    PaidLate,
    Marked,
}

impl Additional {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::PaidPartial => "PaidPartial",
            Self::PaidOver => "PaidOver",
            Self::PaidLate => "PaidLate",
            Self::Marked => "Marked",
        }
    }
}

#[derive(Debug)]
pub(super) struct Prompt {
    pub(super) method: &'static Method,
    /// Invoice currency for one coin, frozen.
    pub(super) rate: Dec,
    /// Price in this coin, rounded up, without fees; zero for a top-up.
    pub(super) amount: Dec,
    /// What each further payment is asked for on top, and when.
    pub(super) fee_mode: FeeMode,
    pub(super) network_fee: Dec,
    /// What the next payment is asked for on top.
    pub(super) fee: Dec,
    /// Of the Monero plugin: how many confirmations settle a payment, over the speed policy.
    pub(super) threshold: Option<i64>,
    /// Every address or BOLT11 ever shown; the last is the current one. Empty: not activated.
    pub(super) shown: Vec<String>,
}

/// What a prompt comes to.
pub(super) struct Accounting {
    /// Price and fees.
    pub(super) amount: Dec,
    /// The fees in it.
    pub(super) fees: Dec,
    /// Left to pay; negative when overpaid.
    pub(super) due: Dec,
}

#[derive(Debug)]
pub(super) struct Checkout {
    pub(super) speed_policy: &'static str,
    pub(super) default_payment_method: Option<&'static str>,
    pub(super) expiration_seconds: i64,
    pub(super) monitoring_seconds: i64,
    pub(super) tolerance: Dec,
    pub(super) redirect_url: Option<String>,
    pub(super) redirect_automatically: bool,
    pub(super) default_language: Option<String>,
}

#[derive(Debug)]
pub(super) struct Invoice {
    pub(super) id: String,
    /// `None`: a top-up.
    pub(super) price: Option<Dec>,
    pub(super) top_up: bool,
    pub(super) currency: String,
    pub(super) currency_digits: u32,
    pub(super) metadata: Json,
    pub(super) search_terms: Vec<String>,
    pub(super) checkout: Checkout,
    pub(super) receipt: Json,
    pub(super) status: Status,
    pub(super) additional: Additional,
    pub(super) created: i64,
    pub(super) expiration: i64,
    pub(super) monitoring: i64,
    pub(super) archived: bool,
    pub(super) prompts: Vec<Prompt>,
    pub(super) payments: Vec<Payment>,
}

/// What a webhook tells.
#[derive(Debug, Clone)]
pub(super) enum Event {
    Created,
    Received { after_expiration: bool, payment: Payment },
    PaymentSettled { after_expiration: bool, payment: Payment },
    Processing { over_paid: bool },
    Settled { manually: bool, over_paid: bool },
    Expired { partially: bool },
    Invalid { manually: bool },
    ExpiredPaidPartial,
    PaidAfterExpiration,
}

pub(super) type Events = Vec<Event>;

impl Invoice {
    pub(super) fn order_id(&self) -> Option<String> {
        let order = self.metadata.get("orderId")?;
        order.as_text().or_else(|| order.number()).map(str::to_owned)
    }

    pub(super) fn rate_of(&self, method: &Method) -> Dec {
        self.prompts.iter().find(|p| p.method == method).map_or(Dec::ZERO, |p| p.rate)
    }

    fn sum(&self, counts: impl Fn(&Payment) -> bool) -> Dec {
        let counted = self.payments.iter().filter(|p| counts(p));
        let net = |p: &Payment| p.exact().minus(p.fee);
        counted.fold(Dec::ZERO, |sum, p| sum.plus(net(p).times(self.rate_of(p.method))))
    }

    /// Paid in the invoice's currency, unconfirmed payments included, less what was asked for on top.
    pub(super) fn paid(&self) -> Dec {
        self.sum(Payment::accounted)
    }

    /// The same, as the server writes it.
    pub(super) fn paid_text(&self) -> String {
        let net = |p: &Payment| p.exact().minus(p.fee).times_kept(self.rate_of(p.method));
        let sum = self.payments.iter().filter(|p| p.accounted()).fold(Dec::ZERO, |sum, p| sum.plus(net(p)));
        sum.rounded(self.currency_digits).to_string()
    }

    fn any_accounted(&self) -> bool {
        self.payments.iter().any(Payment::accounted)
    }

    fn reaches(&self, sum: Dec) -> bool {
        match self.price {
            Some(price) if !self.top_up => {
                let part = Dec::new(100, 0).minus(self.checkout.tolerance);
                sum.times(Dec::new(100, 0)) >= price.times(part)
            }
            _ => sum.is_positive(),
        }
    }

    fn enough_seen(&self) -> bool {
        self.any_accounted() && self.reaches(self.paid())
    }

    fn enough_settled(&self) -> bool {
        self.reaches(self.sum(|p| p.status == PaymentStatus::Settled))
    }

    fn over_paid(&self) -> bool {
        !self.top_up && self.prompts.first().is_some_and(|p| self.due(p).is_negative())
    }

    /// Paid by all methods, in this prompt's coin.
    pub(super) fn total_paid(&self, prompt: &Prompt) -> Dec {
        let parts = self.payments.iter().filter(|p| p.accounted()).map(|p| self.in_coin_of(prompt, p));
        parts.fold(Dec::ZERO, Dec::plus)
    }

    fn in_coin_of(&self, prompt: &Prompt, payment: &Payment) -> Dec {
        if payment.method.currency == prompt.method.currency {
            return payment.exact();
        }
        let worth = payment.exact().times(self.rate_of(payment.method));
        worth.over_up(prompt.rate, prompt.method.divisibility).unwrap_or(Dec::ZERO)
    }

    /// What is left to pay in this prompt's coin; negative when overpaid, zero when the excess is dust.
    pub(super) fn due(&self, prompt: &Prompt) -> Dec {
        let due = self.accounting(prompt).due;
        let dust = Dec::new(1, prompt.method.divisibility);
        if due.is_negative() && due.abs() < dust { Dec::ZERO } else { due }
    }

    /// Price, fees and rest, as the server adds them up: each payment that came while something was due brought its fee, and the next one is asked
    /// for another.
    pub(super) fn accounting(&self, prompt: &Prompt) -> Accounting {
        let (mut amount, mut fees, mut paid) = (prompt.amount, Dec::ZERO, Dec::ZERO);
        if self.top_up {
            return Accounting { amount, fees, due: Dec::ZERO };
        }
        for payment in self.payments.iter().filter(|p| p.accounted()) {
            if paid < amount {
                amount = amount.plus(payment.fee);
                fees = fees.plus(payment.fee);
            }
            paid = paid.plus(self.in_coin_of(prompt, payment));
        }
        if paid < amount {
            amount = amount.plus(prompt.fee);
            fees = fees.plus(prompt.fee);
        }
        Accounting { amount, fees, due: amount.minus(paid) }
    }

    /// What is left of the price, whatever fees the server asks for on top.
    pub(super) fn rest(&self, prompt: &Prompt) -> Dec {
        if self.top_up { Dec::ZERO } else { prompt.amount.minus(self.total_paid(prompt)) }
    }

    /// When something falls due by time alone.
    pub(super) fn deadline(&self) -> Option<i64> {
        match self.status {
            Status::New => Some(self.expiration + 1),
            Status::Processing => Some(self.monitoring + 1),
            Status::Settled | Status::Expired | Status::Invalid => None,
        }
    }

    fn closed(&self) -> bool {
        matches!(self.status, Status::Expired | Status::Invalid)
    }

    /// The server's watcher: brings the state in line with payments and time. Row numbers are the dossier's.
    pub(super) fn update(&mut self, now: i64, events: &mut Events) {
        if self.status == Status::New {
            if self.enough_seen() {
                self.status = Status::Processing; // row 3
                self.additional = if self.over_paid() { Additional::PaidOver } else { Additional::None };
                events.push(Event::Processing { over_paid: self.additional == Additional::PaidOver });
            } else {
                self.part_paid(); // row 2
                if now > self.expiration {
                    self.status = Status::Expired; // rows 7, 8
                    let partially = self.additional == Additional::PaidPartial;
                    events.push(Event::Expired { partially });
                    if partially {
                        events.push(Event::ExpiredPaidPartial);
                    }
                    return;
                }
            }
        }
        match self.status {
            Status::Processing if !self.enough_seen() => {
                self.status = Status::New; // row 6, without any webhook
                self.part_paid();
                if now > self.expiration {
                    self.update(now, events);
                }
            }
            Status::Processing => {
                self.additional = if self.over_paid() { Additional::PaidOver } else { Additional::None }; // row 5
                if self.enough_settled() {
                    self.status = Status::Settled; // row 4
                    let over_paid = self.additional == Additional::PaidOver;
                    events.push(Event::Settled { manually: false, over_paid });
                } else if now > self.monitoring {
                    self.status = Status::Invalid; // row 12
                    events.push(Event::Invalid { manually: false });
                }
            }
            Status::Expired => {
                if self.enough_seen() && self.additional != Additional::PaidLate {
                    self.additional = Additional::PaidLate; // row 9
                    events.push(Event::PaidAfterExpiration);
                } else if self.any_accounted() && self.additional == Additional::None {
                    self.additional = Additional::PaidPartial; // row 10
                }
            }
            Status::New | Status::Settled | Status::Invalid => {} // rows 13, 14
        }
    }

    fn part_paid(&mut self) {
        self.additional = if self.any_accounted() { Additional::PaidPartial } else { Additional::None };
    }

    /// A payment was detected. Lightning, and a chain at `HighSpeed`, settle at once.
    pub(super) fn receive(&mut self, mut payment: Payment, now: i64, random: &Random, events: &mut Events) {
        let after_expiration = self.closed();
        let lightning = payment.method.kind == Kind::Lightning;
        let threshold = self.prompts.iter().find(|p| p.method == payment.method).and_then(|p| p.threshold);
        let at_once = lightning || threshold == Some(0) || self.checkout.speed_policy == "HighSpeed";
        if at_once {
            payment.status = PaymentStatus::Settled;
            payment.confirmed = payment.value;
        }
        if self.top_up && self.payments.is_empty() && !after_expiration {
            let worth = payment.exact().times(self.rate_of(payment.method));
            self.price = Some(worth.fixed(self.currency_digits));
        }
        let to = payment.destination.clone();
        let method = payment.method;
        // One that takes the place of another is asked for no more than that one was.
        let replaced =
            self.payments.iter().rev().find(|p| p.method == method && !p.accounted()).map(|p| p.fee);
        if let Some(prompt) = self.prompts.iter_mut().find(|p| p.method == method) {
            payment.fee = replaced.unwrap_or(prompt.fee);
            if prompt.fee_mode == FeeMode::MultiplePaymentsOnly {
                prompt.fee = prompt.network_fee;
            }
        }
        self.payments.push(payment.clone());
        let received = Event::Received { after_expiration, payment: payment.clone() };
        let settled = Event::PaymentSettled { after_expiration, payment };
        match (at_once, lightning) {
            (true, true) => events.extend([settled, received]), // row 17
            (true, false) => events.extend([received, settled]),
            (false, _) => events.push(received),
        }
        self.update(now, events);
        self.renew(method, &to, random);
    }

    /// After a part payment to an invoice that is still open: Monero and Zcash show a new address,
    /// Lightning a new BOLT11 for the rest.
    fn renew(&mut self, method: &'static Method, paid_to: &str, random: &Random) {
        if self.status != Status::New || !matches!(method.kind, Kind::Shielded | Kind::Lightning) {
            return;
        }
        let Some(index) = self.prompts.iter().position(|p| p.method == method) else { return };
        let due = self.prompts.get(index).map_or(Dec::ZERO, |p| self.due(p));
        if let Some(prompt) = self.prompts.get_mut(index)
            && prompt.shown.last().is_some_and(|current| current == paid_to)
        {
            let next = method.destination(random, &self.id, prompt.shown.len() + 1, due);
            prompt.shown.push(next);
        }
    }

    /// Shows the first address of every method that has none.
    pub(super) fn activate(&mut self, only: Option<&'static Method>, random: &Random) {
        for prompt in &mut self.prompts {
            if prompt.shown.is_empty() && only.is_none_or(|m| m == prompt.method) {
                prompt.shown.push(prompt.method.destination(random, &self.id, 1, prompt.amount));
            }
        }
    }

    /// Enough confirmations for the speed policy.
    pub(super) fn confirm(&mut self, payment: usize, now: i64, events: &mut Events) {
        let after_expiration = self.closed();
        let Some(p) = self.payments.get_mut(payment) else { return };
        if p.status != PaymentStatus::Processing {
            return;
        }
        p.status = PaymentStatus::Settled;
        if p.is_undone() {
            // In the chain again.
            p.reinstated = p.reinstated.checked_add(p.value).unwrap_or(p.reinstated);
        } else {
            p.confirmed = p.value;
        }
        events.push(Event::PaymentSettled { after_expiration, payment: p.clone() }); // rows 11, 13, 14
        self.update(now, events);
    }

    /// Replaced, double-spent or orphaned: no webhook tells it.
    pub(super) fn undo(&mut self, payment: usize, now: i64, events: &mut Events) {
        let Some(p) = self.payments.get_mut(payment) else { return };
        if p.status == PaymentStatus::Settled {
            p.reversed = p.reversed.checked_add(p.value).unwrap_or(p.reversed);
            if self.status == Status::Settled || p.unseen || p.method.kind != Kind::Chain {
                p.lost = true;
                return;
            }
        }
        // Of an open invoice, which is watched: back on its way, since it may be mined again.
        let again = p.status == PaymentStatus::Settled && self.status == Status::New;
        p.status = if again { PaymentStatus::Processing } else { PaymentStatus::Invalid };
        self.update(now, events);
    }

    /// An orphaned payment is in the chain again, with the same id.
    pub(super) fn reinstate(&mut self, payment: usize, now: i64, events: &mut Events) {
        let after_expiration = self.closed();
        let Some(p) = self.payments.get_mut(payment) else { return };
        p.reinstated = p.reinstated.checked_add(p.value).unwrap_or(p.reinstated);
        if std::mem::take(&mut p.lost) {
            return;
        }
        p.status = PaymentStatus::Settled;
        events.push(Event::PaymentSettled { after_expiration, payment: p.clone() });
        self.update(now, events);
    }

    /// What a person may mark it as now: rows 15 and 16.
    pub(super) fn markable(&self) -> &'static [Status] {
        match self.status {
            Status::New | Status::Processing | Status::Expired => &[Status::Settled, Status::Invalid],
            Status::Invalid => &[Status::Settled],
            Status::Settled if self.additional == Additional::Marked => &[Status::Invalid],
            Status::Settled => &[],
        }
    }

    /// `false` where this is not allowed now.
    pub(super) fn mark(&mut self, status: Status, events: &mut Events) -> bool {
        if !self.markable().contains(&status) {
            return false;
        }
        let over_paid = self.over_paid();
        (self.status, self.additional) = (status, Additional::Marked);
        events.push(if status == Status::Settled {
            Event::Settled { manually: true, over_paid }
        } else {
            Event::Invalid { manually: true }
        });
        true
    }
}
