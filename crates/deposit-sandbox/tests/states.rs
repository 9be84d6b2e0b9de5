//! Every row of the state machine (dossier section 10), and money on its way.
#![allow(missing_docs, unreachable_pub, dead_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod common;
use common::{World, text};
use deposit_sandbox::Json;

const ALL: [&str; 8] =
    ["BTC-CHAIN", "BTC-LN", "LTC-CHAIN", "LTC-MWEB", "XMR-CHAIN", "DOGE-CHAIN", "DASH-CHAIN", "ZEC-CHAIN"];

#[tokio::test]
async fn row_1_create() {
    let w = World::new().await;
    let id = w.invoice("BTC-CHAIN", "25.00", "USD", "dep_1").await;
    assert_eq!(w.state(&id).await, "New/None");
    assert_eq!(w.events().await, ["InvoiceCreated"]);
}

#[tokio::test]
async fn rows_2_and_3_and_4_part_then_full_then_confirmed() {
    let w = World::new().await;
    let id = w.invoice("BTC-CHAIN", "0.001", "BTC", "dep_1").await;
    w.events().await;
    let first = w.pay(&id, "0.0004", "seen").await;
    assert_eq!(w.state(&id).await, "New/PaidPartial");
    assert_eq!(w.events().await, ["InvoiceReceivedPayment"]);
    let second = w.pay(&id, "", "seen").await;
    assert_eq!(w.state(&id).await, "Processing/None");
    assert_eq!(w.events().await, ["InvoiceReceivedPayment", "InvoiceProcessing"]);
    w.confirm(&id, &first).await;
    assert_eq!(w.state(&id).await, "Processing/None");
    assert_eq!(w.events().await, ["InvoicePaymentSettled"]);
    w.confirm(&id, &second).await;
    assert_eq!(w.state(&id).await, "Settled/None");
    assert_eq!(w.events().await, ["InvoicePaymentSettled", "InvoiceSettled"]);
    assert_eq!(text(&w.read(&id).await, "paidAmount"), "0.00100");
}

#[tokio::test]
async fn row_3_and_5_over() {
    let w = World::new().await;
    let id = w.invoice("BTC-CHAIN", "0.001", "BTC", "dep_1").await;
    let first = w.pay(&id, "", "seen").await;
    w.events().await;
    let second = w.pay(&id, "0.0005", "seen").await;
    assert_eq!(w.state(&id).await, "Processing/PaidOver");
    assert_eq!(w.events().await, ["InvoiceReceivedPayment"]);
    assert_eq!(text(&w.methods(&id).await, "due"), "-0.0005");
    w.confirm(&id, &first).await;
    w.sandbox.webhooks_idle().await;
    let settled = w.gateway.all().into_iter().find(|g| g.kind() == "InvoiceSettled").unwrap();
    assert_eq!(settled.body.get("overPaid"), Some(&Json::Bool(true)));
    assert_eq!(w.state(&id).await, "Settled/PaidOver");
    w.confirm(&id, &second).await;
    assert_eq!(w.state(&id).await, "Settled/PaidOver");
}

#[tokio::test]
async fn row_6_a_replaced_payment_goes_back_without_a_webhook() {
    let w = World::new().await;
    let id = w.invoice("BTC-CHAIN", "0.001", "BTC", "dep_1").await;
    w.pay(&id, "", "seen").await;
    w.events().await;
    let played = w.play(&id, "replace").await;
    assert_eq!(text(&played.get("payments").unwrap().items()[0], "stage"), "withdrawn");
    assert_eq!(w.state(&id).await, "New/None");
    assert!(w.events().await.is_empty());
    // Hidden unless asked for.
    let path = format!("/invoices/{id}/payment-methods");
    let shown = w.store("GET", &path, None).await.json().items()[0].clone();
    assert!(shown.get("payments").unwrap().items().is_empty());
    let payments = w.methods(&id).await.get("payments").unwrap().clone();
    assert_eq!(text(&payments.items()[0], "status"), "Invalid");
    let truth = w.truth(&id).await;
    let payment = &truth.get("payments").unwrap().items()[0];
    assert_eq!((text(payment, "confirmed"), text(payment, "reversed")), ("0".into(), "0".into()));
}

#[tokio::test]
async fn row_7_expires_one_second_after_its_time() {
    let w = World::new().await;
    let id = w.invoice("BTC-CHAIN", "0.001", "BTC", "dep_1").await;
    w.events().await;
    w.advance(3600).await;
    assert_eq!(w.state(&id).await, "New/None");
    w.advance(1).await;
    assert_eq!(w.state(&id).await, "Expired/None");
    w.sandbox.webhooks_idle().await;
    assert_eq!(w.gateway.all()[0].body.get("partiallyPaid"), Some(&Json::Bool(false)));
    assert_eq!(w.events().await, ["InvoiceExpired"]);
}

#[tokio::test]
async fn row_8_expires_part_paid() {
    let w = World::new().await;
    let id = w.invoice("BTC-CHAIN", "0.001", "BTC", "dep_1").await;
    w.pay(&id, "0.0001", "seen").await;
    w.events().await;
    w.advance(3601).await;
    assert_eq!(w.state(&id).await, "Expired/PaidPartial");
    w.sandbox.webhooks_idle().await;
    assert_eq!(w.gateway.all()[0].body.get("partiallyPaid"), Some(&Json::Bool(true)));
    assert_eq!(w.events().await, ["InvoiceExpired", "InvoiceExpiredPaidPartial"]);
}

#[tokio::test]
async fn rows_9_10_and_11_late() {
    let w = World::new().await;
    let id = w.invoice("BTC-CHAIN", "0.001", "BTC", "dep_1").await;
    w.play(&id, "expire").await;
    w.events().await;
    w.pay(&id, "0.0004", "seen").await;
    assert_eq!(w.state(&id).await, "Expired/PaidPartial");
    assert_eq!(w.events().await, ["InvoiceReceivedPayment"]);
    let rest = w.pay(&id, "0.001", "seen").await;
    assert_eq!(w.state(&id).await, "Expired/PaidLate", "late and over is late");
    w.sandbox.webhooks_idle().await;
    assert_eq!(w.gateway.all()[0].body.get("afterExpiration"), Some(&Json::Bool(true)));
    assert_eq!(w.events().await, ["InvoiceReceivedPayment", "InvoicePaidAfterExpiration"]);
    w.confirm(&id, &rest).await;
    assert_eq!(w.state(&id).await, "Expired/PaidLate");
    assert_eq!(w.events().await, ["InvoicePaymentSettled"]);
}

#[tokio::test]
async fn a_payment_seen_in_time_is_safe_from_expiry() {
    let w = World::new().await;
    let id = w.invoice("BTC-CHAIN", "0.001", "BTC", "dep_1").await;
    w.advance(3600).await;
    let payment = w.pay(&id, "", "seen").await;
    w.advance(3600).await;
    assert_eq!(w.state(&id).await, "Processing/None");
    w.confirm(&id, &payment).await;
    assert_eq!(w.state(&id).await, "Settled/None");
}

#[tokio::test]
async fn rows_12_and_13_not_confirmed_in_time() {
    let w = World::new().await;
    let id = w.invoice("BTC-CHAIN", "0.001", "BTC", "dep_1").await;
    let payment = w.pay(&id, "", "seen").await;
    w.events().await;
    w.advance(3600 + 86_400).await;
    assert_eq!(w.state(&id).await, "Processing/None");
    w.advance(1).await;
    assert_eq!(w.state(&id).await, "Invalid/None");
    w.sandbox.webhooks_idle().await;
    assert_eq!(w.gateway.all()[0].body.get("manuallyMarked"), Some(&Json::Bool(false)));
    assert_eq!(w.events().await, ["InvoiceInvalid"]);
    w.confirm(&id, &payment).await;
    assert_eq!(w.state(&id).await, "Invalid/None");
    w.sandbox.webhooks_idle().await;
    assert_eq!(w.gateway.all()[0].body.get("afterExpiration"), Some(&Json::Bool(true)));
    assert_eq!(w.events().await, ["InvoicePaymentSettled"]);
}

#[tokio::test]
async fn row_14_more_money_on_a_settled_invoice_changes_nothing() {
    let w = World::new().await;
    let id = w.invoice("BTC-CHAIN", "0.001", "BTC", "dep_1").await;
    w.pay(&id, "", "confirmed").await;
    w.events().await;
    w.pay(&id, "0.002", "confirmed").await;
    assert_eq!(w.state(&id).await, "Settled/None");
    w.sandbox.webhooks_idle().await;
    assert!(w.gateway.all().iter().all(|g| g.body.get("afterExpiration") == Some(&Json::Bool(false))));
    assert_eq!(w.events().await, ["InvoiceReceivedPayment", "InvoicePaymentSettled"]);
    assert_eq!(text(&w.read(&id).await, "paidAmount"), "0.0030");
}

#[tokio::test]
async fn rows_15_and_16_marked_by_hand() {
    let w = World::new().await;
    let mark = async |id: &str, word: &str| {
        w.store("POST", &format!("/invoices/{id}/status"), Some(&format!(r#"{{"status":"{word}"}}"#)))
            .await
            .status
    };
    for setup in ["", "seen", "expire", "fail"] {
        let id = w.invoice("BTC-CHAIN", "0.001", "BTC", "dep_1").await;
        match setup {
            "seen" => _ = w.pay(&id, "", "seen").await,
            "" => {}
            scenario => _ = w.play(&id, scenario).await,
        }
        w.events().await;
        assert_eq!(mark(&id, "settled").await, 200, "{setup}");
        assert_eq!(w.state(&id).await, "Settled/Marked");
        assert_eq!(w.events().await, ["InvoiceSettled"]);
        assert_eq!(mark(&id, "Invalid").await, 200);
        assert_eq!(w.state(&id).await, "Invalid/Marked");
        w.sandbox.webhooks_idle().await;
        assert_eq!(w.gateway.all()[0].body.get("manuallyMarked"), Some(&Json::Bool(true)));
        assert_eq!(w.events().await, ["InvoiceInvalid"]);
    }
    let paid = w.invoice("BTC-CHAIN", "0.001", "BTC", "dep_1").await;
    w.pay(&paid, "", "confirmed").await;
    assert!(w.read(&paid).await.get("availableStatusesForManualMarking").unwrap().items().is_empty());
    assert_eq!(mark(&paid, "Invalid").await, 422);
    assert_eq!(mark(&paid, "New").await, 422);
    assert_eq!(mark(&paid, "Nonsense").await, 422);
    assert_eq!(w.state(&paid).await, "Settled/None");
}

#[tokio::test]
async fn row_17_lightning_settles_in_one_step_and_in_its_own_order() {
    let w = World::new().await;
    let id = w.invoice("BTC-LN", "0.001", "BTC", "dep_1").await;
    w.events().await;
    w.pay(&id, "", "seen").await;
    assert_eq!(w.state(&id).await, "Settled/None");
    assert_eq!(
        w.events().await,
        ["InvoicePaymentSettled", "InvoiceReceivedPayment", "InvoiceProcessing", "InvoiceSettled"]
    );
}

#[tokio::test]
async fn after_a_part_payment_some_methods_show_a_new_address() {
    let w = World::new().await;
    for method in ALL {
        let id = w.invoice(method, "10", "USD", "dep_1").await;
        let before = w.methods(&id).await;
        w.play(&id, "partial").await;
        let after = w.methods(&id).await;
        let changes = matches!(method, "XMR-CHAIN" | "ZEC-CHAIN" | "BTC-LN");
        assert_eq!(text(&before, "destination") != text(&after, "destination"), changes, "{method}");
        // The old address still counts.
        let old = text(&before, "destination");
        w.pay(&old, "", "confirmed").await;
        if method == "XMR-CHAIN" {
            // The plugin asks for a fee for each payment on top: all that was asked for is not enough for it.
            assert_eq!(w.state(&id).await, "New/PaidPartial");
            continue;
        }
        assert_eq!(w.state(&id).await, "Settled/None", "{method}");
        let payments = w.methods(&id).await.get("payments").unwrap().clone();
        assert_eq!(text(&payments.items()[1], "destination"), old);
        let full = w.methods(&id).await;
        assert_eq!(
            text(&full, "destination"),
            text(&after, "destination"),
            "{method}: none after it is paid"
        );
        assert!(text(&full, "due").trim_matches(['0', '.']).is_empty());
    }
}

#[tokio::test]
async fn payment_ids_are_those_of_the_coin() {
    let w = World::new().await;
    for method in ALL {
        let id = w.invoice(method, "10", "USD", "dep_1").await;
        w.play(&id, "partial").await;
        let payment = w.pay(&id, "", "confirmed").await;
        let hex = |s: &str| s.len() == 64 && s.bytes().all(|b| b.is_ascii_hexdigit());
        let fine = match method {
            "BTC-LN" | "LTC-MWEB" => hex(&payment),
            "XMR-CHAIN" | "ZEC-CHAIN" => {
                let parts: Vec<_> = payment.split('#').collect();
                hex(parts[0]) && parts[1] == "0" && parts[2] == "2"
            }
            _ => payment.split_once('-').is_some_and(|(tx, out)| hex(tx) && out.parse::<u32>().is_ok()),
        };
        assert!(fine, "{method}: {payment}");
        let listed = w.methods(&id).await.get("payments").unwrap().items()[1].clone();
        assert_eq!(text(&listed, "id"), payment);
    }
}

#[tokio::test]
async fn a_top_up_takes_its_price_from_the_first_payment() {
    let w = World::new().await;
    let body = r#"{"currency":"USD","metadata":{"orderId":"t"},"checkout":{"paymentMethods":["BTC"]}}"#;
    let created = w.store("POST", "/invoices", Some(body)).await.json();
    assert_eq!((text(&created, "type"), text(&created, "amount")), ("TopUp".into(), "0".into()));
    let id = text(&created, "id");
    let refused = w.control("/btcpay/pay", &format!(r#"{{"ref":"{id}"}}"#)).await;
    assert_eq!(refused.status, 400);
    w.pay(&id, "0.002", "confirmed").await;
    assert_eq!(w.state(&id).await, "Settled/None");
    assert_eq!(text(&w.read(&id).await, "amount"), "100.00");
}

#[tokio::test]
async fn high_speed_settles_without_a_confirmation() {
    let w = World::new().await;
    let body = r#"{"amount":"0.001","currency":"BTC","checkout":{"paymentMethods":["BTC"],"speedPolicy":"highspeed"}}"#;
    let id = text(&w.store("POST", "/invoices", Some(body)).await.json(), "id");
    w.pay(&id, "", "seen").await;
    assert_eq!(w.state(&id).await, "Settled/None");
}
