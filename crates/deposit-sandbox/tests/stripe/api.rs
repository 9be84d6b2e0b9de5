//! The API: what is taken, refused, kept and listed.

use deposit_sandbox::Emulator as _;

use crate::world::{BODY, SESSIONS, World, body};

#[tokio::test]
async fn stripe_a_session_is_as_the_dossier_shows() {
    let w = World::new().await;
    let made = w.post(SESSIONS, &body(&[])).await;
    assert_eq!(made.status, 200, "{}", made.text);
    for (path, value) in [
        ("object", "checkout.session"),
        ("amount_total", "2500"),
        ("currency", "usd"),
        ("client_reference_id", "dep_0001"),
        ("customer_details.email", "ana@example.com"),
        ("expires_at", "1790003600"),
        ("created", "1790000000"),
        ("livemode", "false"),
        ("metadata.deposit_id", "dep_0001"),
        ("mode", "payment"),
        ("payment_intent", "null"),
        ("payment_method_types", "[\"card\"]"),
        ("payment_status", "unpaid"),
        ("status", "open"),
        ("success_url", "https://shop.example/return?sid={CHECKOUT_SESSION_ID}"),
        ("ui_mode", "hosted_page"),
        ("adaptive_pricing.enabled", "false"),
    ] {
        assert_eq!(made.at(path), value, "{path}");
    }
    let id = made.at("id");
    assert!(id.starts_with("cs_test_") && id.len() <= 66, "{id}");
    assert_eq!(made.at("url"), format!("{}/stripe/c/pay/{id}#fid0001", w.sandbox.base_url()));
    assert!(made.header("request-id").starts_with("req_"));
    assert_eq!(made.header("stripe-version"), "2026-06-24.dahlia");
    // Brackets may travel encoded.
    let encoded = body(&[]).replace('[', "%5B").replace(']', "%5D");
    assert_eq!(w.post(SESSIONS, &encoded).await.status, 200);
    // Basic with the key as user name is the same as Bearer.
    let url = format!("{}/stripe/v1/balance", w.sandbox.base_url());
    assert_eq!(w.send("GET", &url, &[("authorization", "Basic bm9ib2R5Og==")], "").await.status, 401);
}

#[tokio::test]
async fn stripe_refuses_what_stripe_refuses() {
    let w = World::new().await;
    let e = "invalid_request_error";
    let unit = "line_items[0][price_data][unit_amount]";
    let cases: &[(&[(&str, &str)], String)] = &[
        (&[(unit, "49")], format!("400 {e}/amount_too_small {unit}")),
        (&[(unit, "100000000")], format!("400 {e}/amount_too_large {unit}")),
        (&[(unit, "-1")], format!("400 {e}/parameter_invalid_integer {unit}")),
        (&[(unit, "25.00")], format!("400 {e}/parameter_invalid_integer {unit}")),
        (&[(unit, "")], format!("400 {e}/parameter_missing {unit}")),
        (&[("mode", "")], format!("400 {e}/parameter_missing mode")),
        (&[("mode", "pay")], format!("400 {e}/ mode")),
        (&[("success_url", "")], format!("400 {e}/parameter_missing success_url")),
        (&[("success_url", "/return")], format!("400 {e}/url_invalid success_url")),
        (&[("cancel_url", "nowhere")], format!("400 {e}/url_invalid cancel_url")),
        (&[("customer_email", "ana")], format!("400 {e}/email_invalid customer_email")),
        (&[("expires_at", "1790001799")], format!("400 {e}/ expires_at")),
        (&[("expires_at", "1790086400")], format!("400 {e}/ expires_at")),
        (&[("expires_at", "soon")], format!("400 {e}/parameter_invalid_integer expires_at")),
        (&[("ui_mode", "hosted")], format!("400 {e}/ ui_mode")),
        (&[("payment_method_types[0]", "cash")], format!("400 {e}/ payment_method_types[0]")),
        (
            &[("allowed_payment_method_types[0]", "card")],
            format!("400 {e}/parameter_unknown allowed_payment_method_types"),
        ),
        (&[("line_items[0][quantity]", "")], format!("400 {e}/parameter_missing line_items[0][quantity]")),
        (&[("line_items[0][quantity]", "0")], format!("400 {e}/ line_items[0][quantity]")),
        (
            &[("line_items[0][price_data][currency]", "xxx")],
            format!("400 {e}/ line_items[0][price_data][currency]"),
        ),
        (&[("line_items[0][amount]", "1")], format!("400 {e}/parameter_unknown line_items[0][amount]")),
        (&[("metadata[deposit_id]", ""), ("metadata", "x")], format!("400 {e}/ metadata")),
        (
            &[("payment_intent_data[statement_descriptor]", "X")],
            format!("400 {e}/ payment_intent_data[statement_descriptor]"),
        ),
        (&[("amount", "2500")], format!("400 {e}/parameter_unknown amount")),
        (&[("expand[0]", "secrets")], format!("400 {e}/ expand[0]")),
    ];
    for (changes, refusal) in cases {
        assert_eq!(w.post(SESSIONS, &body(changes)).await.refusal(), *refusal, "{changes:?}");
    }
    let long = "r".repeat(201);
    assert_eq!(w.post(SESSIONS, &body(&[("client_reference_id", &long)])).await.status, 400);
    assert!(w.sandbox.emulators().stripe.truth().is_empty(), "nothing was made");
    for (changes, why) in [
        (&[("expires_at", "1790001800")], "30 minutes"),
        (&[("expires_at", "1790086399")], "just under 24 hours"),
        (&[("metadata[x]", "y")], "metadata"),
    ] {
        assert_eq!(w.post(SESSIONS, &body(changes)).await.status, 200, "{why}");
    }
    let json = w.with("POST", SESSIONS, &[("content-type", "application/json")], "{}").await;
    assert_eq!(json.refusal(), format!("400 {e}/ "));
    assert_eq!(w.get("/v1/checkout/session").await.refusal(), format!("404 {e}/ "));
    let unknown = w.get("/v1/checkout/sessions/cs_test_nobody").await;
    assert_eq!(unknown.refusal(), format!("404 {e}/resource_missing session"));
    let url = format!("{}/stripe{SESSIONS}", w.sandbox.base_url());
    for auth in ["", "Bearer sk_test_nobody", "sk_test_nobody", "Token x"] {
        let reply = w.send("POST", &url, &[("authorization", auth)], &body(&[])).await;
        assert_eq!(reply.refusal(), format!("401 {e}/ "), "{auth}");
        assert!(reply.header("request-id").starts_with("req_"));
    }
}

#[tokio::test]
async fn stripe_the_version_decides_what_is_taken() {
    let w = World::new().await;
    let at = async |version: &str, changes: &[(&str, &str)]| {
        w.with("POST", SESSIONS, &[("stripe-version", version)], &body(changes)).await.status
    };
    assert_eq!(at("2026-09-30.endive", &[]).await, 400, "payment_method_types is gone");
    let allowed = [("payment_method_types[0]", ""), ("allowed_payment_method_types[0]", "card")];
    assert_eq!(at("2026-09-30.endive", &allowed).await, 200);
    assert_eq!(at("2026-06-24.dahlia", &allowed).await, 400);
    assert_eq!(at("2025-03-31.basil", &[("ui_mode", "hosted")]).await, 200);
    assert_eq!(at("2026-03-25.dahlia", &[("ui_mode", "hosted")]).await, 400);
    assert_eq!(at("yesterday", &[]).await, 400);
}

#[tokio::test]
async fn stripe_keeps_the_first_answer_of_a_key() {
    let w = World::new().await;
    let keyed = async |key: &str, path: &str, body: &str| {
        w.with("POST", path, &[("idempotency-key", key)], body).await
    };
    let first = keyed("k1", SESSIONS, &body(&[])).await;
    let again = keyed("k1", SESSIONS, &body(&[])).await;
    assert_eq!((again.status, &again.text), (200, &first.text));
    assert_eq!((again.header("idempotent-replayed"), first.header("idempotent-replayed")), ("true", ""));
    assert_eq!(again.header("original-request"), first.header("request-id"));
    assert_ne!(again.header("request-id"), first.header("request-id"));
    // The order of pairs means nothing; their content does.
    let mut turned: Vec<_> = BODY.iter().rev().map(|(n, v)| format!("{n}={v}")).collect();
    turned.push("expires_at=1790003600".into());
    turned.pop();
    assert_eq!(keyed("k1", SESSIONS, &turned.join("&")).await.text, first.text);
    let moved = keyed("k1", SESSIONS, &body(&[("expires_at", "1790003601")])).await;
    assert_eq!(moved.refusal(), "400 idempotency_error/ ");
    assert_eq!(keyed("k1", "/v1/refunds", "payment_intent=pi_1").await.refusal(), "400 idempotency_error/ ");
    // A refusal before execution is not kept: the same key works with what is right.
    assert_eq!(keyed("k2", SESSIONS, &body(&[("mode", "pay")])).await.status, 400);
    assert_eq!(keyed("k2", SESSIONS, &body(&[])).await.status, 200);
    // One after it began is kept.
    let id = first.at("id");
    w.pay(&id, "confirmed").await;
    let expire = format!("{SESSIONS}/{id}/expire");
    assert_eq!(keyed("k3", &expire, "").await.status, 400);
    assert_eq!(keyed("k3", &expire, "").await.header("idempotent-replayed"), "true");
    w.sandbox.emulators().stripe.hold_key("k4", true);
    assert_eq!(
        keyed("k4", SESSIONS, &body(&[])).await.refusal(),
        "409 idempotency_error/idempotency_key_in_use "
    );
    assert_eq!(w.sandbox.emulators().stripe.truth().len(), 2);
    // A day later the same key is a new request.
    w.sandbox.advance(86_400);
    let later = keyed("k1", SESSIONS, &body(&[("expires_at", "1790090000")])).await;
    assert_ne!(later.at("id"), id);
    assert_eq!(keyed(&"k".repeat(256), SESSIONS, &body(&[])).await.status, 400);
}

#[tokio::test]
async fn stripe_lists_events_newest_first() {
    let w = World::new().await;
    for _ in 0..3 {
        let id = w.session().await;
        w.pay(&id, "confirmed").await;
    }
    let of = async |more: &str| {
        let reply = w.get(&format!("/v1/events?types[0]=checkout.session.completed{more}")).await;
        let ids: Vec<_> = reply
            .json()
            .get("data")
            .unwrap()
            .items()
            .iter()
            .map(|e| e.get("id").unwrap().compact())
            .collect();
        (ids, reply.at("has_more") == "true")
    };
    let (all, more) = of("").await;
    assert_eq!((all.len(), more), (3, false));
    assert_eq!(of("&limit=2").await, (all[..2].to_vec(), true));
    let bare = |n: usize| all[n].trim_matches('"').to_owned();
    assert_eq!(of(&format!("&limit=2&starting_after={}", bare(1))).await, (all[2..].to_vec(), false));
    assert_eq!(of(&format!("&limit=1&ending_before={}", bare(2))).await, (all[1..2].to_vec(), true));
    assert_eq!(of(&format!("&ending_before={}", bare(0))).await, (vec![], false));
    assert_eq!(w.get("/v1/events?ending_before=evt_nobody").await.status, 404);
    assert_eq!(w.get("/v1/events?limit=101").await.status, 400);
    assert_eq!(w.get(&format!("/v1/events/{}", bare(0))).await.at("type"), "checkout.session.completed");
    w.sandbox.advance(31 * 86_400);
    assert_eq!(of("").await.0.len(), 0, "kept for 30 days");
}

#[tokio::test]
async fn stripe_an_endpoint_shows_its_secret_once() {
    let w = World::new().await;
    let body = "url=http://127.0.0.1:9/hook&enabled_events[0]=charge.refunded&api_version=2026-06-24.dahlia";
    let made = w.post("/v1/webhook_endpoints", body).await;
    assert!(made.at("secret").starts_with("whsec_"), "{}", made.text);
    let listed = w.get("/v1/webhook_endpoints").await;
    assert_eq!((listed.at("data.0.id"), listed.at("data.0.secret")), (made.at("id"), "null".into()));
    assert_eq!(w.post("/v1/webhook_endpoints", "url=http://127.0.0.1:9/hook").await.status, 400);
}

#[tokio::test]
async fn stripe_settings_make_a_section() {
    let w = World::new().await;
    let config: toml::Table = w.sandbox.config_toml().parse().unwrap();
    let section = config["providers"]["stripe"].as_table().unwrap();
    let keys: Vec<_> = section.keys().map(String::as_str).collect();
    assert_eq!(keys, ["base_url", "cancel_url", "secret_key", "success_url", "webhook_secret"]);
    for key in ["success_url", "cancel_url"] {
        assert_eq!(
            w.send("GET", section[key].as_str().unwrap().split('?').next().unwrap(), &[], "").await.status,
            200
        );
    }
}
