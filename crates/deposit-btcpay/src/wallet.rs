//! The wallet's own view of the core chains, with the optional right `btcpay.store.canviewwallet`.
//!
//! An invoice that has ended says no more what became of its payments (dossier, section 14): one that is settled stays so when the chain loses it,
//! and money that comes to its address while the server is down is nowhere in the invoice API. The wallet knows both. So a read of an ended order
//! looks there too, and a scan of the wallet says which orders have to be read.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use deposit_core::{
    Amount, Concern, ErrorKind, IntentRecord, Observation, Observed, Operation, OrderState, PaymentReading,
    PaymentRef, ProviderError, ScanCursor, ScanPage, Snapshot, Target, Timestamp,
};
use tokio::time::Instant;

use crate::api::{self, InvoiceStatus};
use crate::client::Client;
use crate::coin::{Method, Methods};
use crate::error::{ID, error};
use crate::feed::{Cursor, DEPTH, News, Place, news, step};

/// Between two looks of the feed: a block takes longer on nearly every chain.
const PACE: Duration = Duration::from_secs(30);
/// Transactions that one look asks about; the next goes on.
const MOST_ASKED: u32 = 32;

/// What the adapter knows of its right to look.
#[derive(Debug)]
pub(crate) struct Wallet {
    /// Whether the key was told that it may not. The feed asks again at each of its turns.
    refused: AtomicBool,
    asked: Mutex<Option<Instant>>,
    /// What the feed saw lost, by address: its cursor has it too, so that the first look of a process knows it again.
    lost: Mutex<BTreeMap<String, BTreeSet<String>>>,
    pub(crate) pace: Duration,
}

impl Default for Wallet {
    fn default() -> Self {
        Self { refused: AtomicBool::new(false), asked: Mutex::new(None), lost: Mutex::default(), pace: PACE }
    }
}

/// Whether a read of this order has to look into the wallet: the server watches an open one by itself.
pub(crate) fn is_ended(method: &Method, invoice: &api::Invoice) -> bool {
    method.coin.has_wallet()
        && match invoice.status {
            InvoiceStatus::Settled | InvoiceStatus::Expired | InvoiceStatus::Invalid => true,
            InvoiceStatus::New | InvoiceStatus::Processing | InvoiceStatus::Other(_) => false,
        }
}

/// An ended order, and what there is to look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended<'a> {
    pub(crate) method: &'a Method,
    pub(crate) intent: &'a IntentRecord,
    /// Confirmations that its policy waits for.
    pub(crate) wanted: u32,
    pub(crate) outputs: &'a [api::Output],
    /// The invoice was read with the payments that turned invalid, which a list leaves out.
    pub(crate) alone: bool,
}

impl Wallet {
    /// The unspent outputs of a method's wallet; `None` where the wallet does not show itself: without the right, or without such a wallet.
    pub(crate) async fn outputs(
        &self,
        client: &Client,
        operation: Operation,
        method: &Method,
    ) -> Result<Option<Vec<api::Output>>, ProviderError> {
        if operation == Operation::Read && self.refused.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let refusal = match client.outputs(operation, &method.id).await {
            Ok(lines) => {
                self.refused.store(false, Ordering::Relaxed);
                // One line that makes no sense spoils no other.
                return Ok(Some(
                    lines.iter().filter_map(|line| serde_json::from_str(line.get()).ok()).collect(),
                ));
            }
            Err(refusal) => refusal,
        };
        let kind = refusal.kind();
        if *kind == ErrorKind::Rejected("no_right") {
            if !self.refused.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    "the BTCPay API key has not the right btcpay.store.canviewwallet: credited payments that the chain loses later, and money that came to \
                     an ended order while the server was down, are not seen"
                );
            }
            Ok(None)
        } else if *kind == ErrorKind::Rejected("no_wallet") {
            Ok(None)
        } else if *kind == ErrorKind::Protocol && operation == Operation::Read {
            // More than we take: each payment is then asked about on its own, and late money is not seen.
            Ok(Some(Vec::new()))
        } else {
            Err(refusal)
        }
    }

    /// Brings what the invoice API said of an ended order in line with the wallet.
    pub(crate) async fn correct(
        &self,
        client: &Client,
        ended: Ended<'_>,
        snapshot: &mut Snapshot,
    ) -> Result<(), ProviderError> {
        let Ended { method, intent, wanted, outputs, alone } = ended;
        // Late money that was spent since is listed nowhere: its absence says nothing.
        snapshot.complete = false;
        let mut known: BTreeSet<String> =
            snapshot.undecided.iter().map(|id| id.as_str().to_owned()).collect();
        for reading in &mut snapshot.payments {
            known.insert(reading.id.as_str().to_owned());
            if let Some(output) = outputs.iter().find(|output| output.outpoint == reading.id.as_str()) {
                stands(reading, method, output, wanted);
            } else if reading.confirmed > 0 {
                let hash = reading.id.as_str().rsplit_once('-').map(|(hash, _)| hash.to_owned());
                let Some(hash) = hash else { continue };
                match client.transaction(Operation::Read, &method.id, &hash).await {
                    Ok(transaction) if transaction.is_lost() => {
                        (reading.confirmed, reading.in_flight) = (0, 0);
                        reading.confirmations = Some(0);
                    }
                    Ok(transaction) => reading.confirmations = u32::try_from(transaction.confirmations).ok(),
                    // Nothing is concluded from that: the store's wallet may be another one by now.
                    Err(refusal) if matches!(refusal.kind(), ErrorKind::Rejected(_)) => {
                        let detail = "the wallet does not know a settled payment: whether the chain still has it cannot be told";
                        snapshot.concerns.push(Concern::new("not_in_wallet", detail));
                    }
                    Err(failure) => return Err(failure),
                }
            }
        }
        let Some(address) = intent.instructions.address() else { return Ok(()) };
        for output in outputs.iter().filter(|output| output.address.as_deref() == Some(address)) {
            // A list that leaves out invalid payments cannot tell one that was replaced from one that is under way.
            if known.contains(&output.outpoint) || (output.confirmations <= 0 && !alone) {
                continue;
            }
            let Ok(id) = PaymentRef::new(output.outpoint.as_str()) else { continue };
            let Ok((amount, _)) = Amount::floor_from_decimal(output.amount.decimal(), method.coin.asset)
            else {
                continue;
            };
            let mut late = PaymentReading::in_flight(id, amount);
            stands(&mut late, method, output, wanted);
            late.paid_at = Some(Timestamp::from_secs(output.timestamp)).filter(|_| output.timestamp > 0);
            if snapshot.state == OrderState::Open && late.confirmed == 0 {
                continue;
            }
            snapshot.payments.push(late);
        }
        // No list shows it, and this read is not complete: that it is gone has to be said.
        for outpoint in self.lost_of(address) {
            let listed = || outputs.iter().any(|output| output.outpoint == outpoint);
            if !known.contains(&outpoint)
                && !listed()
                && let Ok(id) = PaymentRef::new(outpoint.as_str())
            {
                snapshot.payments.push(PaymentReading::gone(id, method.coin.asset));
            }
        }
        Ok(())
    }

    fn lost_of(&self, address: &str) -> BTreeSet<String> {
        let lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.get(address).cloned().unwrap_or_default()
    }

    /// What a look showed, kept for the reads that it asks for.
    fn remember(&self, place: &Place, outputs: &[api::Output]) {
        let listed: HashSet<&str> = outputs.iter().map(|output| output.outpoint.as_str()).collect();
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        for outpoints in lost.values_mut() {
            outpoints.retain(|outpoint| !listed.contains(outpoint.as_str()));
        }
        lost.retain(|_, outpoints| !outpoints.is_empty());
        for (outpoint, (address, _)) in &place.lost {
            lost.entry(address.clone()).or_default().insert(outpoint.clone());
        }
    }

    /// What became of outputs that are listed no longer. Those that cannot be asked about now are asked about in the next look.
    async fn follow(
        client: &Client,
        method: &Method,
        news: &mut News,
        asks: &mut u32,
    ) -> Result<(), ProviderError> {
        for (outpoint, address, before) in std::mem::take(&mut news.away) {
            let Some((hash, _)) = outpoint.rsplit_once('-') else { continue };
            if *asks >= MOST_ASKED {
                news.place.young.insert(outpoint, (address, before));
                continue;
            }
            *asks = asks.saturating_add(1);
            match client.transaction(Operation::Scan, &method.id, hash).await {
                // An unconfirmed output can be spent while it is: only of one that was in the chain it says that it is lost.
                Ok(transaction) if transaction.is_lost() && before > 0 => {
                    news.place.lose(outpoint, address.clone());
                }
                // Spent, and the chain may still lose it.
                Ok(transaction) if transaction.confirmations > 0 && transaction.confirmations < DEPTH => {
                    let reached = step(transaction.confirmations);
                    news.place.young.insert(outpoint, (address.clone(), reached));
                    if reached == before {
                        continue;
                    }
                }
                Ok(_) => {}
                // Nothing is concluded from that: the store's wallet may be another one by now.
                Err(refusal) if matches!(refusal.kind(), ErrorKind::Rejected(_)) => {}
                Err(refusal) if *refusal.kind() == ErrorKind::Authentication => return Err(refusal),
                Err(failure) => {
                    tracing::warn!(method = method.id, %failure, "a transaction of the wallet could not be read");
                    news.place.young.insert(outpoint, (address, before));
                    continue;
                }
            }
            news.changed.insert(address);
        }
        Ok(())
    }

    /// One look at each wallet: a hint for each address whose money may have changed.
    pub(crate) async fn scan(
        &self,
        client: &Client,
        methods: &Methods,
        cursor: Option<&ScanCursor>,
    ) -> Result<ScanPage, ProviderError> {
        if let Some(cursor) = cursor
            && !self.is_time()
        {
            return Ok(page(Vec::new(), cursor.clone()));
        }
        let before: Cursor =
            cursor.and_then(|cursor| serde_json::from_str(&cursor.0).ok()).unwrap_or_default();
        let mut next = before.clone();
        let mut hints = Vec::new();
        let mut failed = None;
        let mut read = false;
        let mut asks = 0;
        for method in methods.0.iter().filter(|method| method.coin.has_wallet()) {
            match self.outputs(client, Operation::Scan, method).await {
                Ok(Some(outputs)) => {
                    read = true;
                    let mut news = news(before.0.get(&method.id), &outputs);
                    Self::follow(client, method, &mut news, &mut asks).await?;
                    self.remember(&news.place, &outputs);
                    hints.extend(news.changed.into_iter().map(|address| hint(method, address)));
                    next.0.insert(method.id.clone(), news.place);
                }
                Ok(None) if self.refused.load(Ordering::Relaxed) => break,
                Ok(None) => {}
                // A key that is not taken is not taken by the next either.
                Err(error) if *error.kind() == ErrorKind::Authentication => return Err(error),
                // One chain's indexer that is away spoils no other's.
                Err(error) => {
                    tracing::warn!(method = method.id, %error, "a wallet could not be read");
                    failed = Some(error);
                }
            }
        }
        match failed {
            Some(failure) if !read => Err(failure),
            _ => {
                let text =
                    serde_json::to_string(&next).map_err(|_| error(Operation::Scan, ErrorKind::Protocol))?;
                Ok(ScanPage { further_requests: asks, ..page(hints, ScanCursor(text)) })
            }
        }
    }

    fn is_time(&self) -> bool {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let due = asked.is_none_or(|at| now.duration_since(at) >= self.pace);
        if due {
            *asked = Some(now);
        }
        due
    }
}

/// How a payment stands by an output of the wallet.
fn stands(reading: &mut PaymentReading, method: &Method, output: &api::Output, wanted: u32) {
    let deep = u32::try_from(output.confirmations.max(0)).unwrap_or(u32::MAX);
    reading.confirmations = Some(deep);
    reading.required_confirmations = Some(wanted);
    if reading.confirmed > 0 {
        if deep == 0 {
            (reading.confirmed, reading.in_flight) = (0, 0);
        }
        return;
    }
    if deep >= wanted.max(1)
        && let Ok((amount, _)) = Amount::floor_from_decimal(output.amount.decimal(), method.coin.asset)
    {
        (reading.confirmed, reading.in_flight) = (amount.minor(), 0);
    }
}

pub(crate) fn page(observations: Vec<Observation>, next: ScanCursor) -> ScanPage {
    ScanPage { observations, taken: Vec::new(), next, more: false, ..ScanPage::default() }
}

/// Where the wallets' feed begins.
pub(crate) fn beginning() -> ScanCursor {
    ScanCursor("{}".to_owned())
}

/// No more than a hint: an operator's own transfers come to the wallet too, and are nobody's deposit.
fn hint(method: &Method, address: String) -> Observation {
    Observation {
        provider: ID,
        target: Target::Address(address),
        ticker: Some(method.coin.ticker),
        ours: None,
        observed: Observed::Hint,
    }
}
