//! Prices for anybody, and that nobody waits for the sources of rates.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]

mod common;

use common::*;

async fn told(bench: &Bench) -> (Option<String>, Option<Vec<String>>) {
    let nano = bench.engine.nano_price().await.unwrap().map(|price| price.to_string());
    let fiat = bench.engine.fiat_prices().await.unwrap();
    let fiat = fiat.map(|list| list.iter().map(|p| format!("{} {}", p.currency, p.for_one_usd)).collect());
    (nano, fiat)
}

#[tokio::test]
async fn they_are_there_though_no_provider_is_paid_in_them() {
    let mut bench = bench().await;
    assert_eq!(told(&bench).await, (None, None));
    bench.prices.set(Ticker::XNO, "0.93");
    bench.prices.set(Ticker::EUR, "1.25");
    bench.pass(20).await;
    assert_eq!(told(&bench).await, (Some("0.93".to_owned()), None), "half a table is none");
    bench.prices.set(Ticker::GBP, "1.5");
    bench.pass(20).await;
    let fiat = ["USD 1", "EUR 0.8", "GBP 0.66666667"].map(str::to_owned).to_vec();
    assert_eq!(told(&bench).await, (Some("0.93".to_owned()), Some(fiat.clone())));

    // From the store after a restart, whatever the sources do; and no longer than any other rate.
    bench.prices.clear();
    bench.restart().await;
    assert_eq!(told(&bench).await.1, Some(fiat));
    bench.clock.advance_secs(301);
    assert_eq!(told(&bench).await, (None, None));
}
