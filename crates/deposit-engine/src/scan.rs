//! Scans: what a provider's feed shows, and payments to standing addresses, each of which opens a deposit of its own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use deposit_core::{
    AccountIndex, Amount, Decimal, DepositId, FormulaVersion, IntentRecord, Observation as Message, Observed,
    PaymentProvider, PaymentReading, ProviderId, ProviderRef, Received, Snapshot, Target, Terms, TickerSpec,
};
use deposit_lifecycle as lifecycle;
use deposit_store::{Account, DepositRow, NewReview, OpenStanding, ReviewReason};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;

use crate::Engine;
use crate::error::EngineError;
use crate::observe::Observation;

/// At most so many pages in one round: the rest comes in the next.
const PAGES: usize = 100;
/// How often a provider that pushes hints is scanned at most.
const BREATH: Duration = Duration::from_millis(50);

impl Engine {
    /// Scans one provider from its stored cursor on; returns how many messages there were. Providers without a feed have none.
    ///
    /// # Errors
    /// The store's; a provider's error ends the round and is asked again in the next.
    pub async fn scan(&self, provider: &dyn PaymentProvider) -> Result<usize, EngineError> {
        if !provider.capabilities().scan {
            return Ok(0);
        }
        let accounts = if provider.capabilities().standing_address {
            self.store().accounts().await?
        } else {
            Vec::new()
        };
        let indices: Vec<AccountIndex> = accounts.iter().map(|account| account.index).collect();
        provider.watch(&indices);
        let mut cursor = self.store().scan_cursor(provider.id()).await?;
        let mut messages = 0;
        let mut paid = BTreeSet::new();
        for _ in 0..PAGES {
            let page = match provider.scan(cursor.as_ref()).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(provider = %provider.id(), %error, "scan failed");
                    break;
                }
            };
            for message in &page.observations {
                messages += 1;
                paid.extend(self.scanned(provider, &accounts, message).await?);
            }
            // After what the page showed is committed: a process that dies before this sees the page again, which changes nothing.
            self.store().move_scan_cursor(provider.id(), &page.next).await?;
            cursor = Some(page.next);
            if !page.more {
                break;
            }
        }
        for index in paid {
            // Has no part in the credit: what fails here waits at the address and is taken in with the next.
            if let Err(error) = self.take_in(provider, index).await {
                tracing::warn!(provider = %provider.id(), %error, "payments wait at a standing address");
            }
        }
        Ok(messages)
    }

    /// One message of a feed. Answers whose standing address was paid for good, so that it can be taken in.
    async fn scanned(
        &self,
        provider: &dyn PaymentProvider,
        accounts: &[Account],
        message: &Message,
    ) -> Result<Option<AccountIndex>, EngineError> {
        if message.ours == Some(false) {
            return Ok(None);
        }
        let Observed::Payment(reading) = &message.observed else {
            if let Some(id) = self.deposit_of(message).await? {
                self.observe(&id, None).await?;
            }
            return Ok(None);
        };
        if let Some(id) = self.deposit_of(message).await? {
            let known = self.store().deposit(&id).await?.is_some_and(|row| knows(&row, reading));
            if !known {
                self.observe(&id, None).await?;
            }
            return Ok(None);
        }
        let Some(account) = owner(provider, accounts, &message.target) else {
            let amount = Amount::new(reading.confirmed.max(reading.in_flight), reading.asset).to_string();
            let review = NewReview {
                provider: provider.id(),
                reference: reading.id.to_string(),
                amount: Some(amount),
                ticker: message.ticker,
                deposit: None,
                reason: ReviewReason::NoDeposit,
                since: self.now(),
            };
            self.store().open_review(review).await?;
            return Ok(None);
        };
        let spec = provider.capabilities().tickers.iter().find(|spec| Some(spec.ticker) == message.ticker);
        let Some(spec) = spec.or_else(|| provider.capabilities().tickers.first()) else { return Ok(None) };
        self.standing_payment(provider, account, spec, reading).await?;
        Ok((reading.confirmed > 0).then_some(account.index))
    }

    /// A payment to a standing address: its deposit is opened at first sight, under an id made from the payment's reference, and
    /// then observed like any other.
    async fn standing_payment(
        &self,
        provider: &dyn PaymentProvider,
        account: &Account,
        spec: &TickerSpec,
        reading: &PaymentReading,
    ) -> Result<(), EngineError> {
        let id = standing_id(provider.id(), reading)?;
        let now = self.now();
        match self.store().deposit(&id).await? {
            Some(row) if knows(&row, reading) => return Ok(()),
            Some(_) => {}
            None => {
                let order = ProviderRef::new(reading.id.as_str()).map_err(|_| {
                    EngineError::Inconsistent("a payment's reference is no order's reference")
                })?;
                let instructions = provider.standing_address(account.index).map_err(|_| {
                    EngineError::Inconsistent("a standing address that was paid cannot be derived")
                })?;
                let terms = Terms {
                    ticker: spec.ticker,
                    asset: spec.asset,
                    credit: spec.credit,
                    bonus_percent: Decimal::ZERO,
                    formula: FormulaVersion::V1,
                    created_at: reading.paid_at.map_or(now, |at| at.min(now)),
                    quote: None,
                    confirms_only_full: false,
                };
                let intent = IntentRecord {
                    deposit_id: id.clone(),
                    provider: provider.id(),
                    provider_ref: order,
                    terms,
                    instructions,
                };
                let (account, provider) = (account.id, provider.id());
                self.store()
                    .open_standing(OpenStanding { id: id.clone(), account, provider, intent, now })
                    .await?;
            }
        }
        let order = ProviderRef::new(reading.id.as_str())
            .map_err(|_| EngineError::Inconsistent("a payment's reference is no order's reference"))?;
        let snapshot =
            Snapshot { complete: false, payments: vec![reading.clone()], ..Snapshot::empty(order) };
        match self.observe_snapshot(&id, &snapshot).await? {
            Observation::Changed | Observation::Unchanged => Ok(()),
            // The feed shows it again, and the deposit is polled besides.
            Observation::NotOpen | Observation::Unread | Observation::Contended => Ok(()),
        }
    }

    /// Takes in what waits at an account's own address: returns the hashes of our own blocks and the sum.
    ///
    /// # Errors
    /// The provider's, as [`deposit_core::ProviderError`].
    pub async fn take_in(
        &self,
        provider: &dyn PaymentProvider,
        index: AccountIndex,
    ) -> Result<Received, deposit_core::ProviderError> {
        provider.receive(index).await
    }

    pub(crate) async fn scan_loop(self, provider: Arc<dyn PaymentProvider>, stop: CancellationToken) {
        let every = Duration::from_secs(u64::try_from(self.config().young_secs).unwrap_or(1).max(1));
        loop {
            if let Err(error) = self.scan(&*provider).await {
                tracing::error!(provider = %provider.id(), %error, "scanning failed");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(every) => {}
                () = provider.changed() => tokio::time::sleep(BREATH).await,
            }
        }
    }
}

/// Whose standing address the message is about.
fn owner<'a>(
    provider: &dyn PaymentProvider,
    accounts: &'a [Account],
    target: &Target,
) -> Option<&'a Account> {
    let Target::Address(paid) = target else { return None };
    accounts.iter().find(|account| {
        provider.standing_address(account.index).is_ok_and(|how| how.address() == Some(paid.as_str()))
    })
}

/// Whether the deposit's evidence says of the payment what the reading says.
fn knows(row: &DepositRow, reading: &PaymentReading) -> bool {
    row.evidence.payments.get(&reading.id).is_some_and(|known| {
        known.asset == reading.asset
            && lifecycle::in_flight(known) == reading.in_flight
            && lifecycle::net(known) == reading.confirmed
            && known.confirmations == reading.confirmations
    })
}

/// The deposit's id, from the payment's own reference: the same payment always opens the same deposit.
fn standing_id(provider: ProviderId, reading: &PaymentReading) -> Result<DepositId, EngineError> {
    let digest = Sha256::digest(format!("{provider} {}", reading.id).as_bytes());
    let half = digest.get(..16).unwrap_or(&digest);
    DepositId::new(bs58::encode(half).into_string())
        .map_err(|_| EngineError::Inconsistent("a standing deposit's id is not valid"))
}
