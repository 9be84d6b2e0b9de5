//! Wire to domain: pure functions.

use std::collections::BTreeMap;

use deposit_core::{
    Amount, Concern, ConcernedMoney, DepositId, Failure, IntentRecord, OrderState, PayInstructions,
    PaymentReading, PaymentRef, Snapshot, Taking, TakingId, Timestamp, printable,
};
use url::Url;

use crate::api::{
    Charge, DEPOSIT_ID, Dispute, DisputeStatus, Expandable, Intent, IntentStatus, PaymentStatus, Refund,
    RefundStatus, Session, SessionStatus, is_ours,
};
use crate::currency::Currency;

/// All that one read asks for.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) session: Session,
    pub(crate) refunds: Vec<Refund>,
    pub(crate) disputes: Vec<Dispute>,
}

/// Whether a session is what we asked for.
pub(crate) fn is_what_we_asked(
    session: &Session,
    livemode: bool,
    deposit_id: &DepositId,
    currency: &Currency,
    cents: u64,
) -> bool {
    let metadata = session.metadata.as_ref();
    session.livemode == livemode
        && session.mode.as_deref() == Some("payment")
        && session.amount_total == Some(cents)
        && session.currency.as_deref().is_some_and(|code| currency.is(code))
        && session.client_reference_id.as_deref() == Some(deposit_id.as_str())
        && metadata.and_then(|m| m.get(DEPOSIT_ID)).map(String::as_str) == Some(deposit_id.as_str())
        && is_ours(metadata) == Some(true)
}

/// The page to pay on, if the session has one. Kept whole: its fragment is part of it.
pub(crate) fn instructions(session: &Session) -> Option<PayInstructions> {
    let url = session.url.as_deref()?;
    let web = |parsed: Url| matches!(parsed.scheme(), "http" | "https") && parsed.has_host();
    let plain = !url.chars().any(|c| c.is_whitespace() || c.is_control());
    (plain && Url::parse(url).is_ok_and(web))
        .then(|| PayInstructions::HostedPage { url: url.to_owned(), payment_id: None })
}

/// The id of the PaymentIntent, once there is one.
pub(crate) fn intent_id(session: &Session) -> Option<&str> {
    match session.payment_intent.as_ref()? {
        Expandable::Id(id) => Some(id),
        Expandable::Object(intent) => Some(&intent.id),
    }
}

/// How the one payment of a session stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nobody paid.
    Nothing,
    /// Under way.
    InFlight,
    /// The money is there.
    Confirmed,
    /// It will not come.
    Failed(Failure),
    /// In words that we do not know, or that contradict each other: a code, and a sentence for the operator.
    Undecided(&'static str, String),
}

/// Dossier, section 7: the session says whether it was paid, the PaymentIntent what became of a payment that takes its time.
/// Every combination is named.
pub(crate) fn standing(
    status: Option<&SessionStatus>,
    payment_status: &PaymentStatus,
    intent: Option<&IntentStatus>,
    concerns: &mut Vec<Concern>,
) -> Standing {
    let mut note = |code: &str, detail: &str| concerns.push(Concern::new(code, detail));
    let open = status == Some(&SessionStatus::Open);
    let complete = status == Some(&SessionStatus::Complete);
    let expired = status == Some(&SessionStatus::Expired);
    match (payment_status, intent) {
        (PaymentStatus::Other(other), _) => {
            let detail = format!("unknown payment status {}: the payment stays as it was", printable(other));
            Standing::Undecided("unknown_status", detail)
        }
        (PaymentStatus::Paid | PaymentStatus::Unpaid, Some(IntentStatus::Other(other))) => {
            let detail =
                format!("unknown PaymentIntent status {}: the payment stays as it was", printable(other));
            Standing::Undecided("unknown_status", detail)
        }
        (PaymentStatus::NoPaymentRequired, _) => {
            note("no_payment_required", "the session asked for no payment: nothing is credited for it");
            Standing::Failed(Failure::Invalid)
        }
        (PaymentStatus::Paid, Some(IntentStatus::Succeeded) | None) if !open => {
            if expired {
                note("paid_after_expiry", "the session expired and is paid all the same");
            }
            Standing::Confirmed
        }
        (PaymentStatus::Paid, _) => {
            let detail = "the session is paid, and it or its PaymentIntent says otherwise".to_owned();
            Standing::Undecided("contradiction", detail)
        }
        // Between the charge and the end of the session.
        (PaymentStatus::Unpaid, Some(IntentStatus::Succeeded)) if open => Standing::InFlight,
        (PaymentStatus::Unpaid, Some(IntentStatus::Succeeded)) => {
            if expired {
                note("paid_after_expiry", "the session expired and its PaymentIntent succeeded");
            }
            Standing::Confirmed
        }
        (PaymentStatus::Unpaid, Some(IntentStatus::Processing)) => Standing::InFlight,
        (PaymentStatus::Unpaid, Some(IntentStatus::RequiresCapture)) => {
            note("manual_capture", "the money is only authorised: this account captures by hand");
            Standing::InFlight
        }
        (
            PaymentStatus::Unpaid,
            Some(IntentStatus::RequiresAction | IntentStatus::RequiresConfirmation) | None,
        ) if complete => Standing::InFlight,
        (PaymentStatus::Unpaid, Some(IntentStatus::RequiresPaymentMethod)) if complete => {
            Standing::Failed(Failure::Declined)
        }
        (PaymentStatus::Unpaid, Some(IntentStatus::Canceled)) if complete => {
            Standing::Failed(Failure::Cancelled)
        }
        // A declined try: the page is still open for another card, or it ended without one.
        (
            PaymentStatus::Unpaid,
            Some(
                IntentStatus::RequiresPaymentMethod
                | IntentStatus::RequiresConfirmation
                | IntentStatus::RequiresAction
                | IntentStatus::Canceled,
            )
            | None,
        ) => Standing::Nothing,
    }
}

fn order_state(status: Option<&SessionStatus>, concerns: &mut Vec<Concern>) -> OrderState {
    let other = match status {
        // Complete is not paid, and not over: its payment says.
        Some(SessionStatus::Open | SessionStatus::Complete) => return OrderState::Open,
        Some(SessionStatus::Expired) => return OrderState::Expired,
        Some(SessionStatus::Other(other)) => other.as_str(),
        None => "",
    };
    let detail = format!("unknown session status {}: the order counts as open", printable(other));
    concerns.push(Concern::new("unknown_status", detail));
    OrderState::Open
}

/// One read of one order.
pub(crate) fn snapshot(record: &IntentRecord, currency: &Currency, read: &Read) -> Snapshot {
    let session = &read.session;
    let mut snapshot = Snapshot::empty(record.provider_ref.clone());
    snapshot.state = order_state(session.status.as_ref(), &mut snapshot.concerns);
    if session.client_reference_id.as_deref().is_some_and(|id| id != record.deposit_id.as_str()) {
        let detail = "the session carries another reference than the deposit's";
        snapshot.concerns.push(Concern::new("order_mismatch", detail));
    }
    let intent = match &session.payment_intent {
        Some(Expandable::Object(intent)) => Some(&**intent),
        Some(Expandable::Id(_)) | None => None,
    };
    let standing = standing(
        session.status.as_ref(),
        &session.payment_status,
        intent.map(|intent| &intent.status),
        &mut snapshot.concerns,
    );
    if let Standing::Failed(why) = standing {
        snapshot.state = OrderState::Failed(why);
    }
    if matches!(standing, Standing::Nothing | Standing::Failed(_)) {
        return snapshot;
    }
    let Some(id) = intent_id(session).and_then(|id| PaymentRef::new(id).ok()) else {
        // Money without a reference: nothing is concluded from this read.
        snapshot.complete = false;
        let detail = "the session speaks of a payment and has no PaymentIntent";
        let money = what_came(ConcernedMoney::of_order(), currency, session, intent);
        snapshot.concerns.push(Concern::money("unreadable_payment", detail, money));
        return snapshot;
    };
    let reading = match standing {
        Standing::Confirmed => reading(record, currency, read, intent, &id, true, &mut snapshot.concerns),
        Standing::InFlight => reading(record, currency, read, intent, &id, false, &mut snapshot.concerns),
        Standing::Undecided(code, detail) => {
            let money = what_came(ConcernedMoney::of_payment(id.clone()), currency, session, intent);
            snapshot.concerns.push(Concern::money(code, detail, money));
            None
        }
        Standing::Nothing | Standing::Failed(_) => None,
    };
    match reading {
        Some(reading) => snapshot.payments.push(reading),
        None => snapshot.undecided.push(id),
    }
    snapshot
}

/// How much a payment is that no rule credits, in the deposit's own currency where that is told and else in the session's; without an
/// amount where neither is one that we can count.
fn what_came(
    money: ConcernedMoney,
    currency: &Currency,
    session: &Session,
    intent: Option<&Intent>,
) -> ConcernedMoney {
    let ours = |code: Option<&str>| code.is_some_and(|code| currency.is(code));
    let received = intent.filter(|intent| ours(intent.currency.as_deref()));
    // Zero until it succeeded.
    let received = received.and_then(|intent| intent.amount_received).filter(|cents| *cents > 0);
    let told = session.amount_total.filter(|_| ours(session.currency.as_deref()));
    let converted = session.currency_conversion.as_ref().filter(|c| ours(c.source_currency.as_deref()));
    let converted = converted.and_then(|conversion| conversion.amount_total);
    if let Some(cents) = received.or(told).or(converted) {
        return money.amount(currency.amount(cents));
    }
    match (session.currency.as_deref(), session.amount_total) {
        (Some(code), Some(cents)) => in_its_currency(money, code, cents),
        _ => money,
    }
}

/// So much of a currency by its name. Of one that is none of ours only the name is told: how many decimals it has is not known.
fn in_its_currency(money: ConcernedMoney, code: &str, cents: u64) -> ConcernedMoney {
    match Currency::ALL.iter().find(|currency| currency.is(code)) {
        Some(known) => ConcernedMoney { ticker: Some(known.ticker), ..money.amount(known.amount(cents)) },
        None => ConcernedMoney { ticker: code.to_ascii_uppercase().parse().ok(), ..money },
    }
}

/// `None`: undecided, with a concern.
fn reading(
    record: &IntentRecord,
    currency: &Currency,
    read: &Read,
    intent: Option<&Intent>,
    id: &PaymentRef,
    confirmed: bool,
    concerns: &mut Vec<Concern>,
) -> Option<PaymentReading> {
    let amount = match amount(record, currency, &read.session, intent, confirmed) {
        Ok(amount) => amount,
        Err((code, detail)) => {
            let money = ConcernedMoney::of_payment(id.clone());
            let money = what_came(money, currency, &read.session, intent);
            concerns.push(Concern::money(code, detail, money));
            return None;
        }
    };
    let charge = match intent.and_then(|intent| intent.latest_charge.as_ref()) {
        Some(Expandable::Object(charge)) => Some(&**charge),
        Some(Expandable::Id(_)) | None => None,
    };
    let takings = takings(currency, read, charge, id, concerns)?;
    let reading = if confirmed {
        PaymentReading::confirmed(id.clone(), amount)
    } else {
        PaymentReading::in_flight(id.clone(), amount)
    };
    Some(PaymentReading {
        takings,
        paid_at: charge.map(|charge| Timestamp::from_secs(charge.created)),
        ..reading
    })
}

/// The figure of the session, which has to be what was asked for: another one is for a person to judge. `Err`: a code and a sentence.
fn amount(
    record: &IntentRecord,
    currency: &Currency,
    session: &Session,
    intent: Option<&Intent>,
    confirmed: bool,
) -> Result<Amount, (&'static str, String)> {
    let code = session.currency.as_deref().unwrap_or_default();
    if !currency.is(code) {
        let converted = if session.currency_conversion.is_some() {
            " (the payer was shown another currency than was asked for)"
        } else {
            ""
        };
        let detail = format!(
            "the session is in {}, not in {}{converted}: not credited",
            printable(code),
            currency.code
        );
        return Err(("currency_mismatch", detail));
    }
    let amount = session.amount_total.map(|cents| currency.amount(cents));
    let asked = record.terms.requested();
    // Adaptive Pricing may charge in another currency: then this figure says nothing.
    let received = intent
        .filter(|intent| confirmed && intent.currency.as_deref().is_some_and(|c| currency.is(c)))
        .and_then(|intent| intent.amount_received)
        .map(|cents| currency.amount(cents));
    amount
        .filter(|amount| asked.is_none_or(|asked| asked == *amount))
        .filter(|amount| received.is_none_or(|received| received == *amount))
        .ok_or_else(|| {
            let show =
                |amount: Option<Amount>| amount.map_or("nothing".to_owned(), |amount| amount.to_string());
            let detail = format!(
                "asked for {}, the session says {}, its PaymentIntent {}: not credited",
                show(asked),
                show(amount),
                show(received)
            );
            ("amount_mismatch", detail)
        })
}

/// Refunds and disputes of a payment that no rule can follow: the payment is held, and a person decides.
#[derive(Default)]
struct Odd {
    reasons: Vec<(&'static str, String)>,
    /// What was taken in other currencies, by their names.
    foreign: BTreeMap<String, u64>,
}

impl Odd {
    fn note(&mut self, code: &'static str, detail: String) {
        self.reasons.push((code, detail));
    }

    /// One item for all of it, since it is about one payment. How much only where all of it is in one other currency: of a figure in
    /// the payment's own nobody could say whether it is to be credited or to be taken back.
    fn told(self, id: &PaymentRef, concerns: &mut Vec<Concern>) {
        let other = |(code, _): &(&str, String)| *code == "currency_mismatch";
        let one = self.foreign.len() == 1 && self.reasons.iter().all(other);
        let mut money = Some(ConcernedMoney::of_payment(id.clone()));
        if let Some((code, cents)) = self.foreign.iter().next().filter(|_| one) {
            money = money.map(|money| in_its_currency(money, code, *cents));
        }
        for (code, detail) in self.reasons {
            concerns.push(match money.take() {
                Some(money) => Concern::money(code, detail, money),
                None => Concern::new(code, detail),
            });
        }
    }
}

/// Refunds and disputes, each under its own id; `None` where one of them is in words that we do not know.
fn takings(
    currency: &Currency,
    read: &Read,
    charge: Option<&Charge>,
    payment: &PaymentRef,
    concerns: &mut Vec<Concern>,
) -> Option<BTreeMap<TakingId, Taking>> {
    let mut takings = BTreeMap::new();
    let mut odd = Odd::default();
    let refunds = read.refunds.iter().map(|r| (&r.id, r.amount, &r.currency, refund_fate(r)));
    let disputes = read.disputes.iter().map(|d| (&d.id, d.amount, &d.currency, dispute_fate(d, concerns)));
    for (id, cents, code, fate) in refunds.chain(disputes) {
        if !currency.is(code) {
            let detail = format!("a refund or dispute is in {}, not in {}", printable(code), currency.code);
            odd.note("currency_mismatch", detail);
            if matches!(fate, Fate::Taken | Fate::Unknown(_)) {
                let sum = odd.foreign.entry(code.to_ascii_lowercase()).or_default();
                *sum = sum.saturating_add(cents);
            }
            continue;
        }
        let taken = currency.amount(cents).minor();
        let given_back = match fate {
            Fate::Taken => 0,
            Fate::GivenBack => taken,
            Fate::Untouched => continue,
            Fate::Unknown(detail) => {
                odd.note("unknown_status", detail);
                continue;
            }
        };
        match TakingId::new(id.as_str()) {
            Ok(id) => _ = takings.insert(id, Taking { taken, given_back }),
            Err(_) => odd.note("unreadable_refund", "a refund or dispute has no usable id".to_owned()),
        }
    }
    // The charge adds its refunds up itself; the list may lag behind it.
    let listed = read.refunds.iter().fold(0_u64, |sum, refund| sum.saturating_add(refund.amount));
    if charge.and_then(|charge| charge.amount_refunded).is_some_and(|refunded| refunded > listed) {
        let detail = "the charge says that more was refunded than the list of refunds has";
        odd.note("refunds_missing", detail.to_owned());
    }
    if odd.reasons.is_empty() {
        return Some(takings);
    }
    odd.told(payment, concerns);
    None
}

/// What a refund or dispute has done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The money is gone.
    Taken,
    /// It was, or could have been, and is back.
    GivenBack,
    /// No money moved.
    Untouched,
    /// In a word that we do not know: a sentence for the operator.
    Unknown(String),
}

/// A refund on its way counts: Stripe's own total has it too.
fn refund_fate(refund: &Refund) -> Fate {
    let other = match &refund.status {
        Some(RefundStatus::Pending | RefundStatus::RequiresAction | RefundStatus::Succeeded) => {
            return Fate::Taken;
        }
        Some(RefundStatus::Failed | RefundStatus::Canceled) => return Fate::GivenBack,
        Some(RefundStatus::Other(other)) => other.as_str(),
        None => "",
    };
    Fate::Unknown(format!("unknown refund status {}: the payment stays as it was", printable(other)))
}

fn dispute_fate(dispute: &Dispute, concerns: &mut Vec<Concern>) -> Fate {
    match &dispute.status {
        DisputeStatus::NeedsResponse | DisputeStatus::UnderReview | DisputeStatus::Lost => Fate::Taken,
        // Stopped, usually by a refund, which is listed by itself: never taken twice.
        DisputeStatus::Won | DisputeStatus::Prevented => Fate::GivenBack,
        DisputeStatus::WarningNeedsResponse | DisputeStatus::WarningUnderReview => {
            let detail = "the payer's bank asks about this payment: no money moved yet";
            concerns.push(Concern::new("inquiry", detail));
            Fate::Untouched
        }
        DisputeStatus::WarningClosed => Fate::Untouched,
        DisputeStatus::Other(other) => {
            Fate::Unknown(format!("unknown dispute status {}: the payment stays as it was", printable(other)))
        }
    }
}

#[cfg(test)]
#[path = "map_tests.rs"]
mod tests;
