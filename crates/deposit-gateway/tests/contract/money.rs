//! Section 6: which rate, when a window is over, and what waits.

use serde_json::json;

use crate::harness::{Setup, World};
use crate::row::{Member, assert_want, member, raw, text, with};

/// Rates come from the emulated store, so that they can move.
async fn moving() -> World {
    let instead = vec![("sources = [\"static\"]".into(), "sources = [\"btcpay\"]".into())];
    World::with(Setup { instead, ..Setup::default() }).await
}

async fn rate(world: &World, ticker: &str, usd: &str) {
    world.control("/rates", json!({ ticker: usd })).await;
    world.advance(1).await;
}

#[tokio::test]
async fn at_the_locked_rate_if_seen_before_expires_at() {
    let world = moving().await;
    let (id, _) = world.created("btc", "0.0004").await;
    rate(&world, "BTC", "20000").await;
    let state = world.status("btc", &id).await;
    assert_eq!(member(&state, "amountFiat"), "20", "3.1 amountFiat: at the locked rate");
    world.advance(3_000).await;
    let payment = world.pay("btcpay", json!({ "ref": id, "stage": "seen" })).await;
    world.until_status("btc", &id, "Processing").await;
    world.advance(3_000).await;
    rate(&world, "BTC", "90000").await;
    world.pay("btcpay", json!({ "ref": id, "payment": payment, "stage": "confirmed" })).await;
    let state = world.until_status("btc", &id, "Completed").await;
    let wanted = with(vec![("creditedUsd", raw("20")), ("late", Member::Gone), ("amountFiat", raw("20"))]);
    assert_want(
        "6 at the locked rate if seen before expiresAt, however late it is confirmed",
        &state,
        &wanted,
    );
    world.stop().await;
}

#[tokio::test]
async fn else_at_the_rate_when_first_seen() {
    let world = moving().await;
    let (id, _) = world.created("btc", "0.0004").await;
    world.advance(3_601).await;
    world.until_status("btc", &id, "Expired").await;
    rate(&world, "BTC", "40000").await;
    let payment = world.pay("btcpay", json!({ "ref": id, "amount": "0.0004", "stage": "seen" })).await;
    let state = world.until_status("btc", &id, "Processing").await;
    assert_want(
        "6 Expired -> Processing, late",
        &state,
        &with(vec![("late", raw("true"))]).header("x-poll-after", "10"),
    );
    world.advance(120).await;
    rate(&world, "BTC", "90000").await;
    world.pay("btcpay", json!({ "ref": id, "payment": payment, "stage": "confirmed" })).await;
    let state = world.until_status("btc", &id, "Completed").await;
    let wanted = with(vec![("creditedUsd", raw("16")), ("late", raw("true")), ("amountFiat", raw("20"))]);
    assert_want("6 else at the rate when first seen", &state, &wanted);
    world.stop().await;
}

#[tokio::test]
async fn confirmed_without_a_rate_is_paid() {
    let world = moving().await;
    let (id, _) = world.created("btc", "0.0004").await;
    world.faults("btcpay", json!({ "rates_down": true })).await;
    world.advance(3_700).await;
    world.until_status("btc", &id, "Expired").await;
    world.pay("btcpay", json!({ "ref": id, "amount": "0.0004" })).await;
    let state = world.until_status("btc", &id, "Paid").await;
    let wanted = with(vec![
        ("paidAmountCrypto", raw("0.0004")),
        ("creditedUsd", Member::Gone),
        ("completedAt", Member::Gone),
        ("late", raw("true")),
    ]);
    assert_want(
        "6 Paid: confirmed, credit pending (no rate yet)",
        &state,
        &wanted.header("x-poll-after", "10"),
    );
    assert_eq!(member(&world.balance().await, "usd_balance"), "0");
    world.faults("btcpay", json!({})).await;
    rate(&world, "BTC", "45000").await;
    let state = world.until_status("btc", &id, "Completed").await;
    assert_want(
        "6 Paid -> Completed",
        &state,
        &with(vec![("creditedUsd", raw("18"))]).no_header("x-poll-after"),
    );
    world.stop().await;
}

#[tokio::test]
async fn a_part_is_completed_at_expiry() {
    let world = World::start().await;
    let (ltc, _) = world.created("ltc", "0.5").await;
    let (zano, created) = world.created("zano", "2").await;
    world.control("/btcpay/scenario", json!({ "ref": ltc, "name": "partial" })).await;
    let part =
        json!({ "ref": member(&created, "address"), "name": "partial", "amount": "2", "ticker": "ZANO" });
    world.control("/zano/scenario", part).await;
    for (ticker, id, credited) in [("ltc", &ltc, "20"), ("zano", &zano, "10")] {
        let state =
            world.until(ticker, id, "credited", |reply| member(reply, "creditedUsd") == credited).await;
        assert_want(
            "6 a part payment is credited at once",
            &state,
            &with(vec![("status", text("Pending")), ("statusReason", Member::AnyString)])
                .header("x-poll-after", "5"),
        );
    }
    world.advance(3_600).await;
    for (ticker, id, credited) in [("ltc", ltc, "20"), ("zano", zano, "10")] {
        let state = world.until_status(ticker, &id, "Completed").await;
        assert_want(
            "6 and Completed at expiry",
            &state,
            &with(vec![
                ("creditedUsd", raw(credited)),
                ("completedAt", Member::AnyString),
                ("late", Member::Gone),
            ])
            .no_header("x-poll-after"),
        );
    }
    world.stop().await;
}

/// Each provider's deposit expires with its quote; those that can still be paid are, late.
#[tokio::test]
async fn window_over_and_paid_late() {
    let world = World::start().await;
    let mut open = Vec::new();
    for (ticker, provider, amount, payable) in [
        ("LTC", "btcpay", "0.5", true),
        ("BTC-LN", "btcpay", "0.0004", false),
        ("BCH", "promptcash", "0.05", true),
        ("KAS", "nanswap", "200", true),
        ("ZANO", "zano", "2", true),
        ("FUSD", "zano", "20", true),
        ("USDC", "daimo", "10", true),
        ("EUR", "stripe", "10", false),
    ] {
        let (id, created) = world.created(ticker, amount).await;
        let told = !matches!(provider, "zano" | "nanswap");
        let reference = if told { id.clone() } else { member(&created, "address") };
        open.push((ticker, provider, amount, payable, id, reference));
    }
    world.advance(3_599).await;
    for (ticker, .., id, _) in &open {
        assert_eq!(
            member(&world.status(ticker, id).await, "status"),
            "New",
            "6 New until expiresAt: {ticker}"
        );
    }
    world.advance(2).await;
    for (ticker, .., id, _) in &open {
        let state = world.until_status(ticker, id, "Expired").await;
        let wanted =
            with(vec![("paidAmountCrypto", raw("0")), ("late", Member::Gone), ("remainingTime", raw("0"))]);
        assert_want(&format!("6 Expired: {ticker}"), &state, &wanted.header("x-poll-after", "60"));
    }
    world.advance(60).await;
    for (ticker, provider, amount, payable, id, reference) in open {
        if !payable {
            continue;
        }
        let mut order = json!({ "ref": reference, "amount": amount });
        if provider == "zano" {
            order["ticker"] = json!(ticker);
        }
        world.pay(provider, order).await;
        // An old deposit is asked about every ten minutes; a provider without webhooks is heard of by that alone.
        world.advance(if provider == "nanswap" { 660 } else { 0 }).await;
        let state = world.until_status(ticker, &id, "Completed").await;
        let wanted = with(vec![
            ("late", raw("true")),
            ("paidAmountCrypto", raw(amount)),
            ("creditedUsd", Member::AnyNumber),
            ("completedAt", Member::AnyString),
        ]);
        assert_want(&format!("6 Expired: can still credit late payments: {ticker}"), &state, &wanted);
    }
    world.stop().await;
}
