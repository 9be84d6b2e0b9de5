//! Control, pages, retries, subscriptions, faults.

use deposit_sandbox::Json;

use crate::world::{World, at, payment, session, text};

#[tokio::test]
async fn scenarios_and_truth() {
    let w = World::new().await;
    let (session, _) = w.session("dep_s").await;
    let id = w.payment("dep_1").await;
    for name in ["partial", "over", "late", "double", "reorg", "return", "refund_part", "dispute", "replace"]
    {
        for order in [&id, &session] {
            let reply = w.play(order, name).await;
            assert_eq!(reply.status, 400, "{name}");
            assert!(
                text(&reply.json(), "error")
                    .starts_with(&format!("name: {name}: this provider cannot have it"))
            );
        }
    }
    assert_eq!(w.play(&session, "refund").await.status, 400);
    assert_eq!(w.play(&id, "expire").await.status, 200);
    assert_eq!(w.status(&id).await, "payment_unpaid", "there is no word for it");
    assert_eq!(w.truth(&id).await.get("payments").unwrap().items().len(), 0);

    let played = w.play("dep_1", "refund").await.json();
    assert_eq!(
        played.compact(),
        format!(r#"{{"payments":[{{"id":"{id}","amount":"10","stage":"reversed"}}]}}"#)
    );
    let seen = r#""settled":null,"settledTicker":null,"seenAt":"2026-07-25T17:20:00.000Z"}]}"#;
    assert_eq!(
        w.truth(&id).await.compact(),
        format!(
            r#"{{"provider":"daimo","ref":"{id}","order":"dep_1","address":null,"ticker":"USDC","due":"10","payments":[{{"id":"{id}","amount":"10","stage":"reversed","confirmed":"10","reversed":"10","reinstated":"0",{seen}"#
        )
    );
    for (name, why) in [("refund", "once is all"), ("fail", "on its way"), ("expire", "waits for money")] {
        let reply = w.play(&id, name).await;
        assert!(reply.status == 400 && text(&reply.json(), "error").contains(why), "{}", reply.text);
    }
    assert_eq!(w.play(&session, "expire").await.status, 200);
    assert_eq!(w.status(&session).await, "expired");
}

#[tokio::test]
async fn pay_takes_what_is_due_and_once() {
    let w = World::new().await;
    let id = w.payment("dep_1").await;
    for (more, error) in [
        (r#","amount":"9""#, "amount: must be what is due, 10: the amount of an order is fixed"),
        (r#","ticker":"BTC""#, "ticker: must be USDC, USDT, ETH or SOL"),
        (r#","payment":"another""#, "payment: no payment of this order: it has its order's id"),
    ] {
        let reply = w.pay(&id, more).await;
        assert_eq!((reply.status, text(&reply.json(), "error").as_str()), (400, error));
    }
    assert_eq!(w.pay("nobody", "").await.status, 400);
    assert_eq!(w.pay(&id, r#","amount":"10.000""#).await.status, 200);
    assert_eq!(w.pay(&id, "").await.status, 400);
    // A session may be open for any amount.
    let open = session("dep_2", "null");
    let made = w.sessions("POST", "/sessions", &open).await.json();
    let id = text(&made, "session.sessionId");
    assert_eq!(w.pay(&id, "").await.status, 400);
    assert_eq!(w.pay(&id, r#","amount":"2.5""#).await.status, 200);
    assert_eq!(text(&w.truth(&id).await.get("payments").unwrap().items()[0], "amount"), "2.5");
    assert!(w.truth(&id).await.get("due").unwrap().is_null());
}

/// What arrives at a session's address may differ from what was asked for, as the provider's documents say.
#[tokio::test]
async fn a_session_takes_what_the_payer_sends() {
    let w = World::new().await;
    for (order, amount) in [("dep_1", "12.5"), ("dep_2", "7")] {
        let (id, _) = w.session(order).await;
        assert_eq!(w.pay(&id, &format!(r#","amount":"{amount}""#)).await.status, 200);
        let read = w.sessions("GET", &format!("/sessions/{id}"), "").await.json();
        assert_eq!(text(&read, "session.destination.delivery.receivedUnits"), amount);
        assert_eq!(text(&read, "session.destination.amountUnits"), "10");
        assert_eq!(text(&w.truth(&id).await.get("payments").unwrap().items()[0], "amount"), amount);
    }
}

#[tokio::test]
async fn a_refund_names_what_went_back() {
    let w = World::new().await;
    let id = w.payment("dep_1").await;
    let refund = |amount: &str| format!(r#"{{"ref":"dep_1","name":"refund","amount":"{amount}"}}"#);
    for wrong in ["0", "10.000001"] {
        assert_eq!(w.control("/daimo/scenario", &refund(wrong)).await.status, 400);
    }
    w.done("/daimo/scenario", &refund("4")).await;
    assert_eq!(w.status(&id).await, "payment_refunded");
    let events = w.events().await;
    let refunded = events.iter().find(|(_, body)| text(body, "type") == "payment_refunded").unwrap();
    assert_eq!(
        (text(&refunded.1, "amountUnits"), text(&refunded.1, "payment.destination.amountUnits")),
        ("4".into(), "10".into())
    );
    let read = w.payments("GET", &format!("/payment/{id}"), "", "").await.json();
    assert!(at(&read, "amountUnits").is_null(), "a read does not tell it");
    let truth = w.truth(&id).await;
    let payment = &truth.get("payments").unwrap().items()[0];
    assert_eq!(
        (text(payment, "stage"), text(payment, "confirmed"), text(payment, "reversed")),
        ("confirmed".into(), "10".into(), "4".into())
    );
}

#[tokio::test]
async fn a_person_presses_pay() {
    let w = World::new().await;
    let id = w.payment("dep_1").await;
    let url = w.url(&format!("/checkout?id={id}"));
    let shown = w.send("GET", &url, &[], "").await;
    assert_eq!(shown.status, 200);
    assert!(shown.headers["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(shown.text.contains("10 USDC") && shown.text.contains(">Pay</button>"), "{}", shown.text);
    let paid = w.send("POST", &url, &[], "coin=ETH&stage=confirmed").await;
    assert!(paid.text.contains("payment_completed") && !paid.text.contains("<button"), "{}", paid.text);
    w.send("POST", &url, &[], "coin=ETH&stage=confirmed").await;
    assert_eq!(w.kinds().await, ["payment_started", "payment_completed"], "once");

    let (id, secret) = w.session("dep_2").await;
    let url = w.url(&format!("/webview?session={id}&cs={secret}"));
    w.send("POST", &url, &[], "coin=USDC&stage=seen").await;
    assert_eq!(w.status(&id).await, "processing");
    for wrong in
        [format!("/webview?session={id}&cs=x"), "/checkout?id=x".to_owned(), format!("/checkout?id={id}")]
    {
        assert_eq!(w.send("GET", &w.url(&wrong), &[], "").await.status, 404, "{wrong}");
    }
    // A page that is over, and one whose text is a trap.
    let id = w.payment("dep_3").await;
    w.play(&id, "expire").await;
    let url = w.url(&format!("/checkout?id={id}"));
    w.send("POST", &url, &[], "coin=USDC&stage=confirmed").await;
    assert_eq!(w.status(&id).await, "payment_unpaid");
    let trap = payment("dep_4", "1").replace("\"Deposit\"", "\"<script>\"");
    let id = text(&w.payments("POST", "/payment", "", &trap).await.json(), "id");
    let shown = w.send("GET", &w.url(&format!("/checkout?id={id}")), &[], "").await.text;
    assert!(shown.contains("&lt;script&gt;") && !shown.contains("<script>"));
}

#[tokio::test]
async fn failed_deliveries_come_again() {
    let w = World::new().await;
    w.answers.lock().unwrap().extend([500, 401]);
    let id = w.payment("dep_1").await;
    w.pay(&id, r#","stage":"seen""#).await;
    for (wait, tries) in [(0, 1), (59, 1), (1, 2), (120, 3)] {
        if wait > 0 {
            w.done("/clock", &format!(r#"{{"advance_seconds":{wait}}}"#)).await;
        }
        w.sandbox.webhooks_idle().await;
        assert_eq!(w.got.lock().unwrap().len(), tries);
    }
    let got = w.got.lock().unwrap().clone();
    assert!(got.iter().all(|(headers, body)| {
        (&headers["idempotency-key"], body) == (&got[0].0["idempotency-key"], &got[0].1)
    }));
}

#[tokio::test]
async fn subscriptions_of_both_generations() {
    let w = World::new().await;
    let url = format!("{}/x", w.url(""));
    let body = format!(r#"{{"url":"{url}"}}"#);
    let made = w.payments("POST", "/webhook", "k", &body).await;
    let id = text(&made.json(), "id");
    assert_eq!(w.payments("POST", "/webhook", "k", &body).await.text, made.text, "once under one key");
    assert_eq!(w.payments("POST", "/webhook", "k", r#"{"url":"http://x"}"#).await.status, 409);
    assert_eq!(w.payments("POST", "/webhook", "", r#"{"url":"x"}"#).await.status, 400);
    let read = w.payments("GET", &format!("/webhook/{id}"), "", "").await;
    assert!(at(&read.json(), "token").is_null() && text(&read.json(), "url") == url);
    assert_eq!(w.payments("POST", &format!("/webhook/{id}/test"), "", "").await.status, 200);
    assert_eq!(w.payments("DELETE", &format!("/webhook/{id}"), "", "").await.status, 200);
    assert_eq!(w.payments("DELETE", &format!("/webhook/{id}"), "", "").await.status, 404);

    let body = format!(r#"{{"url":"{url}","events":["session.succeeded"]}}"#);
    let made = w.sessions("POST", "/webhooks", &body).await.json();
    let id = text(&made, "webhook.id");
    assert!(!text(&made, "webhook.secret").is_empty());
    assert_eq!(
        w.sessions("POST", "/webhooks", r#"{"url":"http://x","events":["session.expired"]}"#).await.status,
        400
    );
    let listed = w.sessions("GET", "/webhooks", "").await;
    assert_eq!(at(&listed.json(), "webhooks").items().len(), 2);
    assert!(!listed.text.contains("secret"));
    assert_eq!(w.sessions("GET", &format!("/webhooks/{id}"), "").await.status, 200);
    assert_eq!(w.sessions("DELETE", &format!("/webhooks/{id}"), "").await.status, 200);
    assert_eq!(w.sessions("GET", &format!("/webhooks/{id}"), "").await.status, 404);
}

#[tokio::test]
async fn a_test_event_says_so() {
    let w = World::new().await;
    let listed = w.sessions("GET", "/webhooks", "").await.json();
    let id = text(&at(&listed, "webhooks").items()[0], "id");
    assert_eq!(w.sessions("POST", &format!("/webhooks/{id}/test"), "").await.status, 200);
    let events = w.events().await;
    assert_eq!(at(&events[0].1, "isTestEvent"), Json::Bool(true));
    assert_eq!(text(&events[0].1, "type"), "session.succeeded");
    assert!(w.done("/truth", "").await.items().is_empty(), "about nothing that exists");
}

#[tokio::test]
async fn faults_that_only_this_provider_can_have() {
    let w = World::new().await;
    let id = w.payment("dep_1").await;
    let (session, _) = w.session("dep_2").await;
    w.done("/daimo/faults", r#"{"unknown_words":true}"#).await;
    assert_eq!(w.status(&id).await, "payment_frobnicated");
    assert_eq!(w.status(&session).await, "frobnicated");
    w.done("/daimo/faults", r#"{"unknown_events":true,"bad_signature":true}"#).await;
    w.pay(&id, r#","stage":"seen""#).await;
    let events = w.events().await;
    assert_eq!(text(&events[0].1, "type"), "payment_frobnicated");
    assert_ne!(events[0].0["authorization"].to_str().unwrap(), format!("Basic {}", w.token));
    w.done("/daimo/faults", r#"{"error_rate":1}"#).await;
    assert_eq!(w.payments("GET", &format!("/payment/{id}"), "", "").await.status, 500);
}
