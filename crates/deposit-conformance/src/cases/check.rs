//! What an adapter says when it is asked whether all is set up.

use deposit_core::{CheckContext, CheckItem, CheckOutcome, PaymentProvider};

use crate::harness::{Fault, Harness, Variant};

const FAULTS: [Fault; 6] = [
    Fault::Down,
    Fault::ServerError,
    Fault::HtmlError,
    Fault::RateLimited,
    Fault::HugeBody,
    Fault::WrongTypes,
];

/// An adapter without a check of its own knows nothing.
fn knows_nothing(items: &[CheckItem]) -> bool {
    items.iter().all(|item| matches!(item.outcome, CheckOutcome::Unknown(_)))
}

async fn found(harness: &dyn Harness, provider: &dyn PaymentProvider, place: &str) -> Vec<CheckItem> {
    let items = provider.check(&CheckContext::new("https://gateway.invalid")).await;
    assert!(!items.is_empty(), "{place}: a check says something");
    let printed = format!("{items:?}");
    for secret in harness.secrets() {
        assert!(!printed.contains(&secret), "{place}: a check prints a secret");
    }
    for item in &items {
        let told =
            item.outcome == CheckOutcome::Right || item.outcome.text().is_some_and(|text| !text.is_empty());
        assert!(told && !item.what.is_empty(), "{place}: {item:?} says nothing");
    }
    items
}

/// A check takes a right key for right and a refused one for wrong, notices that nobody is there, concludes nothing from what it cannot
/// read, and prints no secret. An adapter may have none.
///
/// # Panics
/// Where it is not so.
pub async fn a_check_tells_what_is_wrong(harness: &dyn Harness) {
    let right = found(harness, harness.provider().as_ref(), "set up").await;
    if knows_nothing(&right) {
        return;
    }
    // Whether webhooks lead here, only the operator of the emulator knows.
    let elsewhere = |item: &CheckItem| item.what.starts_with("webhook");
    let wrong: Vec<_> = right.iter().filter(|item| item.is_wrong() && !elsewhere(item)).collect();
    assert!(wrong.is_empty(), "nothing is wrong, and a check says {wrong:?}");
    for (variant, name) in [(Variant::WrongKey, "a refused key"), (Variant::Unreachable, "nobody there")] {
        let Some(provider) = harness.variant(variant) else { continue };
        let items = found(harness, provider.as_ref(), name).await;
        assert!(
            items.iter().any(|item| item.is_wrong() && !elsewhere(item)),
            "{name}, and a check says {items:?}"
        );
    }
    for fault in FAULTS {
        harness.fault(Some(fault)).await;
        let Some(provider) = harness.variant(Variant::Impatient) else { break };
        let items = found(harness, provider.as_ref(), &format!("{fault:?}")).await;
        let credentials = items.iter().find(|item| item.what == "credentials");
        assert!(
            credentials.is_none_or(|item| !item.is_wrong()),
            "{fault:?} says nothing of the key, and a check says {items:?}"
        );
        harness.fault(None).await;
    }
}
