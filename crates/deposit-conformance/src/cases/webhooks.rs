//! Webhooks: authentic, forged, altered, repeated, and about somebody else.

use deposit_core::{Delivery, IntentRecord, Observation, Observed, PaymentProvider, Target, WebhookError};

use crate::harness::{Ability, CapturedDelivery, Carrier, Harness, Variant, WebhookAuth};
use crate::support::{cannot, payable, pays, watching};

struct Told {
    order: IntentRecord,
    auth: WebhookAuth,
    deliveries: Vec<CapturedDelivery>,
}

/// An order that was paid, and the webhooks that told of it. `None` where the adapter takes none.
async fn told(harness: &dyn Harness) -> Option<Told> {
    let provider = harness.provider();
    if !provider.capabilities().webhooks {
        return None;
    }
    let auth = harness.webhook_auth().expect("the harness says how webhooks are authenticated");
    let (spec, order) = payable(harness).await?;
    pays(harness, &spec, &order).await;
    let deliveries = harness.deliveries().await;
    assert!(!deliveries.is_empty(), "no webhook told of the payment");
    Some(Told { order, auth, deliveries })
}

#[track_caller]
fn authentic(harness: &dyn Harness, provider: &dyn PaymentProvider, delivery: &CapturedDelivery) -> Delivery {
    match provider.webhook(&delivery.raw(harness.now())) {
        Ok(delivery) => delivery,
        Err(error) => panic!("an authentic webhook was refused: {error}"),
    }
}

#[track_caller]
fn refused(harness: &dyn Harness, provider: &dyn PaymentProvider, what: &str, delivery: &CapturedDelivery) {
    let answer = provider.webhook(&delivery.raw(harness.now()));
    assert_eq!(answer, Err(WebhookError::Unauthenticated), "{what} was not refused");
}

fn is_about(observation: &Observation, order: &IntentRecord) -> bool {
    match &observation.target {
        Target::Deposit(id) => *id == order.deposit_id,
        Target::Order(reference) => *reference == order.provider_ref,
        Target::Address(address) => order.instructions.address() == Some(address),
        Target::Unknown => false,
    }
}

/// Each webhook of a payment is accepted and says which order to read; at least one says that there is money in it, so
/// that money of an order that nobody knows is not overlooked.
pub async fn an_authentic_webhook_names_its_order(harness: &dyn Harness) {
    let Some(told) = told(harness).await else { return };
    let provider = watching(harness);
    let (mut about, mut money) = (0, 0);
    for delivery in &told.deliveries {
        for observation in authentic(harness, provider.as_ref(), delivery).observations {
            assert_eq!(observation.provider, provider.id(), "an observation of another provider");
            assert_ne!(
                observation.ours,
                Some(false),
                "an order of ours was taken for another's: {observation:?}"
            );
            assert!(is_about(&observation, &told.order), "about something else: {observation:?}");
            assert!(
                observation.ticker.is_none_or(|t| t == told.order.terms.ticker),
                "another ticker: {observation:?}"
            );
            about += 1;
            money += usize::from(observation.observed != Observed::Hint);
        }
    }
    assert!(about > 0, "no webhook says that the order is to be read");
    assert!(money > 0, "no webhook of a payment says that it is about money");
}

/// Different events have different ids; the same event has the same, also after a restart.
pub async fn a_replayed_webhook_has_the_same_id(harness: &dyn Harness) {
    if told(harness).await.is_none() {
        return;
    }
    // A second order, so that there are two events at least.
    let Some(told) = told(harness).await else { return };
    let provider = watching(harness);
    let ids = |from: &[CapturedDelivery]| {
        from.iter().map(|d| authentic(harness, provider.as_ref(), d).id).collect::<Vec<_>>()
    };
    let first = ids(&told.deliveries);
    let distinct: std::collections::BTreeSet<_> = first.iter().collect();
    assert_eq!(distinct.len(), first.len(), "two events have one id: {first:?}");
    assert_eq!(ids(&told.deliveries), first, "the same bytes, replayed, have another id");
    let reordered: Vec<_> = told.deliveries.iter().rev().cloned().collect();
    let back: Vec<_> = ids(&reordered).into_iter().rev().collect();
    assert_eq!(back, first, "in another order, the same bytes have another id");
    let other = watching(harness);
    let sample = told.deliveries.first().expect("a webhook");
    let after = authentic(harness, other.as_ref(), sample);
    assert_eq!(Some(&after.id), first.first(), "another id after a restart");
    if cannot(harness, Ability::Redeliver) {
        return;
    }
    harness.redeliver(&told.order).await;
    let all = harness.deliveries().await;
    let again = all.get(told.deliveries.len()..).unwrap_or_default();
    assert!(!again.is_empty(), "the harness sent nothing again");
    for id in ids(again) {
        assert!(first.contains(&id), "redelivered under a new id {id}, known were {first:?}");
    }
}

fn without_proof(delivery: &CapturedDelivery, carrier: Carrier) -> CapturedDelivery {
    with_proof(delivery, carrier, |_| None)
}

/// The delivery with its proof changed; `None` takes it away.
fn with_proof(
    delivery: &CapturedDelivery,
    carrier: Carrier,
    change: fn(&str) -> Option<String>,
) -> CapturedDelivery {
    let mut changed = delivery.clone();
    let edit = |pairs: &mut Vec<(String, String)>, name: &str| {
        *pairs = std::mem::take(pairs)
            .into_iter()
            .filter_map(|(n, v)| if n == name { change(&v).map(|v| (n, v)) } else { Some((n, v)) })
            .collect();
    };
    match carrier {
        Carrier::Header(name) => edit(&mut changed.headers, name),
        Carrier::Query(name) => edit(&mut changed.query, name),
        Carrier::Member(name) => {
            let mut body: serde_json::Value = serde_json::from_slice(&delivery.body).expect("a JSON body");
            let members = body.as_object_mut().expect("a JSON object");
            let proof = members.remove(name).expect("the proof");
            if let Some(changed) = change(proof.as_str().expect("a text as proof")) {
                members.insert(name.to_owned(), changed.into());
            }
            changed.body = body.to_string().into_bytes();
        }
    }
    changed
}

/// Without its proof, or with a wrong one, nothing in a webhook is believed.
pub async fn a_forged_webhook_is_refused(harness: &dyn Harness) {
    let Some(told) = told(harness).await else { return };
    let provider = watching(harness);
    let carrier = told.auth.carrier;
    for delivery in &told.deliveries {
        let bare = without_proof(delivery, carrier);
        assert_ne!(bare, *delivery, "the harness's carrier {carrier:?} is not in the webhook");
        refused(harness, provider.as_ref(), "a webhook without proof", &bare);
        type Change = fn(&str) -> Option<String>;
        let changes: [(&str, Change); 5] = [
            ("an empty proof", |_| Some(String::new())),
            ("a proof that is no ASCII", |_| Some("äöü☃".to_owned())),
            ("a proof with its last character changed", |proof| {
                let last = proof.chars().last()?;
                let other = if last == '0' { '1' } else { '0' };
                Some(format!("{}{other}", proof.strip_suffix(last)?))
            }),
            ("half a proof", |proof| Some(proof.chars().take(proof.chars().count() / 2).collect())),
            ("a proof with more behind it", |proof| Some(format!("{proof}0"))),
        ];
        for (what, change) in changes {
            refused(harness, provider.as_ref(), what, &with_proof(delivery, carrier, change));
        }
    }
    for body in [&b""[..], b"{}", b"null", b"\xff\xfe", b"[[[[[[[["] {
        let bare = CapturedDelivery { headers: vec![], query: vec![], body: body.to_vec() };
        refused(harness, provider.as_ref(), "an unsigned body", &bare);
    }
    if told.auth.signs_body {
        let body = &told.deliveries.first().expect("a webhook").body;
        for secret in ["", " ", "another-secret"] {
            let signed = harness.sign(body, secret).expect("the harness can sign");
            refused(harness, provider.as_ref(), &format!("a signature by {secret:?}"), &signed);
        }
    }
}

/// One changed byte anywhere in a signed body is noticed.
pub async fn an_altered_webhook_is_refused(harness: &dyn Harness) {
    let Some(told) = told(harness).await else { return };
    if !told.auth.signs_body {
        return;
    }
    let provider = watching(harness);
    let delivery = told.deliveries.last().expect("a webhook");
    authentic(harness, provider.as_ref(), delivery);
    for at in 0..delivery.body.len() {
        let mut altered = delivery.clone();
        if let Some(byte) = altered.body.get_mut(at) {
            *byte ^= 1;
        }
        refused(harness, provider.as_ref(), &format!("a webhook with byte {at} altered"), &altered);
    }
    for (what, end) in [("a byte more", &b"\n"[..]), ("a null byte more", b"\0")] {
        let mut altered = delivery.clone();
        altered.body.extend_from_slice(end);
        refused(harness, provider.as_ref(), &format!("a webhook with {what}"), &altered);
    }
    let mut shorter = delivery.clone();
    shorter.body.pop();
    refused(harness, provider.as_ref(), "a webhook with a byte less", &shorter);
}

/// Without a configured secret every webhook is refused, one that is signed with the empty secret above all.
pub async fn without_a_secret_every_webhook_is_refused(harness: &dyn Harness) {
    let Some(told) = told(harness).await else { return };
    // An adapter that refuses to be built without a secret fails closed in its own way.
    if cannot(harness, Ability::Variant(Variant::NoWebhookSecret)) {
        return;
    }
    let provider = harness.variant(Variant::NoWebhookSecret).expect("the harness has one without a secret");
    for delivery in &told.deliveries {
        refused(harness, provider.as_ref(), "a webhook, with no secret configured", delivery);
        let bare = without_proof(delivery, told.auth.carrier);
        refused(harness, provider.as_ref(), "a webhook without proof, with no secret configured", &bare);
        let empty = with_proof(delivery, told.auth.carrier, |_| Some(String::new()));
        refused(harness, provider.as_ref(), "an empty proof, with no secret configured", &empty);
        if let Some(signed) = harness.sign(&delivery.body, "") {
            refused(harness, provider.as_ref(), "a signature by the empty secret", &signed);
        }
    }
}

/// Rightly signed, but of another store, program or kind: accepted, and no order of ours is read as a fact for it.
pub async fn a_stranger_is_not_ours(harness: &dyn Harness) {
    let Some(told) = told(harness).await else { return };
    let provider = watching(harness);
    for sample in &told.deliveries {
        for stranger in harness.strangers(sample) {
            let delivery = authentic(harness, provider.as_ref(), &stranger.delivery);
            for observation in &delivery.observations {
                let what = stranger.what;
                let ours = observation.ours != Some(false) && !stranger.of_our_order;
                let hint = matches!(observation.observed, Observed::Hint | Observed::PaymentHint);
                let harmless = !ours && hint;
                assert!(harmless, "{what}: taken for ours: {observation:?}");
            }
        }
    }
}

/// Authentic bodies that are no event are refused with words, not with a panic.
pub async fn an_authentic_body_that_is_no_event_is_malformed(harness: &dyn Harness) {
    let Some(told) = told(harness).await else { return };
    if !told.auth.signs_body {
        return;
    }
    let Some(secret) = harness.secrets().into_iter().find(|secret| {
        let body = &told.deliveries.first().expect("a webhook").body;
        let signed = harness.sign(body, secret).expect("the harness can sign");
        harness.provider().webhook(&signed.raw(harness.now())).is_ok()
    }) else {
        panic!("none of the harness's secrets signs webhooks");
    };
    let deep = "[".repeat(100_000);
    for body in ["", "null", "[]", "7", "{", "{\"type\":7}", "\u{feff}{}", "\"text\"", deep.as_str()] {
        let signed = harness.sign(body.as_bytes(), &secret).expect("the harness can sign");
        let answer = harness.provider().webhook(&signed.raw(harness.now()));
        let shown: String = body.chars().take(20).collect();
        assert!(matches!(answer, Err(WebhookError::Malformed(_))), "{shown:?}: {answer:?}");
    }
}
