//! The store's own list of what is ours: every payment to an invoice with our mark. A scan from the beginning begins with it, so that
//! reconcile finds an order that nobody was shown (a second invoice of one deposit, say) and an order that the database lost.

use std::collections::HashSet;

use deposit_core::{
    Amount, ErrorKind, Observation, Observed, PaymentReading, PaymentRef, ProviderError, ScanCursor, Target,
    Timestamp,
};

use crate::api::{self, InvoiceStatus, PaymentStatus};
use crate::client::{Client, LIST_TAKE};
use crate::coin::{Method, Methods};
use crate::error::ID;
use crate::map;

/// Where the list stands, in a cursor: it is no JSON, as the wallets' places are.
const MARK: &str = "invoices from ";
/// Pages of one call.
const PAGES: u32 = 8;
/// Invoices that a page shows again: those of one second come in any order, and each time in another.
const OVERLAP: usize = 25;

/// A part of the list.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) observations: Vec<Observation>,
    pub(crate) requests: u32,
    /// `None` at the end of the list.
    pub(crate) next: Option<ScanCursor>,
}

/// Where in the list a cursor stands; `None` for one that is past it.
pub(crate) fn place(cursor: Option<&ScanCursor>) -> Option<usize> {
    match cursor {
        None => Some(0),
        Some(cursor) => cursor.0.strip_prefix(MARK)?.parse().ok(),
    }
}

/// From this place on, until nothing more comes.
pub(crate) async fn list(
    client: &Client,
    methods: &Methods,
    store: &str,
    from: usize,
) -> Result<Part, ProviderError> {
    let mut part = Part { observations: Vec::new(), requests: 0, next: None };
    let (mut skip, mut take) = (from, LIST_TAKE);
    let mut seen = HashSet::new();
    while part.requests < PAGES {
        part.requests = part.requests.saturating_add(1);
        let page = match client.page_of_all(skip, take).await {
            Ok(page) => page,
            // More than we take: in smaller pages.
            Err(failure) if *failure.kind() == ErrorKind::Protocol && take > 1 => {
                take = (take / 10).max(1);
                continue;
            }
            Err(failure) => return Err(failure),
        };
        let before = seen.len();
        for item in &page {
            let Ok(api::ListedId { id }) = serde_json::from_str(item.get()) else { continue };
            if !seen.insert(id) {
                continue;
            }
            let invoice: Option<api::Invoice> = serde_json::from_str(item.get()).ok();
            let prompts = serde_json::from_str::<api::ListedMethods>(item.get()).ok();
            let prompts = prompts.and_then(|listed| listed.payment_methods).unwrap_or_default();
            part.observations
                .extend(invoice.into_iter().flat_map(|invoice| paid(&invoice, &prompts, methods, store)));
        }
        // Nothing new: the end, or a server that knows no `skip`.
        if seen.len() == before {
            return Ok(part);
        }
        let shown_again = OVERLAP.min(page.len() / 2);
        skip = skip.saturating_add(page.len().saturating_sub(shown_again));
    }
    part.next = Some(ScanCursor(format!("{MARK}{skip}")));
    Ok(part)
}

/// By the invoice's own id: which deposit it was made for does not say that it is the one that was shown. Each payment by its own reference, as a
/// read of the order names it.
fn paid(
    invoice: &api::Invoice,
    prompts: &[api::PaymentMethod],
    methods: &Methods,
    store: &str,
) -> Vec<Observation> {
    let here = invoice.store_id.as_deref().is_none_or(|id| id == store);
    let Some(order) = map::provider_ref(&invoice.id).filter(|_| here) else { return Vec::new() };
    if api::is_ours(&invoice.metadata) != Some(true) {
        return Vec::new();
    }
    let of = |method: Option<&Method>, observed| Observation {
        provider: ID,
        target: Target::Order(order.clone()),
        ticker: method.map(|method| method.coin.ticker),
        ours: Some(true),
        observed,
    };
    let mut told = Vec::new();
    for prompt in prompts {
        let Some(method) = methods.by_id(prompt.id()) else { continue };
        let readings = prompt.payments.iter().filter_map(|payment| reading(method, payment));
        told.extend(readings.map(|reading| of(Some(method), Observed::Payment(Box::new(reading)))));
    }
    // A server that lists no payments, one by a coin that is none of ours, or a person's mark: somebody has to look.
    if told.is_empty() && has_money(invoice) {
        let ids = invoice.checkout.as_ref().and_then(|checkout| checkout.payment_methods.as_deref());
        let method = ids.unwrap_or_default().iter().find_map(|id| methods.by_id(id));
        told.push(of(method, Observed::PaymentHint));
    }
    told
}

fn reading(method: &Method, payment: &api::Payment) -> Option<PaymentReading> {
    let id = PaymentRef::new(payment.id.as_str()).ok()?;
    let (amount, _) = Amount::floor_from_decimal(payment.value.decimal(), method.coin.asset).ok()?;
    let reading = match payment.status {
        PaymentStatus::Settled => PaymentReading::confirmed(id, amount),
        PaymentStatus::Processing | PaymentStatus::Other(_) => PaymentReading::in_flight(id, amount),
        PaymentStatus::Invalid => return None,
    };
    if amount.is_zero() {
        return None;
    }
    Some(PaymentReading { paid_at: payment.received_date.map(Timestamp::from_secs), ..reading })
}

/// An order without any was opened and left, which is nobody's loss.
fn has_money(invoice: &api::Invoice) -> bool {
    matches!(invoice.status, InvoiceStatus::Processing | InvoiceStatus::Settled)
        || matches!(
            invoice.additional_status.as_deref(),
            Some("PaidPartial" | "PaidOver" | "PaidLate" | "Marked")
        )
}
