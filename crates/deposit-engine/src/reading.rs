//! Asking a provider how a deposit's orders stand.

use std::time::Duration;

use deposit_core::{
    Amount, ErrorKind, Evidence, IntentRecord, Operation, PaymentEvidence, PaymentProvider, PaymentRef,
    ProviderError, ProviderId, ReadOutcome, Snapshot, Timestamp,
};
use deposit_lifecycle::watch::{self, Ending, Failure, Watch};
use deposit_lifecycle::{self as lifecycle};
use deposit_store::{DepositRow, ReviewReason, SightedDue, Sighting, Touch};

use crate::error::EngineError;
use crate::health::Call;
use crate::supervise::caught;
use crate::{Engine, random};

/// How long one read may take. Adapters have shorter timeouts of their own.
const LONGEST_READ: Duration = Duration::from_secs(30);

impl Engine {
    /// Reads several orders in one request, with an outcome for each.
    pub(crate) async fn read_batch(
        &self,
        provider: &dyn PaymentProvider,
        intents: &[IntentRecord],
    ) -> Result<Vec<ReadOutcome>, ProviderError> {
        let id = provider.id();
        let read = match caught(in_time(id, provider.read_many(intents))).await {
            Ok(read) => read,
            // One order breaks it: it takes nobody along.
            Err(message) => {
                self.note_panic("poll", id, Call::ReadBatch, &message);
                return Ok(self.read_alone(provider, intents).await);
            }
        };
        let outcomes = match read.and_then(|all| complete(provider, intents, all)) {
            Ok(outcomes) => outcomes,
            failed => return self.heard(id, Call::ReadBatch, None, failed),
        };
        for (intent, outcome) in intents.iter().zip(&outcomes) {
            if let Err(error) = outcome {
                let order = Some(intent.provider_ref.as_str());
                self.inner.health.note_failure(id, Call::ReadBatch, error, order, self.now());
            }
        }
        // An answer for one order is one for the provider.
        if outcomes.iter().any(Result::is_ok) {
            self.inner.health.note_success(id, Call::ReadBatch);
        }
        Ok(outcomes)
    }

    /// What a batch asks for, one order after another. One at which the adapter breaks fails alone, and is asked for ever more rarely.
    async fn read_alone(&self, provider: &dyn PaymentProvider, intents: &[IntentRecord]) -> Vec<ReadOutcome> {
        let id = provider.id();
        let mut outcomes: Vec<ReadOutcome> = Vec::with_capacity(intents.len());
        // A provider that does not answer, or refuses us, is not asked once for each.
        let mut down: Option<ErrorKind> = None;
        for intent in intents {
            if let Some(kind) = &down {
                outcomes.push(Err(ProviderError::new(id, Operation::Read, kind.clone())));
                continue;
            }
            self.spend_read(provider);
            let outcome = match caught(in_time(id, provider.read(intent))).await {
                Ok(read) => self.heard(id, Call::Read, Some(intent.provider_ref.as_str()), read),
                Err(message) => {
                    self.note_panic("poll", id, Call::Read, &message);
                    Err(ProviderError::new(id, Operation::Read, ErrorKind::Protocol))
                }
            };
            down = outcome.as_ref().err().map(|error| error.kind().clone()).filter(is_about_all);
            outcomes.push(outcome);
        }
        outcomes
    }

    /// Reads the shown order and every other one that carries our id.
    /// `paid`: the first read is taken off the provider's budget already.
    pub(crate) async fn read_orders(
        &self,
        intent: &IntentRecord,
        paid: bool,
    ) -> Result<Vec<Snapshot>, ProviderError> {
        let unconfigured = || ProviderError::new(intent.provider, Operation::Read, ErrorKind::Configuration);
        let provider = self.registry().provider(&intent.provider).ok_or_else(unconfigured)?;
        // Our own trouble, which passes: no word about the provider.
        let ours = ErrorKind::Transient { retry_after: None };
        let orders = self
            .store()
            .orders_of(&intent.deposit_id)
            .await
            .map_err(|e| ProviderError::new(intent.provider, Operation::Read, ours).with_source(e))?;
        if !paid {
            self.spend_read(&**provider);
        }
        let read = in_time(provider.id(), provider.read(intent)).await;
        let order = Some(intent.provider_ref.as_str());
        let mut snapshots = vec![self.heard(provider.id(), Call::Read, order, read)?];
        for order in orders.into_iter().filter(|order| *order != intent.provider_ref) {
            let other = IntentRecord { provider_ref: order, ..intent.clone() };
            self.spend_read(&**provider);
            // One that nobody was shown (and that may be gone) never holds back what is known of the one that was.
            let mut snapshot = match in_time(provider.id(), provider.read(&other)).await {
                Ok(snapshot) => snapshot,
                Err(error) => {
                    tracing::warn!(deposit = %intent.deposit_id, order = %other.provider_ref, %error, "further order not read");
                    continue;
                }
            };
            // Nobody was shown where to pay this one: its state and address are not the deposit's.
            snapshot.instructions = None;
            snapshot.state = deposit_core::OrderState::Open;
            snapshot.expired_at = None;
            snapshots.push(snapshot);
        }
        Ok(snapshots)
    }

    /// Puts the next check off. Not a `check_at`, which only ever brings a check forward: the poller's lease would win over what the
    /// provider asked for.
    pub(crate) async fn read_failed(
        &self,
        row: &DepositRow,
        number: u64,
        error: &ProviderError,
    ) -> Result<(), EngineError> {
        tracing::warn!(deposit = %row.id, %error, "deposit not read");
        let now = self.now();
        let pause = self.read_again_after(error, now);
        let pace = self.pace(row.provider);
        let view = lifecycle::status(&row.terms, &row.evidence, &row.credit, now);
        let watched = self.watched(row, &view, row.updated_at);
        let passing = matches!(error.kind(), ErrorKind::Transient { .. } | ErrorKind::OutcomeUnknown);
        let watch = if passing {
            // Spread out, but never before the provider is willing.
            let wait = random::jittered_millis(pause).max(pause.saturating_mul(1000));
            let lane = watch::lane(&watched, &pace, now);
            let Watch { failures, gone_since, .. } = row.watch;
            Watch { failures, gone_since, ..Watch::at(now.plus_millis(wait), lane) }
        } else {
            let failures = row.watch.failures.saturating_add(1);
            let gone = matches!(error.kind(), ErrorKind::NotFound);
            let gone_since = gone.then(|| row.watch.gone_since.unwrap_or(now));
            let knows_others = gone_since.is_some_and(|since| self.answered_since(row.provider, since));
            let failure = Failure { failures, gone_since, knows_others };
            let next = watch::after_failure(&watched, &pace, &failure, now);
            self.scheduled(row, next, failures, gone_since, now)
        };
        if watch.ended.is_some_and(|ended| ended.why == Ending::Gone) {
            self.store().sight(gone_with(row, now)).await?;
        }
        // `false`: somebody else's read has told more meanwhile and has set the next check.
        self.store().touch(Touch { id: row.id.clone(), snapshot: number, watch, now }).await?;
        Ok(())
    }
}

/// Of an order that is gone for good: what was on its way when it went. What was confirmed stays credited.
fn gone_with(row: &DepositRow, now: Timestamp) -> Vec<Sighting> {
    let waiting = |(id, payment): (&PaymentRef, &PaymentEvidence)| {
        let minor = lifecycle::in_flight(payment);
        (minor > 0).then(|| Sighting {
            provider: row.provider,
            reference: id.to_string(),
            order: row.intent.as_ref().map(|intent| intent.provider_ref.to_string()),
            due: SightedDue::Amount(Amount::new(minor, payment.asset)),
            ticker: Some(row.terms.ticker).filter(|_| payment.asset == row.terms.asset),
            deposit: Some(row.id.clone()),
            reason: ReviewReason::OrderGone,
            code: None,
            detail: Some(
                "its provider no longer knows the order; this was on its way when it was read last"
                    .to_owned(),
            ),
            at: now,
        })
    };
    row.evidence.payments.iter().filter_map(waiting).collect()
}

/// Whether the next order would fare no better.
fn is_about_all(kind: &ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::Transient { .. }
            | ErrorKind::OutcomeUnknown
            | ErrorKind::Authentication
            | ErrorKind::Configuration
    )
}

/// A read that ends: an adapter that never answers must not hold its task for ever.
pub(crate) async fn in_time<T>(
    provider: ProviderId,
    read: impl Future<Output = Result<T, ProviderError>>,
) -> Result<T, ProviderError> {
    let transient = ErrorKind::Transient { retry_after: None };
    let silent = |_| ProviderError::new(provider, Operation::Read, transient);
    tokio::time::timeout(LONGEST_READ, read).await.map_err(silent)?
}

/// Whether a snapshot of a batch lacks money that is known of: a provider's list may leave out what a read of the one order tells apart
/// (a payment that is gone from one that is undecided), so that is asked before anything is taken back.
pub(crate) fn shows_less(evidence: &Evidence, snapshot: &Snapshot) -> bool {
    let shown = |id: &PaymentRef| {
        let read = snapshot.payments.iter().any(|p| p.id == *id && (p.in_flight > 0 || p.confirmed > 0));
        read || snapshot.undecided.contains(id)
    };
    evidence.payments.iter().any(|(id, known)| lifecycle::paid(known) > 0 && !shown(id))
}

/// As many outcomes as orders, each of its own order, or none: an answer that cannot be told apart says nothing.
fn complete(
    provider: &dyn PaymentProvider,
    intents: &[IntentRecord],
    outcomes: Vec<ReadOutcome>,
) -> Result<Vec<ReadOutcome>, ProviderError> {
    let theirs = |(intent, outcome): (&IntentRecord, &ReadOutcome)| {
        outcome.as_ref().map_or(true, |snapshot| snapshot.order == intent.provider_ref)
    };
    if outcomes.len() == intents.len() && intents.iter().zip(&outcomes).all(theirs) {
        return Ok(outcomes);
    }
    Err(ProviderError::new(provider.id(), Operation::Read, ErrorKind::Protocol))
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use deposit_core::{
        Asset, Capabilities, CreditRule, DepositId, DepositIntent, ErrorKind, OpenRequest, Operation,
        PayInstructions, ProviderId, ProviderRef, Replay, RequestBudget, Terms, Ticker, Timestamp,
    };

    #[derive(Debug)]
    struct Silent(Capabilities);

    #[async_trait]
    impl PaymentProvider for Silent {
        fn id(&self) -> ProviderId {
            ProviderId::constant("silent")
        }

        fn capabilities(&self) -> &Capabilities {
            &self.0
        }

        async fn open(&self, _: &OpenRequest) -> Result<Box<dyn DepositIntent>, ProviderError> {
            std::future::pending().await
        }

        async fn read(&self, _: &IntentRecord) -> Result<Snapshot, ProviderError> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_that_is_never_answered_ends_and_may_be_repeated() {
        let provider = Silent(Capabilities {
            tickers: Vec::new(),
            replay: Replay::None,
            open_timeout: Duration::ZERO,
            scan: false,
            standing_address: false,
            webhooks: false,
            bounds: false,
            read_batch: 1,
            budget: RequestBudget { requests: 1, per: Duration::from_secs(1), concurrency: 1 },
            requests_per_read: 1,
        });
        let intent = IntentRecord {
            deposit_id: DepositId::new("0123456789abcdef").unwrap(),
            provider: provider.id(),
            provider_ref: ProviderRef::new("order").unwrap(),
            terms: Terms::new(Ticker::BTC, Asset::BTC, CreditRule::at_rate_of(Ticker::BTC), Timestamp::EPOCH),
            instructions: PayInstructions::HostedPage { url: "https://pay.example".into(), payment_id: None },
        };
        let begun = tokio::time::Instant::now();
        let error = in_time(provider.id(), provider.read(&intent)).await.unwrap_err();
        assert_eq!(begun.elapsed(), LONGEST_READ);
        assert_eq!(
            (error.kind(), error.operation()),
            (&ErrorKind::Transient { retry_after: None }, Operation::Read)
        );
    }
}
