//! The ledger at the end of it all: whatever happens to webhooks and to the provider's answers, it is that of a calm day; and what each
//! kind of payment comes to.
#![allow(clippy::print_stdout, clippy::wildcard_enum_match_arm)]
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod process;

use std::time::Duration;

use deposit_store::{JournalFilter, ReviewReason};
use hmac::{Hmac, KeyInit as _, Mac as _};
use process::{ACCOUNTS, Book, Deposit, Ear, Http, Inside, Played, Shop, Site as _, check_truth};
use serde_json::{Value, json};
use sha2::Sha256;

/// Time passes fast in these tests, and the static rates are asked by the machine's clock: nothing may become stale by that.
const CHAOS: &str = "[deposits]\nlifetime_seconds = 80000";

async fn chaos_shop() -> Shop<Inside> {
    let steady = |sections: &str| {
        let sections = sections.replace("[rates]\n", "[rates]\nmax_age_seconds = 10000000\n");
        format!("{sections}\n{CHAOS}\n")
    };
    Inside::shop_with(1, steady).await
}

/// The book at the end; the truth is checked on the way.
async fn settle(shop: &mut Shop<Inside>, rounds: &[Played]) -> Book {
    shop.site.handled().await;
    let store = shop.site.store().await;
    let book = Book::read(shop, rounds.last().unwrap(), &store).await;
    check_truth(shop, rounds, &store, &shop.site.courier.heard()).await;
    store.close().await;
    book
}

async fn calm() -> Book {
    let mut shop = chaos_shop().await;
    let played = shop.play(0).await;
    let book = settle(&mut shop, &[played]).await;
    shop.site.stop().await;
    // 20 + 60 + 37.5, and 32 + 50 - 50 + 10.
    assert_eq!(book.balances, ["117.5", "42"]);
    assert_eq!((book.credits, &book.waiting), (9, &Vec::new()));
    let status = |name: &str| book.lines[name].status.clone();
    assert_eq!([status("unpaid"), status("gone"), status("undone")], ["New", "Completed", "Completed"]);
    book
}

/// Plays the scenario under faults; the ledger must be that of a calm day, and stay so when everything is told and handled again.
async fn as_calm_under(faults: Value) {
    let mut shop = chaos_shop().await;
    shop.control("/btcpay/faults", faults.clone()).await;
    let played = shop.play(0).await;
    shop.control("/btcpay/faults", json!({})).await;
    let calm = calm().await;
    assert_eq!(settle(&mut shop, std::slice::from_ref(&played)).await, calm, "{faults}");

    for deposit in played.values() {
        shop.control("/btcpay/redeliver", json!({ "ref": deposit.id })).await;
    }
    shop.site.sandbox.webhooks_idle().await;
    assert_eq!(settle(&mut shop, std::slice::from_ref(&played)).await, calm, "{faults}, all told again");

    let engine = shop.site.engine();
    let rows = engine.store().journal_rows(JournalFilter::default()).await.unwrap();
    assert!(rows.len() > 20, "{}", rows.len());
    for row in rows.iter().rev() {
        engine.handle_delivery(row).await.unwrap();
    }
    shop.site.restart().await;
    assert_eq!(settle(&mut shop, &[played]).await, calm, "{faults}, all handled again, after a restart");
    shop.site.stop().await;
}

#[tokio::test]
async fn webhooks_as_they_should_be() {
    as_calm_under(json!({})).await;
}

#[tokio::test]
async fn webhooks_lost() {
    as_calm_under(json!({ "webhooks": "lost" })).await;
}

#[tokio::test]
async fn webhooks_duplicated() {
    as_calm_under(json!({ "webhooks": "duplicated" })).await;
}

#[tokio::test]
async fn webhooks_reordered() {
    as_calm_under(json!({ "webhooks": "reordered" })).await;
}

#[tokio::test]
async fn a_provider_that_fails_often() {
    as_calm_under(json!({ "error_rate": 0.3 })).await;
}

#[tokio::test]
async fn a_provider_whose_answers_get_lost() {
    as_calm_under(json!({ "drop_response_rate": 0.3 })).await;
}

#[tokio::test]
async fn a_slow_provider() {
    as_calm_under(json!({ "latency_ms": 60 })).await;
}

#[tokio::test]
async fn everything_at_once() {
    let faults =
        json!({ "latency_ms": 10, "error_rate": 0.15, "drop_response_rate": 0.15, "webhooks": "duplicated" });
    as_calm_under(faults).await;
}

fn signature(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// Sends what an attacker can make of the deliveries that it saw, for as long as it is let; returns how often each kind was tried.
async fn forge(url: &str, ear: Ear, secret: &str, tried: &mut [u32; 5]) {
    let (http, url) = (Http::new(), format!("{url}/webhooks/btcpay"));
    let post = async |signature: Option<&str>, body: Vec<u8>| {
        let headers: Vec<(&str, &str)> = signature.map(|value| ("btcpay-sig", value)).into_iter().collect();
        http.send("POST", &url, &headers, body).await.unwrap().status
    };
    loop {
        for genuine in ear.heard() {
            let body = genuine.body.to_vec();
            assert_eq!(post(None, body.clone()).await, 401, "unsigned");
            let other = signature("another secret", &body);
            assert_eq!(post(Some(&other), body.clone()).await, 401, "signed with another secret");
            let altered = String::from_utf8(body.clone()).unwrap().replace("\"type\"", "\"Type\"");
            assert_ne!(altered.as_bytes(), body);
            assert_eq!(post(Some(&genuine.signature), altered.into_bytes()).await, 401, "altered");
            assert_eq!(post(Some(&genuine.signature), body.clone()).await, 200, "a genuine one again");
            // From one who knows the secret, even: what the provider's API does not confirm credits nothing.
            let mut lie: Value = serde_json::from_slice(&body).unwrap();
            lie["deliveryId"] = json!(format!("lie-{}", tried[4]));
            lie["originalDeliveryId"] = lie["deliveryId"].clone();
            lie["type"] = json!("InvoicePaymentSettled");
            lie["payment"] = json!({ "id": "lie", "status": "Settled", "value": "1000000" });
            let lie = lie.to_string().into_bytes();
            assert_eq!(post(Some(&signature(secret, &lie)), lie.clone()).await, 200, "a lie, well signed");
            tried.iter_mut().for_each(|count| *count += 1);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn webhooks_forged() {
    let calm = calm().await;
    let mut shop = chaos_shop().await;
    let (url, ear) = (shop.site.url(), shop.site.courier.ear());
    let secret = shop.site.sandbox.setting("btcpay", "webhook_secret").unwrap();
    let mut tried = [0; 5];
    let played = tokio::select! {
        played = shop.play(0) => played,
        () = forge(&url, ear, &secret, &mut tried) => unreachable!("it goes on for ever"),
    };
    assert!(tried.iter().all(|count| *count > 20), "{tried:?}");
    assert_eq!(settle(&mut shop, &[played]).await, calm);
    let rows = shop.site.engine().store().journal_rows(JournalFilter::default()).await.unwrap();
    let genuine = rows.iter().filter(|row| !row.delivery.as_str().starts_with("lie-")).count();
    let told: std::collections::BTreeSet<String> =
        shop.site.courier.heard().into_iter().map(|h| h.id).collect();
    assert_eq!(genuine, told.len(), "each delivery is in the journal once");
    shop.site.stop().await;
}

// -- what each kind of payment comes to ------------------------------------------------------------------------

/// Rates come from the emulated store, so that they can move; time stands still but for `advance`.
async fn moving_rates() -> Shop<Inside> {
    Inside::shop_with(0, |sections| sections.replace("sources = [\"static\"]", "sources = [\"btcpay\"]"))
        .await
}

async fn set_rate(shop: &Shop<Inside>, ticker: &str, usd: &str) {
    shop.control("/rates", json!({ ticker: usd })).await;
    shop.site.engine().seed_rates().await.unwrap();
}

async fn balance(shop: &mut Shop<Inside>, account: usize) -> String {
    let reply = shop.ask(account, "POST", "/api/check-balance", None, "{}").await;
    reply.json()["usd_balance"].as_str().unwrap().to_owned()
}

/// The reviews that are open, as reason and amount.
async fn reviews(shop: &Shop<Inside>) -> Vec<(ReviewReason, Option<String>)> {
    let rows = shop.site.engine().store().open_reviews().await.unwrap();
    rows.into_iter().map(|row| (row.reason, row.amount)).collect()
}

/// Stops, after the last check.
async fn close(mut shop: Shop<Inside>, deposits: Vec<Deposit>) {
    shop.site.handled().await;
    let check = shop.site.engine().check_ledger().await.unwrap();
    assert!(check.balanced, "{check:?}");
    for deposit in &deposits {
        let before = shop.status(deposit).await;
        shop.site.restart().await;
        let mut after = shop.status(deposit).await;
        // The port is another one; nothing else is.
        for member in ["QRUrl", "paymentLink"] {
            after[member] = before[member].clone();
        }
        assert_eq!(after, before, "a restart changes nothing");
    }
    shop.site.stop().await;
}

#[tokio::test]
async fn a_late_payment_is_credited_at_the_rate_of_its_time() {
    let mut shop = moving_rates().await;
    let deposit = shop.create(0, "BTC", "0.0004", "a").await;
    // Up to and including the end of the quote its rate holds.
    shop.site.advance(3_601);
    shop.until_status(&deposit, "Expired").await;
    set_rate(&shop, "BTC", "40000").await;
    shop.pay(&deposit, None, "confirmed").await;
    let state = shop.until_credited(&deposit, 1).await;
    assert_eq!((&state["creditedUsd"], &state["late"]), (&json!(16), &json!(true)), "{state:#}");
    // What comes after it is worth what it is worth then.
    shop.site.advance(60);
    set_rate(&shop, "BTC", "60000").await;
    shop.pay(&deposit, Some("0.0001"), "confirmed").await;
    let state = shop.until_credited(&deposit, 2).await;
    assert_eq!(state["creditedUsd"], json!(22));
    assert_eq!(balance(&mut shop, 0).await, "22");
    close(shop, vec![deposit]).await;
}

#[tokio::test]
async fn a_payment_in_time_keeps_its_rate_however_late_it_is_confirmed() {
    let mut shop = moving_rates().await;
    let deposit = shop.create(0, "BTC", "0.0004", "a").await;
    shop.site.advance(3_500);
    set_rate(&shop, "BTC", "10000").await;
    let payment = shop.pay(&deposit, None, "seen").await;
    shop.until_status(&deposit, "Processing").await;
    shop.site.advance(4_000);
    set_rate(&shop, "BTC", "90000").await;
    shop.confirm(&deposit, &payment).await;
    let state = shop.until_credited(&deposit, 1).await;
    assert_eq!((&state["creditedUsd"], &state["late"]), (&json!(20), &Value::Null), "{state:#}");
    close(shop, vec![deposit]).await;
}

#[tokio::test]
async fn a_provider_that_expires_first_changes_the_word_and_not_the_rate() {
    let mut shop = moving_rates().await;
    let deposit = shop.create(1, "BTC", "0.0004", "a").await;
    set_rate(&shop, "BTC", "40000").await;
    shop.scenario(&deposit, "expire").await;
    shop.until_status(&deposit, "Expired").await;
    shop.site.advance(60);
    shop.pay(&deposit, None, "confirmed").await;
    let state = shop.until_credited(&deposit, 1).await;
    assert_eq!((&state["creditedUsd"], &state["late"]), (&json!(20), &json!(true)), "{state:#}");
    close(shop, vec![deposit]).await;
}

#[tokio::test]
async fn a_part_is_credited_at_once_and_completes_at_expiry() {
    let mut shop = Inside::shop(0, "").await;
    let deposit = shop.create(0, "LTC", "0.5", "a").await;
    shop.scenario(&deposit, "partial").await;
    let state = shop.until(&deposit, "half", |state| !state["creditedUsd"].is_null()).await;
    assert_eq!((&state["status"], &state["creditedUsd"]), (&json!("Pending"), &json!(20)), "{state:#}");
    assert!(state["statusReason"].is_string());
    shop.site.advance(3_599);
    assert_eq!(shop.status(&deposit).await["status"], "Pending");
    shop.site.advance(1);
    let state = shop.until_status(&deposit, "Completed").await;
    assert_eq!(state["creditedUsd"], json!(20));
    assert_eq!(balance(&mut shop, 0).await, "20");
    close(shop, vec![deposit]).await;
}

#[tokio::test]
async fn too_much_and_twice_are_credited_as_they_came() {
    let mut shop = Inside::shop(0, "").await;
    let over = shop.create(0, "LTC", "0.5", "a").await;
    let twice = shop.create(1, "DOGE", "200", "a").await;
    shop.scenario(&over, "over").await;
    shop.scenario(&twice, "double").await;
    assert_eq!(shop.until_credited(&over, 1).await["creditedUsd"], json!(60));
    assert_eq!(shop.until_credited(&twice, 2).await["creditedUsd"], json!(50));
    assert_eq!((balance(&mut shop, 0).await, balance(&mut shop, 1).await), ("60".into(), "50".into()));
    close(shop, vec![over, twice]).await;
}

#[tokio::test]
async fn what_the_chain_takes_back_leaves_the_balance_and_returns_to_it() {
    let mut shop = Inside::shop(0, "").await;
    let first = shop.create(0, "BTC", "0.0004", "a").await;
    let second = shop.create(0, "LTC", "0.5", "b").await;
    shop.pay(&first, None, "confirmed").await;
    shop.pay(&second, None, "confirmed").await;
    shop.until_credited(&first, 1).await;
    shop.until_credited(&second, 1).await;
    // The provider sends no message about a block that is undone: only time and a poll tell.
    shop.site.pace = 1;
    for _ in 0..2 {
        assert_eq!(balance(&mut shop, 0).await, "60");
        shop.scenario(&first, "reorg").await;
        let state = shop.until(&first, "a reversal", |state| state["reversed"] == true).await;
        assert_eq!((&state["status"], &state["creditedUsd"]), (&json!("Completed"), &json!(0)), "{state:#}");
        assert_eq!(balance(&mut shop, 0).await, "40");
        shop.scenario(&first, "return").await;
        shop.until_credited(&first, 1).await;
    }
    assert_eq!(balance(&mut shop, 0).await, "60");
    let entries = shop.site.engine().store().deposit_entries(&first.id.parse().unwrap()).await.unwrap();
    let amounts: Vec<String> = entries.iter().map(|entry| entry.amount.to_string()).collect();
    assert_eq!(amounts, ["20", "-20", "20", "-20", "20"]);
    close(shop, vec![first, second]).await;
}

#[tokio::test]
async fn money_without_a_rate_waits_for_the_first_one() {
    let mut shop = moving_rates().await;
    let deposit = shop.create(0, "BTC", "0.0004", "a").await;
    shop.control("/btcpay/faults", json!({ "rates_down": true })).await;
    shop.site.advance(3_700);
    shop.until_status(&deposit, "Expired").await;
    shop.pay(&deposit, None, "confirmed").await;
    let state = shop.until_status(&deposit, "Paid").await;
    assert!(state["creditedUsd"].is_null(), "{state:#}");
    assert_eq!(balance(&mut shop, 0).await, "0");
    shop.site.advance(30);
    shop.control("/btcpay/faults", json!({})).await;
    set_rate(&shop, "BTC", "45000").await;
    let state = shop.until_credited(&deposit, 1).await;
    assert_eq!(state["creditedUsd"], json!(18));
    // Once: a later rate changes nothing.
    shop.site.advance(30);
    set_rate(&shop, "BTC", "90000").await;
    shop.site.engine().run_timers().await.unwrap();
    assert_eq!(balance(&mut shop, 0).await, "18");
    close(shop, vec![deposit]).await;
}

/// Makes an invoice at the provider without us; returns its id.
async fn stray_invoice(shop: &Shop<Inside>, metadata: Value) -> String {
    let setting = |key: &str| shop.site.sandbox.setting("btcpay", key).unwrap();
    let url = format!("{}/api/v1/stores/{}/invoices", setting("base_url"), setting("store_id"));
    let token = format!("token {}", setting("api_key"));
    let body = json!({ "amount": "0.001", "currency": "BTC", "metadata": metadata, "checkout": { "paymentMethods": ["BTC-CHAIN"] } });
    let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
    let reply = shop.http.send("POST", &url, &headers, body.to_string()).await.unwrap();
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()["id"].as_str().unwrap().to_owned()
}

async fn journal_outcomes(shop: &Shop<Inside>) -> Vec<Option<String>> {
    let rows = shop.site.engine().store().journal_rows(JournalFilter::default()).await.unwrap();
    rows.into_iter().map(|row| row.outcome).collect()
}

#[tokio::test]
async fn money_that_is_no_deposits_goes_to_review_and_another_programs_does_not() {
    let mut shop = Inside::shop(0, "").await;
    let foreign = stray_invoice(&shop, json!({ "orderId": "shop-17" })).await;
    shop.control("/btcpay/pay", json!({ "ref": foreign })).await;
    shop.site.sandbox.webhooks_idle().await;
    shop.site.handled().await;
    let outcomes = journal_outcomes(&shop).await;
    assert!(outcomes.contains(&Some("not_ours".into())), "{outcomes:?}");
    shop.site.advance(600);
    shop.site.engine().handle_deliveries().await.unwrap();
    assert_eq!(reviews(&shop).await, []);

    // One that carries our marker, but of which no deposit knows.
    let lost =
        stray_invoice(&shop, json!({ "orderId": "LostDeposit000000000", "depositGateway": "deposit/1" }))
            .await;
    shop.control("/btcpay/pay", json!({ "ref": lost })).await;
    shop.site.sandbox.webhooks_idle().await;
    assert_eq!(reviews(&shop).await, [], "its create may still be under way");
    shop.site.advance(150);
    shop.site.handled().await;
    let rows = shop.site.engine().store().open_reviews().await.unwrap();
    let found: Vec<(&str, ReviewReason)> =
        rows.iter().map(|row| (row.order.as_deref().unwrap(), row.reason)).collect();
    assert_eq!(found, [(lost.as_str(), ReviewReason::NoDeposit)]);
    assert_eq!(balance(&mut shop, 0).await, "0");
    close(shop, vec![]).await;
}

#[tokio::test]
async fn every_order_of_a_deposit_is_observed_though_one_is_shown() {
    let mut shop = Inside::shop(0, "").await;
    // The order is made, and nothing of it is heard; the client comes back when its quote is over.
    shop.control("/btcpay/faults", json!({ "drop_response_rate": 1.0, "webhooks": "lost" })).await;
    let path = "/api/transaction/create/BTC";
    let reply = shop.ask(0, "POST", path, Some("a"), r#"{"amount":0.0004}"#).await;
    assert_eq!(reply.status, 500, "{}", reply.text());
    shop.control("/btcpay/faults", json!({})).await;
    let made = shop.truth().await;
    assert_eq!(made.len(), 1, "{made:?}");
    shop.site.advance(3_660);
    shop.site.engine().seed_rates().await.unwrap();
    let deposit = shop.create(0, "BTC", "0.0004", "a").await;
    let orders = shop.truth().await;
    assert_eq!(orders.len(), 2, "{orders:?}");
    assert!(orders.iter().all(|order| order["order"] == json!(deposit.id)), "{orders:?}");
    assert_eq!(orders[1]["address"], json!(deposit.address), "the fresh one is shown");

    let old = Deposit { address: orders[0]["address"].as_str().unwrap().to_owned(), ..deposit.clone() };
    shop.pay(&old, None, "confirmed").await;
    shop.pay(&deposit, None, "confirmed").await;
    let state = shop.until_credited(&deposit, 2).await;
    assert_eq!(state["creditedUsd"], json!(40), "{state:#}");
    assert_eq!(balance(&mut shop, 0).await, "40");
    shop.site.pace = 1;
    // Each order's own payments are taken back by that order alone.
    shop.scenario(&old, "reorg").await;
    let state = shop.until(&deposit, "a reversal", |state| state["reversed"] == true).await;
    assert_eq!(state["creditedUsd"], json!(20), "{state:#}");
    close(shop, vec![deposit]).await;
}

#[tokio::test]
async fn money_for_a_closed_account_goes_to_review() {
    let mut shop = Inside::shop(0, "").await;
    let deposit = shop.create(0, "BTC", "0.0004", "a").await;
    let other = shop.create(1, "BTC", "0.0004", "a").await;
    let engine = shop.site.engine().clone();
    engine.store().close_account(&ACCOUNTS[0].parse().unwrap(), engine.now()).await.unwrap().unwrap();
    shop.pay(&deposit, None, "confirmed").await;
    shop.pay(&other, None, "confirmed").await;
    shop.until_credited(&other, 1).await;
    shop.site.handled().await;
    assert_eq!(reviews(&shop).await, [(ReviewReason::AccountClosed, Some("0.0004".into()))]);
    assert_eq!(engine.store().deposit_entries(&deposit.id.parse().unwrap()).await.unwrap(), []);
    let refused = shop.ask(0, "POST", "/api/check-balance", None, "").await;
    assert_eq!(refused.status, 401, "its key is dead too");
    assert_eq!(balance(&mut shop, 1).await, "20");
    close(shop, vec![other]).await;
}
