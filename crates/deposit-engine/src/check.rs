//! Asks every provider whether all is set up as payments need it.

use std::sync::PoisonError;
use std::time::Duration;

use deposit_core::{CheckContext, CheckItem, CheckOutcome, PaymentProvider, ProviderId};
use deposit_facade::Registry;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::Engine;

/// How long one provider may take for all of its questions.
const PATIENCE: Duration = Duration::from_secs(45);

/// What was found at one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderCheck {
    /// Whose.
    pub provider: ProviderId,
    /// In the order in which it was looked at; never empty.
    pub items: Vec<CheckItem>,
}

impl ProviderCheck {
    /// Whether payers would find something.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        self.items.iter().any(CheckItem::is_wrong)
    }
}

/// Asks all providers side by side, in the order of registration. Nothing is changed, no money moves; one that hangs or breaks takes
/// its own answer alone.
pub async fn check_providers(registry: &Registry, context: &CheckContext) -> Vec<ProviderCheck> {
    let mut asked = JoinSet::new();
    let mut found: Vec<ProviderCheck> = Vec::new();
    for (place, provider) in registry.providers().enumerate() {
        let (provider, context) = (provider.clone(), context.clone());
        // What stands until the provider has answered: a task that breaks leaves it.
        let broken = CheckItem::unknown(
            "provider",
            "the adapter's check gave no answer: this is a mistake of the adapter",
        );
        found.push(ProviderCheck { provider: provider.id(), items: vec![broken] });
        asked.spawn(async move { (place, check_one(&*provider, &context).await) });
    }
    while let Some(answer) = asked.join_next().await {
        if let Ok((place, items)) = answer
            && !items.is_empty()
            && let Some(check) = found.get_mut(place)
        {
            check.items = items;
        }
    }
    found
}

/// Asks one provider; never for longer than it may take.
pub(crate) async fn check_one(provider: &dyn PaymentProvider, context: &CheckContext) -> Vec<CheckItem> {
    timeout(PATIENCE, provider.check(context)).await.unwrap_or_else(|_| {
        let text = format!(
            "not all questions were answered within {} s: is it there, and may this machine reach it?",
            PATIENCE.as_secs()
        );
        vec![CheckItem::wrong("reachable", text)]
    })
}

impl Engine {
    /// [`check_providers`] for this engine's registry. What is wrong is shown by [`Engine::provider_troubles`] until it is found mended.
    pub async fn check_providers(&self, context: &CheckContext) -> Vec<ProviderCheck> {
        *self.inner.checked_with.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.clone());
        let found = check_providers(self.registry(), context).await;
        for check in &found {
            self.note_found(check.provider, &check.items);
        }
        found
    }

    /// Takes over into the provider's health what a check found.
    pub(crate) fn note_found(&self, provider: ProviderId, items: &[CheckItem]) {
        let wrong = items.iter().find(|item| item.is_wrong());
        let words = wrong.map(|item| format!("{}: {}", item.what, item.outcome.text().unwrap_or("wrong")));
        // What else may be wrong (a webhook that is missing, say) keeps no payment from being seen.
        let sees = if items.iter().any(|item| item.is_wrong() && lets_see(&item.what)) {
            Some(false)
        } else {
            // A check that found nothing out says nothing.
            items.iter().any(|item| item.outcome == CheckOutcome::Right).then_some(true)
        };
        self.note_check(provider, words.as_deref(), sees);
    }
}

/// Whether reads depend on it.
fn lets_see(what: &str) -> bool {
    matches!(what, "provider" | "credentials" | "reachable") || what.starts_with("right")
}
