//! Taking in, on request, what waits at an account's own address.

use std::sync::Arc;
use std::time::Duration;

use deposit_core::{
    AccountIndex, Amount, Asset, ErrorKind, PaymentProvider, ProviderError, Taken, Ticker, TickerKind,
};
use deposit_store::{Account, crash_point};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::Engine;
use crate::error::{EngineError, ReceiveError, retry_after};
use crate::health::Call;
use crate::scan::CatchUpError;
use crate::supervise;

/// When to try again, where the provider does not say.
const SOON: Duration = Duration::from_secs(5);

/// What was taken in on request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// What this call took in, oldest first; what a background task took in meanwhile is not in it.
    pub taken: Vec<Taken>,
    /// How much that is together.
    pub total: Amount,
    /// Whether nothing is left waiting and all of it is committed.
    pub complete: bool,
}

/// What the task that takes in has to tell.
enum Step {
    /// All that waited was seen, and is committed.
    Seen,
    /// One payment more.
    Taken(Taken),
    /// The end, and whether it is a good one.
    Done(bool),
    /// Nothing could be done.
    Failed(ReceiveError),
}

impl Engine {
    /// Takes in and credits what waits at the account's own address of `ticker`. First all that waits is seen and committed, then it is taken in, so
    /// after the answer the balance has every confirmed payment that came before the call. What is not confirmed is left alone.
    ///
    /// Waits `within` at most. What is under way then goes on, and the background scan takes in the rest; the receipt says what was
    /// done so far and is not complete. So it is where single payments fail. Calls at the same time, here or by the background tasks, never
    /// take in or credit anything twice.
    ///
    /// # Errors
    /// `Unavailable` where no provider has such addresses, or it is down: then nothing was taken in.
    pub async fn receive(
        &self,
        account: &Account,
        ticker: Ticker,
        within: Duration,
    ) -> Result<Receipt, ReceiveError> {
        let off = ReceiveError::Unavailable { retry_after: None };
        let route = match self.registry().route(&ticker) {
            Ok(route) if route.spec.kind == TickerKind::Standing => route,
            Ok(_) | Err(_) => return Err(off),
        };
        let (steps, mut told) = unbounded_channel();
        // A task of its own: a caller that goes away never cuts a block in half.
        let task = self.clone().take_in_for(Arc::clone(&route.provider), account.index, steps);
        tokio::spawn(task);
        let mut progress = Progress::new(route.spec.asset);
        match tokio::time::timeout(within, progress.follow(&mut told)).await {
            Ok(end) => end?,
            Err(_) if !progress.seen => return Err(ReceiveError::Unavailable { retry_after: Some(SOON) }),
            Err(_) => tracing::warn!("taking in takes longer than a caller is kept waiting"),
        }
        Ok(progress.receipt)
    }

    async fn take_in_for(
        self,
        provider: Arc<dyn PaymentProvider>,
        index: AccountIndex,
        steps: UnboundedSender<Step>,
    ) {
        let end = match supervise::caught(self.take_in_all(&*provider, index, &steps)).await {
            Ok(Ok(complete)) => Step::Done(complete),
            Ok(Err(error)) => Step::Failed(error),
            Err(message) => {
                self.note_panic("receive", provider.id(), Call::Receive, &message);
                Step::Failed(EngineError::Inconsistent("taking in panicked").into())
            }
        };
        // Nobody may be listening any more.
        let _ = steps.send(end);
    }

    async fn take_in_all(
        &self,
        provider: &dyn PaymentProvider,
        index: AccountIndex,
        steps: &UnboundedSender<Step>,
    ) -> Result<bool, ReceiveError> {
        let ended = self.inner.takings.ended();
        self.catch_up_at(provider, index).await.map_err(caught)?;
        let _ = steps.send(Step::Seen);
        let (mut unseen, mut complete, mut any) = (Vec::new(), true, false);
        // One at a time, so that the answer has what was done by its time. The background scan goes on where nobody listens any more.
        while !steps.is_closed() {
            let received = provider.receive(index, 1).await;
            let received = match self.heard(provider.id(), Call::Receive, None, received) {
                Ok(received) => received,
                // Money that needs no taking in.
                Err(error) if *error.kind() == ErrorKind::Unsupported => break,
                Err(error) if !any => return Err(unavailable(&error)),
                Err(error) => {
                    tracing::warn!(provider = %provider.id(), %error, "payments wait at a standing address");
                    complete = false;
                    break;
                }
            };
            crash_point("receive.taken");
            complete = received.failed == 0 && received.waiting == 0;
            let go_on = received.waiting > 0 && !received.taken.is_empty();
            any |= !received.taken.is_empty();
            unseen.extend(self.store().note_taken(provider.id(), received.taken.clone()).await?);
            crash_point("receive.noted");
            for taken in received.taken {
                let _ = steps.send(Step::Taken(taken));
            }
            if !go_on {
                break;
            }
        }
        if !unseen.is_empty() || self.inner.takings.any_since(ended) {
            // They came between the scan and the taking in, or the background took them in before anybody had seen them: the next look shows
            // them all the same.
            if let Err(error) = self.catch_up_at(provider, index).await {
                tracing::warn!(provider = %provider.id(), error = ?error, "payments were taken in and are not yet committed");
            }
            complete &= unseen.is_empty() || self.store().note_taken(provider.id(), unseen).await?.is_empty();
        }
        Ok(complete)
    }
}

struct Progress {
    seen: bool,
    receipt: Receipt,
}

impl Progress {
    fn new(asset: Asset) -> Self {
        let receipt = Receipt { taken: Vec::new(), total: Amount::zero(asset), complete: false };
        Self { seen: false, receipt }
    }

    async fn follow(&mut self, told: &mut UnboundedReceiver<Step>) -> Result<(), ReceiveError> {
        while let Some(step) = told.recv().await {
            match step {
                Step::Seen => self.seen = true,
                Step::Taken(taken) => {
                    // More than there is of a coin never comes.
                    let sum = self.receipt.total.checked_add(taken.amount);
                    self.receipt.total =
                        sum.ok_or(EngineError::Inconsistent("a sum that no amount can hold"))?;
                    self.receipt.taken.push(taken);
                }
                Step::Done(complete) => {
                    self.receipt.complete = complete;
                    return Ok(());
                }
                Step::Failed(error) => return Err(error),
            }
        }
        Err(EngineError::Inconsistent("taking in panicked").into())
    }
}

fn caught(error: CatchUpError) -> ReceiveError {
    match error {
        CatchUpError::Provider(error) => unavailable(&error),
        CatchUpError::Engine(error) => error.into(),
    }
}

fn unavailable(error: &ProviderError) -> ReceiveError {
    tracing::warn!(
        %error, source = std::error::Error::source(error).map(tracing::field::display), "nothing was taken in"
    );
    ReceiveError::Unavailable { retry_after: retry_after(error, SOON) }
}
