//! Section 8.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;

use crate::harness::{AT, World};
use crate::row::{Call, Row, Shape, Want, call, error, member, ok, post, row};

fn mac(secret: &str, text: &str) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// A delivery as its provider would sign it.
fn signed(world: &World, provider: &str, body: &str) -> Call {
    let setting = |key: &str| world.sandbox.setting(provider, key).unwrap();
    let to = |path: &str| post(path).anonymous().body(body);
    match provider {
        "btcpay" => to("/webhooks/btcpay")
            .header("btcpay-sig", &format!("sha256={}", mac(&setting("webhook_secret"), body))),
        "stripe" => {
            let signature = mac(&setting("webhook_secret"), &format!("{AT}.{body}"));
            to("/webhooks/stripe").header("stripe-signature", &format!("t={AT},v1={signature}"))
        }
        "daimo" => to("/webhooks/daimo")
            .header("authorization", &format!("Basic {}", setting("webhook_token")))
            .header("idempotency-key", "delivery-1"),
        "nano" => to(&format!("/webhooks/nano?token={}", setting("callback_token"))),
        _ => to(&format!("/webhooks/{provider}")),
    }
}

#[tokio::test]
async fn deliveries() {
    let world = World::start().await;
    let stored = || Want { body: Shape::Text("{}".into()), ..ok() };
    let unsigned = || error(401, "Webhook signature or token missing or wrong", "invalid_signature");
    let unreadable = || error(400, "Webhook body cannot be read", "invalid_webhook");
    let secret = world.sandbox.setting("promptcash", "secret_token").unwrap();
    let block = json!({ "account": "nano_1111111111111111111111111111111111111111111111111111hifc8npp", "hash": "A".repeat(64), "amount": "1", "block": "{\"type\":\"state\",\"link_as_account\":\"nano_1111111111111111111111111111111111111111111111111111hifc8npp\",\"subtype\":\"send\"}", "is_send": "true", "subtype": "send" });
    let bodies = [
        ("btcpay", json!({ "deliveryId": "d1", "originalDeliveryId": "d1", "isRedelivery": false, "webhookId": "w", "type": "InvoiceSettled", "timestamp": AT, "storeId": world.sandbox.setting("btcpay", "store_id").unwrap(), "invoiceId": "nobody-s" }).to_string()),
        ("stripe", json!({ "id": "evt_1", "object": "event", "type": "customer.created", "livemode": false, "created": AT, "data": { "object": { "id": "cus_1", "object": "customer" } } }).to_string()),
        ("daimo", json!({ "type": "payment_completed", "isTestEvent": true, "paymentId": "nobody-s", "chainId": 8453, "txHash": "0x1", "payment": { "id": "nobody-s", "status": "payment_completed", "metadata": {} } }).to_string()),
        ("promptcash", json!({ "token": secret, "payment": { "tx_id": "x", "status": "PAID", "address": "q", "fiat_currency": "USD", "amount_fiat": 1, "crypto_currency": "BCH", "amount_crypto": 1, "created": AT } }).to_string()),
        ("nano", block.to_string()),
    ];
    let mut rows: Vec<Row> = Vec::new();
    let short = json!({ "id": "evt_2", "type": "checkout.session.completed", "data": { "object": { "id": "cs_test_nobody" } } });
    rows.push(row(
        "8 200 {}: a signed event without the members that nobody needs",
        signed(&world, "stripe", &short.to_string()),
        stored(),
    ));
    for (provider, body) in &bodies {
        let path = format!("/webhooks/{provider}");
        let plain = post(path.as_str()).anonymous();
        for _ in 0..3 {
            rows.push(row(
                format!("8 200 {{}} once stored, a repeat too: {provider}"),
                signed(&world, provider, body),
                stored(),
            ));
        }
        // Prompt.Cash's token is in the body.
        let tokenless = body.replace(&secret, "guess");
        rows.push(row(
            format!("8 401 missing signature or token: {provider}"),
            plain.clone().body(tokenless.clone()),
            unsigned(),
        ));
        rows.push(row(
            format!("8 401 missing signature or token, no body: {provider}"),
            plain.clone(),
            unsigned(),
        ));
        rows.push(row(
            format!("8 401: an API key is no signature: {provider}"),
            post(path.as_str()).body(tokenless.clone()),
            unsigned(),
        ));
        let mut wrong = signed(&world, provider, &tokenless);
        if *provider == "nano" {
            wrong.path = "/webhooks/nano?token=guess".into();
        }
        for (_, value) in &mut wrong.headers {
            *value = if *provider == "daimo" {
                "Basic guess".into()
            } else {
                value.replace(|c: char| c.is_ascii_digit(), "0")
            };
        }
        rows.push(row(format!("8 401 wrong signature or token: {provider}"), wrong, unsigned()));
        if matches!(*provider, "btcpay" | "stripe") {
            let mut altered = signed(&world, provider, body);
            altered.body.push(b' ');
            rows.push(row(format!("8 401: a byte more than was signed: {provider}"), altered, unsigned()));
        }
        if *provider != "promptcash" {
            for body in ["", "not json", "[]", "{}"] {
                rows.push(row(
                    format!("8 400 a body that cannot be read: {provider}"),
                    signed(&world, provider, body),
                    unreadable(),
                ));
            }
        }
        let huge = signed(&world, provider, &" ".repeat(1024 * 1024 + 1));
        rows.push(row(
            format!("8 413: {provider}"),
            huge,
            error(413, "Request body too large", "body_too_large"),
        ));
        rows.push(row(
            format!("5 405: {provider}"),
            call("GET", path.as_str()),
            error(405, "Method not allowed", "method_not_allowed").header("allow", "POST"),
        ));
    }
    let token_only = format!(r#"{{"token":"{secret}"}}"#);
    rows.push(row(
        "8 400 a body that cannot be read: promptcash",
        post("/webhooks/promptcash").anonymous().body(token_only),
        unreadable(),
    ));
    for unknown in ["nope", "BTCPAY", "zano", "nanswap", "%ff", "boomfi"] {
        let call = post(format!("/webhooks/{unknown}")).anonymous().body("{}");
        rows.push(row(
            "5 unknown path: no such provider's webhook",
            call,
            error(404, "Not found", "not_found"),
        ));
    }
    world.check(rows).await;
    world.stop().await;
}

/// What a signed message claims and the provider's API does not confirm.
#[tokio::test]
async fn a_signed_lie_credits_nothing() {
    let world = World::start().await;
    let store = world.sandbox.setting("btcpay", "store_id").unwrap();
    let secret = world.sandbox.setting("promptcash", "secret_token").unwrap();
    let (btc, _) = world.created("btc", "0.0004").await;
    let (bch, _) = world.created("bch", "0.05").await;
    let (usd, _) = world.created("usd", "10").await;
    let (usdc, answer) = world.created("usdc", "10").await;
    let invoice = world.order_of(&btc).await["ref"].clone();
    let session = world.order_of(&usd).await["ref"].clone();
    let payment_id = member(&answer, "paymentId");
    let lies = [
        (
            "btcpay",
            json!({ "deliveryId": "lie", "originalDeliveryId": "lie", "isRedelivery": false, "webhookId": "w", "type": "InvoicePaymentSettled", "timestamp": AT, "storeId": store, "invoiceId": invoice, "metadata": { "orderId": btc }, "payment": { "id": "lie", "status": "Settled", "value": "1000" } }),
        ),
        (
            "stripe",
            json!({ "id": "evt_lie", "object": "event", "type": "checkout.session.completed", "livemode": false, "created": AT, "data": { "object": { "id": session, "object": "checkout.session", "payment_status": "paid", "status": "complete", "amount_total": 1000, "currency": "usd", "client_reference_id": usd, "metadata": { "depositId": usd } } } }),
        ),
        (
            "daimo",
            json!({ "type": "payment_completed", "isTestEvent": false, "paymentId": payment_id, "chainId": 8453, "txHash": "0x1", "payment": { "id": payment_id, "status": "payment_completed", "metadata": { "depositId": usdc } } }),
        ),
        (
            "promptcash",
            json!({ "token": secret, "payment": { "tx_id": bch, "status": "PAID", "address": "q", "fiat_currency": "USD", "amount_fiat": 1, "crypto_currency": "BCH", "amount_crypto": 1, "created": AT } }),
        ),
    ];
    for (provider, lie) in lies {
        let reply = world.call(&signed(&world, provider, &lie.to_string())).await;
        crate::row::assert_want(
            &format!("8 stored all the same: {provider}"),
            &reply,
            &Want { body: Shape::Text("{}".into()), ..ok() },
        );
    }
    for _ in 0..4 {
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        world.advance(15).await;
    }
    for (ticker, id) in [("btc", btc), ("bch", bch), ("usd", usd), ("usdc", usdc)] {
        assert_eq!(member(&world.status(ticker, &id).await, "status"), "New", "8 credits nothing: {ticker}");
    }
    assert_eq!(member(&world.balance().await, "usd_balance"), "0", "8 credits nothing");
    world.stop().await;
}
