//! What the cases share.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deposit_core::{
    AccountIndex, Amount, Decimal, DepositId, ErrorKind, IntentRecord, LookUpRequest, OpenRequest,
    PaymentProvider, PaymentReading, PaymentRef, Price, ProviderError, ProviderRef, Quote, Snapshot,
    TickerKind, TickerSpec,
};

use crate::harness::{Ability, Fault, Harness, PayStage, Played, PlayedStage};

/// The tickers for which orders are opened.
pub(crate) fn order_tickers(provider: &dyn PaymentProvider) -> Vec<TickerSpec> {
    let tickers = provider.capabilities().tickers.iter();
    tickers.filter(|spec| spec.kind != TickerKind::Standing).copied().collect()
}

/// The first of them; `None` where all are standing addresses.
pub(crate) fn first_ticker(provider: &dyn PaymentProvider) -> Option<TickerSpec> {
    order_tickers(provider).first().copied()
}

/// The ticker that is paid to a standing address, if there is one.
pub(crate) fn standing_ticker(provider: &dyn PaymentProvider) -> Option<TickerSpec> {
    provider.capabilities().tickers.iter().find(|spec| spec.kind == TickerKind::Standing).copied()
}

/// The adapter, made anew, looking after the first accounts as after a start of the engine.
pub(crate) fn watching(harness: &dyn Harness) -> Arc<dyn PaymentProvider> {
    let provider = harness.provider();
    let all: Vec<_> = (1..=4).map(AccountIndex).collect();
    provider.watch(&all);
    provider
}

/// What a payer of a standing address pays to: no quote, and the address as its reference.
pub(crate) fn standing_order(
    harness: &dyn Harness,
    provider: &dyn PaymentProvider,
    spec: &TickerSpec,
    index: AccountIndex,
) -> IntentRecord {
    let instructions = match provider.standing_address(index) {
        Ok(instructions) => instructions,
        Err(error) => panic!("standing_address failed: {}", chain(&error)),
    };
    let address = instructions.address().expect("a standing address");
    let terms = request(harness, spec).terms.with_quote(None);
    IntentRecord {
        deposit_id: deposit_id(harness),
        provider: provider.id(),
        provider_ref: ProviderRef::new(address).expect("an address is a reference"),
        terms,
        instructions,
    }
}

/// A ticker and something to pay it to: an order, or where there are none a standing address.
pub(crate) async fn payable(harness: &dyn Harness) -> Option<(TickerSpec, IntentRecord)> {
    let provider = harness.provider();
    match first_ticker(provider.as_ref()) {
        Some(spec) => Some((spec, open_usual(harness, &spec).await)),
        None => {
            let spec = standing_ticker(provider.as_ref())?;
            let order = standing_order(harness, provider.as_ref(), &spec, AccountIndex(1));
            Some((spec, order))
        }
    }
}

/// The payer pays a usual amount: what is due, or where nothing is asked for the harness's own.
pub(crate) async fn pays(harness: &dyn Harness, spec: &TickerSpec, order: &IntentRecord) -> Played {
    let amount = (spec.kind == TickerKind::Standing).then(|| harness.amount(spec));
    harness.pay(order, amount, PayStage::Confirmed).await
}

/// Whether the harness says that it cannot do this.
pub(crate) fn cannot(harness: &dyn Harness, ability: Ability) -> bool {
    harness.cannot(ability).is_some_and(|reason| {
        assert!(reason.len() > 3, "the harness has to say why it cannot do {ability:?}");
        true
    })
}

/// As [`cannot`], for a fault.
pub(crate) fn no_fault(harness: &dyn Harness, fault: Fault) -> bool {
    cannot(harness, Ability::Fault(fault))
}

/// A fresh id of ours.
pub(crate) fn deposit_id(harness: &dyn Harness) -> DepositId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let (time, number) = (harness.now().millis(), NEXT.fetch_add(1, Ordering::Relaxed));
    DepositId::new(format!("conformance-{time:013}-{number:04}")).expect("a deposit id")
}

/// A request for this amount, good for an hour.
pub(crate) fn request_for(harness: &dyn Harness, spec: &TickerSpec, amount: Amount) -> OpenRequest {
    let created_at = harness.now();
    let expires_at = created_at.plus_secs(3_600);
    let rate =
        spec.credit.fixed_price().unwrap_or_else(|| Price::new(Decimal::ONE_HUNDRED).expect("a price"));
    let terms = spec.terms(created_at).with_quote(Quote { amount, rate, unit_price: rate, expires_at });
    OpenRequest { deposit_id: deposit_id(harness), terms, amount, expires_at, attempt: 1 }
}

/// A request for the usual amount.
pub(crate) fn request(harness: &dyn Harness, spec: &TickerSpec) -> OpenRequest {
    request_for(harness, spec, harness.amount(spec))
}

/// Opens an order.
pub(crate) async fn opened(provider: &dyn PaymentProvider, request: &OpenRequest) -> IntentRecord {
    match provider.open(request).await {
        Ok(intent) => IntentRecord::from(intent.as_ref()),
        Err(error) => panic!("{}: open failed: {}", request.terms.ticker, chain(&error)),
    }
}

/// Opens an order for the usual amount.
pub(crate) async fn open_usual(harness: &dyn Harness, spec: &TickerSpec) -> IntentRecord {
    opened(harness.provider().as_ref(), &request(harness, spec)).await
}

/// Opens; has to fail.
pub(crate) async fn open_fails(provider: &dyn PaymentProvider, request: &OpenRequest) -> ProviderError {
    match provider.open(request).await {
        Ok(intent) => panic!("{}: open said that it succeeded: {intent:?}", request.terms.ticker),
        Err(error) => error,
    }
}

/// Reads an order.
pub(crate) async fn snapshot(provider: &dyn PaymentProvider, order: &IntentRecord) -> Snapshot {
    match provider.read(order).await {
        Ok(snapshot) => {
            assert_eq!(snapshot.order, order.provider_ref, "{}: of another order", order.terms.ticker);
            snapshot
        }
        Err(error) => panic!("{}: read failed: {}", order.terms.ticker, chain(&error)),
    }
}

/// Reads; has to fail.
pub(crate) async fn read_fails(provider: &dyn PaymentProvider, order: &IntentRecord) -> ProviderError {
    match provider.read(order).await {
        Ok(snapshot) => panic!("{}: read said that it succeeded: {snapshot:?}", order.terms.ticker),
        Err(error) => error,
    }
}

/// Orders that carry our id.
pub(crate) async fn look_up(provider: &dyn PaymentProvider, request: &OpenRequest) -> Vec<IntentRecord> {
    let wanted = LookUpRequest { deposit_id: request.deposit_id.clone(), terms: request.terms };
    match provider.look_up(&wanted).await {
        Ok(found) => found.iter().map(|intent| IntentRecord::from(intent.as_ref())).collect(),
        Err(error) => panic!("{}: look_up failed: {}", request.terms.ticker, chain(&error)),
    }
}

/// An error with its sources.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = format!("{error} [{error:?}]");
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner} [{inner:?}]");
        source = inner.source();
    }
    text
}

/// What kind of error a call has to answer.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    right: fn(&ErrorKind) -> bool,
    words: &'static str,
}

impl Wanted {
    const fn new(right: fn(&ErrorKind) -> bool, words: &'static str) -> Self {
        Self { right, words }
    }

    #[track_caller]
    pub(crate) fn check(self, what: &str, error: &ProviderError) {
        let (wanted, got) = (self.words, error.kind());
        assert!((self.right)(got), "{what}: wanted {wanted}, got {got:?}: {}", chain(error));
    }
}

pub(crate) const TRANSIENT: Wanted = Wanted::new(|k| matches!(k, ErrorKind::Transient { .. }), "Transient");
pub(crate) const UNKNOWN: Wanted = Wanted::new(|k| matches!(k, ErrorKind::OutcomeUnknown), "OutcomeUnknown");
pub(crate) const AUTHENTICATION: Wanted =
    Wanted::new(|k| matches!(k, ErrorKind::Authentication), "Authentication");
pub(crate) const PROTOCOL: Wanted = Wanted::new(|k| matches!(k, ErrorKind::Protocol), "Protocol");
pub(crate) const UNSUPPORTED: Wanted = Wanted::new(|k| matches!(k, ErrorKind::Unsupported), "Unsupported");
pub(crate) const NOT_FOUND: Wanted = Wanted::new(|k| matches!(k, ErrorKind::NotFound), "NotFound");
/// Not now; where it did not happen, or where a repeat is safe.
pub(crate) const TRANSIENT_OR_UNKNOWN: Wanted = Wanted::new(
    |k| matches!(k, ErrorKind::Transient { .. } | ErrorKind::OutcomeUnknown),
    "Transient or OutcomeUnknown",
);
/// What may be answered where the order was opened and the answer cannot be read.
pub(crate) const UNCLEAR: Wanted = Wanted::new(
    |k| matches!(k, ErrorKind::OutcomeUnknown | ErrorKind::Protocol),
    "OutcomeUnknown or Protocol",
);
/// No order now, said before one was left without a place to pay.
pub(crate) const UNAVAILABLE: Wanted = Wanted::new(
    |k| matches!(k, ErrorKind::Transient { .. } | ErrorKind::Rejected(_)),
    "Transient or Rejected",
);
/// The provider said 1 s; an adapter may round up.
pub(crate) const RATE_LIMITED: Wanted = Wanted::new(
    |k| {
        let most = Duration::from_secs(10);
        matches!(k, ErrorKind::Transient { retry_after: Some(wait) } if !wait.is_zero() && *wait <= most)
    },
    "Transient with a retry_after of about 1 s",
);

pub(crate) fn reading<'a>(snapshot: &'a Snapshot, id: &PaymentRef) -> Option<&'a PaymentReading> {
    let mut all = snapshot.payments.iter().filter(|p| p.id == *id);
    let first = all.next();
    assert!(all.next().is_none(), "payment {id} is listed twice: {:?}", snapshot.payments);
    first
}

fn taken(reading: &PaymentReading) -> u128 {
    let net = |t: &deposit_core::Taking| t.taken.saturating_sub(t.given_back);
    reading.takings.values().map(net).sum()
}

/// The snapshot has to show these payments as they are, and no other.
#[track_caller]
pub(crate) fn assert_shows(harness: &dyn Harness, what: &str, snapshot: &Snapshot, played: &[Played]) {
    // Of an order that can still be paid, and of one that only waits for confirmations, every read is whole.
    let may_have_ended = snapshot.state != deposit_core::OrderState::Open
        || snapshot.payments.iter().any(|payment| payment.in_flight == 0);
    if harness.reads_of_ended_orders_are_whole() || !may_have_ended {
        assert!(snapshot.complete, "{what}: the read lists not every payment: {snapshot:?}");
    }
    assert_payments(what, snapshot, played);
}

/// The same, of a read that nothing excuses from listing everything.
#[track_caller]
pub(crate) fn assert_shows_whole(what: &str, snapshot: &Snapshot, played: &[Played]) {
    assert!(snapshot.complete, "{what}: the read lists not every payment: {snapshot:?}");
    assert_payments(what, snapshot, played);
}

#[track_caller]
fn assert_payments(what: &str, snapshot: &Snapshot, played: &[Played]) {
    let truth: BTreeMap<_, _> = played.iter().map(|p| (&p.id, p)).collect();
    assert!(snapshot.undecided.is_empty(), "{what}: documented words were not understood: {snapshot:?}");
    for (id, truth) in &truth {
        let shown = reading(snapshot, id);
        if let Some(shown) = shown {
            assert_eq!(shown.asset, truth.amount.asset(), "{what}: asset of payment {id}");
        }
        let numbers = shown.map(|s| (s.in_flight, s.confirmed, taken(s)));
        let amount = truth.amount.minor();
        match truth.stage {
            PlayedStage::Seen => {
                assert_eq!(
                    numbers,
                    Some((amount, 0, 0)),
                    "{what}: payment {id} was seen (in flight, confirmed, taken)"
                );
            }
            PlayedStage::Confirmed => {
                let wanted = Some((0, amount, truth.taken));
                assert_eq!(
                    numbers, wanted,
                    "{what}: payment {id} was confirmed (in flight, confirmed, taken)"
                );
            }
            PlayedStage::Reversed | PlayedStage::Withdrawn => {
                assert!(
                    snapshot.complete || numbers.is_some(),
                    "{what}: payment {id} is gone, and a read that is not complete does not say so"
                );
                let (in_flight, confirmed, taken) = numbers.unwrap_or_default();
                let net = confirmed.saturating_sub(taken);
                assert_eq!((in_flight, net), (0, 0), "{what}: payment {id} is gone (in flight, net)");
            }
        }
        if let Some(settled) = truth.settled {
            assert_eq!(shown.and_then(|s| s.settled), Some(settled), "{what}: what payment {id} paid out");
        }
    }
    for shown in &snapshot.payments {
        let known = truth.contains_key(&shown.id);
        assert!(known || shown.in_flight + shown.confirmed == 0, "{what}: nobody made payment {shown:?}");
    }
}
