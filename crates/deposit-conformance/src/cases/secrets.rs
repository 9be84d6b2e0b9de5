//! No secret is ever printed.

use deposit_core::{
    AccountIndex, IntentRecord, LookUpRequest, PaymentProvider, ProviderRef, TickerKind, TickerSpec,
};

use crate::harness::{CapturedDelivery, Fault, Harness, Variant};
use crate::support::{chain, no_fault, payable, pays, request, watching};

/// Texts that were printed, and where.
struct Printed {
    spec: TickerSpec,
    texts: Vec<(String, String)>,
}

impl Printed {
    fn add(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.texts.push((place.into(), text.into()));
    }

    /// Every call of the adapter, with whatever it answers.
    async fn calls(
        &mut self,
        harness: &dyn Harness,
        place: &str,
        provider: &dyn PaymentProvider,
        order: &IntentRecord,
    ) {
        self.add(format!("{place}: Debug of the adapter"), format!("{provider:?} {provider:#?}"));
        let wanted = request(harness, &self.spec);
        match provider.open(&wanted).await {
            Ok(intent) => self.add(format!("{place}: intent"), format!("{intent:?}")),
            Err(error) => {
                self.add(format!("{place}: error of open"), format!("{} {error:#?}", chain(&error)))
            }
        }
        match provider.read(order).await {
            Ok(read) => self.add(format!("{place}: snapshot"), format!("{read:?}")),
            Err(error) => {
                self.add(format!("{place}: error of read"), format!("{} {error:#?}", chain(&error)))
            }
        }
        let wanted = LookUpRequest { deposit_id: wanted.deposit_id, terms: wanted.terms };
        match provider.look_up(&wanted).await {
            Ok(found) => self.add(format!("{place}: look-up"), format!("{found:?}")),
            Err(error) => {
                self.add(format!("{place}: error of look_up"), format!("{} {error:#?}", chain(&error)))
            }
        }
        if let Err(error) = provider.scan(None).await {
            self.add(format!("{place}: error of scan"), format!("{} {error:#?}", chain(&error)));
        }
        match provider.receive(AccountIndex(1), usize::MAX).await {
            Ok(received) => self.add(format!("{place}: what was taken in"), format!("{received:?}")),
            Err(error) => {
                self.add(format!("{place}: error of receive"), format!("{} {error:#?}", chain(&error)))
            }
        }
    }

    fn webhook(
        &mut self,
        harness: &dyn Harness,
        place: &str,
        provider: &dyn PaymentProvider,
        delivery: &CapturedDelivery,
    ) {
        let raw = delivery.raw(harness.now());
        self.add(format!("{place}: Debug of the raw delivery"), format!("{raw:?} {raw:#?}"));
        match provider.webhook(&raw) {
            Ok(delivery) => self.add(format!("{place}: delivery"), format!("{delivery:?}")),
            Err(error) => self.add(format!("{place}: error of webhook"), chain(&error)),
        }
    }
}

/// No secret is in what adapter, intents, snapshots, deliveries and errors (with their sources) print, whatever goes wrong.
pub async fn no_secret_is_printed(harness: &dyn Harness) {
    let secrets = harness.secrets();
    assert!(!secrets.is_empty(), "the harness names no secret");
    assert!(secrets.iter().all(|s| s.len() >= 8), "a secret of fewer than 8 characters is found everywhere");
    let provider = watching(harness);
    let Some((spec, mut order)) = payable(harness).await else { return };
    let mut printed = Printed { spec, texts: Vec::new() };
    let paid = pays(harness, &spec, &order).await;
    if spec.kind == TickerKind::Standing {
        order.provider_ref = ProviderRef::new(paid.id.as_str()).unwrap_or(order.provider_ref);
    }
    printed.calls(harness, "all well", provider.as_ref(), &order).await;
    for variant in [Variant::Unreachable, Variant::WrongKey, Variant::NoWebhookSecret] {
        if let Some(provider) = harness.variant(variant) {
            provider.watch(&[AccountIndex(1)]);
            printed.calls(harness, &format!("{variant:?}"), provider.as_ref(), &order).await;
        }
    }
    let faults = [
        Fault::Down,
        Fault::ServerError,
        Fault::HtmlError,
        Fault::LostAnswer,
        Fault::RejectKey,
        Fault::RateLimited,
        Fault::HugeBody,
        Fault::WrongTypes,
        Fault::UnknownPaymentWord,
        Fault::UnknownOrderWord,
        Fault::MissingMethod,
    ];
    for fault in faults.into_iter().filter(|fault| !no_fault(harness, *fault)) {
        harness.fault(Some(fault)).await;
        printed.calls(harness, &format!("{fault:?}"), watching(harness).as_ref(), &order).await;
    }
    harness.fault(None).await;
    for mut delivery in harness.deliveries().await {
        printed.webhook(harness, "webhook", provider.as_ref(), &delivery);
        delivery.body.push(b' ');
        printed.webhook(harness, "altered webhook", provider.as_ref(), &delivery);
    }
    for (place, text) in &printed.texts {
        // Neither the place of the secret nor the text is printed here either.
        assert!(!secrets.iter().any(|secret| text.contains(secret.as_str())), "a secret is in: {place}");
    }
}
