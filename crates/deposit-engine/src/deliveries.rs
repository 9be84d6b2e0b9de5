//! Webhook deliveries: verified, journalled, acknowledged, and only then handled.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use deposit_core::{
    Delivery, DepositId, Observation as Message, Observed, PaymentProvider, PaymentRef, ProviderId,
    RawDelivery, Target, WebhookError,
};
use deposit_store::{DepositRow, JournalEntry, JournalOutcome, JournalRow, Phase, SightedDue, crash_point};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::Engine;
use crate::error::{DeliveryError, EngineError};
use crate::health::{Call, Trouble};
use crate::observe::Observation;
use crate::refused::RefusedDelivery;
use crate::scan::CatchUpError;
use crate::supervise::caught;
use crate::unmatched::{Unknown, of_nobody};

/// How long a worker keeps a delivery to itself, in seconds.
const LEASE_SECS: i64 = 30;
/// How long a message about an order that nobody knows is kept open: the order's create may still be under way.
const PATIENCE_SECS: i64 = 120;
/// How many deliveries a worker takes at once.
const BATCH: u32 = 32;
/// The outcome of a delivery whose stored messages cannot be read.
pub(crate) const UNREADABLE: &str = "unreadable";
/// The outcome of a hint about a deposit whose provider could not be read then: its next check asks again.
pub(crate) const TO_BE_READ: &str = "to_be_read";
/// How often the journal is looked at without being told to.
const LOOK_EVERY: Duration = Duration::from_millis(500);

impl Engine {
    /// Takes a delivery: verifies it, stores it, and returns; handling follows in the background. A repeat is stored once.
    ///
    /// # Errors
    /// See [`DeliveryError`]; nothing is acknowledged before it is durable.
    pub async fn webhook(&self, provider: &str, delivery: &RawDelivery<'_>) -> Result<(), DeliveryError> {
        let taken = self.take_delivery(provider, delivery).await;
        if let Err(error) = &taken {
            let (why, detail) = match error {
                DeliveryError::Unauthenticated => (RefusedDelivery::Signature, None),
                DeliveryError::Malformed(what) => (RefusedDelivery::Malformed, Some(*what)),
                DeliveryError::UnknownProvider => (RefusedDelivery::UnknownProvider, None),
                DeliveryError::NotStored(_) => (RefusedDelivery::NotStored, None),
            };
            self.note_refused(provider, why, detail);
        }
        taken
    }

    async fn take_delivery(&self, provider: &str, delivery: &RawDelivery<'_>) -> Result<(), DeliveryError> {
        let id = provider.parse().map_err(|_| DeliveryError::UnknownProvider)?;
        let adapter = self.registry().provider(&id).ok_or(DeliveryError::UnknownProvider)?;
        let verify = || {
            adapter.webhook(delivery).map_err(|error| match error {
                // Anybody may send that: no word about the provider.
                WebhookError::Unauthenticated => DeliveryError::Unauthenticated,
                WebhookError::Malformed(what) => {
                    self.note_trouble(id, Call::Webhook, Trouble::Protocol, what);
                    DeliveryError::Malformed(what)
                }
                WebhookError::Unsupported | _ => DeliveryError::UnknownProvider,
            })
        };
        let mut verified = verify()?;
        self.inner.health.note_success(id, Call::Webhook);
        let says_nothing = |d: &Delivery| d.observations.is_empty() && d.concerns.is_empty();
        // Whoever tells of payments to standing addresses may tell of everybody's (a Nano node does): what is nobody's here is not kept.
        if adapter.capabilities().standing_address && says_nothing(&verified) {
            // Unless it is of an account that was made a moment ago.
            if self.tell(&**adapter).await.map_err(DeliveryError::NotStored)? {
                verified = verify()?;
            }
            if says_nothing(&verified) {
                return Ok(());
            }
        }
        let observations = serde_json::to_string(&verified.observations).map_err(|_| {
            DeliveryError::NotStored(EngineError::Inconsistent("an observation cannot be written"))
        })?;
        let entry = JournalEntry {
            provider: id,
            delivery: verified.id.clone(),
            body: adapter.journalled(delivery.body).into_owned(),
            observations,
            received_at: delivery.received_at,
        };
        crash_point("webhook.verified");
        let outcome = self.store().journal(entry).await.map_err(|e| DeliveryError::NotStored(e.into()))?;
        crash_point("webhook.journalled");
        // Before it is acknowledged: nothing else tells of it, and a repeat changes nothing.
        if !verified.concerns.is_empty() {
            let (concerns, about, name) = (&verified.concerns, &verified.observations, verified.id.as_str());
            let told = self.sight_told(id, concerns, about, name, delivery.received_at).await;
            told.map_err(DeliveryError::NotStored)?;
        }
        match outcome {
            JournalOutcome::New(_) => self.inner.delivered.notify_one(),
            JournalOutcome::Duplicate(row) => tracing::debug!(provider = %id, row, "delivery known already"),
        }
        Ok(())
    }

    /// Handles deliveries as they come. Each provider has as many hands as it takes requests at once, so that one that does not answer
    /// keeps nobody else's deliveries waiting.
    pub(crate) async fn deliver_loop(self, stop: CancellationToken) {
        let hands: BTreeMap<ProviderId, Arc<Semaphore>> =
            self.registry().providers().map(|p| (p.id(), hands(&**p))).collect();
        let mut tasks = JoinSet::new();
        let mut under_way: HashMap<tokio::task::Id, i64> = HashMap::new();
        while !stop.is_cancelled() {
            while let Some(done) = tasks.try_join_next_with_id() {
                under_way.remove(&done.map_or_else(|error| error.id(), |(task, ())| task));
            }
            let now = self.now();
            let rows = match self.store().claim_journal(now, now.plus_secs(LEASE_SECS), BATCH).await {
                Ok(rows) => rows,
                Err(error) => {
                    tracing::error!(%error, "deliveries not claimed");
                    Vec::new()
                }
            };
            let more = rows.len() >= usize::try_from(BATCH).unwrap_or(usize::MAX);
            for row in rows {
                // One that waits for a hand longer than its lease lasts is claimed again.
                if under_way.values().any(|id| *id == row.id) {
                    continue;
                }
                let (engine, hand) = (self.clone(), hands.get(&row.provider).cloned());
                let id = row.id;
                let task = tasks.spawn(async move { engine.deliver(row, hand).await });
                under_way.insert(task.id(), id);
            }
            if !more {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                    () = self.inner.delivered.notified() => {}
                }
            }
        }
        // What waits for a hand is not begun, what is under way is finished.
        hands.values().for_each(|hands| hands.close());
        while tasks.join_next().await.is_some() {}
    }

    async fn deliver(&self, row: JournalRow, hand: Option<Arc<Semaphore>>) {
        let _permit = match &hand {
            Some(hand) => match hand.acquire().await {
                Ok(permit) => Some(permit),
                Err(_) => return,
            },
            // A provider that is no longer configured: nothing of it can be read.
            None => None,
        };
        // One that panics takes nothing with it, and comes again when its lease ends.
        match caught(self.handle_delivery(&row)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::error!(provider = %row.provider, delivery = %row.delivery, %error, "delivery not handled");
            }
            Err(message) => self.note_panic("deliver", row.provider, Call::Read, &message),
        }
    }

    /// Handles stored deliveries that nobody has handled yet; returns how many were finished.
    ///
    /// # Errors
    /// The store's.
    pub async fn handle_deliveries(&self) -> Result<usize, EngineError> {
        let now = self.now();
        let rows = self.store().claim_journal(now, now.plus_secs(LEASE_SECS), BATCH).await?;
        // Side by side, so that a slow provider's deliveries do not hold another's back.
        let handled = futures_util::future::join_all(rows.iter().map(|row| self.handle_delivery(row))).await;
        let mut finished = 0;
        for outcome in handled {
            finished += usize::from(outcome?);
        }
        Ok(finished)
    }

    /// Handles one stored delivery (again). Safe at any time: evidence merges, postings are differences.
    ///
    /// # Errors
    /// The store's.
    pub async fn handle_delivery(&self, row: &JournalRow) -> Result<bool, EngineError> {
        // Not yet: the lease ends, and it is looked at again.
        let Some(outcome) = self.work_off(row).await? else { return Ok(false) };
        crash_point("webhook.handled");
        self.store().finish_journal(row.id, outcome, self.now()).await?;
        Ok(true)
    }

    /// Does what a delivery asks for, and says in a word what came of it; `None` if it has to be looked at again. The journal is as it was.
    pub(crate) async fn work_off(&self, row: &JournalRow) -> Result<Option<&'static str>, EngineError> {
        let Ok(messages) = serde_json::from_str::<Vec<Message>>(&row.observations) else {
            return Ok(Some(UNREADABLE));
        };
        let mut outcome = "nothing";
        for message in &messages {
            match self.handle_message(message, row).await? {
                Some(word) => outcome = word,
                None => return Ok(None),
            }
        }
        Ok(Some(outcome))
    }

    /// What came of a message, in a word; `None` if it has to be looked at again.
    async fn handle_message(
        &self,
        message: &Message,
        delivery: &JournalRow,
    ) -> Result<Option<&'static str>, EngineError> {
        let heard_at = delivery.received_at;
        if message.ours == Some(false) {
            return Ok(Some("not_ours"));
        }
        let Some(row) = self.open_deposit_of(message).await? else {
            return self.unmatched(message, delivery).await;
        };
        let outcome = match &message.observed {
            Observed::Hint | Observed::PaymentHint | Observed::Snapshot(_) | Observed::Payment(_) => {
                self.observe(&row.id, Some(heard_at)).await?
            }
            Observed::Facts(facts) => self.observe_facts(&row.id, facts, Some(heard_at)).await?,
        };
        Ok(match outcome {
            Observation::Changed => Some("changed"),
            Observation::Unchanged => Some("unchanged"),
            Observation::NotOpen => Some("not_open"),
            // A hint is spent once the deposit's next check is set: that check asks the same question.
            Observation::Unread | Observation::Contended => match &message.observed {
                Observed::Facts(_) => None,
                Observed::Hint | Observed::PaymentHint | Observed::Snapshot(_) | Observed::Payment(_) => {
                    Some(TO_BE_READ)
                }
            },
        })
    }

    /// The open deposit that a message is about. A provider speaks for its own deposits alone.
    pub(crate) async fn open_deposit_of(&self, message: &Message) -> Result<Option<DepositRow>, EngineError> {
        let Some(id) = self.deposit_of(message).await? else { return Ok(None) };
        let deposit = self.store().deposit(&id).await?;
        Ok(deposit.filter(|row| row.phase == Phase::Open && row.provider == message.provider))
    }

    pub(crate) async fn deposit_of(&self, message: &Message) -> Result<Option<DepositId>, EngineError> {
        Ok(match &message.target {
            Target::Deposit(id) => Some(id.clone()),
            Target::Order(order) => match self.store().deposit_by_ref(message.provider, order).await? {
                Some(id) => Some(id),
                // A refund or dispute may name the payment alone (Stripe's carry the payment intent).
                None => match PaymentRef::new(order.as_str()) {
                    Ok(payment) => self.store().deposit_by_payment(message.provider, &payment).await?,
                    Err(_) => None,
                },
            },
            Target::Address(address) => self.store().deposit_by_address(message.provider, address).await?,
            Target::Unknown => None,
        })
    }

    /// A message of ours about an order that no deposit has.
    async fn unmatched(
        &self,
        message: &Message,
        delivery: &JournalRow,
    ) -> Result<Option<&'static str>, EngineError> {
        // An account's own address: each payment there is a deposit of its own, which the feed shows and a message alone does not open.
        if let Some(provider) = self.registry().provider(&message.provider)
            && provider.capabilities().standing_address
            && let Some(account) = self.owner(&**provider, &message.target).await?
        {
            return match self.catch_up_at(&**provider, account.index).await {
                Ok(()) => Ok(Some("scanned")),
                // The background scan asks the same question.
                Err(CatchUpError::Provider(_)) => Ok(Some(TO_BE_READ)),
                Err(CatchUpError::Engine(error)) => Err(error),
            };
        }
        let heard_at = delivery.received_at;
        // Nothing else names it: the journal does.
        let name = || format!("delivery {}", delivery.delivery);
        let Some(told) = of_nobody(message, name, heard_at) else { return Ok(Some("no_deposit")) };
        if self.now() < heard_at.plus_secs(PATIENCE_SECS) {
            return Ok(None);
        }
        let seen = match self.registry().provider(&message.provider) {
            Some(provider) if told.due == SightedDue::News => {
                self.read_unknown(&**provider, message, heard_at).await
            }
            _ => Unknown::Silent,
        };
        match seen {
            Unknown::Seen(seen) => self.store().sight(seen).await?,
            Unknown::Later => return Ok(None),
            Unknown::Silent => self.store().sight(vec![told]).await?,
        }
        Ok(Some("review"))
    }
}

fn hands(provider: &dyn PaymentProvider) -> Arc<Semaphore> {
    let at_once = provider.capabilities().budget.concurrency.clamp(1, 64);
    Arc::new(Semaphore::new(usize::try_from(at_once).unwrap_or(1)))
}
