//! Many orders in one list: `GET …/invoices?orderId=…&orderId=…&includePaymentMethods=true`.
//!
//! The list says of an invoice what the two requests of a single read say, but for payments that turned invalid, which it leaves out. What
//! it does not answer for (an invoice that is not there, one without methods, one that cannot be read) is read alone.

use std::collections::{HashMap, HashSet, VecDeque};

use deposit_core::{ErrorKind, IntentRecord, Operation, ProviderError};
use serde_json::value::RawValue;

use crate::api;
use crate::client::{Client, LIST_TAKE};
use crate::error::error;

/// Orders of one list: their ids make some 3.5 KiB of URL, where servers and proxies take 8.
pub(crate) const READ_BATCH: usize = 100;
/// Requests that one batch may take for its lists: a page or two, or what it takes to find an item that makes the answer unreadable.
const MOST_LISTS: usize = 16;

/// An invoice with its payment methods, as one list shows them.
pub(crate) type Listed = (api::Invoice, Vec<api::PaymentMethod>);

/// What the lists said.
#[derive(Debug, Default)]
pub(crate) struct Lists {
    /// By invoice id.
    pub(crate) found: HashMap<String, Listed>,
    /// Places of orders whose part of the list cannot be read.
    pub(crate) unreadable: HashSet<usize>,
}

/// Asks for these orders. An answer that cannot be read as a whole (one huge invoice makes it too large) is asked for in halves, so that
/// it costs only the order that it is about.
pub(crate) async fn read(client: &Client, intents: &[IntentRecord]) -> Result<Lists, ProviderError> {
    let mut lists = Lists::default();
    let mut waiting = VecDeque::from([(0_usize, intents)]);
    let mut left = MOST_LISTS;
    while let Some((place, part)) = waiting.pop_front() {
        let failure = match pages(client, part, &mut left).await {
            Ok(items) => {
                lists.found.extend(items.iter().filter_map(|item| listed(item)));
                continue;
            }
            Err(failure) => failure,
        };
        // A refusal, or a server that is not there, is the same for every order.
        if *failure.kind() != ErrorKind::Protocol || (part.len() == intents.len() && part.len() == 1) {
            return Err(failure);
        }
        if part.len() == 1 || left == 0 {
            lists.unreadable.extend(place..place.saturating_add(part.len()));
            continue;
        }
        let (first, second) = part.split_at(part.len() / 2);
        waiting.push_back((place, first));
        waiting.push_back((place.saturating_add(first.len()), second));
    }
    if lists.unreadable.len() == intents.len() {
        return Err(error(Operation::Read, ErrorKind::Protocol));
    }
    Ok(lists)
}

/// Every page: more than one invoice may carry an order's id. New ones come first and shift the rest back, so that none is passed over.
async fn pages(
    client: &Client,
    part: &[IntentRecord],
    left: &mut usize,
) -> Result<Vec<Box<RawValue>>, ProviderError> {
    let ids: Vec<&str> = part.iter().map(|intent| intent.deposit_id.as_str()).collect();
    let mut all: Vec<Box<RawValue>> = Vec::new();
    loop {
        let unreadable = || error(Operation::Read, ErrorKind::Protocol);
        *left = left.checked_sub(1).ok_or_else(unreadable)?;
        let page = client.listed(&ids, all.len()).await?;
        let full = page.len() >= LIST_TAKE;
        all.extend(page);
        if !full {
            return Ok(all);
        }
        // What lies behind is read alone, as whatever no list showed.
        if *left == 0 {
            return Ok(all);
        }
    }
}

/// `None`: it has to be read alone.
fn listed(item: &RawValue) -> Option<(String, Listed)> {
    let id = serde_json::from_str::<api::ListedId>(item.get()).ok()?.id;
    let invoice = serde_json::from_str::<api::Invoice>(item.get()).ok()?;
    let methods = serde_json::from_str::<api::ListedMethods>(item.get()).ok()?.payment_methods?;
    (!methods.is_empty()).then_some((id, (invoice, methods)))
}
