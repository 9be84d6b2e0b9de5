//! The provider's HTTP surface: rights, refusals, validation, filters, bodies.
#![allow(missing_docs, unreachable_pub, dead_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
use common::{START, World, code, text};
use deposit_sandbox::{Faults, Json};

const CREATE: &str = r#"{"amount":"25.00","currency":"USD","checkout":{"paymentMethods":["BTC"]}}"#;

fn ids(list: &Json) -> Vec<String> {
    list.items().iter().map(|i| text(i, "id")).collect()
}

#[tokio::test]
async fn unauthenticated_is_401() {
    let w = World::new().await;
    let url = format!("{}/btcpay/api/v1/stores/{}/invoices", w.sandbox.base_url(), w.store);
    for auth in [None, Some("token nonsense"), Some("Basic dTpw"), Some("token")] {
        let reply = w.send("GET", &url, auth, None).await.unwrap();
        assert_eq!(code(&reply), (401, "unauthenticated".into()), "{auth:?}");
        assert!(reply.json().get("message").is_some());
    }
    for scheme in ["token", "Token", "bearer", "BEARER"] {
        let auth = format!("{scheme} {}", w.key);
        assert_eq!(w.send("GET", &url, Some(&auth), None).await.unwrap().status, 200, "{scheme}");
    }
}

#[tokio::test]
async fn a_missing_right_is_403_and_names_it() {
    let w = World::new().await;
    let btcpay = &w.sandbox.emulators().btcpay;
    let viewer = btcpay.add_key(&[&format!("btcpay.store.canviewinvoices:{}", w.store)]);
    let elsewhere = btcpay.add_key(&["btcpay.store.cancreateinvoice:another"]);
    let url = format!("{}/btcpay/api/v1/stores/{}/invoices", w.sandbox.base_url(), w.store);
    for key in [&viewer, &elsewhere] {
        let reply = w.send("POST", &url, Some(&format!("token {key}")), Some(CREATE)).await.unwrap();
        assert_eq!(code(&reply), (403, "missing-permission".into()));
        assert_eq!(text(&reply.json(), "missingPermission"), "btcpay.store.cancreateinvoice");
    }
    let reply = w.send("GET", &url, Some(&format!("token {viewer}")), None).await.unwrap();
    assert_eq!(reply.status, 200);
    // A right may contain another.
    let modifier = btcpay.add_key(&["btcpay.store.canmodifyinvoices"]);
    let reply = w.send("GET", &url, Some(&format!("token {modifier}")), None).await.unwrap();
    assert_eq!(reply.status, 200);
    // Another store is out of scope, not unknown.
    let reply = w.api("GET", "/api/v1/stores/another/invoices", None).await;
    assert_eq!(code(&reply), (403, "missing-permission".into()));
}

#[tokio::test]
async fn what_the_configured_key_may_not_do() {
    let w = World::new().await;
    let id = w.invoice("BTC", "25", "USD", "a").await;
    let path = format!("/invoices/{id}/payment-methods?includeSensitive=true");
    let reply = w.store("GET", &path, None).await;
    assert_eq!(text(&reply.json(), "missingPermission"), "btcpay.store.canmodifystoresettings");
}

#[tokio::test]
async fn an_unknown_invoice_is_403_in_its_store_too() {
    let w = World::new().await;
    for (method, rest, body) in [
        ("GET", "", None),
        ("PUT", "", Some("{}")),
        ("DELETE", "", None),
        ("POST", "/unarchive", None),
        ("POST", "/status", Some(r#"{"status":"Invalid"}"#)),
        ("GET", "/payment-methods", None),
        ("POST", "/payment-methods/BTC-CHAIN/activate", None),
    ] {
        let scoped = w.store(method, &format!("/invoices/unknown{rest}"), body).await;
        assert_eq!(code(&scoped), (403, "missing-permission".into()), "{method} {rest}");
        let bare = w.api(method, &format!("/api/v1/invoices/unknown{rest}"), body).await;
        assert_eq!(code(&bare), (403, "missing-permission".into()), "{method} {rest}");
    }
    let id = w.invoice("BTC", "25", "USD", "a").await;
    assert_eq!(w.api("GET", &format!("/api/v1/invoices/{id}"), None).await.json(), w.read(&id).await);
    let lost = w.api("GET", "/api/v1/nothing", None).await;
    assert_eq!((lost.status, lost.bytes.len()), (404, 0));
}

#[tokio::test]
async fn validation_is_422_with_a_bare_array() {
    let w = World::new().await;
    let cases = [
        (r#"{"amount":"-1","currency":"USD"}"#, "Amount"),
        (r#"{"amount":"18446744073709551616","currency":"USD"}"#, "Amount"),
        (r#"{"amount":true}"#, "amount"),
        (r#"{"amount":"ten"}"#, "amount"),
        (r#"{"amount":"1","currency":"NOPE"}"#, "Currency"),
        (r#"{"amount":"1","currency":5}"#, "currency"),
        (r#"{"amount":"1","metadata":[]}"#, "metadata"),
        (r#"{"amount":"1","checkout":"x"}"#, "checkout"),
        (r#"{"amount":"1","checkout":{"paymentMethods":["BTC","BCH"]}}"#, "Checkout.PaymentMethods[1]"),
        (r#"{"amount":"1","checkout":{"paymentMethods":"BTC"}}"#, "checkout.paymentMethods"),
        (r#"{"amount":"1","checkout":{"expirationMinutes":1.5}}"#, "checkout.expirationMinutes"),
        (r#"{"amount":"1","checkout":{"expirationMinutes":0}}"#, "Checkout.ExpirationMinutes"),
        (r#"{"amount":"1","checkout":{"paymentTolerance":101}}"#, "Checkout.PaymentTolerance"),
        (r#"{"amount":"1","checkout":{"speedPolicy":"Warp"}}"#, "checkout.speedPolicy"),
        (r#"{"amount":"1","checkout":{"defaultLanguage":"klingon"}}"#, "Checkout.DefaultLanguage"),
        (r#"{"amount":"1","checkout":{"lazyPaymentMethods":"no"}}"#, "checkout.lazyPaymentMethods"),
        (r#"[]"#, ""),
        (r#"{"amount":"#, ""),
    ];
    for (body, path) in cases {
        let reply = w.store("POST", "/invoices", Some(body)).await;
        assert_eq!(reply.status, 422, "{body}: {}", reply.text());
        let problems = reply.json();
        assert_eq!(problems.items().len(), 1, "{body}: {}", reply.text());
        assert_eq!(text(&problems.items()[0], "path"), path, "{body}");
        assert!(!text(&problems.items()[0], "message").is_empty());
    }
    let unknown = r#"{"amount":"1","checkout":{"paymentMethods":["nope"]}}"#;
    let reply = w.store("POST", "/invoices", Some(unknown)).await;
    assert_eq!(
        reply.text(),
        r#"[{"path":"Checkout.PaymentMethods[0]","message":"Invalid PaymentMethodId"}]"#
    );
    assert!(w.done("/truth", "").await.items().is_empty(), "nothing was made");
}

#[tokio::test]
async fn the_body_has_to_say_that_it_is_json() {
    let w = World::new().await;
    let url = format!("{}/btcpay/api/v1/stores/{}/invoices", w.sandbox.base_url(), w.store);
    let reply = w.send("POST", &url, Some(&format!("token {}", w.key)), None).await.unwrap();
    assert_eq!(reply.status, 415);
}

#[tokio::test]
async fn no_method_left_is_400_with_log_text() {
    let w = World::new().await;
    let generic = |reply: &common::Reply| {
        assert_eq!(code(reply), (400, "generic-error".into()));
        assert!(text(&reply.json(), "message").contains('\n'));
    };
    let dust = r#"{"amount":"0.00000029","currency":"BTC","checkout":{"paymentMethods":["BTC"]}}"#;
    generic(&w.store("POST", "/invoices", Some(dust)).await);
    w.done("/btcpay/faults", r#"{"refuse_methods":["BTC"]}"#).await;
    generic(&w.store("POST", "/invoices", Some(CREATE)).await);
    w.done("/btcpay/faults", r#"{"rates_down":true}"#).await;
    generic(&w.store("POST", "/invoices", Some(CREATE)).await);
    // The price in the coin itself needs no rate.
    let own = r#"{"amount":"0.0005","currency":"BTC","checkout":{"paymentMethods":["BTC"]}}"#;
    let reply = w.store("POST", "/invoices", Some(own)).await;
    assert_eq!(reply.status, 200);
    let id = text(&reply.json(), "id");
    assert_eq!(text(&w.methods(&id).await, "rate"), "1.0");
}

#[tokio::test]
async fn a_method_can_vanish_silently() {
    let w = World::new().await;
    // Dust drops a chain; Lightning stays.
    let body = r#"{"amount":"0.00000020","currency":"BTC","checkout":{"paymentMethods":["BTC","BTC-LN","BTC-LNURL"]}}"#;
    let made = w.store("POST", "/invoices", Some(body)).await.json();
    let listed = made.get("checkout").unwrap().get("paymentMethods").unwrap();
    assert_eq!(listed, &Json::List(vec![Json::text("BTC-LN")]));
    w.sandbox.set_faults("btcpay", Faults { omit_methods: vec!["BTC-CHAIN".into()], ..Faults::default() });
    let made = w.store("POST", "/invoices", Some(CREATE)).await;
    assert_eq!(made.status, 200);
    assert!(made.json().get("checkout").unwrap().get("paymentMethods").unwrap().items().is_empty());
}

#[tokio::test]
async fn the_created_invoice_reads_as_the_dossier_shows() {
    let w = World::new().await;
    let body = r#"{"amount":"25.00","currency":"usd ","metadata":{"orderId":"dep_1","itemDesc":"Balance top-up"},
        "checkout":{"paymentMethods":["BTC_BitcoinLike"],"expirationMinutes":"01:00:00","lazyPaymentMethods":false}}"#;
    let made = w.store("POST", "/invoices", Some(body)).await.json();
    let id = text(&made, "id");
    assert!((21..=22).contains(&id.len()));
    assert!((43..=44).contains(&w.store.len()));
    let expected = format!(
        concat!(
            r#"{{"id":"{id}","storeId":"{store}","amount":"25.00","paidAmount":"0","checkoutLink":"{base}/btcpay/i/{id}","#,
            r#""status":"New","additionalStatus":"None","monitoringExpiration":{monitoring},"expirationTime":{expiration},"#,
            r#""createdTime":{start},"availableStatusesForManualMarking":["Settled","Invalid"],"archived":false,"#,
            r#""paymentMethods":[],"type":"Standard","currency":"USD","#,
            r#""metadata":{{"orderId":"dep_1","itemDesc":"Balance top-up"}},"checkout":{{"speedPolicy":"MediumSpeed","#,
            r#""paymentMethods":["BTC-CHAIN"],"defaultPaymentMethod":null,"expirationMinutes":60,"monitoringMinutes":1440,"#,
            r#""paymentTolerance":0.0,"redirectURL":null,"redirectAutomatically":false,"defaultLanguage":null,"#,
            r#""lazyPaymentMethods":null}},"receipt":{{"enabled":true,"showQR":true,"showPayments":true}}}}"#
        ),
        id = id,
        store = w.store,
        base = w.sandbox.base_url(),
        monitoring = START + 3600 + 86_400,
        expiration = START + 3600,
        start = START,
    );
    assert_eq!(made.compact(), expected);
    assert_eq!(w.read(&id).await, made);
    let page = w.send("GET", &text(&made, "checkoutLink"), None, None).await.unwrap();
    assert!(page.text().contains("bc1q"));
}

#[tokio::test]
async fn payment_methods_read_as_the_dossier_shows() {
    let w = World::new().await;
    w.done("/rates", r#"{"BTC":"64392.23"}"#).await;
    let id = w.invoice("BTC-CHAIN", "25.00", "USD", "dep_1").await;
    w.advance(420).await;
    let payment = w.pay(&id, "0.0002", "seen").await;
    let shown = w.methods(&id).await;
    let address = text(&shown, "destination");
    let expected = format!(
        concat!(
            r#"{{"activated":true,"destination":"{a}","paymentLink":"bitcoin:{a}?amount=0.00018825","rate":"64392.23","#,
            r#""paymentMethodPaid":"0.0002","totalPaid":"0.0002","due":"0.00018825","amount":"0.00038825","#,
            r#""paymentMethodFee":"0","payments":[{{"id":"{p}","receivedDate":{t},"value":"0.0002","fee":"0","#,
            r#""status":"Processing","destination":"{a}"}}],"paymentMethodId":"BTC-CHAIN","additionalData":{{"feeMode":"Never","#,
            r#""paymentMethodFeeRate":0.0,"payjoinEnabled":false,"recommendedFeeRate":141.86,"keyPath":"0/1","#,
            r#""keyIndex":1,"accountDerivation":null}},"currency":"BTC"}}"#
        ),
        a = address,
        p = payment,
        t = START + 420,
    );
    assert_eq!(shown.compact(), expected);
    // The rate is frozen.
    w.done("/rates", r#"{"BTC":"1"}"#).await;
    assert_eq!(text(&w.methods(&id).await, "rate"), "64392.23");
    // The short form, inside the invoice.
    let inside = w.store("GET", &format!("/invoices/{id}?includePaymentMethods=true"), None).await.json();
    assert_eq!(inside.get("paymentMethods").unwrap().items()[0], shown);
    let mweb = w.invoice("LTC-MWEB", "25.00", "USD", "dep_2").await;
    assert_eq!(text(&w.methods(&mweb).await, "currency"), "LTC");
}

#[tokio::test]
async fn lightning_amounts_have_eleven_decimals() {
    let w = World::new().await;
    let id = w.invoice("BTC-LN", "0.00001", "BTC", "dep_1").await;
    w.pay(&id, "0.00001000001", "confirmed").await;
    let shown = w.methods(&id).await;
    assert_eq!(text(&shown, "totalPaid"), "0.00001000001");
    assert_eq!(text(&shown, "due"), "0", "dust");
    assert_eq!(w.state(&id).await, "Settled/None");
    let refused = w.control("/btcpay/pay", &format!(r#"{{"ref":"{id}","amount":"0.000000000001"}}"#)).await;
    assert_eq!(refused.text(), r#"{"error":"amount: more than 11 decimals"}"#);
}

#[tokio::test]
async fn lazy_methods_have_an_address_once_activated() {
    let w = World::new().await;
    let body = r#"{"amount":"1","currency":"USD","checkout":{"paymentMethods":["BTC","XMR"],"lazyPaymentMethods":true}}"#;
    let id = text(&w.store("POST", "/invoices", Some(body)).await.json(), "id");
    let shown = w.methods(&id).await;
    assert_eq!(shown.get("destination"), Some(&Json::Null));
    assert_eq!(
        (shown.get("activated"), text(&shown, "paymentLink")),
        (Some(&Json::Bool(false)), String::new())
    );
    assert_eq!(w.control("/btcpay/pay", &format!(r#"{{"ref":"{id}"}}"#)).await.status, 400);
    let activate = w.store("POST", &format!("/invoices/{id}/payment-methods/btc/activate"), None).await;
    assert_eq!((activate.status, activate.bytes.len()), (200, 0));
    assert!(text(&w.methods(&id).await, "destination").starts_with("bc1q"));
    let missing = w.store("POST", &format!("/invoices/{id}/payment-methods/DOGE/activate"), None).await;
    assert_eq!(missing.status, 404);
}

#[tokio::test]
async fn list_filters() {
    let w = World::new().await;
    let a = w.invoice("BTC", "1", "USD", "alpha").await;
    w.advance(100).await;
    let b = w.invoice("BTC", "1", "USD", "beta").await;
    let b2 = w.invoice("BTC", "2", "USD", "beta").await;
    w.advance(100).await;
    let c = w.invoice("LTC", "1", "USD", "gamma").await;
    w.play(&c, "expire").await;
    let list = async |query: &str| ids(&w.store("GET", &format!("/invoices{query}"), None).await.json());
    let address = text(&w.methods(&a).await, "destination");
    assert_eq!(list("").await, [&*c, &b2, &b, &a]);
    assert_eq!(list("?orderId=beta").await, [&*b2, &b]);
    assert_eq!(list("?orderId=beta&orderId=alpha").await, [&*b2, &b, &a]);
    assert_eq!(list("?orderId=bet").await, Vec::<String>::new());
    assert_eq!(list("?status=expired").await, [&*c]);
    assert_eq!(list("?status=New&status=Expired&skip=1&take=2").await, [&*b2, &b]);
    assert_eq!(list("?textSearch=gam").await, [&*c]);
    assert_eq!(list(&format!("?textSearch={address}")).await, [&*a]);
    assert_eq!(list(&format!("?startDate={}&endDate={}", START + 100, START + 100)).await, [&*b2, &b]);
    for bad in ["?startDate=9&endDate=8", "?status=Nope", "?take=x", "?skip=-1", "?includeArchived=perhaps"] {
        assert_eq!(w.store("GET", &format!("/invoices{bad}"), None).await.status, 422, "{bad}");
    }
    let long = format!("/invoices?textSearch={}", "x".repeat(513));
    assert_eq!(w.store("GET", &long, None).await.status, 422);
    let full = w.store("GET", "/invoices?orderId=alpha&includePaymentMethods=true", None).await.json();
    assert_eq!(text(&full.items()[0].get("paymentMethods").unwrap().items()[0], "destination"), address);
}

#[tokio::test]
async fn archive_hides_and_unarchive_shows() {
    let w = World::new().await;
    let id = w.invoice("BTC", "1", "USD", "a").await;
    let path = format!("/invoices/{id}");
    assert_eq!(w.store("DELETE", &path, None).await.bytes.len(), 0);
    assert!(w.store("GET", "/invoices", None).await.json().items().is_empty());
    assert_eq!(w.store("GET", "/invoices?includeArchived=true", None).await.json().items().len(), 1);
    w.pay(&id, "", "confirmed").await;
    assert_eq!(w.state(&id).await, "Settled/None", "payments are still accepted");
    assert_eq!(w.store("POST", &format!("{path}/unarchive"), None).await.status, 200);
    let again = w.store("POST", &format!("{path}/unarchive"), None).await;
    assert_eq!(code(&again), (400, "already-unarchived".into()));
}

#[tokio::test]
async fn metadata_is_replaced_and_tells_in_later_webhooks() {
    let w = World::new().await;
    let id = w.invoice("BTC", "1", "USD", "a").await;
    w.events().await;
    let path = format!("/invoices/{id}");
    let updated = w.store("PUT", &path, Some(r#"{"metadata":{"orderId":"b","big":1e400}}"#)).await.json();
    assert_eq!(updated.get("metadata").unwrap().compact(), r#"{"orderId":"b","big":1e400}"#);
    w.pay("b", "", "seen").await;
    w.sandbox.webhooks_idle().await;
    assert_eq!(text(w.gateway.all()[0].body.get("metadata").unwrap(), "orderId"), "b");
}

#[tokio::test]
async fn rates_health_and_server_information() {
    let w = World::new().await;
    let rates = async |query: &str| w.store("GET", &format!("/rates{query}"), None).await.text();
    w.done("/rates", r#"{"BTC":"50000.50","EUR":1.25}"#).await;
    assert_eq!(rates("").await, "[]");
    let expected = concat!(
        r#"[{"currencyPair":"BTC_USD","errors":[],"rate":"50000.5"},{"currencyPair":"BTC_EUR","errors":[],"rate":"40000.4"},"#,
        r#"{"currencyPair":"LTC_LTC","errors":[],"rate":"1.0"}]"#
    );
    assert_eq!(rates("?currencyPair=BTC_USD&currencyPair=btc_eur&currencyPair=LTC_LTC").await, expected);
    assert_eq!(
        rates("?currencyPair=BTCUSD&currencyPair=BTC_USD").await,
        "[]",
        "malformed: all after it go too"
    );
    w.done("/btcpay/faults", r#"{"rates_down":true,"not_synchronized":true}"#).await;
    assert!(rates("?currencyPair=BTC_USD").await.ends_with(r#""rate":null}]"#));
    let health = format!("{}/btcpay/api/v1/health", w.sandbox.base_url());
    assert_eq!(w.send("GET", &health, None, None).await.unwrap().text(), r#"{"synchronized":false}"#);
    let info = w.api("GET", "/api/v1/server/info", None).await.json();
    assert_eq!(info.get("supportedPaymentMethods").unwrap().items().len(), 8);
    assert_eq!(info.get("fullySynched"), Some(&Json::Bool(false)));
    let methods = w.store("GET", "/payment-methods", None).await.json();
    let first = r#"{"paymentMethodId":"BTC-CHAIN","enabled":true}"#;
    assert_eq!(methods.items()[0].compact(), first);
    assert_eq!(methods.items().len(), 8);
}
