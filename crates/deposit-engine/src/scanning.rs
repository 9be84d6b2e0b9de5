//! The task that scans a provider's feed: at its pace, at once where the provider hints, and ever more rarely where it fails.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use deposit_core::{AccountIndex, ErrorKind, PaymentProvider, ProviderError};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::Engine;
use crate::health::Call;
use crate::supervise::caught;

/// How often a provider that pushes hints is scanned at most.
const BREATH: Duration = Duration::from_millis(50);
/// How long a feed that fails is left alone at least, whatever it hints.
const FAILING_BREATH: Duration = Duration::from_secs(1);
/// How long at most, unless it asks for more.
const FAILING_MOST: Duration = Duration::from_secs(60);
/// What it may ask for at most.
const ASKED_MOST: Duration = Duration::from_secs(3600);

impl Engine {
    pub(crate) async fn scan_loop(self, provider: Arc<dyn PaymentProvider>, stop: CancellationToken) {
        let every = Duration::from_secs(u64::try_from(self.config().young_secs).unwrap_or(1).max(1));
        // Beside the scans: work for a block may take seconds, and nobody's credit waits for that.
        let mut hand: Option<JoinHandle<()>> = None;
        let mut failures = 0_u32;
        // One and the same until it has come: a hint that is given while a scan is under way, or while none may begin, is not lost.
        let mut hint = provider.changed();
        while !stop.is_cancelled() {
            let asked = match self.scan_round(&*provider).await {
                Ok(mut round) => {
                    let paid = std::mem::take(&mut round.paid);
                    // What is not taken up now is shown again, for as long as it waits.
                    if !paid.is_empty() && hand.as_ref().is_none_or(JoinHandle::is_finished) {
                        let (engine, provider, stop) = (self.clone(), Arc::clone(&provider), stop.clone());
                        hand =
                            Some(tokio::spawn(
                                async move { engine.take_caught(&*provider, paid, &stop).await },
                            ));
                    }
                    failures = if round.failed.is_some() { failures.saturating_add(1) } else { 0 };
                    round.failed.as_ref().and_then(asked_to_wait)
                }
                Err(error) => {
                    tracing::error!(provider = %provider.id(), %error, "scanning failed");
                    failures = failures.saturating_add(1);
                    None
                }
            };
            let (least, most) = pauses(every, failures, asked);
            let least = tokio::time::sleep(least);
            let most = tokio::time::sleep(most);
            tokio::pin!(least, most);
            let mut hinted = false;
            loop {
                tokio::select! {
                    () = stop.cancelled() => break,
                    () = &mut most => break,
                    () = &mut least, if hinted => break,
                    () = &mut hint, if !hinted => hinted = true,
                }
            }
            if hinted {
                hint = provider.changed();
            }
        }
        // What is under way is finished.
        if let Some(hand) = hand {
            let _ = hand.await;
        }
    }

    async fn take_caught(
        &self,
        provider: &dyn PaymentProvider,
        paid: BTreeSet<AccountIndex>,
        stop: &CancellationToken,
    ) {
        if let Err(message) = caught(self.take_in(provider, paid, stop)).await {
            self.note_panic("scan", provider.id(), Call::Receive, &message);
        }
    }
}

/// How long to leave a feed alone after so many failures in a row: where a hint comes, and at most. A feed that fails is asked ever more
/// rarely, and a hint that it gives all the same says that it is there again.
fn pauses(every: Duration, failures: u32, asked: Option<Duration>) -> (Duration, Duration) {
    if failures == 0 {
        return (BREATH, every);
    }
    let doubled = every.saturating_mul(2_u32.saturating_pow(failures.min(16)));
    let most = doubled.min(FAILING_MOST.max(every));
    let asked = asked.unwrap_or_default().min(ASKED_MOST);
    (FAILING_BREATH.max(asked), most.max(asked))
}

fn asked_to_wait(error: &ProviderError) -> Option<Duration> {
    let ErrorKind::Transient { retry_after } = error.kind() else { return None };
    *retry_after
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_that_fails_is_asked_ever_more_rarely_and_as_it_asks() {
        let (ten, secs) = (Duration::from_secs(10), Duration::from_secs);
        assert_eq!(pauses(ten, 0, None), (BREATH, ten));
        assert_eq!(pauses(ten, 1, None), (secs(1), secs(20)));
        assert_eq!(pauses(ten, 2, None), (secs(1), secs(40)));
        assert_eq!(pauses(ten, 3, None), (secs(1), secs(60)));
        assert_eq!(pauses(ten, u32::MAX, None), (secs(1), secs(60)));
        assert_eq!(pauses(secs(90), 1, None), (secs(1), secs(90)), "never more often than where all is well");
        assert_eq!(pauses(ten, 1, Some(secs(120))), (secs(120), secs(120)), "a hint does not cut that short");
        assert_eq!(pauses(ten, 1, Some(secs(999_999))), (secs(3600), secs(3600)));
    }
}
