//! The provider's own limits over ours.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions
)]

mod common;

use common::{Bench, Setup, Till, refusal};
use deposit_core::{Amount, Asset, Limits, Replay, Ticker};
use deposit_engine::{CreateError, LimitsError, Refusal};

async fn bench() -> Bench {
    let till = Till::new("till", Ticker::BTC, Asset::BTC, Replay::LookUp).with_bounds();
    Setup::of(vec![till]).bench().await
}

fn btc(minimum: &str, maximum: &str) -> Limits {
    let amount = |text| Amount::parse(text, Asset::BTC).unwrap();
    Limits { minimum: amount(minimum), maximum: amount(maximum) }
}

async fn limits(bench: &Bench) -> (String, String) {
    let view = bench.engine.limits("BTC").await.unwrap();
    assert_eq!((view.usd.minimum.to_string(), view.usd.maximum.to_string()), ("0.10".into(), "500".into()));
    (view.limits.minimum.to_string(), view.limits.maximum.to_string())
}

fn pair(minimum: &str, maximum: &str) -> (String, String) {
    (minimum.to_owned(), maximum.to_owned())
}

#[tokio::test]
async fn the_tighter_of_both_holds_and_what_was_quoted_holds_for_a_minute() {
    let bench = bench().await;
    assert_eq!(limits(&bench).await, pair("0.000002", "0.01"), "nothing is known: ours alone");
    bench.till().state().bounds = Some(btc("0.0005", "1"));
    assert_eq!(limits(&bench).await, pair("0.000002", "0.01"), "never waited for");
    bench.clock.advance_secs(60);
    bench.engine.refresh_bounds().await;
    assert_eq!(limits(&bench).await, pair("0.0005", "0.01"));
    assert!(bench.try_create("0.000002", None).await.result.is_ok(), "quoted a moment ago");
    bench.clock.advance_secs(61);
    bench.engine.seed_rates().await.unwrap();
    assert_eq!(
        refusal(bench.try_create("0.00049999", None).await),
        Refusal::BelowMinimum { minimum: Amount::parse("0.0005", Asset::BTC).unwrap() }
    );
    assert!(bench.try_create("0.0005", None).await.result.is_ok());

    bench.till().state().bounds = Some(btc("0.001", "0.003"));
    bench.engine.refresh_bounds().await;
    assert_eq!(limits(&bench).await, pair("0.001", "0.003"));
    for quoted in ["0.0005", "0.01"] {
        assert!(bench.try_create(quoted, None).await.result.is_ok(), "{quoted}");
    }
    bench.clock.advance_secs(61);
    bench.engine.seed_rates().await.unwrap();
    assert_eq!(
        refusal(bench.try_create("0.00300001", None).await),
        Refusal::AboveMaximum { maximum: Amount::parse("0.003", Asset::BTC).unwrap() }
    );
}

#[tokio::test]
async fn bounds_that_are_stale_or_in_another_asset_leave_ours_alone() {
    let bench = bench().await;
    bench.till().state().bounds = Some(btc("0.001", "0.003"));
    bench.engine.refresh_bounds().await;
    assert_eq!(limits(&bench).await, pair("0.001", "0.003"));
    bench.till().state().bounds = None;
    bench.engine.refresh_bounds().await;
    assert_eq!(limits(&bench).await, pair("0.001", "0.003"), "not heard is not gone");
    bench.clock.advance_secs(301);
    bench.engine.seed_rates().await.unwrap();
    assert_eq!(limits(&bench).await, pair("0.000002", "0.01"));
    let nano = |minor| Amount::new(minor, Asset::XNO);
    bench.till().state().bounds = Some(Limits { minimum: nano(1), maximum: nano(2) });
    bench.engine.refresh_bounds().await;
    assert_eq!(limits(&bench).await, pair("0.000002", "0.01"));
}

#[tokio::test]
async fn where_both_take_nothing_the_method_is_not_available() {
    let bench = bench().await;
    bench.till().state().bounds = Some(btc("0.02", "1"));
    bench.clock.advance_secs(61);
    bench.engine.seed_rates().await.unwrap();
    bench.engine.refresh_bounds().await;
    bench.clock.advance_secs(61);
    bench.engine.seed_rates().await.unwrap();
    assert!(matches!(bench.engine.limits("BTC").await, Err(LimitsError::Unavailable { .. })));
    for amount in ["0.02", "0.01", "0.004"] {
        let result = bench.try_create(amount, None).await.result;
        assert!(matches!(result, Err(CreateError::Unavailable { .. })), "{amount}: {result:?}");
    }
}
