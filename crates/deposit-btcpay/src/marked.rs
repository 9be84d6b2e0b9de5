//! The store's own list of what is ours: every invoice with our mark for which money came. A scan from the beginning begins with it, so that
//! reconcile finds an order that nobody was shown (a second invoice of one deposit, say) and an order that the database lost.

use std::collections::HashSet;

use deposit_core::{Observation, Observed, ProviderError, ScanCursor, Target};

use crate::api::{self, InvoiceStatus};
use crate::client::Client;
use crate::coin::Methods;
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
    let mut skip = from;
    let mut seen = HashSet::new();
    while part.requests < PAGES {
        let page = client.page_of_all(skip).await?;
        part.requests = part.requests.saturating_add(1);
        let before = seen.len();
        for item in &page {
            let Ok(api::ListedId { id }) = serde_json::from_str(item.get()) else { continue };
            if !seen.insert(id) {
                continue;
            }
            let invoice: Option<api::Invoice> = serde_json::from_str(item.get()).ok();
            part.observations.extend(invoice.and_then(|invoice| paid(&invoice, methods, store)));
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

/// By the invoice's own id: which deposit it was made for does not say that it is the one that was shown.
fn paid(invoice: &api::Invoice, methods: &Methods, store: &str) -> Option<Observation> {
    let here = invoice.store_id.as_deref().is_none_or(|id| id == store);
    if !here || api::is_ours(&invoice.metadata) != Some(true) || !has_money(invoice) {
        return None;
    }
    let ids = invoice.checkout.as_ref().and_then(|checkout| checkout.payment_methods.as_deref());
    let method = ids.unwrap_or_default().iter().find_map(|id| methods.by_id(id));
    Some(Observation {
        provider: ID,
        target: Target::Order(map::provider_ref(&invoice.id)?),
        ticker: method.map(|method| method.coin.ticker),
        ours: Some(true),
        observed: Observed::PaymentHint,
    })
}

/// An order without any was opened and left, which is nobody's loss.
fn has_money(invoice: &api::Invoice) -> bool {
    matches!(invoice.status, InvoiceStatus::Processing | InvoiceStatus::Settled)
        || matches!(
            invoice.additional_status.as_deref(),
            Some("PaidPartial" | "PaidOver" | "PaidLate" | "Marked")
        )
}
