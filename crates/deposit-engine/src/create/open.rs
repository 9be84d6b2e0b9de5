//! Opening at the provider, and taking up what did not finish.

use std::time::Duration;

use deposit_core::{
    DepositId, DepositIntent, ErrorKind, IntentRecord, LookUpRequest, OpenRequest, Operation, ProviderError,
    ProviderRef, Replay, Terms, Timestamp,
};
use deposit_store::{DepositRow, Phase, ResumeCreate, Resumed, crash_point};

use super::{Job, millis};
use crate::Engine;
use crate::error::CreateError;
use crate::health::Call;
use crate::supervise::caught;
use crate::view::DepositView;

/// What a provider opened, and the other orders that carry our id.
pub(super) struct Opened {
    pub(super) intent: IntentRecord,
    pub(super) others: Vec<ProviderRef>,
}

impl Opened {
    fn only(intent: &dyn DepositIntent) -> Self {
        Self { intent: IntentRecord::from(intent), others: Vec::new() }
    }
}

impl Engine {
    pub(super) async fn resume(&self, job: &Job<'_>, id: DepositId) -> Result<DepositView, CreateError> {
        let now = self.now();
        // While the lost call may still take effect it is only looked for: taking the row up would begin that wait anew, so that a
        // client that asks again and again would wait for ever.
        let mut found = None;
        if let Some(row) = self.store().deposit(&id).await?.filter(|row| row.phase == Phase::Creating)
            && let Some(left) = lost_call_time_left(job, &row, now)
        {
            found = match self.look_up(job, &id, &row.terms, &[]).await {
                Ok(Some(opened)) => Some(opened),
                Ok(None) => return Err(CreateError::Unavailable { retry_after: Some(left) }),
                Err(error) => return Err(self.open_failed(&error, now)),
            };
        }
        let command = ResumeCreate { id: id.clone(), lease: self.lease(job, now), now };
        let row = match self.store().resume_create(command).await? {
            Resumed::Yes(row) => row,
            Resumed::Busy => return Err(CreateError::IdempotencyRunning),
            Resumed::Open(row) => return self.first_view(&row).await,
            // The janitor gave the row up meanwhile: nobody was ever shown where to pay, so a fresh one is right.
            Resumed::Gone => return self.begin(job).await,
        };
        crash_point("create.resumed");
        let opened = self.reopen(job, &row, found, now).await;
        self.finish(job, &id, opened).await
    }

    /// Opens again after an attempt that did not finish, as the adapter's replay kind allows.
    async fn reopen(
        &self,
        job: &Job<'_>,
        row: &DepositRow,
        found: Option<Opened>,
        now: Timestamp,
    ) -> Result<Opened, ProviderError> {
        let fresh = || self.terms(job, now);
        let expired = row.terms.expires_at().is_some_and(|at| at <= now);
        match job.route.provider.capabilities().replay {
            // The provider deduplicates by our id, and a changed body would be refused: the first terms stay. A quote that is over is
            // of no use to anybody, so that one is asked for anew, as another attempt.
            Replay::Key if !expired => self.open(job, &row.id, &row.terms, 1, now, &[]).await,
            Replay::Key | Replay::None => self.open(job, &row.id, &fresh(), row.attempt, now, &[]).await,
            Replay::LookUp => {
                let found = match found {
                    Some(opened) => Some(opened),
                    None => self.look_up(job, &row.id, &row.terms, &[]).await?,
                };
                match found {
                    Some(opened) if !expired => Ok(opened),
                    Some(opened) => {
                        let mut orders = vec![opened.intent.provider_ref];
                        orders.extend(opened.others);
                        let mut again = self.open(job, &row.id, &fresh(), row.attempt, now, &orders).await?;
                        // The answer may have been lost again, and the look-up then shows the old ones too.
                        orders.retain(|order| {
                            *order != again.intent.provider_ref && !again.others.contains(order)
                        });
                        again.others.extend(orders);
                        Ok(again)
                    }
                    None => self.open(job, &row.id, &fresh(), row.attempt, now, &[]).await,
                }
            }
        }
    }

    pub(super) async fn open(
        &self,
        job: &Job<'_>,
        id: &DepositId,
        terms: &Terms,
        attempt: u32,
        now: Timestamp,
        old: &[ProviderRef],
    ) -> Result<Opened, ProviderError> {
        let provider = &job.route.provider;
        let request = OpenRequest {
            deposit_id: id.clone(),
            terms: *terms,
            amount: job.amount,
            expires_at: terms.expires_at().unwrap_or(now),
            attempt,
        };
        self.spend(provider.id(), 1);
        let opened = match caught(provider.open(&request)).await {
            Ok(opened) => self.heard(provider.id(), Call::Open, Some(id.as_str()), opened),
            // Whether the order is there, nobody knows. The row and its key are free for a repeat, as after any call whose answer was lost.
            Err(message) => {
                self.note_panic("create", provider.id(), Call::Open, &message);
                Err(ProviderError::new(provider.id(), Operation::Open, ErrorKind::OutcomeUnknown))
            }
        };
        match opened {
            Ok(intent) => Ok(Opened::only(&*intent)),
            // The answer was lost, the order may be there. Finding it is conclusive at any time; not finding it is not.
            Err(error)
                if matches!(error.kind(), ErrorKind::OutcomeUnknown)
                    && provider.capabilities().replay == Replay::LookUp =>
            {
                match self.look_up(job, id, terms, old).await {
                    Ok(Some(opened)) => Ok(opened),
                    Ok(None) | Err(_) => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// The orders that carry our id: the oldest one that is not among `old` is to be shown, all are observed.
    async fn look_up(
        &self,
        job: &Job<'_>,
        id: &DepositId,
        terms: &Terms,
        old: &[ProviderRef],
    ) -> Result<Option<Opened>, ProviderError> {
        let request = LookUpRequest { deposit_id: id.clone(), terms: *terms };
        self.spend(job.route.provider.id(), 1);
        let found = job.route.provider.look_up(&request).await;
        let found = self.heard(job.route.provider.id(), Call::LookUp, Some(id.as_str()), found)?;
        let Some(shown) = found.iter().find(|order| !old.contains(order.provider_ref())) else {
            return Ok(None);
        };
        let mut opened = Opened::only(&**shown);
        opened.others = found
            .iter()
            .map(|order| order.provider_ref().clone())
            .filter(|order| *order != opened.intent.provider_ref)
            .collect();
        Ok(Some(opened))
    }
}

/// How long the lost call of a create may still take effect at a provider that has to be searched: only a look-up after that proves that
/// it did not.
fn lost_call_time_left(job: &Job<'_>, row: &DepositRow, now: Timestamp) -> Option<Duration> {
    let capabilities = job.route.provider.capabilities();
    let over = row.attempted_at.plus_millis(millis(capabilities.open_timeout));
    let left = u64::try_from(over.millis_since(now)).unwrap_or(0);
    (capabilities.replay == Replay::LookUp && left > 0).then(|| Duration::from_millis(left))
}
