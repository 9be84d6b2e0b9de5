//! Section 3.9.

use std::collections::BTreeMap;

use serde_json::json;
use serde_json::value::RawValue;

use crate::harness::{Setup, World};
use crate::row::{Member, call, error, exactly, get, members, raw, row, text, with};

const NANO: &str = "/api/get-nano-price";
const FIAT: &str = "/api/get-fiat-prices";

#[tokio::test]
async fn prices_for_anybody() {
    let world = World::start().await;
    let nano = || {
        exactly(vec![("pair", text("NANOUSD")), ("latestPrice", raw("0.8"))])
            .header("cache-control", "public, max-age=30")
    };
    let fiat = with(vec![("usdTo", Member::Raw(fiat_of(&world).await)), ("error", Member::Gone)])
        .header("cache-control", "public, max-age=30");
    let wrong = || error(405, "Method not allowed", "method_not_allowed").header("allow", "GET,HEAD");
    world
        .check(vec![
            row("3.9 no auth", get(NANO).anonymous(), nano()),
            row("3.9 no auth: a wrong key is nobody's", get(NANO).key("nonsense"), nano()),
            row("3.9", get(NANO), nano()),
            row("3.9 no auth", get(FIAT).anonymous(), fiat),
            row("5 405", call("POST", NANO).anonymous(), wrong()),
            row("5 405", call("POST", FIAT).anonymous(), wrong()),
        ])
        .await;
    let reply = world.call(&get(FIAT).anonymous()).await;
    let read = |name: &str| -> BTreeMap<String, Box<RawValue>> {
        serde_json::from_str(&members(&reply.body)[name]).unwrap()
    };
    let (rates, names) = (read("usdTo"), read("currencies"));
    assert_eq!(members(&reply.body).len(), 2, "3.9 members: {}", reply.body);
    assert!(rates.keys().eq(names.keys()), "3.9 same keys in both: {}", reply.body);
    assert_eq!((rates["USD"].get(), rates["GBP"].get()), ("1", "0.8"), "3.9 1 USD = usdTo[X] X");
    // 1/1.08 is 0.92592592….
    let euro = rates["EUR"].get();
    assert!(euro.starts_with("0.9259259") && euro.len() <= 10, "3.9 at most 8 decimals: {euro}");
    for (code, name) in [("USD", "United States Dollar"), ("EUR", "Euro"), ("GBP", "British Pound")] {
        assert_eq!(names[code].get(), format!("{name:?}"), "3.9 currencies");
    }
    world.stop().await;
}

async fn fiat_of(world: &World) -> String {
    members(&world.call(&get(FIAT).anonymous()).await.body).remove("usdTo").unwrap_or_default()
}

#[tokio::test]
async fn no_fresh_rate() {
    let setup = Setup {
        instead: vec![("sources = [\"static\"]".into(), "sources = [\"btcpay\"]".into())],
        ..Setup::default()
    };
    let world = World::with(setup).await;
    world.faults("btcpay", json!({ "down": true })).await;
    world.advance(400).await;
    let none = || {
        error(500, "Price is currently not available", "price_unavailable")
            .header("cache-control", "no-store")
    };
    world
        .check(vec![
            row("3.9 no fresh rate: 500", get(NANO).anonymous(), none()),
            row("3.9 no fresh rate: 500", get(FIAT).anonymous(), none()),
        ])
        .await;
    world.stop().await;
}
