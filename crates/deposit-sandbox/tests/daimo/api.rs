//! Requests, refusals, states and webhooks.

use deposit_sandbox::Json;
use hmac::{Hmac, KeyInit as _, Mac as _};

use crate::world::{START, TREASURY, USDC, World, at, payment, session, text};

#[tokio::test]
async fn the_config_is_a_section_of_the_gateway_s() {
    let w = World::new().await;
    let config: toml::Table = w.sandbox.config_toml().parse().unwrap();
    let daimo = config["providers"]["daimo"].as_table().unwrap();
    let keys: Vec<_> = daimo.keys().map(String::as_str).collect();
    let mut wanted = ["api", "api_key", "base_url", "destination_address", "refund_address", "webhook_token"];
    wanted.sort_unstable();
    assert_eq!(keys, wanted);
    assert_eq!(daimo["base_url"].as_str(), Some(w.url("").as_str()));
    assert_eq!(daimo["api"].as_str(), Some("payments"));
    assert_ne!(daimo["refund_address"], daimo["destination_address"]);
}

#[tokio::test]
async fn a_payment_is_created_once_under_its_key() {
    let w = World::new().await;
    let body = payment("dep_1", "10.00");
    let first = w.payments("POST", "/payment", "key-1", &body).await;
    let json = first.json();
    assert_eq!((first.status, text(&json, "payment.status")), (200, "payment_unpaid".into()));
    let id = text(&json, "id");
    assert_eq!(text(&json, "url"), w.url(&format!("/checkout?id={id}")));
    // A text in the answer, though a number in the request; without trailing zeros.
    assert_eq!(text(&json, "payment.destination.chainId"), "8453");
    assert_eq!(text(&json, "payment.destination.amountUnits"), "10");
    assert_eq!(text(&json, "payment.destination.callData"), "0x");
    assert_eq!(text(&json, "payment.createdAt"), START.to_string());
    assert_eq!(text(&json, "payment.display.paymentValue"), "10.00");
    assert!(at(&json, "payment.source").is_null());

    w.pay(&id, "").await;
    let again = w.payments("POST", "/payment", "key-1", &body).await;
    assert_eq!((again.status, &again.text), (200, &first.text), "the first answer again");
    let other = w.payments("POST", "/payment", "key-1", &payment("dep_1", "11")).await;
    assert_eq!(other.status, 409);
    assert_eq!(w.payments("POST", "/payment", "key-2", &body).await.status, 409, "its external id is taken");
    assert_eq!(w.payments("POST", "/payment", "", &payment("dep_2", "1")).await.status, 200, "without a key");

    let by_id = w.payments("GET", &format!("/payment/{id}"), "", "").await.json();
    assert_eq!(text(&by_id, "status"), "payment_completed");
    let wrapped = w.payments("GET", "/payment/external-id/dep_1", "", "").await.json();
    assert_eq!(at(&wrapped, "payment"), by_id);
    for unknown in ["/payment/7Nobody", "/payment/external-id/dep_9"] {
        let reply = w.payments("GET", unknown, "", "").await;
        assert_eq!((reply.status, text(&reply.json(), "error")), (404, "Payment not found".into()));
    }
}

#[tokio::test]
async fn what_the_real_one_refuses() {
    let w = World::new().await;
    let long = "x".repeat(501);
    let cases = [
        (r#""amountUnits":"10.00""#, r#""amountUnits":10"#, "destination.amountUnits"),
        (r#""amountUnits":"10.00""#, r#""amountUnits":"0""#, "destination.amountUnits"),
        (r#""amountUnits":"10.00""#, r#""amountUnits":"-1""#, "destination.amountUnits"),
        (r#""amountUnits":"10.00""#, r#""amountUnits":"1e1""#, "destination.amountUnits"),
        (r#""amountUnits":"10.00""#, r#""amountUnits":"0.0000001""#, "destination.amountUnits"),
        (r#""amountUnits":"10.00""#, r#""amountUnits":"ten""#, "destination.amountUnits"),
        (r#""chainId":8453"#, r#""chainId":"8453""#, "destination.chainId"),
        (r#""chainId":8453"#, r#""chainId":501"#, "destination.chainId"),
        (r#""chainId":8453"#, r#""chainId":10"#, "destination.tokenAddress"),
        (USDC, "0x833589FCD6eDb6E08f4c7C32D4f71b54bdA02913", "destination.tokenAddress"),
    ];
    let both = [
        (r#""metadata":{"depositId":"dep_1"}"#, r#""metadata":{"n":1}"#, "metadata.n"),
        (r#""metadata":{"depositId":"dep_1"}"#, r#""metadata":[]"#, "metadata"),
    ];
    let too_long = format!(r#""metadata":{{"n":"{long}"}}"#);
    let more = [(r#""metadata":{"depositId":"dep_1"}"#, too_long.as_str(), "metadata.n")];
    for (from, to, param) in cases.iter().chain(&both).chain(&more) {
        let body = payment("dep_1", "10.00").replacen(from, to, 1);
        let reply = w.payments("POST", "/payment", "", &body).await;
        assert_eq!(reply.status, 400, "{to}");
        let error = text(&reply.json(), "error");
        assert!(error.starts_with(&format!("{param}:")), "{to}: {error}");

        let body = session("dep_1", "\"10.00\"").replacen(from, to, 1);
        let reply = w.sessions("POST", "/sessions", &body).await;
        assert_eq!(
            (reply.status, text(&reply.json(), "error.type")),
            (400, "validation_error".into()),
            "{to}"
        );
        assert_eq!(text(&reply.json(), "error.param"), *param, "{to}");
    }
    for (path, body, param) in [
        ("/payment", payment("d", "1").replace("\"intent\"", "\"title\""), "display.intent"),
        ("/payment", payment("d", "1").replace(TREASURY, "0x00"), "destination.destinationAddress"),
        ("/payment", payment("d", "1").replace(r#""externalId":"d""#, r#""externalId":1"#), "externalId"),
        (
            "/payment",
            payment("d", "1").replace(r#"{"intent""#, r#"{"redirectUri":"x","intent""#),
            "display.redirectUri",
        ),
        (
            "/payment",
            payment("d", "1").replace(r#"{"intent""#, r#"{"preferredTokens":[{}],"intent""#),
            "display.preferredTokens",
        ),
        (
            "/payment",
            payment("d", "1").replace(r#"{"intent""#, r#"{"paymentOptions":[1],"intent""#),
            "display.paymentOptions",
        ),
        ("/payment", "[]".to_owned(), "body"),
        ("/payment", "{".to_owned(), "body"),
    ] {
        let reply = w.payments("POST", path, "", &body).await;
        assert_eq!(reply.status, 400, "{body}");
        assert!(text(&reply.json(), "error").starts_with(&format!("{param}:")), "{}", reply.text);
    }
    assert!(w.done("/truth", "").await.items().is_empty(), "nothing was created");
}

#[tokio::test]
async fn each_generation_has_its_own_header_for_the_key() {
    let w = World::new().await;
    let bearer = format!("Bearer {}", w.key);
    let basic = format!("Basic {}", w.key);
    for (path, headers) in [
        ("/api/payment", vec![]),
        ("/api/payment", vec![("Api-Key", "nobody")]),
        ("/api/payment", vec![("Authorization", bearer.as_str())]),
        ("/v1/sessions", vec![]),
        ("/v1/sessions", vec![("Authorization", "Bearer nobody")]),
        ("/v1/sessions", vec![("Authorization", basic.as_str())]),
        ("/v1/sessions", vec![("Api-Key", w.key.as_str())]),
        ("/api/webhook", vec![]),
        ("/v1/webhooks", vec![]),
    ] {
        let reply = w.send("POST", &w.url(path), &headers, "{}").await;
        assert_eq!(reply.status, 401, "{path} {headers:?}");
        assert!(!at(&reply.json(), "error").is_null());
    }
}

#[tokio::test]
async fn a_payment_s_way_and_its_webhooks() {
    let w = World::new().await;
    let id = w.payment("dep_1").await;
    assert_eq!(w.pay("dep_1", r#","stage":"seen","ticker":"ETH""#).await.status, 200);
    assert_eq!(w.status(&id).await, "payment_started");
    let reply = w.pay("dep_1", &format!(r#","payment":"{id}","stage":"confirmed""#)).await;
    assert_eq!(text(&reply.json(), "payment"), id);
    assert_eq!(w.status(&id).await, "payment_completed");
    let events = w.events().await;
    assert_eq!(events.len(), 2);
    let mut ids = Vec::new();
    for (headers, body) in &events {
        assert_eq!(headers["authorization"].to_str().unwrap(), format!("Basic {}", w.token), "as it is");
        ids.push(headers["idempotency-key"].to_str().unwrap().to_owned());
        assert_eq!((text(body, "paymentId"), text(body, "payment.id")), (id.clone(), id.clone()));
        assert_eq!(text(body, "type"), text(body, "payment.status"));
    }
    assert_ne!(ids[0], ids[1]);
    let chain = |n: usize, path: &str| at(&events[n].1, path);
    // The payer's chain first, then the destination's; numbers here, texts inside.
    assert_eq!((chain(0, "chainId"), chain(1, "chainId")), (Json::int(1), Json::int(8453)));
    assert_eq!(text(&events[0].1, "payment.source.chainId"), "1");
    assert_eq!(text(&events[0].1, "payment.source.amountUnits"), "0.004", "ten dollars of ETH");

    assert_eq!(w.play("dep_1", "refund").await.status, 200);
    let events = w.events().await;
    assert_eq!(text(&events[0].1, "type"), "payment_refunded");
    assert_eq!(text(&events[0].1, "amountUnits"), "10");
    w.done("/daimo/redeliver", r#"{"ref":"dep_1"}"#).await;
    let again: Vec<_> = w.events().await;
    let back: Vec<_> = again.iter().map(|(h, _)| h["idempotency-key"].to_str().unwrap().to_owned()).collect();
    assert_eq!((back.len(), &back[..2]), (3, &ids[..]), "under the ids that they had");
}

#[tokio::test]
async fn who_pays_from_an_exchange_is_not_told() {
    let w = World::new().await;
    let id = w.payment("dep_1").await;
    w.pay(&id, r#","ticker":"USDT""#).await;
    let read = w.payments("GET", &format!("/payment/{id}"), "", "").await.json();
    assert!(at(&read, "source.payerAddress").is_null() && at(&read, "source.txHash").is_null());
    let id = w.payment("dep_2").await;
    w.pay(&id, r#","ticker":"SOL""#).await;
    let read = w.payments("GET", &format!("/payment/{id}"), "", "").await.json();
    assert_eq!(text(&read, "source.chainId"), "501");
    assert!(!text(&read, "source.payerAddress").starts_with("0x"));
}

#[tokio::test]
async fn a_session_s_way_and_its_webhooks() {
    let w = World::new().await;
    let (id, secret) = w.session("dep_1").await;
    assert_eq!(w.status(&id).await, "requires_payment_method");
    let public = w.send("GET", &w.url(&format!("/v1/sessions/{id}")), &[], "").await;
    assert!(public.headers.contains_key("request-id"));
    let shown = at(&public.json(), "session");
    assert!(shown.get("metadata").is_none() && shown.get("clientSecret").is_none());
    let path = w.url(&format!("/v1/sessions/{id}/paymentMethods"));
    for (body, status) in [
        (r#"{"clientSecret":"wrong","paymentMethod":{"type":"evm"}}"#.to_owned(), 401),
        (r#"{"paymentMethod":{"type":"evm"}}"#.to_owned(), 400),
        (format!(r#"{{"clientSecret":"{secret}","paymentMethod":{{"type":"tron"}}}}"#), 400),
        (format!(r#"{{"clientSecret":"{secret}","paymentMethod":{{"type":"tron","amountUsd":10}}}}"#), 200),
        (format!(r#"{{"clientSecret":"{secret}","paymentMethod":{{"type":"evm"}}}}"#), 200),
    ] {
        assert_eq!(w.send("POST", &path, &[], &body).await.status, status, "{body}");
    }
    assert_eq!(w.status(&id).await, "waiting_payment");
    let to = text(&w.truth(&id).await, "address");
    w.pay(&to, r#","stage":"seen""#).await;
    assert_eq!(w.status(&id).await, "processing");
    w.pay(&id, &format!(r#","payment":"{id}""#)).await;
    let read = w.sessions("GET", &format!("/sessions/{id}"), "").await.json();
    assert_eq!(text(&read, "session.status"), "succeeded");
    assert_eq!(text(&read, "session.destination.delivery.receivedUnits"), "10");
    assert_eq!(at(&read, "session.expiresAt"), Json::int(START + 3_600));

    w.sandbox.webhooks_idle().await;
    let got: Vec<_> = w.got.lock().unwrap().drain(..).collect();
    let kinds: Vec<_> = got.iter().map(|(_, body)| text(&Json::parse(body).unwrap(), "type")).collect();
    assert_eq!(kinds, ["session.processing", "session.succeeded"]);
    for (headers, body) in &got {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(w.token.as_bytes()).unwrap();
        mac.update(format!("{START}.").as_bytes());
        mac.update(body);
        let right = format!("t={START},v1={}", hex::encode(mac.finalize().into_bytes()));
        assert_eq!(headers["daimo-signature"].to_str().unwrap(), right);
        let body = Json::parse(body).unwrap();
        assert_eq!(text(&body, "data.session.sessionId"), id);
        assert!(at(&body, "data.session.clientSecret").is_null());
        assert!(!at(&body, "data.session.metadata").is_null());
    }
}

#[tokio::test]
async fn a_session_expires_and_nobody_is_told() {
    let w = World::new().await;
    let (id, _) = w.session("dep_1").await;
    w.done("/clock", r#"{"advance_seconds":3599}"#).await;
    assert_eq!(w.status(&id).await, "requires_payment_method");
    w.done("/clock", r#"{"advance_seconds":1}"#).await;
    assert_eq!(w.status(&id).await, "expired");
    assert!(w.kinds().await.is_empty());
    let late = w.pay(&id, "").await;
    assert_eq!(late.status, 400);
    assert_eq!(text(&late.json(), "error"), "ref: the order is expired and takes no payment");
    // Payments do not.
    let payment = w.payment("dep_2").await;
    w.done("/clock", r#"{"advance_seconds":86400}"#).await;
    assert_eq!(w.status(&payment).await, "payment_unpaid");
}

#[tokio::test]
async fn a_bounce_shows_the_refund_as_a_delivery() {
    let w = World::new().await;
    let (id, _) = w.session("dep_1").await;
    let played = w.play(&id, "fail").await.json();
    assert_eq!(text(&played.get("payments").unwrap().items()[0], "stage"), "withdrawn");
    let read = w.sessions("GET", &format!("/sessions/{id}"), "").await.json();
    assert_eq!(text(&read, "session.status"), "bounced");
    assert_eq!(text(&read, "session.destination.delivery.receivedUnits"), "10");
    assert_eq!(w.kinds().await, ["session.processing", "session.bounced"]);
    let payment = w.payment("dep_2").await;
    w.play(&payment, "fail").await;
    assert_eq!(w.status(&payment).await, "payment_bounced");
    w.play(&payment, "refund").await;
    assert_eq!(w.status(&payment).await, "payment_refunded");
    let truth = w.truth(&payment).await;
    let payment = &truth.get("payments").unwrap().items()[0];
    assert_eq!((text(payment, "stage"), text(payment, "confirmed")), ("withdrawn".into(), "0".into()));
}
