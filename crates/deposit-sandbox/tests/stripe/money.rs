//! Payments, refunds, disputes, their events and the page.

use deposit_sandbox::{Emulator as _, Faults, Json};

use crate::world::{SESSIONS, START, World, body};

#[tokio::test]
async fn stripe_states_and_their_events() {
    let w = World::new().await;
    let id = w.session().await;
    assert_eq!(w.read(&id).await, "open unpaid null");
    let payment = w.pay(&id, "seen").await;
    assert_eq!(w.read(&id).await, "complete unpaid processing");
    let mut events = w.events().await;
    events.sort();
    assert_eq!(events, ["checkout.session.completed", "payment_intent.processing"]);
    let body = format!(r#"{{"ref":"dep_0001","payment":"{payment}","stage":"confirmed"}}"#);
    assert_eq!(w.control("pay", &body).await.at("payment"), payment);
    assert_eq!(w.read(&id).await, "complete paid succeeded");
    assert_eq!(w.sums(&id), "confirmed 25 0 0");
    assert_eq!(w.events().await.last().unwrap(), "checkout.session.async_payment_succeeded");
    assert_eq!(w.control("pay", &body).await.status, 200, "a repeat changes nothing");
    assert_eq!(w.events().await.len(), 0);

    let id = w.session().await;
    w.pay(&id, "confirmed").await;
    let mut events = w.events().await;
    events.sort();
    assert_eq!(events, ["charge.succeeded", "checkout.session.completed", "payment_intent.succeeded"]);
    assert_eq!(w.control("pay", &format!(r#"{{"ref":"{id}"}}"#)).await.status, 400, "one payment");

    let id = w.session().await;
    assert_eq!(w.play(&id, "fail").await.status, 200);
    assert_eq!(w.read(&id).await, "complete unpaid requires_payment_method");
    assert_eq!(w.sums(&id), "withdrawn 0 0 0");
    assert_eq!(w.events().await.last().unwrap(), "checkout.session.async_payment_failed");
    assert_eq!(w.play(&id, "fail").await.status, 400);

    let id = w.session().await;
    assert_eq!(w.post(&format!("{SESSIONS}/{id}/expire"), "").await.at("status"), "expired");
    assert_eq!(w.post(&format!("{SESSIONS}/{id}/expire"), "").await.status, 400);
    assert_eq!(w.events().await, ["checkout.session.expired"]);
    assert_eq!(w.control("pay", &format!(r#"{{"ref":"{id}"}}"#)).await.status, 400, "too late");

    // By the clock, at the second.
    let id = w.session().await;
    w.sandbox.advance(3_599);
    assert_eq!(w.read(&id).await, "open unpaid null");
    w.sandbox.advance(1);
    assert_eq!(w.read(&id).await, "expired unpaid null");
    assert_eq!(w.events().await, ["checkout.session.expired"]);
}

#[tokio::test]
async fn stripe_takes_what_is_due_and_nothing_else() {
    let w = World::new().await;
    let id = w.session().await;
    for amount in ["24.99", "25.01", "2500", "0", "25.001"] {
        let reply = w.control("pay", &format!(r#"{{"ref":"{id}","amount":"{amount}"}}"#)).await;
        assert_eq!(reply.status, 400, "{amount}");
    }
    assert_eq!(w.control("pay", &format!(r#"{{"ref":"{id}","amount":"25.00"}}"#)).await.status, 200);
    for name in ["partial", "over", "late", "double", "reorg", "replace"] {
        let reply = w.play(&w.session().await, name).await;
        assert_eq!(reply.status, 400, "{name}");
        assert!(reply.at("error").starts_with("name: "), "{}", reply.text);
    }
    assert_eq!(w.control("pay", r#"{"ref":"nobody"}"#).await.status, 400);
    // A total of nothing is complete without a payment.
    let free = w.post(SESSIONS, &body(&[("line_items[0][price_data][unit_amount]", "0")])).await.at("id");
    w.pay(&free, "confirmed").await;
    assert_eq!(w.read(&free).await, "complete no_payment_required null");
}

#[tokio::test]
async fn stripe_refunds_add_up_to_the_charge() {
    let w = World::new().await;
    let id = w.session().await;
    let payment = w.pay(&id, "confirmed").await;
    w.events().await;
    let refund = async |more: &str| w.post("/v1/refunds", &format!("payment_intent={payment}{more}")).await;
    let made = refund("&amount=1000&reason=requested_by_customer").await;
    assert_eq!(
        (made.at("status"), made.at("amount"), made.at("payment_intent")),
        ("succeeded".into(), "1000".into(), payment.clone())
    );
    assert_eq!(w.events().await, ["refund.created", "charge.refunded"]);
    assert_eq!(refund("&amount=1501").await.status, 400);
    assert_eq!(refund("&amount=0").await.status, 400);
    assert_eq!(refund("&reason=because").await.status, 400);
    assert_eq!(refund("&amount=1500").await.status, 200);
    assert_eq!(refund("").await.refusal(), "400 invalid_request_error/charge_already_refunded ");
    assert_eq!(w.sums(&id), "reversed 25 25 0");
    let list = w.get(&format!("/v1/refunds?payment_intent={payment}&limit=1")).await;
    assert_eq!(
        (list.at("data.0.amount"), list.at("has_more")),
        ("1500".into(), "true".into()),
        "newest first"
    );
    let next =
        w.get(&format!("/v1/refunds?payment_intent={payment}&starting_after={}", list.at("data.0.id"))).await;
    assert_eq!((next.at("data.0.amount"), next.at("has_more")), ("1000".into(), "false".into()));
    w.sandbox.emulators().stripe.fail_refund(&id).unwrap();
    assert_eq!(w.sums(&id), "confirmed 25 25 15");
    let charge = w.get(&format!("{SESSIONS}/{id}?expand[0]=payment_intent.latest_charge")).await;
    assert_eq!(charge.at("payment_intent.latest_charge.amount_refunded"), "1000");
    assert_eq!(charge.at("payment_intent.latest_charge.metadata.deposit_id"), "dep_0001", "copied");

    let id = w.session().await;
    assert_eq!(w.play(&id, "refund_part").await.status, 200, "pays first");
    assert_eq!(w.sums(&id), "confirmed 25 12.5 0");
    assert_eq!(w.play(&id, "refund").await.status, 200);
    assert_eq!(w.sums(&id), "reversed 25 25 0");
    assert_eq!(w.play(&id, "refund").await.status, 400);
    assert_eq!(w.play(&id, "dispute").await.status, 400);
}

#[tokio::test]
async fn stripe_disputes_take_and_give_back() {
    let w = World::new().await;
    let id = w.session().await;
    assert_eq!(w.play(&id, "return").await.status, 400, "nothing is disputed");
    let played = w.play(&id, "dispute").await;
    assert_eq!(
        (played.at("payments.0.stage"), played.at("payments.0.amount")),
        ("reversed".into(), "25".into())
    );
    let payment = w.truth(&id).id;
    let refund = w.post("/v1/refunds", &format!("payment_intent={payment}")).await;
    assert_eq!(refund.refusal(), "400 invalid_request_error/charge_disputed ");
    assert_eq!(w.play(&id, "dispute").await.status, 400, "one at a time");
    assert_eq!(w.play(&id, "return").await.status, 200);
    assert_eq!(w.sums(&id), "confirmed 25 25 25");
    let list = w.get(&format!("/v1/disputes?payment_intent={payment}")).await;
    assert_eq!((list.at("data.0.status"), list.at("data.0.metadata")), ("won".into(), "{}".into()));
    let events = w.events().await;
    assert_eq!(
        events[3..],
        [
            "charge.dispute.created",
            "charge.dispute.funds_withdrawn",
            "charge.dispute.closed",
            "charge.dispute.funds_reinstated"
        ]
    );
    // An inquiry moves no money until it becomes a dispute.
    let id = w.session().await;
    w.pay(&id, "confirmed").await;
    let stripe = &w.sandbox.emulators().stripe;
    stripe.inquire(&id).unwrap();
    assert_eq!(w.sums(&id), "confirmed 25 0 0");
    stripe.move_dispute(&id, "needs_response").unwrap();
    assert_eq!(w.sums(&id), "reversed 25 25 0");
    stripe.move_dispute(&id, "lost").unwrap();
    assert_eq!(w.sums(&id), "reversed 25 25 0");
    assert_eq!(w.play(&id, "return").await.status, 400);
}

#[tokio::test]
async fn stripe_signs_events_with_the_whole_secret() {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let w = World::new().await;
    let id = w.session().await;
    w.pay(&id, "confirmed").await;
    w.sandbox.webhooks_idle().await;
    let secret = w.sandbox.setting("stripe", "webhook_secret").unwrap();
    assert!(secret.starts_with("whsec_"));
    let got = w.got.lock().unwrap().clone();
    for (header, event) in &got {
        let v1 = header.split(',').find_map(|part| part.strip_prefix("v1=")).unwrap();
        assert!(header.starts_with(&format!("t={START},v0=")), "{header}");
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{START}.{}", event.pretty()).as_bytes());
        assert_eq!(hex::encode(mac.finalize().into_bytes()), v1, "over the bytes as they came");
        assert_eq!(event.get("livemode"), Some(&Json::Bool(false)));
        assert_eq!(event.get("api_version").and_then(Json::as_text), Some("2026-06-24.dahlia"));
    }
    // The same event again: the same id and body.
    assert_eq!(w.control("redeliver", &format!(r#"{{"ref":"{id}"}}"#)).await.at("redelivered"), "3");
    w.sandbox.webhooks_idle().await;
    assert_eq!(w.got.lock().unwrap()[3..], got);
    w.sandbox.set_faults("stripe", Faults { bad_signature: true, ..Faults::default() });
    w.control("redeliver", &format!(r#"{{"ref":"{id}"}}"#)).await;
    w.sandbox.webhooks_idle().await;
    assert_ne!(w.got.lock().unwrap()[6].0, got[0].0);
}

#[tokio::test]
async fn stripe_the_page_takes_test_cards() {
    let w = World::new().await;
    let id = w.session().await;
    let url = format!("{}/stripe/c/pay/{id}", w.sandbox.base_url());
    let page = w.send("GET", &url, &[], "").await;
    assert!(page.text.contains("Pay 25.00 USD") && page.text.contains("<button"), "{}", page.text);
    let declined = w.send("POST", &url, &[], "card=4000+0000+0000+9995").await;
    assert_eq!((declined.status, declined.text.contains("declined")), (200, true));
    assert_eq!(w.read(&id).await, "open unpaid requires_payment_method");
    let truth = w.sandbox.emulators().stripe.truth();
    assert!(truth[0].payments.is_empty(), "a declined try is no payment");
    assert_eq!(w.send("POST", &url, &[], "card=1234").await.status, 200);
    let intent = w.get(&format!("{SESSIONS}/{id}")).await.at("payment_intent");
    let paid = w.send("POST", &url, &[], "card=4242424242424242").await;
    assert_eq!(paid.status, 303);
    assert_eq!(paid.header("location"), format!("https://shop.example/return?sid={id}"));
    assert_eq!(w.read(&id).await, "complete paid succeeded");
    assert_eq!(w.truth(&id).id, intent, "a second try is on the same PaymentIntent");
    assert!(w.send("GET", &url, &[], "").await.text.contains("closed"));
    let id = w.session().await;
    let url = format!("{}/stripe/c/pay/{id}", w.sandbox.base_url());
    w.send("POST", &url, &[], "card=4000000000000259").await;
    assert_eq!(w.sums(&id), "reversed 25 25 0");
    let gone = format!("{}/stripe/c/pay/cs_test_nobody", w.sandbox.base_url());
    assert_eq!(w.send("GET", &gone, &[], "").await.status, 404);
}
