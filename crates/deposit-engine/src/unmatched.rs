//! Money that no deposit is known for: what a message, a feed or the order itself tells of it, for an operator.

use std::collections::BTreeSet;

use deposit_core::{
    Amount, Concern, DepositId, ErrorKind, IntentRecord, Observation as Message, Observed, PayInstructions,
    PaymentProvider, ProviderId, ProviderRef, Snapshot, Target, Ticker, Timestamp,
};
use deposit_store::{ReviewReason, SightedDue, Sighting};

use crate::Engine;
use crate::error::EngineError;
use crate::observe::{amount_told, asset_of};
use crate::reading::in_time;
use crate::trouble::Call;

/// How long an order is tried to be read that nobody knows, in seconds, before an operator is told of it without amounts.
const READ_FOR_SECS: i64 = 3600;

/// What an order that no deposit has shows at its provider.
pub(crate) enum Unknown {
    /// This much.
    Seen(Vec<Sighting>),
    /// It cannot be read now, and may be later.
    Later,
    /// It tells of no money, or is not there.
    Silent,
}

impl Engine {
    /// What the order shows that a message speaks of. So that each payment of it is an item of its own, with its amount, however many messages
    /// there are.
    pub(crate) async fn read_unknown(
        &self,
        provider: &dyn PaymentProvider,
        message: &Message,
        heard_at: Timestamp,
    ) -> Unknown {
        let Target::Order(order) = &message.target else { return Unknown::Silent };
        let Some(intent) = unknown_intent(provider, order, message.ticker, heard_at) else {
            return Unknown::Silent;
        };
        self.spend_read(provider);
        let read = in_time(provider.id(), provider.read(&intent)).await;
        match self.heard(provider.id(), Call::Read, Some(order.as_str()), read) {
            Ok(snapshot) => {
                let seen = sightings(provider, &intent, &snapshot, heard_at);
                if seen.is_empty() { Unknown::Silent } else { Unknown::Seen(seen) }
            }
            Err(error) => {
                tracing::warn!(provider = %provider.id(), %order, %error, "an order that no deposit has was not read");
                let passing = matches!(error.kind(), ErrorKind::Transient { .. } | ErrorKind::OutcomeUnknown);
                if passing && self.now() < heard_at.plus_secs(READ_FOR_SECS) {
                    Unknown::Later
                } else {
                    Unknown::Silent
                }
            }
        }
    }

    /// Logs what a person should see, once for each deposit and code; what is money goes to review besides.
    pub(crate) fn tell_once(&self, deposit: &DepositId, order: &ProviderRef, concerns: &[Concern]) {
        for concern in concerns {
            if self.inner.told.is_new(deposit.as_str(), &concern.code) {
                tracing::warn!(
                    %deposit, %order, code = %concern.code, detail = %concern.detail, money = concern.money.is_some(),
                    "the provider shows something that a person should see"
                );
            }
        }
    }

    /// Hands money over that a message tells of beside what it is about.
    pub(crate) async fn sight_told(
        &self,
        provider: ProviderId,
        concerns: &[Concern],
        about: &[Message],
        delivery: &str,
        at: Timestamp,
    ) -> Result<(), EngineError> {
        let order = about.iter().find_map(|message| named(&message.target));
        let ticker = about.iter().find_map(|message| message.ticker);
        let deposit = match about.first() {
            Some(message) => self.deposit_of(message).await?,
            None => None,
        };
        let mut sightings = Vec::new();
        for concern in concerns {
            let subject = order.as_deref().unwrap_or(delivery);
            if self.inner.told.is_new(&format!("{provider} {subject}"), &concern.code) {
                tracing::warn!(%provider, delivery, code = %concern.code, detail = %concern.detail, "webhook delivery");
            }
            let Some(money) = &concern.money else { continue };
            let amount = amount_told(money, ticker.and_then(asset_of));
            let own = || order.clone().unwrap_or_else(|| format!("delivery {delivery}"));
            sightings.push(Sighting {
                provider,
                reference: money.payment.as_ref().map_or_else(own, ToString::to_string),
                order: money.payment.is_some().then(|| order.clone()).flatten(),
                due: amount.map_or(SightedDue::News, SightedDue::Amount),
                ticker: money.ticker.or(ticker),
                deposit: deposit.clone(),
                reason: if money.taken_back {
                    ReviewReason::NotTakenBack
                } else {
                    ReviewReason::ProviderReports
                },
                code: Some(concern.code.clone()),
                detail: Some(concern.detail.clone()),
                at,
            });
        }
        if !sightings.is_empty() {
            self.store().sight(sightings).await?;
        }
        Ok(())
    }
}

/// An order as a read wants it, where nothing is known but its name. Its terms say what its provider counts in and promise nothing.
fn unknown_intent(
    provider: &dyn PaymentProvider,
    order: &ProviderRef,
    ticker: Option<Ticker>,
    now: Timestamp,
) -> Option<IntentRecord> {
    let tickers = &provider.capabilities().tickers;
    let spec = tickers.iter().find(|spec| Some(spec.ticker) == ticker).or_else(|| tickers.first())?;
    let terms = spec.terms(now);
    Some(IntentRecord {
        // Of no deposit: nothing is written under it.
        deposit_id: DepositId::new("0000000000000000").ok()?,
        provider: provider.id(),
        provider_ref: order.clone(),
        terms,
        instructions: PayInstructions::HostedPage { url: String::new(), payment_id: None },
    })
}

fn sightings(
    provider: &dyn PaymentProvider,
    intent: &IntentRecord,
    snapshot: &Snapshot,
    at: Timestamp,
) -> Vec<Sighting> {
    let order = snapshot.order.to_string();
    let of = |reference: String, due: SightedDue, ticker: Option<Ticker>| Sighting {
        provider: provider.id(),
        order: (reference != order).then(|| order.clone()),
        reference,
        due,
        ticker,
        deposit: None,
        reason: ReviewReason::NoDeposit,
        code: None,
        detail: None,
        at,
    };
    let mut seen = Vec::new();
    let mut listed = BTreeSet::new();
    for payment in &snapshot.payments {
        let minor = payment.confirmed.saturating_add(payment.in_flight);
        if minor == 0 || snapshot.undecided.contains(&payment.id) {
            continue;
        }
        listed.insert(payment.id.to_string());
        let amount = SightedDue::Amount(Amount::new(minor, payment.asset));
        seen.push(of(payment.id.to_string(), amount, Some(intent.terms.ticker)));
    }
    for concern in &snapshot.concerns {
        let Some(money) = &concern.money else { continue };
        let reference = money.payment.as_ref().map_or_else(|| order.clone(), ToString::to_string);
        if !listed.insert(reference.clone()) {
            continue;
        }
        let amount = amount_told(money, Some(intent.terms.asset));
        let due = amount.map_or(SightedDue::Unknown, SightedDue::Amount);
        seen.push(Sighting {
            code: Some(concern.code.clone()),
            detail: Some(concern.detail.clone()),
            ..of(reference, due, money.ticker.or(Some(intent.terms.ticker)))
        });
    }
    seen
}

/// What an operator has to see of a message about an order, deposit or address that nobody has; `None` where it does not speak of money.
/// `name`: what it is called where nothing in it names it.
pub(crate) fn of_nobody(message: &Message, name: impl FnOnce() -> String, at: Timestamp) -> Option<Sighting> {
    let (reference, order, due) = match &message.observed {
        // Not about money: an order whose create got lost and was never shown.
        Observed::Hint | Observed::Snapshot(_) => return None,
        Observed::PaymentHint | Observed::Facts(_) => {
            (named(&message.target).unwrap_or_else(name), None, SightedDue::News)
        }
        Observed::Payment(payment) => {
            let paid = Amount::new(payment.confirmed.max(payment.in_flight), payment.asset);
            let order = match &message.target {
                Target::Order(order) if order.as_str() != payment.id.as_str() => Some(order.to_string()),
                Target::Order(_) | Target::Deposit(_) | Target::Address(_) | Target::Unknown => None,
            };
            (payment.id.to_string(), order, SightedDue::Amount(paid))
        }
    };
    Some(Sighting {
        provider: message.provider,
        reference,
        order,
        due,
        ticker: message.ticker,
        deposit: None,
        reason: ReviewReason::NoDeposit,
        code: None,
        detail: None,
        at,
    })
}

/// What a review item calls money that is known by its order, deposit or address alone.
pub(crate) fn named(target: &Target) -> Option<String> {
    match target {
        Target::Order(order) => Some(order.to_string()),
        Target::Deposit(id) => Some(id.to_string()),
        Target::Address(address) => Some(address.clone()),
        Target::Unknown => None,
    }
}
