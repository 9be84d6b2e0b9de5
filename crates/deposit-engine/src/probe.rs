//! Looks again at providers that need a person: whether they have come round.

use std::sync::PoisonError;

use futures_util::future::join_all;

use crate::Engine;
use crate::check::check_one;
use crate::health::Call;
use crate::supervise::caught;

/// After how long what a check found wrong is looked at again, where payments are seen all the same, in seconds.
const CHECK_AGAIN_SECS: i64 = 300;

impl Engine {
    /// Asks the providers again that refused our credentials or settings, in a read or in the last check. Where all is well now, creates are taken
    /// again.
    pub async fn probe_refused(&self) {
        let now = self.now();
        let context = self.inner.checked_with.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let troubles = self.provider_troubles();
        let wanted = self.registry().providers().filter(|provider| {
            let was_wrong = troubles.iter().any(|trouble| {
                let this = trouble.provider == provider.id() && trouble.call == Call::Check;
                this && now >= trouble.last.plus_secs(CHECK_AGAIN_SECS)
            });
            was_wrong || self.is_blind(provider.id(), now)
        });
        join_all(wanted.map(|provider| {
            let context = context.clone().unwrap_or_default();
            async move {
                match caught(check_one(&**provider, &context)).await {
                    Ok(items) => self.note_found(provider.id(), &items),
                    Err(message) => self.note_panic("probe", provider.id(), Call::Check, &message),
                }
            }
        }))
        .await;
    }
}
